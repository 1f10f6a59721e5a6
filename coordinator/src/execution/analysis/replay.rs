//! An execution played again: the same graph, each call as long as it was measured, so many in flight at once. An
//! estimate: the tools' own limits, placement and what else ran then are left out.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

use toolwave_scheduler::Schedule;

use super::CallCourse;
use crate::execution::answer::Shape;

/// What is played.
pub(super) struct Replay<'a> {
    shape: &'a Shape,
    calls: &'a [CallCourse],
    /// Calls in the order in which they were sent; what was never sent comes last.
    by_rank: Vec<u32>,
    /// The place of each call there.
    ranks: Vec<u32>,
    /// The calls of each wave, under barrier waves.
    waves: Option<Vec<Vec<u32>>>,
}

/// How far it is.
struct Play {
    /// Ranks of calls that may start.
    ready: BinaryHeap<Reverse<u32>>,
    /// When each call in flight ends.
    in_flight: BinaryHeap<Reverse<(u64, u32)>>,
    /// Dependencies of each call that have not ended; of each wave, under barrier waves, calls that have not.
    left: Vec<u32>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(shape: &'a Shape, calls: &'a [CallCourse]) -> Self {
        let mut by_rank: Vec<u32> = (0..calls.len() as u32).collect();
        by_rank.sort_by_key(|&call| calls[call as usize].sent_at);
        let mut ranks = vec![0; calls.len()];
        for (rank, &call) in (0..).zip(&by_rank) {
            ranks[call as usize] = rank;
        }
        Self {
            shape,
            calls,
            by_rank,
            ranks,
            waves: (shape.schedule == Schedule::Barrier).then(|| shape.plan.waves()),
        }
    }

    /// How long it takes with so many in flight at once: of those that may start, the one that was sent first does.
    pub(super) fn takes(&self, at_once: u32) -> u64 {
        let mut play = self.begin();
        let mut now = 0_u64;
        loop {
            while play.in_flight.len() < at_once as usize
                && let Some(Reverse(rank)) = play.ready.pop()
            {
                let call = self.by_rank[rank as usize];
                let end = now.saturating_add(self.calls[call as usize].took);
                play.in_flight.push(Reverse((end, call)));
            }
            let Some(next) = play.in_flight.peek_mut() else {
                return now;
            };
            let Reverse((end, call)) = PeekMut::pop(next);
            now = end;
            self.ended(call, &mut play);
        }
    }

    fn begin(&self) -> Play {
        let plan = &self.shape.plan;
        let left = match &self.waves {
            Some(waves) => waves.iter().map(|wave| wave.len() as u32).collect(),
            None => (0..plan.len()).map(|call| plan.dependency_count(call)).collect(),
        };
        let first = (0..plan.len()).filter(|&call| plan.wave(call) == 0);
        Play {
            ready: first.map(|call| Reverse(self.ranks[call as usize])).collect(),
            in_flight: BinaryHeap::new(),
            left,
        }
    }

    fn ended(&self, call: u32, play: &mut Play) {
        let plan = &self.shape.plan;
        if let Some(waves) = &self.waves {
            let wave = plan.wave(call) as usize;
            play.left[wave] -= 1;
            if play.left[wave] == 0 {
                let next = waves.get(wave + 1).into_iter().flatten();
                play.ready
                    .extend(next.map(|&call| Reverse(self.ranks[call as usize])));
            }
            return;
        }
        for dependent in plan.dependents(call) {
            let left = &mut play.left[dependent.call as usize];
            *left -= 1;
            if *left == 0 {
                play.ready.push(Reverse(self.ranks[dependent.call as usize]));
            }
        }
    }
}
