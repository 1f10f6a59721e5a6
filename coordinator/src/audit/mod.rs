//! The audit: an append-only file of who asked for what and what became of it, never of contents. Here is the way
//! to it: a bounded queue to one writer thread, which counts what it could not take. It decides nothing, except
//! that where records are required, an execution whose records would not fit is not accepted.

mod file;
mod record;
mod section;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

pub(crate) use record::{AttemptEnd, CallEnd, CallerFacts, Event, Record};
pub use section::AuditSection;

use file::Rotating;

/// When an execution is worth another try that the audit could not take.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Where records of executions are required, room for others beyond theirs.
const SPARE: usize = 4096;
/// For what waits to be written when the coordinator ends.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The way to the audit; cheap to clone. Without a file it takes nothing and costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Audit(Option<Arc<Shared>>);

/// Owns the writer thread. Dropped, it has what waits written, for a short while.
pub(crate) struct Writer {
    audit: Audit,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something waits, or the writer is to end; and: the writer has ended.
    changed: Condvar,
    required: bool,
    max_waiting: usize,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Record>,
    /// Waiting, or with the writer and not written.
    held: usize,
    /// Records of accepted executions that are yet to come; only where they are required.
    reserved: usize,
    /// Records that found no room since the writer last looked.
    lost: u64,
    /// The last write failed.
    failing: bool,
    closing: bool,
    ended: bool,
}

// === impl Audit ===

impl Audit {
    /// Opens the file, where there is to be one, and starts the writer.
    ///
    /// # Errors
    /// The file cannot be opened or is another coordinator's.
    pub(crate) fn open(section: &AuditSection) -> io::Result<(Self, Writer)> {
        let Some(path) = &section.file else {
            let audit = Self::default();
            let writer = Writer {
                audit: audit.clone(),
                thread: None,
            };
            return Ok((audit, writer));
        };
        let file = Rotating::open(path, section.max_bytes, section.keep)?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            required: section.required,
            max_waiting: section.max_waiting,
        });
        let audit = Self(Some(shared.clone()));
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer::run(&shared, file))?;
        let writer = Writer {
            audit: audit.clone(),
            thread: Some(thread),
        };
        Ok((audit, writer))
    }

    /// Records are kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One record of what happens now; `event` is made only where it is kept.
    pub(crate) fn record(&self, event: impl FnOnce() -> Event) {
        if self.is_on() {
            self.take(&mut vec![Record::now(event())]);
        }
    }

    /// Records in the order in which things happened; leaves `records` empty.
    pub(crate) fn take(&self, records: &mut Vec<Record>) {
        let Some(shared) = self.0.as_ref().filter(|_| !records.is_empty()) else {
            return;
        };
        let mut queue = shared.lock();
        for record in records.drain(..) {
            let owed = shared.required && record.event.is_of_execution();
            let room = shared.max_waiting + if shared.required { SPARE } else { 0 };
            if owed {
                queue.reserved = queue.reserved.saturating_sub(1);
            } else if queue.held + queue.reserved >= room {
                queue.lost += 1;
                continue;
            }
            queue.held += 1;
            queue.waiting.push(record);
        }
        drop(queue);
        shared.changed.notify_all();
    }

    /// Where records are required: keeps room for those of an execution of so many calls.
    ///
    /// # Errors
    /// There is none, or the file cannot be written: when to try again.
    pub(crate) fn reserve(&self, calls: usize) -> Result<(), Duration> {
        let Some(shared) = self.0.as_ref().filter(|shared| shared.required) else {
            return Ok(());
        };
        let mut queue = shared.lock();
        let records = calls + 1;
        if queue.failing || queue.held + queue.reserved + records > shared.max_waiting {
            return Err(RETRY_AFTER);
        }
        queue.reserved += records;
        Ok(())
    }

    /// The execution for which room was kept was not accepted.
    pub(crate) fn unreserve(&self, calls: usize) {
        if let Some(shared) = self.0.as_ref().filter(|shared| shared.required) {
            let mut queue = shared.lock();
            queue.reserved = queue.reserved.saturating_sub(calls + 1);
        }
    }
}

// === impl Shared ===

impl Shared {
    /// No panic can happen under this lock that leaves the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits and what was lost behind it, once there is something; `None`: nothing follows.
    fn next(&self, into: &mut Vec<Record>) -> Option<u64> {
        let queue = self.lock();
        let mut queue = self
            .changed
            .wait_while(queue, |queue| {
                queue.waiting.is_empty() && queue.lost == 0 && !queue.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut queue.waiting, into);
        let lost = mem::take(&mut queue.lost);
        (!into.is_empty() || lost > 0).then_some(lost)
    }

    /// So many records are written.
    fn written(&self, records: usize) {
        let mut queue = self.lock();
        queue.held = queue.held.saturating_sub(records);
        queue.failing = false;
    }

    /// A write failed: true when that is news.
    fn failed(&self) -> bool {
        !mem::replace(&mut self.lock().failing, true)
    }

    /// Waits a while, less when the coordinator ends; whether it does.
    fn pause(&self, for_so_long: Duration) -> bool {
        let queue = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(queue, for_so_long, |queue| !queue.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }
}

// === impl Writer ===

impl Writer {
    /// Has what waits written, for a short while; blocks.
    pub(crate) fn close(&mut self) {
        let (Some(shared), Some(thread)) = (&self.audit.0, self.thread.take()) else {
            return;
        };
        let mut queue = shared.lock();
        queue.closing = true;
        shared.changed.notify_all();
        let waited = shared
            .changed
            .wait_timeout_while(queue, LAST_WORDS, |queue| !queue.ended);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.ended;
        if !ended {
            tracing::error!("the audit could not be written to its end");
        } else if thread.join().is_err() {
            tracing::error!("the audit's writer failed");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}
