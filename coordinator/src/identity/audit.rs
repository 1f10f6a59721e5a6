//! What is told of refusals: to the log and to the audit. They can come as fast as packets, so they are told at most
//! once a second, with the number of those that were not; none goes uncounted, also where no further one follows.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::Refusal;
use crate::audit::{Audit, Event};

/// Of a method's name, which a client may make up, in bytes.
const NAME_BYTES: usize = 128;

/// Tells of refusals.
pub(super) struct Refusals {
    audit: Audit,
    start: Instant,
    state: Mutex<State>,
    /// There is something to be told later.
    waits: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The second, since the start, of the last that was told, plus one.
    told: u64,
    untold: Option<Untold>,
}

/// Those that were not told since.
#[derive(Debug)]
struct Untold {
    /// The last of them.
    refusal: Refusal,
    peer: Option<SocketAddr>,
    /// With it.
    count: u64,
}

// === impl Refusals ===

impl Refusals {
    pub(super) fn new(audit: Audit) -> Self {
        Self {
            audit,
            start: Instant::now(),
            state: Mutex::default(),
            waits: Notify::new(),
        }
    }

    /// A request went no further than its headers.
    pub(super) fn tell(&self, method: &str, peer: Option<SocketAddr>, refusal: &Refusal) {
        let second = self.second();
        let mut state = self.state();
        if state.told == second {
            let count = 1 + state.untold.as_ref().map_or(0, |untold| untold.count);
            let refusal = *refusal;
            state.untold = Some(Untold { refusal, peer, count });
            self.waits.notify_one();
            return;
        }
        state.told = second;
        let more = state.untold.take().map_or(0, |untold| untold.count);
        drop(state);
        let method = method.get(..NAME_BYTES).unwrap_or(method);
        self.write(Some(method), peer, refusal, more);
    }

    /// Tells of what no further refusal told of, a second later. Never ends.
    pub(super) async fn tell_later(&self) {
        loop {
            self.waits.notified().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let second = self.second();
            let mut state = self.state();
            // Told in this second: whatever came after that has notified again.
            if state.told == second {
                continue;
            }
            let untold = state.untold.take();
            if untold.is_some() {
                state.told = second;
            }
            drop(state);
            self.write_untold(untold);
        }
    }

    /// Tells of what was not told yet.
    pub(super) fn tell_rest(&self) {
        let untold = self.state().untold.take();
        self.write_untold(untold);
    }

    fn write_untold(&self, untold: Option<Untold>) {
        if let Some(Untold { refusal, peer, count }) = untold {
            self.write(None, peer, &refusal, count - 1);
        }
    }

    fn write(&self, method: Option<&str>, peer: Option<SocketAddr>, refusal: &Refusal, more: u64) {
        let reason = refusal.reason().word();
        tracing::warn!(
            method,
            address = ?peer,
            reason,
            cause = refusal.cause(),
            more,
            "request refused"
        );
        self.audit
            .record(|| Event::CredentialsRefused { peer, reason, more });
    }

    fn second(&self) -> u64 {
        self.start.elapsed().as_secs() + 1
    }

    /// No panic can happen under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
