//! The protocol's enums in the words that people and scripts read.

use std::borrow::Cow;

use toolwave_client::v1::{CallError, EdgeOrigin, Outcome, WorkerState};

/// As `semantics` writes outcomes; scripts compare these.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "UNSPECIFIED",
        Outcome::Succeeded => "SUCCEEDED",
        Outcome::Failed => "FAILED",
        Outcome::Rejected => "REJECTED",
        Outcome::TimedOut => "TIMED_OUT",
        Outcome::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Outcome::Cancelled => "CANCELLED",
        Outcome::Skipped => "SKIPPED",
        Outcome::Unavailable => "UNAVAILABLE",
        Outcome::Unknown => "UNKNOWN",
    }
}

/// The code, where it says more than the outcome does, which `TIMED_OUT` does not of a call that is `TIMED_OUT`.
pub(crate) fn code_beside<'e>(outcome: &str, error: &'e CallError) -> Option<&'e str> {
    Some(error.code.as_str()).filter(|code| !code.eq_ignore_ascii_case(outcome))
}

/// What went wrong, to somebody at a shell: a coordinator speaks to programs, and names its methods.
pub(crate) fn message(error: &CallError) -> Cow<'_, str> {
    let message = match error.code.as_str() {
        "UNKNOWN_TOOL" => error
            .message
            .strip_suffix(": ListTools names those that there are"),
        _ => None,
    };
    match message {
        Some(message) => format!(
            "{message}: `toolwave tools` lists those of a cluster, `toolwave tools --builtin` those without one"
        )
        .into(),
        None => error.message.as_str().into(),
    }
}

pub(crate) fn worker_state(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Unspecified => "UNSPECIFIED",
        WorkerState::Ready => "READY",
        WorkerState::Suspect => "SUSPECT",
        WorkerState::Detached => "DETACHED",
        WorkerState::Ejected => "EJECTED",
    }
}

pub(crate) fn edge_origin(origin: EdgeOrigin) -> &'static str {
    match origin {
        EdgeOrigin::Unspecified => "unspecified",
        EdgeOrigin::Reference => "reference",
        EdgeOrigin::DependsOn => "depends_on",
        EdgeOrigin::Effect => "effect",
    }
}
