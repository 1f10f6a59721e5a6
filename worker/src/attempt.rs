//! One attempt while it runs: its future, its timeout, and how its end reads.

use std::{any::Any, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolwave_proto::v1::{self, AttemptFailureKind};
use toolwave_tool::{CallContext, Output, Parameters, Stopping, ToolError};

use crate::{catalogue::Hosted, convert, unacknowledged::End};

/// What is left of an attempt's future.
#[derive(Debug)]
pub(crate) struct Performed {
    pub(crate) conclusion: Conclusion,
    pub(crate) execution_time: Duration,
}

#[derive(Debug)]
pub(crate) enum Conclusion {
    Returned(Result<Output, ToolError>),
    TimedOut,
}

/// Why the worker stops an attempt; the first reason stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    Aborted,
    Fenced,
    /// The drain's time is over.
    WorkerStopped,
}

/// Runs the tool until it ends or its time is over and it has stopped.
pub(crate) async fn perform(
    hosted: Hosted,
    parameters: Bytes,
    context: CallContext,
    cancelled: CancellationToken,
    started: Instant,
) -> Performed {
    let deadline = context.deadline();
    let parameters = if parameters.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        parameters
    };
    let conclusion = {
        let mut call = hosted.tool.call(Parameters::from_json(parameters), context);
        // the tool first: a call that ends at once registers no timer
        tokio::select! {
            biased;
            result = &mut call => Conclusion::Returned(result),
            () = tokio::time::sleep_until(deadline) => {
                cancelled.cancel();
                if hosted.stopping == Stopping::Wait {
                    let _ = call.await;
                }
                Conclusion::TimedOut
            }
        }
    };
    Performed {
        conclusion,
        execution_time: started.elapsed(),
    }
}

/// How an attempt ended whose future came to its end. `stopped`: the worker had asked it to stop.
pub(crate) fn end_of(
    conclusion: Conclusion,
    stopped: Option<StopReason>,
    stopping: Stopping,
    timeout: Duration,
    max_result_bytes: u64,
) -> End {
    let result = match (conclusion, stopped) {
        (Conclusion::Returned(result), None) => result,
        // a future that is dropped to stop it and has a result nevertheless had it before
        (Conclusion::Returned(Ok(output)), Some(_)) if stopping == Stopping::Drop => Ok(output),
        (_, Some(reason)) => return End::Failure(stop_failure(reason)),
        (Conclusion::TimedOut, None) => {
            let message = format!("ran longer than {}", humantime::format_duration(timeout));
            return failed(AttemptFailureKind::TimedOut, "TIMED_OUT", message);
        }
    };
    match result {
        Ok(output) => result_end(output.into_json(), max_result_bytes),
        Err(error) => End::Failure(convert::tool_error(error)),
    }
}

fn result_end(json: Bytes, max_result_bytes: u64) -> End {
    if json.is_empty() {
        let message = "the tool returned nothing; expected JSON text";
        return failed(AttemptFailureKind::BrokenContract, "BROKEN_OUTPUT", message);
    }
    if json.len() as u64 > max_result_bytes {
        return End::Failure(too_large(json.len(), max_result_bytes));
    }
    End::Result(json)
}

/// A result that cannot be taken.
pub(crate) fn too_large(bytes: usize, limit: u64) -> v1::AttemptFailure {
    let message = format!("the result has {bytes} bytes; expected at most {limit}");
    convert::failure(AttemptFailureKind::ResultTooLarge, "RESULT_TOO_LARGE", message)
}

/// How an attempt ended that the worker stopped.
pub(crate) fn stop_failure(reason: StopReason) -> v1::AttemptFailure {
    match reason {
        StopReason::Aborted => convert::failure(AttemptFailureKind::Aborted, "ABORTED", "stopped on request"),
        StopReason::Fenced => convert::failure(
            AttemptFailureKind::Fenced,
            "WORKER_FENCED",
            "stopped because the coordinator did not answer",
        ),
        StopReason::WorkerStopped => convert::failure(
            AttemptFailureKind::Fenced,
            "WORKER_STOPPED",
            "stopped because the worker had to end before the attempt did",
        ),
    }
}

/// How an attempt ended whose tool panicked: its message, and nothing of the stack.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> End {
    let text = panic
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    failed(
        AttemptFailureKind::BrokenContract,
        "TOOL_PANICKED",
        format!("the tool panicked: {text}"),
    )
}

/// An attempt that is refused before its start.
pub(crate) fn refused(code: &str, message: impl Into<String>) -> End {
    failed(AttemptFailureKind::Refused, code, message)
}

fn failed(kind: AttemptFailureKind, code: &str, message: impl Into<String>) -> End {
    End::Failure(convert::failure(kind, code, message))
}
