//! Worker messages to and from the words of the scheduler. What a worker writes is bounded and cleaned here;
//! what cannot be understood becomes an error text, never a panic.

use std::time::Duration;

use bytes::Bytes;
use serde::de::IgnoredAny;
use toolwave_proto::v1;
use toolwave_scheduler::{AttemptFailure, AttemptKey, CallKey, ExecutionKey};

use crate::{
    driver::mailbox::{Progress, ReportedEnd},
    execution::prepared::CallFault,
};

/// Of an error's message, in bytes.
const MESSAGE_BYTES: usize = 8 * 1024;
/// Of a progress message, in bytes.
const PROGRESS_BYTES: usize = 1024;
/// Of an error's details, in bytes.
const DETAILS_BYTES: usize = 64 * 1024;
/// Of an error's code, in bytes.
const CODE_BYTES: usize = 64;
/// The longest that the error of one call holds up all calls of its tool.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

pub(super) fn attempt_ref(attempt: AttemptKey) -> v1::AttemptRef {
    v1::AttemptRef {
        execution: attempt.call.execution.0,
        call_index: attempt.call.index,
        attempt: attempt.number,
    }
}

/// The attempt that a reference names.
pub(super) fn attempt_key(attempt: &v1::AttemptRef) -> AttemptKey {
    AttemptKey {
        call: CallKey {
            execution: ExecutionKey(attempt.execution),
            index: attempt.call_index,
        },
        number: attempt.attempt,
    }
}

pub(super) fn attempt_keys(attempts: &[v1::AttemptRef]) -> Vec<AttemptKey> {
    attempts.iter().map(attempt_key).collect()
}

pub(crate) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // below 10^9
        nanos: duration.subsec_nanos() as i32,
    }
}

/// `None` when it is negative or out of range.
fn span(duration: &prost_types::Duration) -> Option<Duration> {
    Duration::try_from(*duration).ok()
}

/// What the worker measured, where that can be.
pub(super) fn execution_time(duration: Option<prost_types::Duration>) -> Option<Duration> {
    duration.as_ref().and_then(span)
}

/// `None` without an attempt.
pub(super) fn progress(report: v1::ProgressReport) -> Option<Progress> {
    let fraction = report
        .fraction
        .filter(|fraction| fraction.is_finite())
        .map(|fraction| fraction.clamp(0.0, 1.0));
    Some(Progress {
        attempt: attempt_key(report.attempt.as_ref()?),
        fraction,
        message: clean(report.message, PROGRESS_BYTES),
    })
}

/// The result of a call, when it is what tools must return.
pub(super) fn result(payload: Bytes, limit: u64) -> ReportedEnd {
    if payload.len() as u64 > limit {
        return too_large(payload.len() as u64, limit);
    }
    let checked = std::str::from_utf8(&payload)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string()));
    match checked {
        Ok(_) => ReportedEnd::Result(payload),
        Err(error) => broken(format!("the result is not JSON text: {error}")),
    }
}

/// The end of an attempt whose result the coordinator does not take for its size.
pub(super) fn too_large(size: u64, limit: u64) -> ReportedEnd {
    let message = format!("the result has {size} bytes; at most {limit} are accepted");
    let fault = CallFault {
        code: "RESULT_TOO_LARGE".into(),
        message,
        ..CallFault::default()
    };
    ReportedEnd::Failure(AttemptFailure::ResultTooLarge, Some(Box::new(fault)))
}

/// The end of an attempt whose report breaks the rules.
pub(super) fn broken(message: String) -> ReportedEnd {
    let fault = CallFault {
        code: "INVALID_RESULT".into(),
        message,
        ..CallFault::default()
    };
    ReportedEnd::Failure(AttemptFailure::BrokenContract, Some(Box::new(fault)))
}

pub(super) fn failure(failure: v1::AttemptFailure) -> ReportedEnd {
    use v1::AttemptFailureKind as Kind;
    let kind = match failure.kind() {
        Kind::Refused => AttemptFailure::Refused,
        Kind::ToolError => AttemptFailure::ToolError {
            retryable: failure.retryable,
            retry_after: failure
                .retry_after
                .as_ref()
                .and_then(span)
                .map(|pause| pause.min(LONGEST_PAUSE)),
        },
        Kind::TimedOut => AttemptFailure::TimedOut,
        Kind::Aborted => AttemptFailure::Aborted,
        Kind::ResultTooLarge => AttemptFailure::ResultTooLarge,
        // The worker believes that it is lost, and has stopped the attempt as lost ones are.
        Kind::Fenced => AttemptFailure::WorkerLost,
        Kind::BrokenContract | Kind::Unspecified => AttemptFailure::BrokenContract,
    };
    let said_nothing =
        failure.code.is_empty() && failure.message.is_empty() && failure.details_json.is_empty();
    let fault = (!said_nothing).then(|| Box::new(fault(failure)));
    ReportedEnd::Failure(kind, fault)
}

fn fault(failure: v1::AttemptFailure) -> CallFault {
    let details = failure.details_json;
    let details_are_good = details.len() <= DETAILS_BYTES
        && std::str::from_utf8(&details).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    CallFault {
        code: if is_code(&failure.code) {
            failure.code
        } else {
            String::new()
        },
        message: clean(failure.message, MESSAGE_BYTES),
        violations: Vec::new(),
        details: if details_are_good { details } else { Bytes::new() },
    }
}

/// `UPPER_SNAKE_CASE`, and short.
fn is_code(code: &str) -> bool {
    (1..=CODE_BYTES).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Shortened to `limit` bytes, without the control characters that would act on somebody's terminal.
pub(super) fn clean(mut text: String, limit: usize) -> String {
    shorten(&mut text, limit);
    if text.chars().any(is_unsafe) {
        text = text
            .chars()
            .map(|char| if is_unsafe(char) { '\u{fffd}' } else { char })
            .collect();
        shorten(&mut text, limit);
    }
    text
}

/// Cuts between characters.
fn shorten(text: &mut String, limit: usize) {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn is_unsafe(char: char) -> bool {
    char.is_control() && !matches!(char, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_error_holds_its_tool_up_for_an_hour_at_most() {
        let pause = |seconds, nanos| {
            let wire = v1::AttemptFailure {
                kind: v1::AttemptFailureKind::ToolError.into(),
                retry_after: Some(prost_types::Duration { seconds, nanos }),
                ..v1::AttemptFailure::default()
            };
            match failure(wire) {
                ReportedEnd::Failure(AttemptFailure::ToolError { retry_after, .. }, _) => retry_after,
                _ => panic!("a tool error"),
            }
        };
        assert_eq!(pause(90, 0), Some(Duration::from_secs(90)));
        assert_eq!(pause(i64::MAX, 999_999_999), Some(LONGEST_PAUSE));
        assert_eq!(pause(-5, -5), None);
    }
}
