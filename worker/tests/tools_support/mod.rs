//! Calls built-in tools as a worker does: through the `Tool` trait, with JSON.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolwave_worker::{
    CallContext, CallIdentity, Declaration, Parameters, SharedTool, ToolError,
    tools::{Builtin, builtin_tools},
};

/// Tools under test.
pub(crate) struct Tools(Vec<SharedTool>);

impl Tools {
    pub(crate) fn allowed(allow: &Builtin) -> Self {
        Self(builtin_tools(allow).expect("what the test allows is usable"))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .declarations()
            .into_iter()
            .map(|declaration| declaration.name)
            .collect();
        names.sort();
        names
    }

    pub(crate) fn declarations(&self) -> Vec<Declaration> {
        self.0.iter().map(|tool| tool.declaration()).collect()
    }

    pub(crate) fn declaration(&self, name: &str) -> Declaration {
        self.declarations()
            .into_iter()
            .find(|declaration| declaration.name == name)
            .expect("the tool exists")
    }

    pub(crate) async fn call(&self, name: &str, parameters: Value) -> Result<Value, ToolError> {
        self.call_in(name, parameters, attempt(1, CancellationToken::new()))
            .await
    }

    pub(crate) async fn call_in(
        &self,
        name: &str,
        parameters: Value,
        context: CallContext,
    ) -> Result<Value, ToolError> {
        let tool = self
            .0
            .iter()
            .find(|tool| tool.declaration().name == name)
            .expect("the tool exists");
        let text = Bytes::from(parameters.to_string());
        let output = tool.call(Parameters::from_json(text), context).await?;
        Ok(serde_json::from_slice(output.as_json()).expect("a result is JSON"))
    }

    /// The code of the error that the call ends with.
    pub(crate) async fn code(&self, name: &str, parameters: Value) -> String {
        self.call(name, parameters)
            .await
            .expect_err("the call is refused")
            .code
    }
}

pub(crate) fn attempt(number: u32, cancelled: CancellationToken) -> CallContext {
    let call = CallIdentity {
        execution_id: "e".to_owned(),
        call_id: "c".to_owned(),
        attempt: number,
        idempotency_key: "key-1".to_owned(),
    };
    CallContext::new(call, Instant::now() + Duration::from_secs(60), cancelled, None)
}
