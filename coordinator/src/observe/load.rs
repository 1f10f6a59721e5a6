//! How busy the coordinator is at one moment, as the driver answers it for a scrape. Plain data.

use std::{sync::Arc, time::Duration};

/// At one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    pub(crate) executions: usize,
    /// Accepted and not in flight.
    pub(crate) queued_calls: usize,
    /// With a session that is open.
    pub(crate) workers: u32,
    /// Of those that take dispatches, draining ones and suspects left out.
    pub(crate) slots: u64,
    pub(crate) slots_free: u64,
    /// Every tool that is known, by the name under which it is counted.
    pub(crate) tools: Vec<ToolLoad>,
    pub(crate) limits: Vec<LimitLoad>,
}

/// Of one tool.
#[derive(Clone, Debug)]
pub(crate) struct ToolLoad {
    /// `None`: one that has no series of its own.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) workers: u32,
    pub(crate) queued: u32,
    pub(crate) running: u32,
    /// Of the calls that wait, those that would start if there were workers; a share where others wait for the same.
    pub(crate) startable: f64,
    /// Since when a call of it could have started, had there been room; how long ago.
    pub(crate) oldest: Duration,
}

/// Of a limit on attempts in flight.
#[derive(Clone, Debug)]
pub(crate) struct LimitLoad {
    /// `None`: the coordinator's own.
    pub(crate) tool: Option<Arc<str>>,
    pub(crate) limit: u64,
    pub(crate) in_use: u64,
    /// For how long it has kept calls from starting.
    pub(crate) limited: Duration,
}
