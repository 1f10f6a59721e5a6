//! Limits on attempts in flight, for those who watch: how far each is used, for how long it has kept calls from
//! starting, and for how long calls wait. It decides nothing.

use std::time::Duration;

use crate::{Scheduler, Time, ToolKey, cluster::Cluster};

/// A limit on attempts in flight, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// Whose; `None`: the coordinator's.
    pub tool: Option<ToolKey>,
    /// Attempts that may be in flight.
    pub limit: u64,
    /// Those that are, and count.
    pub in_use: u64,
    /// For how long it has kept calls from starting, since the limit is known.
    pub limited: Duration,
}

/// For how long something was so, and whether it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stopwatch {
    total: Duration,
    since: Option<Time>,
}

impl Stopwatch {
    /// It is so, or not, from now on.
    pub(crate) fn set(&mut self, now: Time, is_so: bool) {
        match (self.since, is_so) {
            (None, true) => self.since = Some(now),
            (Some(since), false) => {
                self.total += now.since(since);
                self.since = None;
            }
            _ => {}
        }
    }

    fn read(&self, now: Time) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

impl Cluster {
    /// After starts, which are what limits keep back: nothing else makes a call wait for one.
    pub(crate) fn time_limits(&mut self, now: Time) {
        let waits = self.queues.len() > 0;
        self.limited
            .set(now, waits && self.in_flight >= self.config.max_in_flight);
        self.limited_tools.retain(|key| {
            let Some(tool) = self.tools.get_mut(key) else {
                return false;
            };
            let is_limited = tool.queued > 0 && !tool.below_limit();
            tool.limited.set(now, is_limited);
            tool.limited_is_listed = is_limited;
            is_limited
        });
    }

    /// Calls of a tool wait for its limit.
    pub(crate) fn list_limited(&mut self, key: ToolKey) {
        if let Some(tool) = self.tools.get_mut(&key)
            && !std::mem::replace(&mut tool.limited_is_listed, true)
        {
            self.limited_tools.push(key);
        }
    }
}

impl Scheduler {
    /// The coordinator's limit, and that of every tool that has one.
    #[must_use]
    pub fn limits(&self, now: Time) -> Vec<LimitStatus> {
        let cluster = self.cluster();
        let own = LimitStatus {
            tool: None,
            limit: cluster.config.max_in_flight as u64,
            in_use: cluster.in_flight as u64,
            limited: cluster.limited.read(now),
        };
        let of_tools = cluster.tools.iter().filter_map(|(key, tool)| {
            let limit = tool.spec.as_ref()?.max_concurrency;
            (limit > 0).then(|| LimitStatus {
                tool: Some(*key),
                limit: limit.into(),
                in_use: tool.in_flight.into(),
                limited: tool.limited.read(now),
            })
        });
        std::iter::once(own).chain(of_tools).collect()
    }

    /// Tools with ready calls of executions below their own limits, each with the time since when one of these has
    /// held such calls without a break.
    #[must_use]
    pub fn waiting_since(&self) -> Vec<(ToolKey, Time)> {
        let cluster = self.cluster();
        let tools = cluster.tools.iter().filter(|(_, tool)| tool.queued > 0);
        tools
            .filter_map(|(key, tool)| {
                let since = tool
                    .queues
                    .iter()
                    .filter_map(|queue| cluster.queues.waiting_since(*queue));
                Some((*key, since.min()?))
            })
            .collect()
    }
}
