//! What the tools of this process were called with: the executions that really happened, in their order.
//!
//! A tool begins an entry when it is called and ends it when it is done; one that is stopped in between says so by
//! itself. What the cluster answers is held against this by whoever asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toolwave_worker::CallIdentity;

/// Shared by the tools of a test. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<Entry>>>);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The coordinator's id of the execution.
    pub execution: String,
    /// The call's id in it.
    pub call: String,
    /// From 1.
    pub attempt: u32,
    /// Which tool.
    pub tool: String,
    /// Where.
    pub worker: String,
    /// What.
    pub moment: Moment,
}

/// Of a tool that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It was called.
    Began,
    /// It is done, and about to answer.
    Ended,
    /// It is about to answer that it failed, and may be repeated.
    Failed,
    /// It was stopped before that.
    Stopped,
}

/// A tool that runs. Dropped, it was stopped.
#[derive(Debug)]
pub struct Running {
    ledger: Ledger,
    entry: Entry,
}

impl Ledger {
    /// The tool is called on the worker.
    #[must_use]
    pub fn begin(&self, worker: &str, tool: &str, call: &CallIdentity) -> Running {
        let entry = Entry {
            execution: call.execution_id.clone(),
            call: call.call_id.clone(),
            attempt: call.attempt,
            tool: tool.to_owned(),
            worker: worker.to_owned(),
            moment: Moment::Began,
        };
        self.lines().push(entry.clone());
        let ledger = self.clone();
        Running { ledger, entry }
    }

    /// Everything so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lines().clone()
    }

    /// How often the call with this id was executed, in whatever execution.
    #[must_use]
    pub fn executed(&self, call: &str) -> usize {
        let began = |entry: &&Entry| entry.call == call && entry.moment == Moment::Began;
        self.lines().iter().filter(began).count()
    }

    /// How many calls run now.
    #[must_use]
    pub fn running(&self) -> usize {
        let lines = self.lines();
        let began = lines.iter().filter(|entry| entry.moment == Moment::Began).count();
        began - (lines.len() - began)
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// The tool is done.
    pub fn end(mut self) {
        self.entry.moment = Moment::Ended;
    }

    /// The tool failed, and may be repeated.
    pub fn fail(mut self) {
        self.entry.moment = Moment::Failed;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut entry = self.entry.clone();
        if entry.moment == Moment::Began {
            entry.moment = Moment::Stopped;
        }
        self.ledger.lines().push(entry);
    }
}
