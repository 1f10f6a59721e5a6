//! Numbers that are counted, and the page on which a scraper reads them. They belong to whoever made them: there is
//! no registry of the process, so that several coordinators of one process count apart.

mod histogram;
mod page;
mod process;
mod runtime;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

pub use self::{
    histogram::{COUNTS, Histogram, SECONDS, Scale},
    page::{Family, Kind, Page, Value},
    process::write_process,
    runtime::write_runtime,
};

/// Goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

// === impl Counter ===

impl Counter {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So many more, where only one thread at a time adds: a fraction of the cost.
    pub fn add_alone(&self, more: u64) {
        add_alone(&self.0, more);
    }

    /// Until now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Gauge ===

impl Gauge {
    /// Is this, from now on.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// So many more, or fewer.
    pub fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The same where only one thread at a time adds.
    pub fn add_alone(&self, more: i64) {
        self.0.store(self.value() + more, Ordering::Relaxed);
    }

    /// Now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn add_alone(number: &AtomicU64, more: u64) {
    number.store(
        number.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}
