//! Calls of one execution by wave and index. Most become ready in that order, whole waves at once: they stand in
//! a row of runs and cost next to nothing, however many they are. The others stand in a heap.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// Calls, the first of which is taken first.
#[derive(Debug, Default)]
pub(crate) struct Row {
    runs: VecDeque<Run>,
    /// Those that came when a later one was in the row.
    others: BinaryHeap<Reverse<(u32, u32)>>,
}

/// Calls of one wave with neighbouring indices.
#[derive(Debug)]
struct Run {
    wave: u32,
    next: u32,
    /// The index behind the last.
    end: u32,
}

impl Row {
    /// Puts a call in, by wave and index.
    pub(crate) fn push(&mut self, (wave, index): (u32, u32)) {
        if let Some(last) = self.runs.back_mut() {
            if (wave, index) == (last.wave, last.end) {
                last.end += 1;
                return;
            }
            if (wave, index) < (last.wave, last.end) {
                self.others.push(Reverse((wave, index)));
                return;
            }
        }
        self.runs.push_back(Run {
            wave,
            next: index,
            end: index + 1,
        });
    }

    /// The first.
    pub(crate) fn first(&self) -> Option<(u32, u32)> {
        let run = self.runs.front().map(|run| (run.wave, run.next));
        let other = self.others.peek().map(|Reverse(call)| *call);
        run.into_iter().chain(other).min()
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self) {
        let Some(first) = self.first() else { return };
        match self.runs.front_mut() {
            Some(run) if (run.wave, run.next) == first => {
                run.next += 1;
                if run.next == run.end {
                    self.runs.pop_front();
                }
            }
            _ => {
                self.others.pop();
            }
        }
    }

    /// The indices of all, in no order.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        let runs = self.runs.iter().flat_map(|run| run.next..run.end);
        runs.chain(self.others.iter().map(|Reverse((_, index))| *index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_leave_by_wave_and_index_however_they_came() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let mut calls: Vec<(u32, u32)> = (0..40).map(|index| (rng.u32(..3), index)).collect();
            let sorted = rng.usize(..40);
            calls[..sorted].sort_unstable();
            let (mut row, mut taken) = (Row::default(), Vec::new());
            let mut expected: Vec<(u32, u32)> = Vec::new();
            for call in calls {
                row.push(call);
                expected.push(call);
                expected.sort_unstable();
                let mut indices: Vec<u32> = row.indices().collect();
                indices.sort_unstable();
                let mut known: Vec<u32> = expected.iter().map(|call| call.1).collect();
                known.sort_unstable();
                assert_eq!(indices, known);
                if rng.u8(..3) == 0 {
                    assert_eq!(row.first(), Some(expected[0]));
                    row.pop();
                    taken.push(expected.remove(0));
                }
            }
            for call in expected {
                assert_eq!(row.first(), Some(call));
                row.pop();
            }
            assert_eq!(row.first(), None);
        }
    }

    #[test]
    fn a_whole_wave_is_one_run() {
        let mut row = Row::default();
        (0..1000).for_each(|index| row.push((0, index)));
        (0..10).for_each(|_| row.pop());
        (1000..2000).for_each(|index| row.push((0, index)));
        assert_eq!((row.runs.len(), row.others.len()), (1, 0));
        assert_eq!(row.first(), Some((0, 10)));
    }
}
