//! `fail`: fails on request, to see retries, skipped calls and error reports at work. Touches nothing.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers;
use toolwave_tool::{CallContext, FunctionTool, Tool, ToolError};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FailParameters {
    /// The error's code, UPPER_SNAKE_CASE; default FAILED_ON_REQUEST.
    #[serde(default)]
    #[schemars(length(max = 64))]
    code: Option<String>,
    /// The error's message.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    message: Option<String>,
    /// Says that the call may be tried again; default false.
    #[serde(default)]
    retryable: bool,
    /// Says that the call may be tried again, but not before this many milliseconds.
    #[serde(default)]
    #[schemars(range(max = 3_600_000))]
    retry_after_ms: Option<u64>,
    /// Fails the first so many attempts and succeeds after; default: fails always.
    #[serde(default)]
    fail_times: Option<u32>,
    /// `error` (default): returns the error. `panic`: breaks down, as a tool with a bug does.
    #[serde(default)]
    mode: FailMode,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FailMode {
    #[default]
    Error,
    Panic,
}

#[derive(Serialize, JsonSchema)]
struct Survived {
    /// The attempt that succeeded, from 1.
    attempt: u32,
}

/// The tool.
pub(super) fn tool() -> impl Tool {
    // Not declared safe to repeat: what it says of each error decides, which is what it is there to show.
    let mut tool = FunctionTool::new(
        "fail",
        "Fails with the error that you describe. For tests of error handling: `fail_times` makes it fail that many \
         attempts and then succeed with {\"attempt\": n}.",
        |parameters: FailParameters, context: CallContext| async move { fail(parameters, &context) },
    )
    .quick();
    answers::<Survived>(tool.declaration_mut());
    tool
}

fn fail(parameters: FailParameters, context: &CallContext) -> Result<Survived, ToolError> {
    let attempt = context.attempt();
    if parameters.fail_times.is_some_and(|times| attempt > times) {
        return Ok(Survived { attempt });
    }
    let message = parameters
        .message
        .unwrap_or_else(|| format!("attempt {attempt} failed, as was asked"));
    match parameters.mode {
        FailMode::Panic => panic!("{message}"),
        FailMode::Error => {
            let mut error = ToolError::new(
                parameters.code.unwrap_or_else(|| "FAILED_ON_REQUEST".to_owned()),
                message,
            );
            if parameters.retryable {
                error = error.retryable();
            }
            if let Some(wait) = parameters.retry_after_ms {
                error = error.retry_after(Duration::from_millis(wait));
            }
            Err(error)
        }
    }
}
