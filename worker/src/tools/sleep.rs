//! `sleep`: waits, and stops waiting as soon as the attempt is cancelled.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{answers, stop};
use crate::{
    context::CallContext,
    function::FunctionTool,
    tool::{Safety, Tool, ToolError},
};

const MAX_MILLISECONDS: u64 = 3_600_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SleepParameters {
    /// How long to wait, in milliseconds; at most 3,600,000 (one hour).
    #[schemars(range(max = MAX_MILLISECONDS))]
    milliseconds: u64,
}

#[derive(Serialize, JsonSchema)]
struct Slept {
    /// How long it waited, in milliseconds.
    slept_ms: u64,
}

/// The tool.
pub(super) fn tool() -> impl Tool {
    let mut tool = FunctionTool::new(
        "sleep",
        "Waits for the given number of milliseconds, then returns {\"slept_ms\": n}. A wait longer than the call's \
         timeout (30 s unless the call sets one) times out.",
        |parameters: SleepParameters, context: CallContext| async move { sleep(parameters, context).await },
    )
    .safety(Safety::ReadOnly);
    answers::<Slept>(tool.declaration_mut());
    tool
}

async fn sleep(parameters: SleepParameters, context: CallContext) -> Result<Slept, ToolError> {
    let slept_ms = parameters.milliseconds;
    if slept_ms > MAX_MILLISECONDS {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!("milliseconds is {slept_ms}; the limit is {MAX_MILLISECONDS}"),
        ));
    }
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(slept_ms)) => Ok(Slept { slept_ms }),
        () = context.cancelled() => Err(stop::cancelled()),
    }
}
