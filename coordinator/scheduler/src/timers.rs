//! What is due when. A timer that is cancelled is gone at once, so that the next timeout is never a stale one.
//!
//! Most timers are set for the same time ahead (a tool's timeout, the deadline of executions), so they come in
//! the order in which they are due: such a *line* is a linked list that grows at its end. There are a few lines;
//! what fits behind none goes into an ordered set, and so does what is due, to fire in one order.

use std::{collections::BTreeSet, num::NonZeroU32};

use crate::{CallKey, ExecutionKey, TenantKey, Time, ToolKey, WorkerKey};

/// What a timer is about. Each has at most one timer at a time, whose place its owner remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The end of the time in which nothing is refused for want of a worker.
    Startup,
    /// The deadline of an execution.
    Execution(ExecutionKey),
    /// Of a call: its timeout in flight, its backoff, or its queue timeout, by its state.
    Call(CallKey),
    /// Suspicion, lease, grace, unconfirmed aborts, ejection.
    Worker(WorkerKey),
    /// Rate, pause, or calls that wait for a host.
    Tool(ToolKey),
    /// What a tenant was admitted ahead of its rate is paid off.
    Tenant(TenantKey),
}

/// Where a timer that is set is kept: one more than its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Armed(NonZeroU32);

/// The timers that are set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: Vec<Entry>,
    /// The first entry that is free; each names the next in `after`.
    free: Option<Armed>,
    lines: [Option<Line>; LINES],
    /// What is in no line.
    set: BTreeSet<(Time, Timer, Armed)>,
    len: usize,
}

/// Distances into the future that are in use at once at most, before the set takes over.
const LINES: usize = 8;
/// The line of what is in none.
const NO_LINE: u8 = u8::MAX;

#[derive(Debug)]
struct Entry {
    at: Time,
    timer: Timer,
    line: u8,
    before: Option<Armed>,
    after: Option<Armed>,
}

/// Timers in the order in which they are due.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: Armed,
    first_at: Time,
    last: Armed,
    last_at: Time,
}

// === impl Armed ===

impl Armed {
    fn new(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("there are fewer timers than calls, and these are counted in 32 bits"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

// === impl Timers ===

impl Timers {
    /// Moves a timer: `armed` is where its owner remembers its place, `at` the new time.
    pub(crate) fn arm(&mut self, armed: &mut Option<Armed>, at: Time, timer: Timer) {
        if let Some(old) = armed.take() {
            if self.at(old) == at {
                *armed = Some(old);
                return;
            }
            self.remove(old);
        }
        *armed = Some(self.insert(at, timer));
    }

    /// Clears a timer.
    pub(crate) fn cancel(&mut self, armed: &mut Option<Armed>) {
        if let Some(armed) = armed.take() {
            self.remove(armed);
        }
    }

    /// When a timer is due.
    pub(crate) fn at(&self, armed: Armed) -> Time {
        self.entries[armed.index()].at
    }

    /// Takes the first timer that is due. Its owner's memory of it must be cleared.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        for line in 0..LINES {
            while let Some(Line { first, first_at, .. }) = self.lines[line]
                && first_at <= now
            {
                self.unlink(first);
                let entry = &mut self.entries[first.index()];
                entry.line = NO_LINE;
                self.set.insert((entry.at, entry.timer, first));
            }
        }
        let &(at, timer, armed) = self.set.first()?;
        if at > now {
            return None;
        }
        self.remove(armed);
        Some(timer)
    }

    /// The earliest.
    pub(crate) fn next(&self) -> Option<Time> {
        let lines = self.lines.iter().flatten().map(|line| line.first_at);
        lines.chain(self.set.first().map(|&(at, ..)| at)).min()
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn insert(&mut self, at: Time, timer: Timer) -> Armed {
        self.len += 1;
        let mut entry = Entry {
            at,
            timer,
            line: NO_LINE,
            before: None,
            after: None,
        };
        let armed = self.free.unwrap_or_else(|| Armed::new(self.entries.len()));
        match self.line_for(at) {
            Some(index) => {
                entry.line = index as u8;
                entry.before = self.append(index, armed, at);
            }
            None => {
                self.set.insert((at, timer, armed));
            }
        }
        if self.free.is_some() {
            self.free = std::mem::replace(&mut self.entries[armed.index()], entry).after;
        } else {
            self.entries.push(entry);
        }
        armed
    }

    /// The line whose end is the latest that is not after `at`, or one that is empty.
    fn line_for(&self, at: Time) -> Option<usize> {
        // An empty line is worth less than every other.
        let end = |line: &Option<Line>| line.map(|line| line.last_at);
        let fits = (0..LINES).filter(|&index| end(&self.lines[index]).is_none_or(|end| end <= at));
        fits.max_by_key(|&index| end(&self.lines[index]))
    }

    /// Makes a timer the last of a line; the one that was.
    fn append(&mut self, index: usize, armed: Armed, at: Time) -> Option<Armed> {
        let Some(line) = &mut self.lines[index] else {
            self.lines[index] = Some(Line {
                first: armed,
                first_at: at,
                last: armed,
                last_at: at,
            });
            return None;
        };
        let before = std::mem::replace(&mut line.last, armed);
        line.last_at = at;
        self.entries[before.index()].after = Some(armed);
        Some(before)
    }

    fn remove(&mut self, armed: Armed) {
        self.len -= 1;
        let entry = &self.entries[armed.index()];
        if entry.line == NO_LINE {
            self.set.remove(&(entry.at, entry.timer, armed));
        } else {
            self.unlink(armed);
        }
        self.entries[armed.index()].after = self.free.replace(armed);
    }

    /// Takes a timer out of its line.
    fn unlink(&mut self, armed: Armed) {
        let Entry {
            line, before, after, ..
        } = self.entries[armed.index()];
        if let Some(before) = before {
            self.entries[before.index()].after = after;
        }
        if let Some(after) = after {
            self.entries[after.index()].before = before;
        }
        let line = &mut self.lines[line as usize];
        match (line.as_mut(), before, after) {
            (Some(known), None, Some(after)) => {
                known.first = after;
                known.first_at = self.entries[after.index()].at;
            }
            (Some(known), Some(before), None) => {
                known.last = before;
                known.last_at = self.entries[before.index()].at;
            }
            (_, None, None) => *line = None,
            (_, Some(_), Some(_)) | (None, ..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sets, moves, cancels and fires at random, beside a plain ordered set.
    fn agrees_with_a_set(seed: u64, distances: &[u64]) {
        const KEYS: usize = 40;
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut timers = Timers::default();
        let mut armed = [None; KEYS];
        let mut set = BTreeSet::new();
        let mut now = Time::ZERO;
        for _ in 0..2000 {
            let key = rng.usize(..KEYS);
            let timer = Timer::Tool(ToolKey(key as u32));
            match rng.u8(..4) {
                0 | 1 => {
                    let at = now + Duration::from_nanos(distances[rng.usize(..distances.len())]);
                    set.retain(|(_, other)| *other != timer);
                    set.insert((at, timer));
                    timers.arm(&mut armed[key], at, timer);
                    assert_eq!(armed[key].map(|armed| timers.at(armed)), Some(at));
                }
                2 => {
                    set.retain(|(_, other)| *other != timer);
                    timers.cancel(&mut armed[key]);
                }
                _ => {
                    now = now + Duration::from_nanos(rng.u64(..20));
                    // Not all that is due: what is left may be moved and cancelled, too.
                    for _ in 0..rng.usize(..10) {
                        let due = set.first().filter(|(at, _)| *at <= now).map(|(_, timer)| *timer);
                        if let Some(Timer::Tool(ToolKey(key))) = due {
                            set.pop_first();
                            armed[key as usize] = None;
                        }
                        assert_eq!(timers.pop_due(now), due, "seed {seed}");
                    }
                }
            }
            assert_eq!(timers.next(), set.first().map(|(at, _)| *at), "seed {seed}");
            assert_eq!(timers.len(), set.len(), "seed {seed}");
        }
        assert!(timers.entries.len() <= KEYS, "places are used again");
    }

    #[test]
    fn timers_fire_in_order_whatever_the_distances() {
        let many: Vec<u64> = (1..200).map(|n| n * 37 % 1009).collect();
        for seed in 0..50 {
            agrees_with_a_set(seed, &[30]);
            agrees_with_a_set(seed, &[30, 600, 5]);
            agrees_with_a_set(seed, &many);
        }
    }

    #[test]
    fn timers_for_a_few_distances_need_no_ordered_set() {
        let mut timers = Timers::default();
        let mut armed = Vec::new();
        for round in 0..100 {
            for distance in [5, 30, 300, 1000, 7, 600, 10_000, 60] {
                let mut place = None;
                let at = Time::ZERO + Duration::from_nanos(round + distance);
                timers.arm(&mut place, at, Timer::Tool(ToolKey(armed.len() as u32)));
                armed.push(place);
            }
        }
        assert!(timers.set.is_empty());
        armed.iter_mut().step_by(3).for_each(|place| timers.cancel(place));
        assert_eq!(timers.len(), armed.iter().flatten().count());
    }
}
