//! Executions with an idempotency key: the same request again joins the one that runs, or gets the answer of
//! the one that ended, for a while. Such an execution goes on when its clients go away, because a client that
//! tries again must find it; `CancelExecution` takes its key.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message;
use sha2::{Digest, Sha256};
use tokio::{sync::watch, time::Instant};
use tokio_util::task::TaskTracker;
use toolwave_proto::v1;

use super::{answer::Shape, prepared::ExecutionNews, validate::Prepared};
use crate::{
    error::RequestError,
    handle::{Handle, Ticket},
    tenants::Caller,
};

/// How long an answer is kept after its execution ended.
const RETENTION: Duration = Duration::from_secs(600);
/// The most bytes of results that are kept of ended executions; the oldest go first.
const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// The most ended executions that are kept.
const KEPT_EXECUTIONS: usize = 10_000;
/// What one kept call weighs besides its result.
const CALL_BYTES: usize = 512;
/// Progress that is kept of one execution for those who join it; later progress is for nobody.
const KEPT_PROGRESS: usize = 4_096;

/// What a request says, whole: two with one key must agree in it. Maps are sorted on the wire, so it is the
/// same for the same request. A tool that a client may not name says something else than one that it may: no
/// client learns by a key what a tool answered to another.
#[must_use]
pub(super) fn body_of(request: &v1::ExecuteParallelRequest, caller: &Caller) -> [u8; 32] {
    let mut body = Sha256::new_with_prefix(request.encode_to_vec());
    if !caller.may_name_all() {
        for (at, _) in (0u32..)
            .zip(&request.calls)
            .filter(|(_, call)| !caller.may_name(&call.tool_name))
        {
            body.update(at.to_le_bytes());
        }
    }
    body.finalize().into()
}

/// All executions with a key.
#[derive(Debug, Default)]
pub(super) struct KeyedExecutions {
    state: Mutex<State>,
    /// One task for each that runs: it listens in place of clients that come and go.
    listeners: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    tenants: HashMap<Arc<str>, Keys>,
    /// By the order in which they ended.
    ended: BTreeMap<u64, EndedEntry>,
    next: u64,
    bytes: usize,
}

/// The keys of one tenant: nobody else's lead here.
#[derive(Debug, Default)]
struct Keys {
    by_key: HashMap<String, Entry>,
    /// Its part of those that ended.
    ended: VecDeque<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    body: [u8; 32],
    log: Arc<Log>,
}

#[derive(Debug)]
struct EndedEntry {
    at: Instant,
    tenant: Arc<str>,
    key: String,
    log: Arc<Log>,
    bytes: usize,
}

/// What became of an execution so far, for everybody who watches it.
#[derive(Debug)]
struct Log {
    shape: Arc<Shape>,
    written: Mutex<Written>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Written {
    /// `None`: not answered yet.
    admission: Option<Result<Arc<str>, crate::handle::SubmitError>>,
    news: Vec<ExecutionNews>,
    progress: usize,
    bytes: usize,
    closed: bool,
}

/// One client's view of an execution with a key.
#[derive(Debug)]
pub(super) struct Watcher {
    log: Arc<Log>,
    next: usize,
    /// Its request began the execution.
    first: bool,
    changed: watch::Receiver<()>,
}

impl KeyedExecutions {
    /// Joins the execution of `key`, or submits it.
    ///
    /// # Errors
    /// The key belongs to a request with another body.
    pub(super) fn join(
        self: &Arc<Self>,
        key: &str,
        body: [u8; 32],
        prepared: Prepared,
        handle: &Handle,
        caller: Caller,
    ) -> Result<Watcher, RequestError> {
        let tenant = caller.client.tenant.clone();
        let mut state = self.state();
        state.forget_old(Instant::now());
        let keys = state.tenants.entry(tenant.clone()).or_default();
        if let Some(entry) = keys.by_key.get(key) {
            return if entry.body == body {
                Ok(Watcher::new(&entry.log, false))
            } else {
                Err(RequestError::IdempotencyKeyReused)
            };
        }
        let log = Arc::new(Log {
            shape: Arc::new(prepared.shape),
            written: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        keys.by_key.insert(
            key.to_owned(),
            Entry {
                body,
                log: log.clone(),
            },
        );
        let (this, handle, watcher, key) = (
            self.clone(),
            handle.clone(),
            Watcher::new(&log, true),
            key.to_owned(),
        );
        self.listeners.spawn(async move {
            match handle.submit(prepared.execution, log.shape.clone(), caller).await {
                Ok(ticket) => {
                    log.write(|written| written.admission = Some(Ok(ticket.execution_id().into())));
                    listen(ticket, &log).await;
                    this.keep(tenant, key, log);
                }
                Err(error) => {
                    // Out of the map first: who comes now may try anew.
                    this.state().remove(&tenant, &key, &log);
                    log.write(|written| {
                        written.admission = Some(Err(error));
                        written.closed = true;
                    });
                }
            }
        });
        Ok(watcher)
    }

    /// The id of the execution of a tenant's `key`, and whether it has ended.
    #[must_use]
    pub(super) fn find(&self, tenant: &str, key: &str) -> Option<(Arc<str>, bool)> {
        let mut state = self.state();
        state.forget_old(Instant::now());
        let written = state.tenants.get(tenant)?.by_key.get(key)?.log.written();
        match &written.admission {
            Some(Ok(id)) => Some((id.clone(), written.closed)),
            _ => None,
        }
    }

    fn keep(&self, tenant: Arc<str>, key: String, log: Arc<Log>) {
        let (finished, bytes) = {
            let written = log.written();
            let finished = matches!(written.news.last(), Some(ExecutionNews::Finished { .. }));
            (finished, written.bytes)
        };
        let mut state = self.state();
        if finished {
            state.add(EndedEntry {
                at: Instant::now(),
                tenant,
                key,
                log,
                bytes,
            });
            state.forget_old(Instant::now());
        } else {
            state.remove(&tenant, &key, &log);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, entry: EndedEntry) {
        let place = self.next;
        self.next += 1;
        self.bytes += entry.bytes;
        if let Some(keys) = self.tenants.get_mut(&entry.tenant) {
            keys.bytes += entry.bytes;
            keys.ended.push_back(place);
        }
        self.ended.insert(place, entry);
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((&oldest, entry)) = self.ended.first_key_value()
            && now.duration_since(entry.at) >= RETENTION
        {
            self.forget(oldest);
        }
        while self.bytes > KEPT_BYTES || self.ended.len() > KEPT_EXECUTIONS {
            // Who keeps most makes room: a tenant with many keys costs no other its answers.
            let weighs = |keys: &Keys| {
                (
                    keys.bytes / (KEPT_BYTES / 100),
                    keys.ended.len() / (KEPT_EXECUTIONS / 100),
                )
            };
            let heaviest = self.tenants.values().max_by_key(|keys| {
                let (bytes, count) = weighs(keys);
                (bytes.max(count), keys.bytes)
            });
            let Some(&oldest) = heaviest.and_then(|keys| keys.ended.front()) else {
                break;
            };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, place: u64) {
        let Some(EndedEntry {
            tenant,
            key,
            log,
            bytes,
            ..
        }) = self.ended.remove(&place)
        else {
            return;
        };
        self.bytes -= bytes;
        if let Some(keys) = self.tenants.get_mut(&tenant) {
            keys.bytes -= bytes;
            // Both are in the order in which they ended, and only the first of either goes.
            keys.ended.pop_front();
        }
        self.remove(&tenant, &key, &log);
    }

    fn remove(&mut self, tenant: &str, key: &str, log: &Arc<Log>) {
        let Some(keys) = self.tenants.get_mut(tenant) else {
            return;
        };
        if keys
            .by_key
            .get(key)
            .is_some_and(|entry| Arc::ptr_eq(&entry.log, log))
        {
            keys.by_key.remove(key);
        }
        if keys.by_key.is_empty() && keys.ended.is_empty() {
            self.tenants.remove(tenant);
        }
    }
}

/// Writes down what happens until the end.
async fn listen(mut ticket: Ticket, log: &Log) {
    while let Some(news) = ticket.next().await {
        log.write(|written| news.into_iter().for_each(|news| written.add(news)));
    }
    log.write(|written| written.closed = true);
}

impl Written {
    fn add(&mut self, news: ExecutionNews) {
        match &news {
            ExecutionNews::Progress { .. } if self.progress >= KEPT_PROGRESS => return,
            ExecutionNews::Progress { .. } => self.progress += 1,
            ExecutionNews::Ended(ended) => {
                self.bytes += CALL_BYTES + ended.result.as_ref().map_or(0, bytes::Bytes::len);
            }
            _ => {}
        }
        self.news.push(news);
    }
}

impl Log {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, write: impl FnOnce(&mut Written)) {
        write(&mut self.written());
        self.changed.send_replace(());
    }
}

impl Watcher {
    fn new(log: &Arc<Log>, first: bool) -> Self {
        Self {
            log: log.clone(),
            next: 0,
            first,
            changed: log.changed.subscribe(),
        }
    }

    /// Its request began the execution; others joined.
    #[must_use]
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// What the answer is made by: of the request that came first.
    #[must_use]
    pub(super) fn shape(&self) -> &Arc<Shape> {
        &self.log.shape
    }

    /// Waits until it is accepted; the id of the execution.
    ///
    /// # Errors
    /// It was not.
    pub(super) async fn admission(&mut self) -> Result<Arc<str>, RequestError> {
        loop {
            if let Some(admission) = self.log.written().admission.clone() {
                return admission.map_err(RequestError::from);
            }
            // The sender lives in the log that is held here.
            let _ = self.changed.changed().await;
        }
    }

    /// From the beginning: what happened since the last time. `None` when nothing more will.
    pub(super) async fn next(&mut self) -> Option<Vec<ExecutionNews>> {
        loop {
            {
                let written = self.log.written();
                if self.next < written.news.len() {
                    let news = written.news[self.next..].to_vec();
                    self.next = written.news.len();
                    return Some(news);
                }
                if written.closed {
                    return None;
                }
            }
            let _ = self.changed.changed().await;
        }
    }
}
