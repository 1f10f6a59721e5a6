//! A tool that is nothing but its declaration: it answers with its own name and the parameters it was given.

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use toolwave_worker::{CallContext, Declaration, Output, Parameters, Safety, Tool, ToolError};

/// Stands for any tool whose schema is data.
#[derive(Clone, Debug)]
pub struct DeclaredTool(Declaration);

impl DeclaredTool {
    /// A read-only tool with this schema of its parameters.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>, schema: serde_json::Value) -> Self {
        let mut declaration = Declaration::new(name, description);
        declaration.input_schema = schema;
        declaration.safety = Safety::ReadOnly;
        Self(declaration)
    }
}

impl From<Declaration> for DeclaredTool {
    fn from(declaration: Declaration) -> Self {
        Self(declaration)
    }
}

impl Tool for DeclaredTool {
    fn declaration(&self) -> Declaration {
        self.0.clone()
    }

    /// The parameters come back byte for byte, so that a test sees what reached the worker.
    fn call<'a>(
        &'a self,
        parameters: Parameters,
        _: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        let name = serde_json::Value::from(self.0.name.as_str());
        let mut text = format!("{{\"tool\":{name},\"parameters\":").into_bytes();
        text.extend_from_slice(parameters.as_json());
        text.push(b'}');
        Box::pin(ready(Ok(Output::from_json(Bytes::from(text)))))
    }
}
