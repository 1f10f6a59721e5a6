//! The state machine that decides: what is ready, what may start where, what is retried, what has ended.
//!
//! Pure: events and the time go in, actions come out ([`Scheduler::handle`], [`Scheduler::dispatch`],
//! [`Scheduler::handle_timeout`]). It never awaits, locks, reads a clock or draws entropy, and it moves no
//! payload: calls are keys of a few bytes. The coordinator's driver owns the one instance and carries out
//! its actions; tests replay lists of events.
//!
//! # Mutants that no test can tell apart
//!
//! `cargo mutants -p toolwave-scheduler` changes the code in some 680 ways. These changes alter nothing that can
//! be seen from outside; every other is caught:
//!
//! - `placement::takes_any_free_worker` always false: it only saves a search, which finds the same workers.
//! - `placement::two_of` without its arm for nothing to choose from: `has_worker` was asked before.
//! - `placement::less_loaded` with `<=`: which of two equally loaded workers is taken is open.
//! - `Cluster::arm_worker` and `arm_hostless` with `<=`: a timer is set to the time that it has.
//! - `Plan::cycle` with `<=` at the end of its queue, which it never reaches, and with `>= 0`, which also visits
//!   calls that lead into no cycle.
//! - `retry::bound` with `<=`: both sides are equal then.
//! - `Queues::head` without its look at whether a level is empty, and `queue::first_tenant` without its arm for one
//!   tenant: they only save work. `Level::head` that moves back a lane that is alone: what it is filed under makes
//!   no difference then. `queue::lift` without its comparison: the division says the same.
//! - `Timers::line_for` with another line that fits, or none: the set keeps what no line does.
//! - `Worker::is_free` with `slots >= 0` under probation: a worker without slots had nothing to be taken out for.

mod action;
mod attempt;
mod cluster;
mod config;
mod demand;
mod event;
mod execution;
mod fleet;
mod ids;
mod lifecycle;
mod limits;
mod outcome;
mod placement;
pub mod plan;
mod pool;
mod queue;
mod retry;
mod row;
mod scheduler;
mod status;
mod tenant;
mod terms;
mod time;
mod timers;
mod tool;
mod track;
mod waiting;
mod waits;
mod worker;

pub use action::{Action, Admitted, AttemptRecord, FinishedCall};
pub use config::{CallRate, Config, RetryPolicy, TenantLimits, ToolSpec};
pub use event::{
    AttemptEnd, CallSpec, CancelReason, Event, OnFailure, Preparation, Resolution, Schedule, SessionEnd,
    Submission, WorkerSpec,
};
pub use ids::{AttemptKey, CallKey, ExecutionKey, SessionKey, TenantKey, ToolKey, WorkerKey};
pub use limits::LimitStatus;
pub use outcome::{AttemptFailure, Cause, EvictReason, Outcome, Refusal, TenantLimit};
pub use scheduler::Scheduler;
pub use status::{
    CallPhase, CallStatus, ExecutionStatus, TenantStatus, ToolStatus, Totals, Waiting, WorkerCondition,
    WorkerStatus,
};
pub use time::Time;
pub use waits::{Wait, WaitReason, Waits};
