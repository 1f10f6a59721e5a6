//! Tools made from functions: typed parameters give the schema.

use std::{future::Future, marker::PhantomData, time::Duration};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    context::CallContext,
    tool::{Declaration, Effect, Output, Parameters, Rate, Safety, Tool, ToolError},
};

/// A tool made from an async function: `|parameters: P, context: CallContext| async move { Ok(result) }`.
pub struct FunctionTool<P, F> {
    declaration: Declaration,
    function: F,
    parameters: PhantomData<fn(P)>,
}

impl<P, F, R, Fut> FunctionTool<P, F>
where
    P: DeserializeOwned + JsonSchema + Send + 'static,
    F: Fn(P, CallContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    R: Serialize + Send + 'static,
{
    /// Names and describes it; the schema comes from `P`.
    pub fn new(name: impl Into<String>, description: impl Into<String>, function: F) -> Self {
        let mut declaration = Declaration::new(name, description);
        declaration.input_schema = schemars::schema_for!(P).to_value();
        Self { declaration, function, parameters: PhantomData }
    }
}

impl<P, F> FunctionTool<P, F> {
    /// Says what the calls touch.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.declaration.effects.push(effect);
        self
    }

    /// Says what makes a call safe to repeat.
    #[must_use]
    pub fn safety(mut self, safety: Safety) -> Self {
        self.declaration.safety = safety;
        self
    }

    /// Bounds one attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.declaration.timeout = Some(timeout);
        self
    }

    /// Bounds what is in flight at once over all workers.
    #[must_use]
    pub fn max_concurrency(mut self, calls: u32) -> Self {
        self.declaration.max_concurrency = Some(calls);
        self
    }

    /// Bounds starts over time, over all workers.
    #[must_use]
    pub fn rate(mut self, rate: Rate) -> Self {
        self.declaration.rate = Some(rate);
        self
    }

    /// The declaration, for what has no method of its own.
    pub fn declaration_mut(&mut self) -> &mut Declaration {
        &mut self.declaration
    }
}

impl<P, F, R, Fut> Tool for FunctionTool<P, F>
where
    P: DeserializeOwned + JsonSchema + Send + 'static,
    F: Fn(P, CallContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    R: Serialize + Send + 'static,
{
    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn call<'a>(&'a self, parameters: Parameters, context: CallContext) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(async move {
            let parameters = parameters.parse::<P>()?;
            Output::json(&(self.function)(parameters, context).await?)
        })
    }
}
