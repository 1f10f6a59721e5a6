//! What the driver tells the scheduler.

use std::time::Duration;

use crate::{
    AttemptFailure, AttemptKey, CallKey, ExecutionKey, RetryPolicy, SessionKey, TenantKey, TenantLimits,
    Time, ToolKey, ToolSpec, WorkerKey, plan::Plan,
};

/// One input.
#[derive(Clone, Debug)]
pub enum Event {
    /// An execution asks to be admitted: answered by `Action::Admitted` or `Action::Refused`.
    Submit(Submission),
    /// The client, or the operator, wants it ended. Unknown or ended: nothing happens.
    Cancel {
        /// Which.
        execution: ExecutionKey,
        /// Why.
        reason: CancelReason,
    },
    /// Answers `Action::Resolve`.
    Resolved {
        /// Which.
        call: CallKey,
        /// What came of it.
        resolution: Resolution,
    },
    /// The declaration of a tool, before the first worker that hosts it joins, or when it changes.
    ToolDeclared {
        /// Which.
        tool: ToolKey,
        /// What it says.
        spec: ToolSpec,
    },
    /// A worker opened a session. An older session of the same worker is superseded.
    WorkerJoined {
        /// The new session.
        session: SessionKey,
        /// Who, and what it can do.
        worker: WorkerSpec,
        /// Attempts that it says are in flight there, results not acknowledged included.
        in_flight: Vec<AttemptKey>,
    },
    /// A heartbeat. `in_flight` heals both sides: what is thought to be there and is not, is lost;
    /// what is there and should not be, is aborted.
    WorkerSeen {
        /// By which session.
        session: SessionKey,
        /// Attempts that the worker has.
        in_flight: Vec<AttemptKey>,
        /// How many of the session's dispatches the worker had read when it said so.
        dispatches_read: u64,
    },
    /// The tools that the worker of this session hosts, after a change.
    ToolsChanged {
        /// Which session.
        session: SessionKey,
        /// All of them, in any order.
        tools: Vec<ToolKey>,
    },
    /// The slots of the worker of this session that are for this coordinator, after a change. Fewer than are taken:
    /// nothing starts there until enough have ended.
    WorkerSlots {
        /// Which session.
        session: SessionKey,
        /// In place of those that it registered with.
        slots: u32,
    },
    /// The worker (not only its session) drains or takes dispatches again.
    WorkerDraining {
        /// Which.
        worker: WorkerKey,
        /// It drains.
        draining: bool,
    },
    /// The stream of a session ended.
    WorkerLost {
        /// Which.
        session: SessionKey,
        /// How.
        end: SessionEnd,
    },
    /// The process of a worker is known to be gone, whether a session of it is open or not: a new instance
    /// registered under its name.
    WorkerGone {
        /// Which.
        worker: WorkerKey,
    },
    /// Other limits of the whole coordinator from here on. What was admitted stays, and what runs goes on: a lower
    /// limit is reached as attempts end.
    LimitsChanged {
        /// As [`crate::Config::max_in_flight`].
        max_in_flight: usize,
        /// As [`crate::Config::max_queued_calls`].
        max_queued_calls: usize,
    },
    /// An attempt began on its worker.
    AttemptStarted {
        /// By which session.
        session: SessionKey,
        /// Which.
        attempt: AttemptKey,
    },
    /// An attempt ended on its worker; its slot is free. Implies that it had started, unless it was refused.
    AttemptFinished {
        /// By which session.
        session: SessionKey,
        /// Which.
        attempt: AttemptKey,
        /// How.
        end: AttemptEnd,
    },
}

/// An execution as submitted. The plan is valid by construction; `calls` has one entry per call of it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Chosen by the driver, never reused.
    pub execution: ExecutionKey,
    /// Whose.
    pub tenant: TenantKey,
    /// What its tenant may use, as of now.
    pub limits: TenantLimits,
    /// The graph.
    pub plan: Plan,
    /// In request order.
    pub calls: Vec<CallSpec>,
    /// Calls in flight at once; `None`: as many as slots and limits allow.
    pub max_concurrency: Option<u32>,
    /// Pipelined or barrier waves.
    pub schedule: Schedule,
    /// Continue or fail fast.
    pub on_failure: OnFailure,
    /// When every call that has not ended says so.
    pub deadline: Time,
}

/// One call as submitted.
#[derive(Clone, Debug)]
pub struct CallSpec {
    /// Its tool.
    pub tool: ToolKey,
    /// 0 to 3; higher starts first.
    pub priority: u8,
    /// Of one attempt.
    pub timeout: Duration,
    /// Of its wait for a slot.
    pub queue_timeout: Option<Duration>,
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// It may run more than once.
    pub safe_to_repeat: bool,
    /// What the edge already did.
    pub preparation: Preparation,
}

/// What stands between a call whose dependencies are done and its dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// Nothing: it has no references, and its parameters are good against the declared schema.
    Ready,
    /// References to put in, or a schema to check once the tool is known: `Action::Resolve` first.
    Resolve,
    /// It is rejected as it stands; it ends at once, and its dependents are skipped.
    Rejected,
}

/// What came of resolving a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolution {
    /// Its parameters are complete and good. What its tool declares may have come in between.
    Ready {
        /// As the tool's declaration says now.
        safe_to_repeat: bool,
        /// As the call or the tool's declaration says now.
        timeout: Duration,
        /// As the call, the execution or the tool's declaration says now.
        retry: RetryPolicy,
    },
    /// It ends as `REJECTED`; the driver holds the text.
    Rejected,
}

/// When a wave may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Schedule {
    /// A call starts when its own dependencies have ended.
    #[default]
    Pipelined,
    /// A wave starts when all waves before it have ended.
    Barrier,
}

/// What a failure of one call does to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Its dependents are skipped, nothing else.
    #[default]
    Continue,
    /// The execution ends.
    FailFast,
}

/// Who ended an execution early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// `CancelExecution`.
    Requested,
    /// The client's RPC ended.
    ClientGone,
    /// The coordinator ends.
    Shutdown,
}

/// A worker, as it registered.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// The process.
    pub worker: WorkerKey,
    /// Attempts it runs at once.
    pub slots: u32,
    /// What it hosts, in any order.
    pub tools: Vec<ToolKey>,
    /// It takes no dispatch.
    pub draining: bool,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The worker said goodbye and has nothing in flight.
    Goodbye,
    /// The stream ended otherwise, however cleanly: the worker has its grace to come back.
    Broken,
}

/// How an attempt ended on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// With a result, which the driver holds.
    Succeeded,
    /// Without.
    Failed(AttemptFailure),
}
