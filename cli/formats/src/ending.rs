//! How a call ended, as far as a model is told of it.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{content, json};

/// How one call ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It succeeded with this result: any JSON, passed on digit for digit.
    Result(Box<RawValue>),
    /// It did not.
    Error(CallError),
}

impl Ending {
    /// A success whose result is this JSON text.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn of_json(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self::Result)
    }
}

/// Why a call did not succeed: what a model needs to do better. Fields at their defaults are not written.
#[derive(Clone, Debug, Default, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// Stable, UPPER_SNAKE_CASE.
    pub code: String,
    /// For people and models.
    pub message: String,
    /// The same call may succeed later.
    #[serde(skip_serializing_if = "is_false")]
    pub retryable: bool,
    /// How long that takes.
    #[serde(
        rename = "retry_after_ms",
        skip_serializing_if = "Option::is_none",
        serialize_with = "milliseconds"
    )]
    pub retry_after: Option<Duration>,
    /// It was started, and its effect may have happened.
    #[serde(skip_serializing_if = "is_false")]
    pub may_have_run: bool,
    /// What is wrong with the parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// What the tool says besides: any JSON. The blocks of an MCP server's answer are not told again: their text is
    /// the message.
    #[serde(skip_serializing_if = "tells_nothing", serialize_with = "besides")]
    pub details: Option<Box<RawValue>>,
}

/// One thing that is wrong with the parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer into the parameters; "" is the whole object.
    pub path: String,
    /// What is wrong there.
    pub description: String,
}

impl CallError {
    /// An error that is no more than this.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// Arguments that are no JSON at all.
    pub(crate) fn not_json() -> Self {
        Self::new(
            "PARAMS_NOT_JSON",
            "the arguments are no JSON; expected one JSON object",
        )
    }

    /// Arguments that are some other JSON.
    pub(crate) fn not_an_object(text: &str) -> Self {
        let kind = json::kind(text);
        Self::new(
            "PARAMS_NOT_OBJECT",
            format!("the arguments are {kind}; expected one JSON object"),
        )
    }

    /// A name that no tool can have.
    pub(crate) fn bad_tool_name(name: &str) -> Self {
        Self::new(
            "BAD_TOOL_NAME",
            match name {
                "" => "the call names no tool",
                _ => {
                    "the tool's name is not 1 to 128 bytes of [A-Za-z0-9._:-]; call a tool by the name it is offered by"
                }
            },
        )
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn tells_nothing(details: &Option<Box<RawValue>>) -> bool {
    details.as_deref().and_then(content::besides_text).is_none()
}

fn besides<S: Serializer>(details: &Option<Box<RawValue>>, serializer: S) -> Result<S::Ok, S::Error> {
    details
        .as_deref()
        .and_then(content::besides_text)
        .serialize(serializer)
}

/// Whole ones, rounded up: a model that waits so long has waited long enough.
fn milliseconds<S: Serializer>(wait: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let nanos = wait.unwrap_or_default().as_nanos();
    serializer.serialize_u64(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
