//! What is due when. One ordered set, removed from exactly, so that the next timeout is never a stale one.

use std::collections::BTreeSet;

use crate::{CallKey, ExecutionKey, Time, ToolKey, WorkerKey};

/// What a timer is about. Each has at most one timer at a time; its owner remembers for when.
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
}

/// The timers that are set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// Moves a timer: `armed` is where its owner remembers its time, `at` the new one.
    pub(crate) fn arm(&mut self, armed: &mut Option<Time>, at: Time, timer: Timer) {
        if *armed == Some(at) {
            return;
        }
        self.cancel(armed, timer);
        self.set.insert((at, timer));
        *armed = Some(at);
    }

    /// Clears a timer.
    pub(crate) fn cancel(&mut self, armed: &mut Option<Time>, timer: Timer) {
        if let Some(at) = armed.take() {
            self.set.remove(&(at, timer));
        }
    }

    /// Takes one timer that is due. Its owner's memory of it must be cleared.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let &(at, timer) = self.set.first()?;
        if at > now {
            return None;
        }
        self.set.pop_first();
        Some(timer)
    }

    /// The earliest.
    pub(crate) fn next(&self) -> Option<Time> {
        self.set.first().map(|&(at, _)| at)
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}
