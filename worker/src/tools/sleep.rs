//! `sleep`: waits, and stops waiting as soon as the attempt is cancelled.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{answers, stop};
use toolwave_tool::{CallContext, FunctionTool, Safety, Tool, ToolError};

const MAX_MILLISECONDS: u32 = 3_600_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SleepParameters {
    /// How long to wait, in milliseconds, fractions included; at most 3,600,000 (one hour).
    #[schemars(range(min = 0, max = MAX_MILLISECONDS))]
    milliseconds: Number,
}

#[derive(Serialize, JsonSchema)]
struct Slept {
    /// How long it waited, in milliseconds, as it was asked to.
    slept_ms: Number,
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
    // a number that no double holds is beyond any limit
    let milliseconds = slept_ms.as_f64().unwrap_or(f64::INFINITY);
    if milliseconds > MAX_MILLISECONDS.into() {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!("milliseconds is {slept_ms}; the limit is {MAX_MILLISECONDS}"),
        ));
    }
    let wait = Duration::try_from_secs_f64(milliseconds / 1e3).map_err(|_| {
        let message = format!("milliseconds is {slept_ms}; expected 0 or more");
        ToolError::new("INVALID_PARAMETERS", message)
    })?;
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(Slept { slept_ms }),
        () = context.cancelled() => Err(stop::cancelled()),
    }
}
