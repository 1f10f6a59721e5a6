//! What the record of who did what is told about identities. Refusals can come as fast as packets: they are told
//! at most once a second, with the number of those that were not.

use std::{
    net::SocketAddr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::Refusal;

/// Refusals that were not told since the last that was.
static UNTOLD: AtomicU64 = AtomicU64::new(0);
/// The second, since the start, of the last that was told, plus one.
static TOLD: AtomicU64 = AtomicU64::new(0);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Of a method's name, which a client may make up, in bytes.
const NAME_BYTES: usize = 128;

/// A request went no further than its headers.
pub(super) fn refused(method: &str, address: Option<SocketAddr>, refusal: &Refusal) {
    let second = START.elapsed().as_secs() + 1;
    if TOLD.swap(second, Ordering::Relaxed) == second {
        UNTOLD.fetch_add(1, Ordering::Relaxed);
        return;
    }
    tracing::warn!(
        target: "audit",
        method = method.get(..NAME_BYTES).unwrap_or(method),
        ?address,
        reason = refusal.reason().word(),
        cause = refusal.cause(),
        untold = UNTOLD.swap(0, Ordering::Relaxed),
        "request refused"
    );
}

/// A worker offered tools that its identity may not: they were left out.
pub(crate) fn tools_left_out(worker: &str, identity: &str, tools: &[String], more: usize) {
    tracing::warn!(target: "audit", worker, identity, ?tools, more, "tools left out: not permitted");
}
