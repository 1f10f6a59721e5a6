//! `echo`: the parameters are the result, byte for byte. Nothing is parsed.

use futures_util::future::{BoxFuture, ready};
use toolwave_tool::{CallContext, Declaration, Output, Parameters, Safety, Tool, ToolError};

/// The tool.
pub(super) struct Echo;

impl Tool for Echo {
    fn declaration(&self) -> Declaration {
        let description = "Returns its parameters unchanged. Takes any JSON object. Use it to test, or to hand on a \
                           value built from results of other calls.";
        let mut declaration = Declaration::new("echo", description);
        declaration.output_schema = Some(serde_json::json!({"type": "object"}));
        declaration.safety = Safety::ReadOnly;
        declaration
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        _: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(ready(Ok(Output::from_json(parameters.as_json().clone()))))
    }

    fn quick(&self) -> bool {
        true
    }
}
