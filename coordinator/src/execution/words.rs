//! What is said of a call that did not succeed: what was wrong, where, and what may have happened.

use std::borrow::Cow;

use toolwave_proto::v1;
use toolwave_scheduler::{AttemptFailure, CancelReason, Cause, Outcome};

use super::{
    convert::{to_duration, to_outcome},
    prepared::{CallFault, EndedAttemptFailure, EndedCall},
    text::{clipped, cut, quoted},
};
use crate::error::Reason;

const MAY_HAVE_RUN: &str = "its effect may or may not have happened; it is not repeated, because its tool does not declare that to be safe";

/// What the words about one call draw on.
pub(super) struct Scene<'s> {
    /// The call's tool.
    pub(super) tool: &'s str,
    /// Ids of calls by index.
    pub(super) id: &'s dyn Fn(u32) -> String,
    /// Code and message of a call that failed before.
    pub(super) fault: &'s dyn Fn(u32) -> Option<(String, String)>,
    /// Declared names like the tool's, for one that is not declared.
    pub(super) nearest: &'s dyn Fn() -> Vec<String>,
}

/// The error of a call; `None` when it succeeded.
pub(super) fn call_error(ended: &EndedCall, scene: &Scene<'_>) -> Option<v1::CallError> {
    let mut error = match ended.cause {
        Cause::None => return None,
        Cause::Attempt { failure } => last_attempt(ended, failure),
        Cause::Rejected => ended.rejection.as_deref().map_or_else(
            || {
                plain(
                    Reason::ParamsSchema,
                    "the call was rejected before its dispatch".into(),
                )
            },
            |fault| of_fault(fault, Reason::ParamsSchema),
        ),
        Cause::UnknownTool => plain(Reason::UnknownTool, unknown_tool(scene)),
        Cause::NoWorker { waited } => plain(
            Reason::NoWorker,
            format!(
                "no healthy worker hosted {} within {waited:?}: start one that does, or try again",
                scene.tool
            ),
        ),
        Cause::QueueTimeout { timeout } => plain(
            Reason::QueueTimeout,
            format!(
                "no slot for {} came free within the queue_timeout of {timeout:?}; it has not run",
                scene.tool
            ),
        ),
        Cause::Poison { losses } => plain(
            Reason::Poison,
            format!("{losses} workers were lost while they ran this call; it is not tried on another"),
        ),
        Cause::Deadline { started } => plain(
            Reason::DeadlineExceeded,
            format!("the execution's timeout ended first; {}", started_words(started)),
        ),
        Cause::Cancelled { reason, started } => cancelled(reason, started),
        Cause::FailFast { root, started } => rooted(
            Reason::FailFast,
            root.index,
            scene,
            "failed first and the execution is FAIL_FAST",
            &format!("; {}", started_words(started)),
        ),
        Cause::Dependency { root } => rooted(
            Reason::DependencyFailed,
            root.index,
            scene,
            "did not succeed, and this call depends on it",
            "",
        ),
    };
    error.may_have_run = started(&ended.cause)
        || ended
            .attempts
            .iter()
            .filter_map(|attempt| attempt.failure.as_deref())
            .any(|failure| may_have_run(failure.failure));
    Some(error)
}

/// The error of one attempt.
pub(super) fn attempt_error(failure: &EndedAttemptFailure) -> v1::CallError {
    let (reason, message) = attempt_words(failure.failure);
    let mut error = match &failure.fault {
        Some(fault) => of_fault(fault, reason),
        None => plain(reason, message.into()),
    };
    if let AttemptFailure::ToolError {
        retryable,
        retry_after,
    } = failure.failure
    {
        error.retryable = retryable;
        error.retry_after = retry_after.map(to_duration);
    }
    error.may_have_run = may_have_run(failure.failure);
    error
}

fn last_attempt(ended: &EndedCall, failure: AttemptFailure) -> v1::CallError {
    let fault = ended
        .attempts
        .iter()
        .rev()
        .find_map(|attempt| match &attempt.failure {
            Some(ended) if std::mem::discriminant(&ended.failure) == std::mem::discriminant(&failure) => {
                ended.fault.clone()
            }
            _ => None,
        });
    let mut error = attempt_error(&EndedAttemptFailure { failure, fault });
    let attempts = ended.attempts.len();
    match (failure, ended.outcome) {
        (AttemptFailure::TimedOut, _) if attempts <= 1 => {
            error.message =
                "the attempt ran past its timeout and no other follows; its effect may have happened".into();
        }
        (AttemptFailure::TimedOut, _) => {
            error.message =
                format!("the last of {attempts} attempts ran past its timeout; its effect may have happened");
        }
        (AttemptFailure::WorkerLost, Outcome::Unknown) => {
            error.message = format!(
                "{} was lost after the attempt was sent: {MAY_HAVE_RUN}",
                last_worker(ended)
            );
        }
        (AttemptFailure::WorkerLost, _) => {
            error.message = format!(
                "{} was lost, the last of {attempts} attempts with it",
                last_worker(ended)
            );
        }
        (AttemptFailure::Refused, _) => {
            error.message =
                "workers refused the call before its start, again and again; it has not run".into();
        }
        _ => {}
    }
    error
}

fn last_worker(ended: &EndedCall) -> String {
    ended.attempts.last().map_or_else(
        || "the worker".into(),
        |attempt| format!("the worker {}", quoted(&attempt.worker)),
    )
}

/// The stable word for why a call did not succeed; a tool's own code is contents and no such word.
pub(crate) fn call_reason(ended: &EndedCall) -> Option<Cow<'static, str>> {
    let reason = match ended.cause {
        Cause::None => return None,
        Cause::Rejected => match &ended.rejection {
            Some(fault) if !fault.code.is_empty() => return Some(fault.code.clone().into()),
            _ => Reason::ParamsSchema,
        },
        Cause::Attempt { failure } => attempt_reason(failure),
        Cause::UnknownTool => Reason::UnknownTool,
        Cause::NoWorker { .. } => Reason::NoWorker,
        Cause::QueueTimeout { .. } => Reason::QueueTimeout,
        Cause::Poison { .. } => Reason::Poison,
        Cause::Deadline { .. } => Reason::DeadlineExceeded,
        Cause::Cancelled { reason, .. } => match reason {
            CancelReason::Requested => Reason::Cancelled,
            CancelReason::ClientGone => Reason::ClientGone,
            CancelReason::Shutdown => Reason::Shutdown,
        },
        Cause::FailFast { .. } => Reason::FailFast,
        Cause::Dependency { .. } => Reason::DependencyFailed,
    };
    Some(reason.word().into())
}

/// The same of one attempt.
pub(crate) fn attempt_reason(failure: AttemptFailure) -> Reason {
    attempt_words(failure).0
}

/// An outcome, as everybody spells it.
pub(crate) fn outcome_word(outcome: Outcome) -> &'static str {
    let word = to_outcome(outcome).as_str_name();
    word.strip_prefix("OUTCOME_").unwrap_or(word)
}

fn attempt_words(failure: AttemptFailure) -> (Reason, &'static str) {
    match failure {
        AttemptFailure::ToolError { .. } => (Reason::ToolError, "the tool returned an error without words"),
        AttemptFailure::BrokenContract => (
            Reason::BrokenContract,
            "the tool panicked, or answered with what is no result",
        ),
        AttemptFailure::ResultTooLarge => (
            Reason::ResultTooLarge,
            "the tool ran, and its result is over the size limit: ask it for less",
        ),
        AttemptFailure::Refused => (
            Reason::WorkerRefused,
            "the worker refused it before the start; it has not run",
        ),
        AttemptFailure::TimedOut => (
            Reason::TimedOut,
            "the attempt ran past its timeout; its effect may have happened",
        ),
        AttemptFailure::Aborted => (
            Reason::Aborted,
            "the attempt was stopped; its effect may have happened",
        ),
        AttemptFailure::WorkerLost => (
            Reason::WorkerLost,
            "the worker was lost with the attempt; its effect may have happened",
        ),
    }
}

/// An attempt that ended so may have had its effect. A tool that returns an error says itself what it did.
fn may_have_run(failure: AttemptFailure) -> bool {
    match failure {
        AttemptFailure::ToolError { .. } | AttemptFailure::Refused => false,
        AttemptFailure::BrokenContract
        | AttemptFailure::ResultTooLarge
        | AttemptFailure::TimedOut
        | AttemptFailure::Aborted
        | AttemptFailure::WorkerLost => true,
    }
}

fn started(cause: &Cause) -> bool {
    match cause {
        Cause::Deadline { started } | Cause::Cancelled { started, .. } | Cause::FailFast { started, .. } => {
            *started
        }
        Cause::Poison { .. } => true,
        Cause::None
        | Cause::Attempt { .. }
        | Cause::Rejected
        | Cause::UnknownTool
        | Cause::NoWorker { .. }
        | Cause::QueueTimeout { .. }
        | Cause::Dependency { .. } => false,
    }
}

fn started_words(started: bool) -> &'static str {
    if started {
        "the call had been sent, and its effect may have happened"
    } else {
        "the call had not started"
    }
}

fn cancelled(reason: CancelReason, started: bool) -> v1::CallError {
    let (reason, what) = match reason {
        CancelReason::Requested => (Reason::Cancelled, "the execution was cancelled"),
        CancelReason::ClientGone => (Reason::ClientGone, "the client went away"),
        CancelReason::Shutdown => (Reason::Shutdown, "the coordinator stopped"),
    };
    plain(reason, format!("{what}; {}", started_words(started)))
}

fn rooted(reason: Reason, root: u32, scene: &Scene<'_>, what: &str, more: &str) -> v1::CallError {
    let id = (scene.id)(root);
    let why = match (scene.fault)(root) {
        Some((code, message)) => format!(" ({code}: {})", cut(&message, 256)),
        None => String::new(),
    };
    v1::CallError {
        root_call_id: id.clone(),
        ..plain(reason, format!("the call {} {what}{why}{more}", quoted(&id)))
    }
}

fn unknown_tool(scene: &Scene<'_>) -> String {
    let nearest = (scene.nearest)();
    let tool = quoted(scene.tool);
    if nearest.is_empty() {
        return format!("no worker declares the tool {tool}: ListTools names those that there are");
    }
    format!(
        "no worker declares the tool {tool}; did you mean {}?",
        nearest.join(", ")
    )
}

/// Of a tool that its last worker offers no more.
pub(super) fn withdrawn(tool: &str) -> CallFault {
    CallFault {
        code: Reason::UnknownTool.word().into(),
        message: format!(
            "no worker offers the tool {} any more: ListTools names those that there are",
            quoted(tool)
        ),
        ..CallFault::default()
    }
}

/// The error that a fault is; `otherwise` where it has no code of its own.
pub(super) fn of_fault(fault: &CallFault, otherwise: Reason) -> v1::CallError {
    v1::CallError {
        code: if fault.code.is_empty() {
            otherwise.word().into()
        } else {
            fault.code.clone()
        },
        message: fault.message.clone(),
        details_json: fault.details.clone(),
        violations: fault
            .violations
            .iter()
            .map(|(path, description)| v1::ParameterViolation {
                path: path.clone(),
                description: description.clone(),
            })
            .collect(),
        ..v1::CallError::default()
    }
}

fn plain(reason: Reason, message: String) -> v1::CallError {
    v1::CallError {
        code: reason.word().into(),
        message: clipped(message),
        ..v1::CallError::default()
    }
}
