//! The trait of every tool, with what goes into a call and what comes out of it.
//!
//! Built-in tools, mounted tools and your own implement [`Tool`]; most are made from a function by
//! [`FunctionTool`](crate::FunctionTool). Nothing here knows of sessions or of the wire.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{context::CallContext, declaration::Declaration};

/// A named capability.
pub trait Tool: Send + Sync + 'static {
    /// Name, schema, and what the operator declares. Asked for when the tool is registered, not for each call.
    fn declaration(&self) -> Declaration;

    /// Runs one attempt. Parameters have passed the declared schema. How it is stopped early: [`Tool::stopping`].
    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>>;

    /// How a call is stopped when it is no longer wanted or its time is over.
    fn stopping(&self) -> Stopping {
        Stopping::Drop
    }

    /// True when a call nearly always ends in some microseconds, without waiting: it is then tried at once, in
    /// the loop that serves the session. A call that waits nevertheless goes on as others do.
    fn quick(&self) -> bool {
        false
    }
}

/// How a call is stopped early. The slot is free, and the end reported, only when it has stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stopping {
    /// [`CallContext::cancelled`] fires and the future is dropped, which must stop the work.
    #[default]
    Drop,
    /// [`CallContext::cancelled`] fires, and the worker waits until the future ends: for work that goes on
    /// without its future, such as a blocking thread or a process that is still being ended.
    Wait,
}

/// A tool that several places share.
pub type SharedTool = Arc<dyn Tool>;

/// A call's parameters: the text of a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters(Bytes);

impl Parameters {
    /// From the text of a JSON object.
    #[must_use]
    pub fn from_json(text: Bytes) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_json(&self) -> &Bytes {
        &self.0
    }

    /// As a type of yours.
    ///
    /// # Errors
    /// `INVALID_PARAMETERS`, with what serde says, when the text does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        serde_json::from_slice(&self.0)
            .map_err(|error| ToolError::new("INVALID_PARAMETERS", error.to_string()))
    }
}

/// A call's result: JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output(Bytes);

impl Output {
    /// From a value of yours.
    ///
    /// # Errors
    /// `BROKEN_OUTPUT` when it cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, ToolError> {
        match serde_json::to_vec(value) {
            Ok(text) => Ok(Self(text.into())),
            Err(error) => Err(ToolError::new("BROKEN_OUTPUT", error.to_string())),
        }
    }

    /// From JSON text that is known to be valid.
    #[must_use]
    pub fn from_json(text: Bytes) -> Self {
        Self(text)
    }

    /// From text of which it is not known whether it is JSON.
    ///
    /// # Errors
    /// `BROKEN_OUTPUT` when it is not.
    pub fn check_json(text: Bytes) -> Result<Self, ToolError> {
        match serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(ToolError::new(
                "BROKEN_OUTPUT",
                format!("the result is no JSON: {error}"),
            )),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_json(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn into_json(self) -> Bytes {
        self.0
    }
}

/// An error of the tool itself: told to the client as it is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ToolError {
    /// Stable, `UPPER_SNAKE_CASE`.
    pub code: String,
    /// What was wrong, where, and what would be right.
    pub message: String,
    /// The same call may succeed later, and it is safe to try: nothing of this attempt took effect.
    pub retryable: bool,
    /// Not before this; slows the tool's whole queue.
    pub retry_after: Option<Duration>,
    /// More, for programs.
    pub details: Option<Box<Value>>,
}

impl ToolError {
    /// An error that is final.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            retryable: false,
            retry_after: None,
            details: None,
        }
    }

    /// Says that the call may be tried again: this attempt had no effect.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Says that the call may be tried again, but not before `wait`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retryable = true;
        self.retry_after = Some(wait);
        self
    }

    /// Adds details for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }
}
