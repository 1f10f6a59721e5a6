//! How calls and attempts end, and why. Words only: texts for people are made at the edge.

use std::time::Duration;

use crate::{CallKey, CancelReason};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The tool returned a result.
    Succeeded,
    /// The tool returned an error or broke its contract, or the call is poison.
    Failed,
    /// Never dispatched: unknown tool, parameters against the schema, reference not found.
    Rejected,
    /// An attempt ran past its timeout and none is left.
    TimedOut,
    /// The execution ended first.
    DeadlineExceeded,
    /// The client went away or cancelled, or another call failed under fail-fast.
    Cancelled,
    /// A dependency did not succeed.
    Skipped,
    /// No healthy worker within the wait, or the worker was lost and no attempt is left.
    Unavailable,
    /// The worker was lost after the attempt was sent, and the call is not safe to repeat.
    Unknown,
}

/// Why a call ended as it did. With the call's last [`AttemptFailure`] it is all that an error text needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It succeeded.
    None,
    /// The last attempt's failure, and no attempt is left or wanted (why: `stop`).
    Attempt {
        /// What the last attempt ended with.
        failure: AttemptFailure,
    },
    /// The edge or the resolver rejected it; the driver holds the text.
    Rejected,
    /// No worker ever declared the tool.
    UnknownTool,
    /// Nothing healthy hosted the tool for the whole wait.
    NoWorker {
        /// How long it waited at least: `Config::worker_wait`.
        waited: Duration,
    },
    /// It waited for a slot for its whole queue timeout.
    QueueTimeout {
        /// The queue timeout.
        timeout: Duration,
    },
    /// Its attempts ended the sessions of so many workers.
    Poison {
        /// How many.
        losses: u32,
    },
    /// The execution's deadline passed.
    Deadline {
        /// An attempt was dispatched that was not refused: it may have had its effect.
        started: bool,
    },
    /// The execution was cancelled.
    Cancelled {
        /// By whom.
        reason: CancelReason,
        /// An attempt was dispatched that was not refused: it may have had its effect.
        started: bool,
    },
    /// Another call failed first and the execution is fail-fast.
    FailFast {
        /// The call that failed.
        root: CallKey,
        /// An attempt was dispatched that was not refused: it may have had its effect.
        started: bool,
    },
    /// A dependency, however far up, did not succeed.
    Dependency {
        /// The call at the root of it.
        root: CallKey,
    },
}

/// Why an attempt did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// The tool returned an error; the driver holds it.
    ToolError {
        /// What the tool said.
        retryable: bool,
        /// When it may be tried again.
        retry_after: Option<Duration>,
    },
    /// Panic, exit code, malformed output.
    BrokenContract,
    /// The result was over the size limit.
    ResultTooLarge,
    /// The worker refused it before the start: it has not run.
    Refused,
    /// It ran past its timeout.
    TimedOut,
    /// It was stopped because nobody waits for it any more.
    Aborted,
    /// The worker was lost.
    WorkerLost,
}

/// Why an execution was not accepted. Nothing of it has run, and nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Calls not yet in flight are at their bound.
    QueueFull {
        /// The bound, in calls.
        limit: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// The tenant is at a limit of its own.
    TenantLimit {
        /// Which.
        limit: TenantLimit,
        /// When to try again; `None`: as the limits are, it is never accepted.
        retry_after: Option<Duration>,
    },
}

/// A limit of a tenant for which executions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantLimit {
    /// It may have nothing in flight.
    InFlight,
    /// Calls not yet in flight.
    QueuedCalls,
    /// Calls admitted over time.
    CallsPerSecond,
}

/// Why a worker's session is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictReason {
    /// A newer session of the same worker took its place.
    Superseded,
    /// Its lease ended.
    LeaseExpired,
    /// It did not confirm an abort in time.
    AbortUnconfirmed,
}
