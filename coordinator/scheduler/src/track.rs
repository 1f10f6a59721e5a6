//! What held something back, and since when: a queue, an execution, a tenant. A change costs a comparison most often;
//! what a call waited for is read off when it leaves, however many calls wait.

use smallvec::SmallVec;

use crate::{Time, WaitReason, Waits};

/// Changes that are remembered. Beyond it neighbours become one, by what held for longer: the older a change is,
/// the more coarsely it is known.
const LONGEST: usize = 16;

/// What held it back, over time; `None`: nothing. Before the first change nothing did.
#[derive(Debug, Default)]
pub(crate) struct Track {
    changes: SmallVec<[Change; 2]>,
}

type Change = (Time, Option<WaitReason>);

/// A place in a track that moves on with time.
struct Cursor<'t> {
    changes: &'t [Change],
    now: Option<WaitReason>,
}

impl Track {
    /// From now on it is held back so. Time does not go back.
    pub(crate) fn set(&mut self, now: Time, by: Option<WaitReason>) {
        let count = self.changes.len();
        let Some(last) = self.changes.last_mut() else {
            if by.is_some() {
                self.changes.push((now, by));
            }
            return;
        };
        if last.1 == by {
            return;
        }
        if last.0 < now {
            if count == LONGEST {
                self.coarsen();
            }
            self.changes.push((now, by));
            return;
        }
        // What lasted no time was not.
        last.1 = by;
        let before = if count > 1 {
            self.changes[count - 2].1
        } else {
            None
        };
        if before == by {
            self.changes.pop();
        }
    }

    /// Nothing ever did.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What holds it back now.
    #[inline]
    pub(crate) fn now(&self) -> Option<WaitReason> {
        self.changes.last().and_then(|change| change.1)
    }

    /// It has not changed since.
    #[inline]
    pub(crate) fn is_steady(&self, since: Time) -> bool {
        self.changes.last().is_none_or(|last| last.0 <= since)
    }

    fn coarsen(&mut self) {
        let mut kept: SmallVec<[Change; 2]> = SmallVec::with_capacity(LONGEST);
        let mut keep = |change: Change| {
            if kept.last().is_none_or(|last: &Change| last.1 != change.1) {
                kept.push(change);
            }
        };
        let mut at = 0;
        while let Some(&[one, two, (end, _)]) = self.changes.get(at..at + 3) {
            let longer = if two.0.nanos_since(one.0) < end.nanos_since(two.0) {
                two.1
            } else {
                one.1
            };
            keep((one.0, longer));
            at += 2;
        }
        self.changes[at..].iter().copied().for_each(keep);
        self.changes = kept;
    }

    fn at(&self, time: Time) -> Cursor<'_> {
        let next = self.changes.partition_point(|change| change.0 <= time);
        Cursor {
            now: next.checked_sub(1).and_then(|last| self.changes[last].1),
            changes: &self.changes[next..],
        }
    }
}

impl Cursor<'_> {
    /// When it changes next.
    fn until(&self) -> Time {
        self.changes.first().map_or(Time::MAX, |next| next.0)
    }

    fn move_to(&mut self, time: Time) {
        while let Some((next, rest)) = self.changes.split_first()
            && next.0 <= time
        {
            self.now = next.1;
            self.changes = rest;
        }
    }
}

/// What held a ready call back, of the three that may: the first of them that did, at each time.
pub(crate) fn read_off(
    [execution, tenant, queue]: [Option<&Track>; 3],
    (from, to): (Time, Time),
    waits: &mut Waits,
) {
    let is_steady = |track: Option<&Track>| track.is_none_or(|track| track.is_steady(from));
    // Most calls wait for one thing.
    if is_steady(execution) && is_steady(tenant) && is_steady(queue) {
        let now = |track: Option<&Track>| track.and_then(Track::now);
        let reason = now(execution).or_else(|| now(tenant)).or_else(|| now(queue));
        return waits.add(reason.unwrap_or(WaitReason::Turn), from, to);
    }
    let mut cursors = [execution, tenant, queue].map(|track| track.map(|track| track.at(from)));
    let mut at = from;
    while at < to {
        let (mut reason, mut until) = (None, to);
        for cursor in cursors.iter_mut().flatten() {
            cursor.move_to(at);
            reason = reason.or(cursor.now);
            until = until.min(cursor.until());
        }
        waits.add(reason.unwrap_or(WaitReason::Turn), at, until);
        at = until;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use WaitReason::{ExecutionLimit, Slots, TenantLimit, ToolRate, Turn};

    fn at(ms: u64) -> Time {
        Time::from_duration(Duration::from_millis(ms))
    }

    fn track(changes: &[(u64, Option<WaitReason>)]) -> Track {
        let mut track = Track::default();
        for &(ms, by) in changes {
            track.set(at(ms), by);
        }
        track
    }

    fn waited(tracks: [Option<&Track>; 3], from: u64, to: u64) -> Vec<(WaitReason, u128)> {
        let mut waits = Waits::default();
        read_off(tracks, (at(from), at(to)), &mut waits);
        let mut listed: Vec<_> = waits
            .iter()
            .map(|wait| (wait.reason, wait.time.as_millis()))
            .collect();
        listed.sort_unstable();
        listed
    }

    #[test]
    fn what_held_a_call_back_is_read_off_the_first_of_three_that_did() {
        let execution = track(&[(10, Some(ExecutionLimit)), (20, None)]);
        let tenant = track(&[(15, Some(TenantLimit)), (25, None)]);
        let queue = track(&[(0, Some(Slots)), (30, Some(ToolRate))]);
        let all = [Some(&execution), Some(&tenant), Some(&queue)];
        assert_eq!(
            waited(all, 5, 30),
            [
                (Slots, 10),
                (ExecutionLimit, 10),
                (TenantLimit, 5),
                (ToolRate, 10)
            ]
        );
        assert_eq!(waited(all, 12, 18), [(ExecutionLimit, 6)]);
        assert_eq!(
            waited([Some(&execution), None, None], 5, 40),
            [(ExecutionLimit, 10), (Turn, 25)]
        );
        assert_eq!(waited(all, 40, 40), []);
    }

    #[test]
    fn what_lasted_no_time_was_not() {
        let queue = track(&[
            (1, Some(Slots)),
            (5, None),
            (5, Some(Slots)),
            (7, Some(ToolRate)),
            (7, None),
        ]);
        assert_eq!(queue.changes.len(), 2);
        assert_eq!(queue.now(), None);
        assert_eq!(track(&[(1, None)]).changes.len(), 0);
        assert_eq!(track(&[(1, Some(Slots)), (1, None)]).changes.len(), 0);
    }

    #[test]
    fn a_track_is_bounded_and_what_it_says_still_sums_up() {
        let mut queue = Track::default();
        for ms in 0..10_000_u64 {
            // Nine of ten belong to the rate.
            queue.set(at(ms), Some(if ms % 10 == 0 { Slots } else { ToolRate }));
            assert!(queue.changes.len() <= LONGEST);
        }
        let found = waited([Some(&queue), None, None], 0, 10_000);
        assert_eq!(found.iter().map(|(_, ms)| ms).sum::<u128>(), 10_000);
        assert!(
            found.contains(&(ToolRate, 10_000)) || found.iter().any(|&(by, ms)| by == ToolRate && ms > 9_000)
        );
    }
}
