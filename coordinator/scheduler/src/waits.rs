//! What ready calls wait for, and for how long. Words and sums only: `track` finds them out.

use std::{fmt, time::Duration};

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
    /// What for.
    pub reason: WaitReason,
    /// How long.
    pub time: Duration,
}

/// What a call waited for, each thing once; empty when it never waited. Of more than three things the two shortest
/// count as the longer of them: every attempt carries this, and few wait for two.
#[derive(Clone, Copy)]
pub struct Waits {
    nanos: [u64; KEPT],
    reasons: [WaitReason; KEPT],
    len: u8,
}

const KEPT: usize = 3;

impl Waits {
    /// The time from one instant to another was spent waiting for this.
    #[inline]
    pub fn add(&mut self, reason: WaitReason, from: Time, to: Time) {
        self.add_nanos(reason, to.nanos_since(from));
    }

    /// So much more time was.
    pub fn add_time(&mut self, reason: WaitReason, time: Duration) {
        self.add_nanos(reason, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    #[inline]
    fn add_nanos(&mut self, reason: WaitReason, nanos: u64) {
        if nanos == 0 {
            return;
        }
        // Most wait for one thing.
        if self.len == 0 {
            (self.nanos[0], self.reasons[0], self.len) = (nanos, reason, 1);
        } else {
            self.add_another(reason, nanos);
        }
    }

    fn add_another(&mut self, reason: WaitReason, nanos: u64) {
        let len = usize::from(self.len);
        if let Some(at) = self.reasons[..len].iter().position(|known| *known == reason) {
            self.nanos[at] = self.nanos[at].saturating_add(nanos);
        } else if len < KEPT {
            self.nanos[len] = nanos;
            self.reasons[len] = reason;
            self.len += 1;
        } else {
            self.merge(reason, nanos);
        }
    }

    fn merge(&mut self, reason: WaitReason, nanos: u64) {
        let mut all: [(u64, WaitReason); KEPT + 1] = [(nanos, reason); KEPT + 1];
        for (place, known) in all.iter_mut().zip(self.nanos.into_iter().zip(self.reasons)) {
            *place = known;
        }
        all.sort_unstable_by(|one, other| other.cmp(one));
        all[KEPT - 1].0 = all[KEPT - 1].0.saturating_add(all[KEPT].0);
        for (at, (nanos, reason)) in all.into_iter().take(KEPT).enumerate() {
            self.nanos[at] = nanos;
            self.reasons[at] = reason;
        }
    }

    /// Each thing that was waited for.
    pub fn iter(&self) -> impl Iterator<Item = Wait> + use<> {
        let known = self.nanos.into_iter().zip(self.reasons);
        known.take(self.len.into()).map(|(nanos, reason)| Wait {
            reason,
            time: Duration::from_nanos(nanos),
        })
    }

    /// It never waited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.iter().map(|wait| wait.time).sum()
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            nanos: [0; KEPT],
            reasons: [WaitReason::Turn; KEPT],
            len: 0,
        }
    }
}

impl PartialEq for Waits {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Waits {}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|wait| (wait.reason, wait.time)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_one_attempt_take_no_more_room_than_they_must() {
        assert_eq!(size_of::<Waits>(), 32);
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
            .map(|wait| (wait.reason, wait.time.as_millis()))
            .collect();
        assert_eq!(listed, [(WaitReason::Slots, 7), (WaitReason::Backoff, 1)]);
        assert_eq!(waits.total(), Duration::from_millis(8));
    }

    #[test]
    fn of_more_things_than_are_kept_the_shortest_count_as_one() {
        let mut waits = Waits::default();
        let found = [
            (WaitReason::Slots, 1),
            (WaitReason::ToolRate, 50),
            (WaitReason::NoWorker, 3),
            (WaitReason::Backoff, 20),
        ];
        for (reason, ms) in found {
            waits.add_time(reason, Duration::from_millis(ms));
        }
        let listed: Vec<(WaitReason, u128)> = waits
            .iter()
            .map(|wait| (wait.reason, wait.time.as_millis()))
            .collect();
        let expected = [
            (WaitReason::ToolRate, 50),
            (WaitReason::Backoff, 20),
            (WaitReason::NoWorker, 4),
        ];
        assert_eq!(listed, expected);
    }
}
