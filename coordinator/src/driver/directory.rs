//! Who the workers are: names, processes, sessions, and what waits to be written to each. The scheduler knows
//! them by keys only. It decides nothing about calls; what it finds out becomes events.

use std::{mem, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::mpsc;
use toolwave_scheduler::{Event, SessionKey, WorkerKey, WorkerStatus};

use super::mailbox::{Description, Joined, ListedWorker};
use crate::worker::{
    fault::SessionFault,
    outbox::{Answers, Outbound},
};

/// Names that operators drain; a set beyond this size is no operator's.
const DRAINED_NAMES: usize = 10_000;

/// All workers that are connected, or lost and still waited for.
#[derive(Default)]
pub(super) struct Directory {
    workers: FxHashMap<WorkerKey, Worker>,
    names: FxHashMap<Arc<str>, WorkerKey>,
    sessions: FxHashMap<SessionKey, Session>,
    /// By operators; by name, so that it holds over reconnects and restarts of the worker.
    drained: FxHashSet<Arc<str>>,
    next_worker: u64,
    /// Sessions to which something waits to be written.
    touched: Vec<SessionKey>,
}

/// A process.
struct Worker {
    name: Arc<str>,
    instance_id: String,
    /// The name in its certificate, where it needs one.
    identity: Option<Arc<str>>,
    description: Description,
    /// Names of the tools that it offers.
    tools: Vec<Arc<str>>,
    /// Its newest; it may have ended.
    session: SessionKey,
    /// By itself.
    draining: bool,
}

/// An open session.
pub(super) struct Session {
    pub(super) worker: WorkerKey,
    pub(super) name: Arc<str>,
    pub(super) max_parameters: usize,
    /// The number of the last dispatch.
    pub(super) dispatches: u64,
    outbox: mpsc::Sender<Vec<Outbound>>,
    answers: Arc<Answers>,
    waiting: Vec<Outbound>,
}

/// What the scheduler is to hear of a new session.
pub(super) struct Arrival {
    /// Another process of the name is gone: first.
    pub(super) replaced: Option<Event>,
    pub(super) worker: WorkerKey,
    pub(super) draining: bool,
    /// Tools that the worker of this name offered before, and does not any more.
    pub(super) dropped: Vec<Arc<str>>,
}

// === impl Directory ===

impl Directory {
    /// A session begins: of a process that is known, or of a new one, which ends whatever had its name. None for
    /// a name that belongs to another identity: that session is closed, and nothing of it is kept.
    pub(super) fn join(&mut self, joined: &mut Joined) -> Option<Arrival> {
        let known = self.names.get(&joined.name).copied();
        if known.is_some_and(|known| self.workers[&known].identity != joined.identity) {
            refuse_name(joined);
            return None;
        }
        let before = known.and_then(|known| self.workers.get_mut(&known));
        let before = before.map_or_else(Vec::new, |worker| mem::take(&mut worker.tools));
        let same = known.filter(|key| self.workers[key].instance_id == joined.instance_id);
        let mut replaced = None;
        let key = same.unwrap_or_else(|| {
            self.next_worker += 1;
            WorkerKey(self.next_worker)
        });
        if let (Some(old), None) = (known, same) {
            tracing::warn!(worker = %joined.name, "another process registered under the name of a worker");
            let session = self.workers[&old].session;
            self.close(session, SessionFault::Replaced);
            replaced = Some(Event::WorkerGone { worker: old });
        }
        self.names.insert(joined.name.clone(), key);
        self.workers.insert(
            key,
            Worker {
                name: joined.name.clone(),
                instance_id: mem::take(&mut joined.instance_id),
                identity: joined.identity.clone(),
                description: mem::take(&mut joined.description),
                tools: joined.tools.clone(),
                session: joined.session,
                draining: joined.draining,
            },
        );
        self.sessions.insert(
            joined.session,
            Session {
                worker: key,
                name: joined.name.clone(),
                max_parameters: joined.max_parameters,
                dispatches: 0,
                outbox: joined.outbox.clone(),
                answers: joined.answers.clone(),
                waiting: Vec::new(),
            },
        );
        self.say(
            joined.session,
            Outbound::Registered(mem::take(&mut joined.registered)),
        );
        let drained = self.drained.contains(&joined.name);
        if drained {
            self.say(joined.session, Outbound::SetDraining(true));
        }
        Some(Arrival {
            replaced,
            worker: key,
            draining: joined.draining || drained,
            dropped: without(before, &joined.tools),
        })
    }

    /// A worker offers other tools from now on: those that it offers no more.
    pub(super) fn offers(&mut self, session: SessionKey, tools: &[Arc<str>]) -> Vec<Arc<str>> {
        let worker = self.sessions.get(&session).map(|session| session.worker);
        match worker.and_then(|worker| self.workers.get_mut(&worker)) {
            Some(worker) => without(mem::replace(&mut worker.tools, tools.to_vec()), tools),
            None => Vec::new(),
        }
    }

    /// An open session; none once it was closed from here.
    pub(super) fn session(&mut self, session: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(&session)
    }

    /// The name of a worker that is not forgotten.
    pub(super) fn name(&self, worker: WorkerKey) -> Option<&Arc<str>> {
        self.workers.get(&worker).map(|worker| &worker.name)
    }

    /// Puts something behind what waits for a session.
    pub(super) fn say(&mut self, session: SessionKey, outbound: Outbound) {
        if let Some(entry) = self.sessions.get_mut(&session) {
            if entry.waiting.is_empty() {
                self.touched.push(session);
            }
            entry.waiting.push(outbound);
        }
    }

    /// Tells every open session.
    pub(super) fn say_all(&mut self, mut outbound: impl FnMut() -> Outbound) {
        let sessions: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.say(session, outbound());
        }
    }

    /// Hands what waits to the sessions, each at once; those that take no more are returned in `dead`, and are
    /// to be ended.
    pub(super) fn flush(&mut self, dead: &mut Vec<SessionKey>) {
        for key in self.touched.drain(..) {
            let Some(session) = self.sessions.get_mut(&key) else {
                continue;
            };
            let waiting = mem::take(&mut session.waiting);
            if waiting.is_empty() {
                continue;
            }
            match session.outbox.try_send(waiting) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    tracing::warn!(worker = %session.name, session = key.0, "worker does not read; session closed");
                    session.answers.end(Some(SessionFault::NotReading));
                    dead.push(key);
                }
                // Its reader says so too.
                Err(mpsc::error::TrySendError::Closed(_)) => dead.push(key),
            }
        }
    }

    /// Closes a session from here, after what waits for it; false when it is closed already.
    pub(super) fn close(&mut self, session: SessionKey, fault: SessionFault) -> bool {
        let Some(mut entry) = self.sessions.remove(&session) else {
            return false;
        };
        let mut last = mem::take(&mut entry.waiting);
        last.push(Outbound::Close(fault.clone()));
        if entry.outbox.try_send(last).is_err() {
            entry.answers.end(Some(fault));
        }
        true
    }

    /// Closes all.
    pub(super) fn close_all(&mut self, fault: &SessionFault) {
        let sessions: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.close(session, fault.clone());
        }
    }

    /// The stream of a session ended; false when it was closed from here before.
    pub(super) fn ended(&mut self, session: SessionKey) -> bool {
        self.sessions.remove(&session).is_some()
    }

    /// The worker drains by itself; the state that now holds.
    pub(super) fn drains_itself(&mut self, session: SessionKey) -> Option<WorkerKey> {
        let key = self.sessions.get(&session)?.worker;
        self.workers.get_mut(&key)?.draining = true;
        Some(key)
    }

    /// An operator drains, or resumes, the worker of this name: which that is, and whether it now drains.
    pub(super) fn drain(&mut self, name: &str, resume: bool) -> Option<(WorkerKey, bool)> {
        let &key = self.names.get(name)?;
        let worker = self.workers.get(&key)?;
        let (session, own) = (worker.session, worker.draining);
        if resume {
            self.drained.remove(name);
        } else if self.drained.len() < DRAINED_NAMES {
            self.drained.insert(worker.name.clone());
        }
        self.say(session, Outbound::SetDraining(!resume));
        Some((key, own || !resume))
    }

    /// The scheduler knows the worker no more.
    pub(super) fn forget(&mut self, worker: WorkerKey) {
        let Some(entry) = self.workers.remove(&worker) else {
            return;
        };
        if self.names.get(&entry.name) == Some(&worker) {
            self.names.remove(&entry.name);
        }
        self.close(entry.session, SessionFault::Evicted("the worker left"));
    }

    /// For operators; `tools` are names of the status' keys.
    pub(super) fn listed(&self, status: WorkerStatus, tools: Vec<Arc<str>>) -> Option<ListedWorker> {
        let worker = self.workers.get(&status.worker)?;
        let mut description = worker.description.clone();
        if !self.sessions.contains_key(&worker.session) {
            description.address = None;
        }
        Some(ListedWorker {
            name: worker.name.clone(),
            instance_id: worker.instance_id.clone(),
            description,
            tools,
            status,
        })
    }
}

/// What is in `before` and not in `now`.
fn without(mut before: Vec<Arc<str>>, now: &[Arc<str>]) -> Vec<Arc<str>> {
    // the same list in the same order is what nearly all come back with
    if before == now {
        return Vec::new();
    }
    let now: FxHashSet<&Arc<str>> = now.iter().collect();
    before.retain(|name| !now.contains(name));
    before
}

/// Ends a session that wants a name which is another's.
fn refuse_name(joined: &Joined) {
    let fault = SessionFault::WorkerIdTaken;
    tracing::warn!(
        worker = %joined.name,
        identity = joined.identity.as_deref().unwrap_or_default(),
        address = ?joined.description.address,
        reason = fault.reason(),
        "worker refused"
    );
    // The first entry of an empty channel; otherwise the stream is gone already.
    let _ = joined.outbox.try_send(vec![Outbound::Close(fault)]);
}
