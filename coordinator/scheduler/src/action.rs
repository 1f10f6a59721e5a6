//! What the scheduler tells the driver to do.

use std::time::Duration;

use smallvec::SmallVec;

use crate::{
    AttemptFailure, AttemptKey, CallKey, Cause, EvictReason, ExecutionKey, Outcome, Refusal, SessionKey,
    TenantKey, Time, Waits, WorkerKey,
};

/// One output. Actions are carried out in order.
#[derive(Clone, Debug)]
pub enum Action {
    /// The execution is accepted: from here on every call of it ends exactly once.
    Admitted(Admitted),
    /// It is not; nothing of it is kept.
    Refused {
        /// Which.
        execution: ExecutionKey,
        /// Why.
        refusal: Refusal,
    },
    /// Dependencies are done: substitute references and check the schema, then answer `Event::Resolved`.
    Resolve {
        /// Which.
        call: CallKey,
    },
    /// Send the attempt to the worker of this session.
    Dispatch {
        /// Where to.
        session: SessionKey,
        /// What.
        attempt: AttemptKey,
        /// Its timeout on the worker.
        timeout: Duration,
        /// The worker may stop it when it fences itself.
        safe_to_repeat: bool,
    },
    /// Tell the worker of this session to stop the attempt; its slot stays taken until the end is reported.
    Abort {
        /// Where.
        session: SessionKey,
        /// What.
        attempt: AttemptKey,
    },
    /// An attempt began. For watchers; changes nothing.
    Started {
        /// Which.
        attempt: AttemptKey,
        /// Where.
        worker: WorkerKey,
    },
    /// An attempt failed and another follows. For watchers; changes nothing.
    Retry {
        /// The one that failed.
        attempt: AttemptKey,
        /// Why.
        failure: AttemptFailure,
        /// Until the next may start.
        backoff: Duration,
    },
    /// The call has ended. Nothing that happens later changes it.
    FinishCall(FinishedCall),
    /// All its calls have ended.
    FinishExecution {
        /// Which.
        execution: ExecutionKey,
    },
    /// A report that came too late or twice; it changed nothing. To be counted and logged, and kept with
    /// the execution while that lives.
    Late {
        /// Which attempt.
        attempt: AttemptKey,
        /// From which session.
        session: SessionKey,
    },
    /// Close the session.
    EvictWorker {
        /// Which.
        session: SessionKey,
        /// Why.
        reason: EvictReason,
    },
    /// Nothing is known of the worker any more: it left, or its lease ended.
    ForgetWorker {
        /// Which.
        worker: WorkerKey,
    },
    /// Nothing is known of the tenant any more; a later submission of it starts anew.
    ForgetTenant {
        /// Which.
        tenant: TenantKey,
    },
}

/// An accepted execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which.
    pub execution: ExecutionKey,
}

/// The end of a call.
#[derive(Clone, Debug)]
pub struct FinishedCall {
    /// Which.
    pub call: CallKey,
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub cause: Cause,
    /// Every dispatched attempt, in order.
    pub attempts: SmallVec<[AttemptRecord; 1]>,
    /// When its dependencies were done; `None` when that never came.
    pub ready_at: Option<Time>,
    /// What it waited for after its last attempt, or without any.
    pub waits: Waits,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its number.
    pub number: u32,
    /// Where it ran.
    pub worker: WorkerKey,
    /// When it was sent.
    pub dispatched_at: Time,
    /// When the coordinator heard that it began (or, without such news, of its end).
    pub started_at: Option<Time>,
    /// When it ended, or was given up.
    pub ended_at: Option<Time>,
    /// Why it did not succeed; `None` while it runs, and for the one that did.
    pub failure: Option<AttemptFailure>,
    /// What its call waited for before it was sent, since it was ready or the attempt before had ended.
    pub waits: Waits,
}
