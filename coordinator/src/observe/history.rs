//! What is kept of executions for operators: of those that run a record each, in the driver's hands; of those that
//! ended the newest, bounded in number and bytes, behind a lock that is held for a push or a look only. What is
//! shown of them is made elsewhere.

mod record;
mod size;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustc_hash::FxHashMap;
use toolwave_scheduler::ExecutionKey;

pub(crate) use self::record::{Calls, Contents, KeptCall, OUTCOMES, Record, Status};
use crate::config::HistorySection;

/// Of the bytes that may be kept, statuses take one part in so many at most; the rest is for calls.
const STATUSES: u64 = 4;
/// Ended executions that are looked through under the lock at once.
const LOOKED_AT: usize = 256;

/// Executions that ended.
pub(crate) struct History {
    bounds: HistorySection,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By key: in the order in which they were accepted.
    entries: BTreeMap<ExecutionKey, Entry>,
    ids: FxHashMap<u128, ExecutionKey>,
    /// In the order in which they ended.
    order: VecDeque<ExecutionKey>,
    /// Of these, the first so many have no calls any more.
    without_calls: usize,
    status_bytes: u64,
    call_bytes: u64,
    forgotten: u64,
    calls_ended: u64,
}

/// One that ended.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) status: Arc<Status>,
    /// `None`: not kept any more.
    pub(crate) calls: Option<Arc<Calls>>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) executions: usize,
    /// As they are counted.
    pub(crate) bytes: u64,
    /// Ended and not kept any more.
    pub(crate) forgotten: u64,
    /// Ended since the start, kept or not.
    pub(crate) executions_ended: u64,
    /// Calls of these.
    pub(crate) calls_ended: u64,
}

// === impl History ===

impl History {
    pub(crate) fn new(bounds: HistorySection) -> Self {
        Self {
            bounds,
            kept: Mutex::default(),
        }
    }

    /// So many bytes of each parameter and result are to be kept.
    pub(crate) fn contents_bytes(&self) -> Option<usize> {
        self.bounds
            .contents
            .then(|| usize::try_from(self.bounds.contents_bytes).unwrap_or(usize::MAX))
    }

    /// Anything is kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.bounds.executions > 0
    }

    /// Takes in an execution that ended. What had to make room is dropped after the lock.
    pub(crate) fn push(&self, status: Status, calls: Calls) {
        let mut dropped: Vec<Entry> = Vec::new();
        let mut kept = self.lock();
        kept.calls_ended += u64::from(status.calls);
        if !self.is_on() {
            kept.forgotten += 1;
            return;
        }
        kept.status_bytes += status.bytes;
        kept.call_bytes += calls.bytes;
        kept.ids.insert(status.uuid, status.key);
        kept.order.push_back(status.key);
        kept.entries.insert(
            status.key,
            Entry {
                status: Arc::new(status),
                calls: Some(Arc::new(calls)),
            },
        );
        kept.make_room(&self.bounds, &mut dropped);
    }

    /// One that ended and is kept.
    pub(crate) fn find(&self, uuid: u128) -> Option<Entry> {
        let kept = self.lock();
        let key = kept.ids.get(&uuid)?;
        kept.entries.get(key).cloned()
    }

    /// The newest of those that `wanted` wants, accepted before that one, at most so many.
    pub(crate) fn newest(
        &self,
        before: Option<ExecutionKey>,
        most: usize,
        wanted: impl Fn(&Status) -> bool,
    ) -> Vec<Arc<Status>> {
        let mut found = Vec::new();
        let mut before = before.unwrap_or(ExecutionKey(u64::MAX));
        while found.len() < most {
            let looked_at: Vec<Arc<Status>> = {
                let kept = self.lock();
                let older = kept.entries.range(..before).rev();
                older
                    .take(LOOKED_AT)
                    .map(|(_, entry)| entry.status.clone())
                    .collect()
            };
            let Some(last) = looked_at.last() else { break };
            before = last.key;
            found.extend(looked_at.into_iter().filter(|status| wanted(status)));
        }
        found.truncate(most);
        found
    }

    /// How much is kept.
    pub(crate) fn held(&self) -> Held {
        let kept = self.lock();
        Held {
            executions: kept.entries.len(),
            bytes: kept.status_bytes + kept.call_bytes,
            forgotten: kept.forgotten,
            executions_ended: kept.forgotten + kept.entries.len() as u64,
            calls_ended: kept.calls_ended,
        }
    }

    /// Nothing under this lock leaves the state half changed.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kept ===

impl Kept {
    /// The oldest go: whole where there are too many of them, else their calls first.
    fn make_room(&mut self, bounds: &HistorySection, dropped: &mut Vec<Entry>) {
        while self.entries.len() > bounds.executions || self.status_bytes > bounds.bytes / STATUSES {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.without_calls = self.without_calls.saturating_sub(1);
            let Some(entry) = self.entries.remove(&oldest) else {
                continue;
            };
            self.ids.remove(&entry.status.uuid);
            self.status_bytes -= entry.status.bytes;
            self.call_bytes -= entry.calls.as_ref().map_or(0, |calls| calls.bytes);
            self.forgotten += 1;
            dropped.push(entry);
        }
        while self.status_bytes + self.call_bytes > bounds.bytes {
            let Some(&oldest) = self.order.get(self.without_calls) else {
                break;
            };
            self.without_calls += 1;
            let Some(entry) = self.entries.get_mut(&oldest) else {
                continue;
            };
            let calls = entry.calls.take();
            self.call_bytes -= calls.as_ref().map_or(0, |calls| calls.bytes);
            dropped.push(Entry {
                status: entry.status.clone(),
                calls,
            });
        }
    }
}

#[cfg(test)]
mod tests;
