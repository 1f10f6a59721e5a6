//! What the driver tells of one execution, on its way to the one who watches it: a list under a lock and a
//! wake-up, both once per round of the driver. Ends of calls are never dropped (a call has one); what only
//! watchers want is, when the reader is slow.

use std::{
    mem,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;
use toolwave_scheduler::ExecutionKey;

use crate::{execution::prepared::ExecutionNews, handle::SubmitError};

/// Starts, progress and retries that wait for a reader at most.
const WATCHED_AT_MOST: usize = 4096;

/// One execution's news.
pub(crate) struct Feed {
    state: Mutex<State>,
    /// One reader waits at a time: first for the admission, then for news.
    changed: Notify,
    /// Shared by all feeds; this one's part is given back when both ends are gone.
    payload_bytes: Arc<AtomicU64>,
    held: AtomicU64,
    /// The same for its tenant alone, where that is limited.
    tenant_bytes: OnceLock<Arc<AtomicU64>>,
}

#[derive(Default)]
struct State {
    admission: Option<Result<(), SubmitError>>,
    news: Vec<ExecutionNews>,
    /// Of `news`, those that may be dropped.
    watched: usize,
    /// Nothing follows.
    closed: bool,
    /// Nobody reads.
    left: bool,
}

/// The driver's end. Dropped, it closes the feed: whoever waits gets an end, not silence.
pub(crate) struct FeedWriter(Arc<Feed>);

/// Executions whose watcher went away: at most as many as there are executions.
#[derive(Default)]
pub(crate) struct Abandoned {
    keys: Mutex<Vec<ExecutionKey>>,
    pub(crate) changed: Notify,
}

// === impl Feed ===

impl Feed {
    pub(crate) fn new(payload_bytes: Arc<AtomicU64>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            payload_bytes,
            held: AtomicU64::new(0),
            tenant_bytes: OnceLock::new(),
        }
    }

    /// The scheduler's answer to the submission.
    pub(crate) async fn admission(&self) -> Result<(), SubmitError> {
        loop {
            {
                let state = self.lock();
                if let Some(admission) = state.admission {
                    return admission;
                }
                if state.closed {
                    return Err(SubmitError::Closed);
                }
            }
            self.changed.notified().await;
        }
    }

    /// What waits to be read, as soon as there is something; `None` when nothing follows.
    pub(crate) async fn next(&self) -> Option<Vec<ExecutionNews>> {
        loop {
            {
                let mut state = self.lock();
                if !state.news.is_empty() {
                    state.watched = 0;
                    return Some(mem::take(&mut state.news));
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The reader goes; true when the execution has not ended.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.lock();
        state.left = true;
        !state.closed
    }

    /// No panic can happen under this lock that leaves the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let held = *self.held.get_mut();
        self.payload_bytes.fetch_sub(held, Ordering::Relaxed);
        if let Some(tenant) = self.tenant_bytes.get() {
            tenant.fetch_sub(held, Ordering::Relaxed);
        }
    }
}

// === impl FeedWriter ===

impl From<Arc<Feed>> for FeedWriter {
    fn from(feed: Arc<Feed>) -> Self {
        Self(feed)
    }
}

impl FeedWriter {
    /// Answers the submission.
    pub(crate) fn answer(&self, admission: Result<(), SubmitError>) {
        self.lock().admission = Some(admission);
        self.changed.notify_one();
    }

    /// Appends a round's news and leaves `news` empty.
    pub(crate) fn publish(&self, news: &mut Vec<ExecutionNews>) {
        let mut state = self.lock();
        if state.left {
            news.clear();
            return;
        }
        let may_be_dropped =
            |news: &ExecutionNews| !matches!(news, ExecutionNews::Ended(_) | ExecutionNews::Finished { .. });
        let more = news.iter().filter(|news| may_be_dropped(news)).count();
        if state.watched + more > WATCHED_AT_MOST {
            let mut room = WATCHED_AT_MOST - state.watched;
            news.retain(|news| {
                let fits = room > 0;
                room -= usize::from(may_be_dropped(news) && fits);
                fits || !may_be_dropped(news)
            });
        }
        state.watched = (state.watched + more).min(WATCHED_AT_MOST);
        state.news.append(news);
        drop(state);
        self.changed.notify_one();
    }

    /// True when the reader went away without wanting the execution to go on, or at all.
    pub(crate) fn is_left(&self) -> bool {
        self.lock().left
    }

    /// Counts the bytes of a result until both ends of the feed are gone.
    pub(crate) fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes as u64, Ordering::Relaxed);
        self.payload_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(tenant) = self.tenant_bytes.get() {
            tenant.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// What is held counts for the tenant too. Once, before anything is.
    pub(crate) fn count_for(&self, tenant: Arc<AtomicU64>) {
        let first = self.tenant_bytes.set(tenant);
        debug_assert!(first.is_ok(), "an execution has one tenant");
    }
}

impl Deref for FeedWriter {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        &self.0
    }
}

impl Drop for FeedWriter {
    fn drop(&mut self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

// === impl Abandoned ===

impl Abandoned {
    /// Tells the driver, from wherever the watcher was dropped.
    pub(crate) fn push(&self, key: ExecutionKey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        self.changed.notify_one();
    }

    /// Moves them to `keys`.
    pub(crate) fn take(&self, keys: &mut Vec<ExecutionKey>) {
        keys.append(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> (Arc<Feed>, FeedWriter, Arc<AtomicU64>) {
        let payload_bytes = Arc::new(AtomicU64::new(0));
        let feed = Arc::new(Feed::new(payload_bytes.clone()));
        (feed.clone(), feed.into(), payload_bytes)
    }

    fn started() -> ExecutionNews {
        let at = std::time::SystemTime::UNIX_EPOCH;
        ExecutionNews::Started {
            call: 0,
            attempt: 1,
            worker: "w".into(),
            at,
        }
    }

    fn finished() -> ExecutionNews {
        ExecutionNews::Finished {
            duration: std::time::Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_driver_that_is_gone_gets_an_end() {
        let (waits, writer, _) = feed();
        let admission = tokio::spawn(async move { waits.admission().await });
        drop(writer);
        assert_eq!(admission.await.expect("no panic"), Err(SubmitError::Closed));
        let (waits, writer, _) = feed();
        writer.answer(Ok(()));
        assert_eq!(waits.admission().await, Ok(()));
        let news = tokio::spawn(async move { waits.next().await.is_none() });
        drop(writer);
        assert!(news.await.expect("no panic"));
    }

    #[tokio::test]
    async fn a_slow_reader_loses_what_is_for_watchers_and_never_an_end() {
        let (reader, writer, _) = feed();
        let mut news: Vec<ExecutionNews> = (0..2 * WATCHED_AT_MOST).map(|_| started()).collect();
        news.push(finished());
        writer.publish(&mut news);
        drop(writer);
        let got = reader.next().await.expect("news");
        assert!(got.len() <= WATCHED_AT_MOST + 1, "{}", got.len());
        assert!(matches!(got.last(), Some(ExecutionNews::Finished { .. })));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn news_of_which_nobody_reads_are_not_kept() {
        let (reader, writer, _) = feed();
        assert!(reader.leave(), "it had not ended");
        writer.publish(&mut vec![finished()]);
        drop(writer);
        assert!(reader.next().await.is_none());
        assert!(!reader.leave(), "it has ended");
    }

    #[test]
    fn bytes_are_held_until_both_ends_are_gone() {
        let (reader, writer, payload_bytes) = feed();
        writer.hold(7);
        drop(writer);
        assert_eq!(payload_bytes.load(Ordering::Relaxed), 7);
        drop(reader);
        assert_eq!(payload_bytes.load(Ordering::Relaxed), 0);
    }
}
