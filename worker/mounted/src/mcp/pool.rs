//! The connections of one server: which of them takes a call, and when one takes none any more.
//!
//! It opens and ends nothing: whoever owns a connection puts it in, and hears here when it is to be replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Pool {
    /// Calls at once on one connection.
    concurrency: usize,
    state: Mutex<State>,
    /// A call may find a connection that takes it.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Arc<Member>>,
    /// Why the last start failed.
    failure: Option<String>,
}

/// A connection in the pool, with what its owner has to know.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Connection,
    /// It takes no call any more: another is to be started.
    pub(super) retired: CancellationToken,
    /// Nobody waits for anything that it does: it is to be ended.
    pub(super) useless: CancellationToken,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    running: usize,
    /// Of those that run: nobody wants them, and the server did not say that they stopped.
    abandoned: usize,
    retired: bool,
}

/// A connection for one call; dropped, it takes another.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    member: Arc<Member>,
    abandoned: bool,
}

impl Pool {
    pub(super) fn new(concurrency: Option<u32>) -> Self {
        Self {
            concurrency: concurrency.map_or(usize::MAX, |calls| calls as usize),
            state: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// A connection that works.
    pub(super) fn add(&self, connection: Connection) -> Arc<Member> {
        let member = Arc::new(Member {
            connection,
            retired: CancellationToken::new(),
            useless: CancellationToken::new(),
            calls: Mutex::default(),
        });
        let mut state = self.state();
        state.members.push(Arc::clone(&member));
        state.failure = None;
        drop(state);
        self.freed.notify_one();
        member
    }

    /// A connection that is gone, whoever ended it.
    pub(super) fn remove(&self, member: &Arc<Member>) {
        self.state().members.retain(|other| !Arc::ptr_eq(other, member));
        member.calls().retired = true;
        member.connection.ended.cancel();
    }

    /// Why no connection could be opened.
    pub(super) fn failed(&self, why: String) {
        self.state().failure = Some(why);
    }

    /// Why no connection works, where none does and it is known.
    pub(super) fn failure(&self) -> Option<String> {
        let state = self.state();
        let works = !state.members.is_empty();
        state.failure.clone().filter(|_| !works)
    }

    /// The connection with the fewest calls, once one takes a call. Cancel safe.
    pub(super) async fn lease(&self) -> Lease<'_> {
        loop {
            let freed = self.freed.notified();
            if let Some(lease) = self.try_lease() {
                return lease;
            }
            freed.await;
        }
    }

    fn try_lease(&self) -> Option<Lease<'_>> {
        let state = self.state();
        let takes = |member: &Arc<Member>| {
            let calls = member.calls();
            let works = !calls.retired && !member.connection.peer.is_transport_closed();
            (works && calls.running < self.concurrency).then_some(calls.running)
        };
        loop {
            let free = state
                .members
                .iter()
                .filter_map(|member| Some((takes(member)?, member)));
            let (_, member) = free.min_by_key(|(running, _)| *running)?;
            let mut calls = member.calls();
            // a call of it may have been abandoned since it was looked at
            if calls.retired {
                continue;
            }
            calls.running += 1;
            drop(calls);
            // whoever waits next may find room too: the news goes from one to the other
            if state.members.iter().any(|member| takes(member).is_some()) {
                self.freed.notify_one();
            }
            let member = Arc::clone(member);
            return Some(Lease {
                pool: self,
                member,
                abandoned: false,
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that it has taken and that have not ended.
    pub(super) fn running(&self) -> usize {
        self.calls().running
    }

    /// It takes no call any more, and is of no use once only abandoned ones are left.
    fn retire(&self, calls: &mut Calls) {
        calls.retired = true;
        self.retired.cancel();
        if calls.running == calls.abandoned {
            self.useless.cancel();
        }
    }
}

impl Lease<'_> {
    pub(super) fn connection(&self) -> &Connection {
        &self.member.connection
    }

    /// The connection is closed, as this call found before anybody was told.
    pub(super) fn found_closed(&self) {
        self.member.retire(&mut self.member.calls());
    }

    /// The server goes on with the call: the connection takes no other, and is ended when those that it has are done
    /// or abandoned as well.
    pub(super) fn abandon(&mut self) {
        let mut calls = self.member.calls();
        if !std::mem::replace(&mut self.abandoned, true) {
            calls.abandoned += 1;
        }
        self.member.retire(&mut calls);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut calls = self.member.calls();
        calls.running -= 1;
        calls.abandoned -= usize::from(self.abandoned);
        if calls.retired {
            self.member.retire(&mut calls);
        } else {
            drop(calls);
            self.pool.freed.notify_one();
        }
    }
}
