//! The protocol's enums in the words that people and scripts read.

use toolwave_client::v1::{EdgeOrigin, Outcome, WorkerState};

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
