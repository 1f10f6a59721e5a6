//! What ready calls wait for, and for how long. Words and sums only: `track` finds them out.

use std::time::Duration;

use smallvec::SmallVec;

use crate::Time;

/// What a ready call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WaitReason {
    /// No healthy worker hosts its tool.
    NoWorker,
    /// Every slot of the workers that host its tool is taken.
    Slots,
    /// The coordinator's `max_in_flight`.
    CoordinatorLimit,
    /// The execution's own `max_concurrency`.
    ExecutionLimit,
    /// Its tenant's `max_in_flight`.
    TenantLimit,
    /// The tool's `max_concurrency` over all workers.
    ToolLimit,
    /// The tool's rate, or the time that the tool asked to be left alone for.
    ToolRate,
    /// The tool's `max_concurrency_per_worker`.
    ToolWorkerLimit,
    /// The time between two attempts.
    Backoff,
    /// Nothing of the above: its turn, or the references of its parameters.
    Turn,
}

impl WaitReason {
    /// The limit, or the want of workers, is that of one tool.
    #[must_use]
    pub fn is_of_tool(self) -> bool {
        matches!(
            self,
            Self::NoWorker | Self::ToolLimit | Self::ToolRate | Self::ToolWorkerLimit
        )
    }
}

/// Time spent waiting for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    nanos: u64,
    /// What for.
    pub reason: WaitReason,
}

/// What a call waited for, each thing once; empty when it never waited. Most calls wait for one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits(SmallVec<[Wait; 1]>);

impl Wait {
    /// How long.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

impl Waits {
    /// The time from one instant to another was spent waiting for this.
    pub fn add(&mut self, reason: WaitReason, from: Time, to: Time) {
        self.add_time(reason, to.since(from));
    }

    /// So much more time was.
    pub fn add_time(&mut self, reason: WaitReason, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 {
            return;
        }
        match self.0.iter_mut().find(|wait| wait.reason == reason) {
            Some(wait) => wait.nanos = wait.nanos.saturating_add(nanos),
            None => self.0.push(Wait { nanos, reason }),
        }
    }

    /// Each thing that was waited for.
    pub fn iter(&self) -> impl Iterator<Item = &Wait> {
        self.0.iter()
    }

    /// It never waited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.iter().map(Wait::time).sum()
    }

    /// Bytes that it holds elsewhere.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.0.spilled() {
            self.0.capacity() * size_of::<Wait>()
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_one_call_take_no_more_room_than_they_must() {
        assert!(size_of::<Waits>() <= 32, "{}", size_of::<Waits>());
    }

    #[test]
    fn each_thing_is_listed_once_and_nothing_that_took_no_time() {
        let at = |ms| Time::from_duration(Duration::from_millis(ms));
        let mut waits = Waits::default();
        waits.add(WaitReason::Slots, at(1), at(1));
        assert!(waits.is_empty());
        waits.add(WaitReason::Slots, at(1), at(3));
        waits.add(WaitReason::Backoff, at(3), at(4));
        waits.add(WaitReason::Slots, at(4), at(9));
        let listed: Vec<(WaitReason, u128)> = waits
            .iter()
            .map(|wait| (wait.reason, wait.time().as_millis()))
            .collect();
        assert_eq!(listed, [(WaitReason::Slots, 7), (WaitReason::Backoff, 1)]);
        assert_eq!(waits.total(), Duration::from_millis(8));
    }
}
