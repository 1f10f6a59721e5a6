//! The state machine that decides: what is ready, what may start where, what is retried, what has ended.
//!
//! Pure: events and the time go in, actions come out ([`Scheduler::handle`], [`Scheduler::dispatch`],
//! [`Scheduler::handle_timeout`]). It never awaits, locks, reads a clock or draws entropy, and it moves no
//! payload: calls are keys of a few bytes. The coordinator's driver owns the one instance and carries out
//! its actions; tests replay lists of events.

mod action;
mod attempt;
mod cluster;
mod config;
mod event;
mod execution;
mod fleet;
mod ids;
mod lifecycle;
mod outcome;
mod placement;
pub mod plan;
mod pool;
mod queue;
mod retry;
mod scheduler;
mod status;
mod tenant;
mod time;
mod timers;
mod tool;
mod worker;

pub use action::{Action, Admitted, AttemptRecord, FinishedCall};
pub use config::{Config, RetryPolicy, ToolSpec};
pub use event::{
    AttemptEnd, CallSpec, CancelReason, Event, OnFailure, Preparation, Resolution, Schedule, SessionEnd,
    Submission, WorkerSpec,
};
pub use ids::{AttemptKey, CallKey, ExecutionKey, SessionKey, TenantKey, ToolKey, WorkerKey};
pub use outcome::{AttemptFailure, Cause, EvictReason, Outcome, Refusal};
pub use scheduler::Scheduler;
pub use status::{ToolStatus, Totals, WorkerCondition, WorkerStatus};
pub use time::Time;
