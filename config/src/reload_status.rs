//! What came of reading a configuration again, for gauges. Reads nothing itself.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// What came of the last attempt to read the configuration again, for gauges. Before the first one it is that of the
/// start, which was good.
#[derive(Debug)]
pub struct ReloadStatus {
    failed: AtomicBool,
    succeeded_at: AtomicU64,
}

// === impl ReloadStatus ===

impl Default for ReloadStatus {
    fn default() -> Self {
        let status = Self {
            failed: AtomicBool::new(false),
            succeeded_at: AtomicU64::new(0),
        };
        status.succeeded();
        status
    }
}

impl ReloadStatus {
    /// The last attempt was good.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// When the last good one was, in seconds since 1970.
    #[must_use]
    pub fn succeeded_at(&self) -> u64 {
        self.succeeded_at.load(Ordering::Relaxed)
    }

    /// The configuration was read, and is in force as far as it can be.
    pub fn succeeded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.succeeded_at
            .store(now.map_or(0, |now| now.as_secs()), Ordering::Relaxed);
        self.failed.store(false, Ordering::Relaxed);
    }

    /// It could not be used; the one before stays.
    pub fn failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}
