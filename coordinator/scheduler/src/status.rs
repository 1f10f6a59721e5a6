//! What operators may ask of the state: counts and conditions, by worker and by tool.

use std::time::Duration;

use crate::{AttemptRecord, TenantKey, TenantLimits, Time, ToolKey, WaitReason, WorkerKey};

/// The condition of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerCondition {
    /// Takes dispatches (unless it drains).
    Ready,
    /// Missed two heartbeats.
    Suspect,
    /// Its stream ended without goodbye; its lease runs.
    Detached,
    /// Its attempts kept failing for its own reasons.
    Ejected,
}

/// A worker, now.
#[derive(Clone, Debug)]
pub struct WorkerStatus {
    /// Which.
    pub worker: WorkerKey,
    /// How it is.
    pub condition: WorkerCondition,
    /// It takes no new dispatch.
    pub draining: bool,
    /// Its slots.
    pub slots: u32,
    /// Slots taken, by attempts under abort too.
    pub in_flight: u32,
    /// Since it was last heard.
    pub silence: Duration,
    /// What it hosts.
    pub tools: Vec<ToolKey>,
}

/// A tool, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolStatus {
    /// Which.
    pub tool: ToolKey,
    /// Workers that host it and are not lost.
    pub workers: u32,
    /// Calls in its ready queue.
    pub queued: u32,
    /// Calls whose turn it is and that wait for a first worker to declare it.
    pub undeclared: u32,
    /// Attempts in flight.
    pub in_flight: u32,
}

/// Sizes of the state; all zero when every execution has ended and every worker has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Executions that have not ended.
    pub executions: usize,
    /// Calls accepted and not in flight.
    pub queued_calls: usize,
    /// Slots taken.
    pub in_flight: usize,
    /// Workers that are not lost.
    pub workers: usize,
    /// Timers set.
    pub timers: usize,
    /// Ready queues, counted where they are kept and where their tools list them.
    pub queues: usize,
    /// Tenants with executions or attempts, or ahead of their rate.
    pub tenants: usize,
    /// Tools that were called and never declared.
    pub undeclared_tools: usize,
}

/// An execution that has not ended, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutionStatus {
    /// Calls that have not ended.
    pub open: u32,
    /// Of these, those with an attempt on a worker.
    pub in_flight: u32,
}

/// A call that is beyond its dependencies and has not ended, now.
#[derive(Clone, Debug)]
pub struct CallStatus {
    /// Its index.
    pub index: u32,
    /// Where it stands.
    pub phase: CallPhase,
    /// When its dependencies were done.
    pub ready_at: Option<Time>,
    /// What it waits for, where it does.
    pub waits_for: Option<WaitReason>,
    /// Those that were dispatched, in order.
    pub attempts: Vec<AttemptRecord>,
}

/// Where such a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPhase {
    /// It waits for its turn.
    Ready,
    /// Its attempt is on a worker.
    InFlight,
    /// It waits for its next attempt.
    Backoff,
}

/// A tenant, now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TenantStatus {
    /// Which.
    pub tenant: TenantKey,
    /// As its last submission said.
    pub limits: TenantLimits,
    /// Attempts that count against its limit.
    pub in_flight: usize,
    /// Calls accepted and not in flight.
    pub queued: usize,
    /// How much of the calls that may come at once is used: from 1 on executions are refused. `None`: no rate.
    pub rate_used: Option<f64>,
}

/// Ready calls that wait for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What for.
    pub reason: WaitReason,
    /// The tool whose limit, or whose workers, it is.
    pub tool: Option<ToolKey>,
    /// The tenant whose limit it is.
    pub tenant: Option<TenantKey>,
    /// How many.
    pub calls: u32,
}
