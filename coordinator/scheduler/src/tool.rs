//! A tool as the scheduler sees it: its limits, who hosts it, which queues wait for it.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{CallKey, Time, ToolKey, ToolSpec, pool::PoolKey, queue::QueueKey, timers::Armed};

/// Every tool that was declared, is hosted or is called.
pub(crate) type Tools = FxHashMap<ToolKey, ToolState>;

/// One tool.
#[derive(Debug, Default)]
pub(crate) struct ToolState {
    /// `None`: no worker ever declared it.
    pub(crate) spec: Option<ToolSpec>,
    /// When it was first declared.
    pub(crate) declared_at: Time,
    /// Attempts that count against its limit.
    pub(crate) in_flight: u32,
    /// Nothing starts before this: a tool said `retry_after`.
    pub(crate) paused_until: Time,
    /// The rate limit's memory: when the next start would come if starts were evenly spread.
    pub(crate) next_start: Time,
    /// Pools of workers that host it.
    pub(crate) pools: SmallVec<[PoolKey; 2]>,
    /// Workers that host it and may take calls some time soon: attached, not draining.
    pub(crate) hosts: u32,
    /// Its ready queues: one for fresh calls, one for each set of workers that calls avoid.
    pub(crate) queues: SmallVec<[QueueKey; 1]>,
    /// Ready calls.
    pub(crate) queued: u32,
    /// Calls that wait for it to be declared.
    pub(crate) undeclared: BTreeSet<CallKey>,
    /// While nothing hosts it: when each ready call gives up, in that order. May hold calls that ended since.
    pub(crate) hostless: VecDeque<(Time, CallKey)>,
    pub(crate) timer: Option<Armed>,
}

impl ToolState {
    /// When rate and pause allow the next start; `None`: now.
    pub(crate) fn opens_at(&self, now: Time) -> Option<Time> {
        let mut opens = self.paused_until;
        if let Some((interval, burst)) = self.interval() {
            // The generic cell rate algorithm: a start may come up to (burst − 1) intervals early.
            let early = interval.saturating_mul(burst - 1);
            opens = opens.max(Time::from_duration(
                self.next_start.since_origin().saturating_sub(early),
            ));
        }
        (opens > now).then_some(opens)
    }

    /// How much of what may start at once is used; `None`: no rate, and no pause.
    pub(crate) fn rate_used(&self, now: Time) -> Option<f64> {
        if self.paused_until > now {
            return Some(1.0);
        }
        let (interval, burst) = self.interval()?;
        let owed = self.next_start.since(now).as_secs_f64();
        Some((owed / interval.saturating_mul(burst).as_secs_f64()).min(1.0))
    }

    /// A start happens now.
    pub(crate) fn count_start(&mut self, now: Time) {
        self.in_flight += 1;
        if let Some((interval, _)) = self.interval() {
            self.next_start = self.next_start.max(now) + interval;
        }
    }

    /// Another attempt may count against its limit.
    pub(crate) fn below_limit(&self) -> bool {
        self.spec
            .as_ref()
            .is_none_or(|spec| spec.max_concurrency == 0 || self.in_flight < spec.max_concurrency)
    }

    /// The limit per worker, where there is one.
    pub(crate) fn per_worker(&self) -> Option<u32> {
        self.spec
            .as_ref()
            .map(|spec| spec.max_concurrency_per_worker)
            .filter(|&limit| limit > 0)
    }

    /// Time between starts, and how many may come at once.
    fn interval(&self) -> Option<(Duration, u32)> {
        let spec = self.spec.as_ref().filter(|spec| spec.rate_per_second > 0.0)?;
        let interval = Duration::try_from_secs_f64(1.0 / spec.rate_per_second).unwrap_or(Duration::MAX);
        Some((interval, spec.rate_burst.max(1)))
    }

    /// Nothing is known of it and nothing waits for it: it need not be kept.
    pub(crate) fn is_vacant(&self) -> bool {
        self.spec.is_none()
            && self.in_flight == 0
            && self.queued == 0
            && self.undeclared.is_empty()
            && self.pools.is_empty()
    }
}
