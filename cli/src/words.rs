//! The protocol's enums in the words that people and scripts read.

use std::borrow::Cow;

use toolwave_client::v1::{CallError, CallState, EdgeOrigin, Outcome, WaitReason, WorkerState};

use crate::text;

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

pub(crate) fn call_state(state: CallState) -> &'static str {
    match state {
        CallState::Unspecified => "UNSPECIFIED",
        CallState::Waiting => "WAITING",
        CallState::Ready => "READY",
        CallState::InFlight => "IN_FLIGHT",
        CallState::Backoff => "BACKOFF",
        CallState::Ended => "ENDED",
    }
}

/// For scripts. None: there is nothing that is waited for.
pub(crate) fn wait_reason(reason: WaitReason) -> Option<&'static str> {
    Some(match reason {
        WaitReason::Unspecified => return None,
        WaitReason::NoWorker => "NO_WORKER",
        WaitReason::Slots => "SLOTS",
        WaitReason::CoordinatorLimit => "COORDINATOR_LIMIT",
        WaitReason::ExecutionLimit => "EXECUTION_LIMIT",
        WaitReason::TenantLimit => "TENANT_LIMIT",
        WaitReason::ToolLimit => "TOOL_LIMIT",
        WaitReason::ToolRate => "TOOL_RATE",
        WaitReason::ToolWorkerLimit => "TOOL_WORKER_LIMIT",
        WaitReason::Backoff => "BACKOFF",
        WaitReason::Turn => "TURN",
    })
}

/// What is waited for, after `waits for`. The subject is a tool, a tenant or a worker, or empty.
pub(crate) fn waited_for(reason: WaitReason, subject: &str) -> String {
    let of = |what: &str| match subject {
        "" => what.to_owned(),
        subject => format!("{what} of {}", text::printable(subject)),
    };
    match reason {
        WaitReason::Unspecified => of("something this command does not know"),
        WaitReason::NoWorker => match subject {
            "" => "a worker that hosts the tool".to_owned(),
            tool => format!("a worker that hosts {}", text::printable(tool)),
        },
        WaitReason::Slots => of("a free slot"),
        WaitReason::CoordinatorLimit => "the coordinator's max_in_flight".to_owned(),
        WaitReason::ExecutionLimit => "the execution's max_concurrency".to_owned(),
        WaitReason::TenantLimit => match subject {
            "" => "the tenant's max_in_flight".to_owned(),
            tenant => format!("the max_in_flight of tenant {}", text::printable(tenant)),
        },
        WaitReason::ToolLimit => of("the max_concurrency"),
        WaitReason::ToolRate => of("the rate"),
        WaitReason::ToolWorkerLimit => of("the max_concurrency_per_worker"),
        WaitReason::Backoff => "the time between two attempts".to_owned(),
        WaitReason::Turn => "their turn".to_owned(),
    }
}
