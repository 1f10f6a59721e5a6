//! The ends of attempts that the coordinator has not acknowledged yet, in the order in which they are told.
//!
//! They outlive sessions: a new session numbers them again from 1 and tells them again.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use rustc_hash::FxHashSet;
use toolwave_proto::v1::{self, AttemptRef};

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// JSON text.
    Result(Bytes),
    Failure(v1::AttemptFailure),
}

/// An attempt that ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) attempt: AttemptRef,
    pub(crate) end: End,
    /// `None`: it never started.
    pub(crate) execution_time: Option<Duration>,
}

/// The first `told` of `ends` are on their way with the sequence numbers after `acknowledged`.
#[derive(Debug, Default)]
pub(crate) struct Unacknowledged {
    ends: VecDeque<Ended>,
    attempts: FxHashSet<AttemptRef>,
    acknowledged: u64,
    told: usize,
}

impl Unacknowledged {
    pub(crate) fn push(&mut self, ended: Ended) {
        let new = self.attempts.insert(ended.attempt);
        debug_assert!(new, "an attempt ends once");
        self.ends.push_back(ended);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn contains(&self, attempt: &AttemptRef) -> bool {
        self.attempts.contains(attempt)
    }

    pub(crate) fn attempts(&self) -> impl Iterator<Item = AttemptRef> {
        self.ends.iter().map(|ended| ended.attempt)
    }

    /// Those that are not on their way.
    pub(crate) fn untold(&self) -> impl Iterator<Item = AttemptRef> {
        self.ends.iter().skip(self.told).map(|ended| ended.attempt)
    }

    pub(crate) fn has_untold(&self) -> bool {
        self.told < self.ends.len()
    }

    /// The next to tell, and its number in this session.
    pub(crate) fn next_untold(&self) -> Option<(u64, &Ended)> {
        self.ends
            .get(self.told)
            .map(|ended| (self.acknowledged + self.told as u64 + 1, ended))
    }

    /// The one that `next_untold` gave is on its way.
    pub(crate) fn mark_told(&mut self) {
        self.told += 1;
    }

    /// All up to this number are safe. False when it is ahead of what was told.
    pub(crate) fn acknowledge(&mut self, up_to: u64) -> bool {
        let Some(safe) = up_to
            .checked_sub(self.acknowledged)
            .and_then(|safe| usize::try_from(safe).ok())
        else {
            // an older acknowledgement says nothing new
            return true;
        };
        if safe > self.told {
            return false;
        }
        for ended in self.ends.drain(..safe) {
            self.attempts.remove(&ended.attempt);
        }
        self.told -= safe;
        self.acknowledged = up_to;
        true
    }

    /// A new session tells everything again, from number 1.
    pub(crate) fn begin_session(&mut self) {
        self.acknowledged = 0;
        self.told = 0;
    }

    /// Nobody wants these; only between `begin_session` and the first that is told.
    pub(crate) fn forget(&mut self, unwanted: &FxHashSet<AttemptRef>) {
        debug_assert_eq!(self.told, 0, "numbers must stay dense");
        self.ends.retain(|ended| !unwanted.contains(&ended.attempt));
        self.attempts.retain(|attempt| !unwanted.contains(attempt));
    }

    /// Of another coordinator, which knows none of them.
    pub(crate) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(execution: u64) -> Ended {
        let attempt = AttemptRef {
            execution,
            call_index: 0,
            attempt: 1,
        };
        Ended {
            attempt,
            end: End::Result(Bytes::from_static(b"1")),
            execution_time: None,
        }
    }

    fn tell_all(results: &mut Unacknowledged) -> Vec<(u64, u64)> {
        let mut told = Vec::new();
        while let Some((sequence, ended)) = results.next_untold() {
            told.push((sequence, ended.attempt.execution));
            results.mark_told();
        }
        told
    }

    #[test]
    fn results_are_numbered_densely_and_told_once_in_a_session() {
        let mut results = Unacknowledged::default();
        results.push(ended(7));
        results.push(ended(8));
        assert_eq!(tell_all(&mut results), [(1, 7), (2, 8)]);
        assert!(results.acknowledge(1));
        results.push(ended(9));
        assert_eq!(tell_all(&mut results), [(3, 9)]);
        assert_eq!(
            results
                .attempts()
                .map(|attempt| attempt.execution)
                .collect::<Vec<_>>(),
            [8, 9]
        );
    }

    #[test]
    fn a_new_session_tells_again_what_is_not_acknowledged_except_the_unwanted() {
        let mut results = Unacknowledged::default();
        (1..=4).for_each(|execution| results.push(ended(execution)));
        tell_all(&mut results);
        assert!(results.acknowledge(2));
        results.begin_session();
        results.forget(&FxHashSet::from_iter([ended(3).attempt]));
        assert_eq!(tell_all(&mut results), [(1, 4)]);
        assert!(results.acknowledge(1) && results.is_empty());
    }

    #[test]
    fn an_acknowledgement_ahead_of_what_was_told_is_refused_and_an_old_one_is_ignored() {
        let mut results = Unacknowledged::default();
        results.push(ended(1));
        assert!(!results.acknowledge(1));
        tell_all(&mut results);
        assert!(results.acknowledge(1));
        assert!(results.acknowledge(0));
        assert!(!results.acknowledge(2));
    }
}
