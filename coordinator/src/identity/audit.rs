//! What is told of refusals: to the log and to the audit. They can come as fast as packets, so they are told at most
//! once a second, with the number of those that were not.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use super::Refusal;
use crate::audit::{Audit, Event};

/// Of a method's name, which a client may make up, in bytes.
const NAME_BYTES: usize = 128;

/// Tells of refusals.
#[derive(Debug)]
pub(super) struct Refusals {
    start: Instant,
    /// The second, since the start, of the last that was told, plus one.
    told: AtomicU64,
    /// Those that were not told since.
    untold: AtomicU64,
}

// === impl Refusals ===

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            told: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// A request went no further than its headers.
    pub(super) fn tell(&self, audit: &Audit, method: &str, peer: Option<SocketAddr>, refusal: &Refusal) {
        let second = self.start.elapsed().as_secs() + 1;
        if self.told.swap(second, Ordering::Relaxed) == second {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let more = self.untold.swap(0, Ordering::Relaxed);
        let reason = refusal.reason().word();
        tracing::warn!(
            method = method.get(..NAME_BYTES).unwrap_or(method),
            address = ?peer,
            reason,
            cause = refusal.cause(),
            more,
            "request refused"
        );
        audit.record(|| Event::CredentialsRefused { peer, reason, more });
    }
}
