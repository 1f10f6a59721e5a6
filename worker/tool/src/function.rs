//! Tools made from functions: typed parameters give the schema.
//!
//! [`FunctionTool`] takes an async function, [`BlockingTool`] one that blocks its thread.

use std::{future::Future, marker::PhantomData, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    context::CallContext,
    declaration::{Declaration, Effect, Rate, Safety},
    tool::{Output, Parameters, Stopping, Tool, ToolError},
};

/// A tool made from an async function: `|parameters: P, context: CallContext| async move { Ok(result) }`.
pub struct FunctionTool<P, F> {
    declaration: Declaration,
    function: F,
    quick: bool,
    parameters: PhantomData<fn(P)>,
}

/// A tool made from a function that blocks: `|parameters: P, context: CallContext| Ok(result)`.
///
/// Each call has a thread of its own. A thread cannot be stopped from outside, so the call keeps its slot until
/// the function returns: ask [`CallContext::is_cancelled`] between steps.
pub struct BlockingTool<P, F> {
    declaration: Declaration,
    function: Arc<F>,
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
        Self {
            declaration: declare::<P>(name, description),
            function,
            quick: false,
            parameters: PhantomData,
        }
    }
}

impl<P, F> FunctionTool<P, F> {
    /// Says that calls nearly always end in some microseconds: see [`Tool::quick`].
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.quick = true;
        self
    }
}

impl<P, F, R> BlockingTool<P, F>
where
    P: DeserializeOwned + JsonSchema + Send + 'static,
    F: Fn(P, CallContext) -> Result<R, ToolError> + Send + Sync + 'static,
    R: Serialize + Send + 'static,
{
    /// Names and describes it; the schema comes from `P`.
    pub fn new(name: impl Into<String>, description: impl Into<String>, function: F) -> Self {
        let declaration = declare::<P>(name, description);
        Self {
            declaration,
            function: Arc::new(function),
            parameters: PhantomData,
        }
    }
}

fn declare<P: JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Declaration {
    let mut declaration = Declaration::new(name, description);
    declaration.input_schema = schemars::schema_for!(P).to_value();
    declaration
}

/// What an operator says of a tool is said in the same way of both kinds.
macro_rules! declaration_methods {
    ($tool:ident) => {
        impl<P, F> $tool<P, F> {
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
    };
}

declaration_methods!(FunctionTool);
declaration_methods!(BlockingTool);

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

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(async move {
            let parameters = parameters.parse::<P>()?;
            Output::json(&(self.function)(parameters, context).await?)
        })
    }

    fn quick(&self) -> bool {
        self.quick
    }
}

impl<P, F, R> Tool for BlockingTool<P, F>
where
    P: DeserializeOwned + JsonSchema + Send + 'static,
    F: Fn(P, CallContext) -> Result<R, ToolError> + Send + Sync + 'static,
    R: Serialize + Send + 'static,
{
    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        let function = Arc::clone(&self.function);
        Box::pin(async move {
            let work = move || Output::json(&function(parameters.parse::<P>()?, context)?);
            match tokio::task::spawn_blocking(work).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(ToolError::new(
                        "WORKER_STOPPED",
                        "the worker stopped before the call had begun",
                    )),
                },
            }
        })
    }

    fn stopping(&self) -> Stopping {
        Stopping::Wait
    }
}
