//! The types between the RPC edge and the driver: an execution as the edge prepared it, and what the driver
//! tells of it. Validated by construction; no proto, no I/O.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use smallvec::SmallVec;
use toolwave_scheduler::{
    AttemptFailure, Cause, OnFailure, Outcome, RetryPolicy, Schedule, Waits, plan::Plan,
};

use super::template::Template;

/// An execution that is right as a whole: what the edge hands to the driver.
#[derive(Debug)]
pub struct PreparedExecution {
    /// The graph.
    pub plan: Plan,
    /// In request order.
    pub calls: Vec<PreparedCall>,
    /// `None`: as many as slots and limits allow.
    pub max_concurrency: Option<u32>,
    /// Pipelined or barrier waves.
    pub schedule: Schedule,
    /// Continue or fail fast.
    pub on_failure: OnFailure,
    /// The whole execution, queueing included.
    pub timeout: Duration,
    /// Which events its client wants.
    pub detail: Detail,
}

/// Which events a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The ends of calls.
    Results,
    /// Starts, progress and retries too.
    Everything,
}

/// One call of it.
#[derive(Debug)]
pub struct PreparedCall {
    /// Unique in the execution.
    pub id: Arc<str>,
    /// As the client wrote it.
    pub tool_name: Arc<str>,
    /// What it is called with.
    pub parameters: CallParameters,
    /// 0 to 3.
    pub priority: u8,
    /// `None`: the tool's own, else 30 s.
    pub timeout: Option<Duration>,
    /// `None`: no bound of its own.
    pub queue_timeout: Option<Duration>,
    /// The call's, else the execution's; `None`: the tool's, else the default.
    pub retry: Option<RetryPolicy>,
    /// Empty: none.
    pub idempotency_key: Box<str>,
    /// How far the edge came.
    pub state: CallState,
}

/// How far the edge came with a call.
#[derive(Debug)]
pub enum CallState {
    /// Its parameters are good against the declaration that the catalogue held.
    Validated,
    /// References to put in, or a tool that is not declared yet.
    Unresolved,
    /// It ends as `REJECTED`.
    Rejected(CallFault),
}

/// Parameters of a call.
#[derive(Debug)]
pub enum CallParameters {
    /// JSON text without references.
    Text(Bytes),
    /// JSON with references to results of other calls.
    Template(Box<Template>),
}

/// Why a call did not succeed, in words: made by the edge (rejections) or by a tool (its errors).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFault {
    /// `UPPER_SNAKE_CASE`.
    pub code: String,
    /// For people.
    pub message: String,
    /// JSON Pointer and description of each violation of a schema.
    pub violations: Vec<(String, String)>,
    /// The tool's details: JSON text, or empty.
    pub details: Bytes,
}

/// What the driver tells of an execution, in the order in which it happened.
#[derive(Clone, Debug)]
pub enum ExecutionNews {
    /// An attempt began.
    Started {
        /// Index of the call.
        call: u32,
        /// From 1.
        attempt: u32,
        /// The worker's name.
        worker: Arc<str>,
        /// When.
        at: SystemTime,
    },
    /// A tool says how far it is.
    Progress {
        /// Index of the call.
        call: u32,
        /// From 1.
        attempt: u32,
        /// 0 to 1.
        fraction: Option<f64>,
        /// At most 1 KiB.
        message: String,
        /// When.
        at: SystemTime,
    },
    /// An attempt failed and another follows.
    Retried {
        /// Index of the call.
        call: u32,
        /// The one that failed.
        attempt: u32,
        /// Why.
        failure: EndedAttemptFailure,
        /// Until the next may start.
        backoff: Duration,
        /// When.
        at: SystemTime,
    },
    /// A call ended.
    Ended(Arc<EndedCall>),
    /// All calls have ended; nothing follows.
    Finished {
        /// Since acceptance.
        duration: Duration,
    },
}

/// The end of a call.
#[derive(Clone, Debug)]
pub struct EndedCall {
    /// Index of the call.
    pub call: u32,
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub cause: Cause,
    /// JSON text, when it succeeded.
    pub result: Option<Bytes>,
    /// What the edge or the resolver said, when it was rejected.
    pub rejection: Option<Box<CallFault>>,
    /// Every dispatched attempt, in order.
    pub attempts: SmallVec<[EndedAttempt; 1]>,
    /// From ready to the last dispatch; zero when it was never ready.
    pub queue_time: Duration,
    /// Of the last attempt: as the worker measured it, else as seen from here.
    pub execution_time: Duration,
    /// What it waited for after its last attempt, or without any.
    pub waits: Waits,
    /// When.
    pub at: SystemTime,
}

/// What became of one attempt.
#[derive(Clone, Debug)]
pub struct EndedAttempt {
    /// From 1.
    pub number: u32,
    /// The worker's name.
    pub worker: Arc<str>,
    /// What its call waited for before it was sent, since it was ready or the attempt before had ended.
    pub waits: Waits,
    /// When it was sent.
    pub dispatched_at: SystemTime,
    /// When it began, or was sent where its beginning is not known.
    pub started_at: SystemTime,
    /// When it ended or was given up.
    pub ended_at: SystemTime,
    /// Why it did not succeed.
    pub failure: Option<Box<EndedAttemptFailure>>,
    /// A report came after it had been given up; it changed nothing.
    pub late: bool,
}

/// Why an attempt did not succeed, with what the tool said of it.
#[derive(Clone, Debug)]
pub struct EndedAttemptFailure {
    /// The kind.
    pub failure: AttemptFailure,
    /// The tool's (or the worker's) own words, where there are any.
    pub fault: Option<CallFault>,
}
