//! Says that something may have changed, and that the end has begun, to streams that tell of it. Costs an atomic
//! count where nobody listens; knows nothing of what changed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A way to wake whoever watches the load.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    count: AtomicU64,
    changed: Notify,
    draining: CancellationToken,
}

// === impl Activity ===

impl Activity {
    /// There is more to do than before.
    pub(crate) fn stir(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Nothing is accepted any more.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(super) async fn drains(&self) {
        self.draining.cancelled().await;
    }

    /// Ends when it was stirred since `seen`.
    pub(super) async fn stirred_since(&self, seen: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.count() != seen {
                return;
            }
            changed.await;
        }
    }
}
