//! Observations by size: one counter for each bucket, and the sum of all.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::add_alone;

/// Which sizes are told apart, and what they are observed and told in.
#[derive(Debug)]
pub struct Scale {
    /// Upper bounds, ascending, in the unit of observation.
    bounds: &'static [u64],
    /// The same as they are told.
    names: &'static [&'static str],
    /// What one unit of observation is told as.
    unit: f64,
}

const MICROS: u64 = 1_000;
const MILLIS: u64 = 1_000 * MICROS;
const SECS: u64 = 1_000 * MILLIS;

/// Durations from 100 µs to 10 min, told in seconds.
pub static SECONDS: Scale = Scale {
    bounds: &[
        100 * MICROS,
        250 * MICROS,
        500 * MICROS,
        MILLIS,
        2_500 * MICROS,
        5 * MILLIS,
        10 * MILLIS,
        25 * MILLIS,
        50 * MILLIS,
        100 * MILLIS,
        250 * MILLIS,
        500 * MILLIS,
        SECS,
        2_500 * MILLIS,
        5 * SECS,
        10 * SECS,
        30 * SECS,
        60 * SECS,
        120 * SECS,
        300 * SECS,
        600 * SECS,
    ],
    names: &[
        "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
        "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "600",
    ],
    unit: 1e-9,
};

/// Numbers of things, from 1 to 10,000.
pub static COUNTS: Scale = Scale {
    bounds: &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000],
    names: &[
        "1", "2", "5", "10", "20", "50", "100", "200", "500", "1000", "2000", "5000", "10000",
    ],
    unit: 1.0,
};

/// How often which size was observed.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    /// One more than bounds: the last is for what is beyond them.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// With nothing observed.
    #[must_use]
    pub fn new(scale: &'static Scale) -> Self {
        Self {
            scale,
            buckets: (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// One observation, in the scale's unit.
    pub fn observe(&self, value: u64) {
        self.bucket(value).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// One of a duration, on a scale of seconds.
    pub fn observe_duration(&self, value: Duration) {
        self.observe(nanos(value));
    }

    /// The same where only one thread at a time observes: a fraction of the cost.
    pub fn observe_alone(&self, value: u64) {
        add_alone(self.bucket(value), 1);
        add_alone(&self.sum, value);
    }

    /// One of a duration, on a scale of seconds, where only one thread at a time observes.
    pub fn observe_duration_alone(&self, value: Duration) {
        self.observe_alone(nanos(value));
    }

    fn bucket(&self, value: u64) -> &AtomicU64 {
        let at = self.scale.bounds.partition_point(|bound| *bound < value);
        &self.buckets[at]
    }

    /// Each bound with how many were no larger, how many there were, and their sum. The counts are of one reading,
    /// so that they never contradict each other.
    pub(super) fn read(&self) -> (impl Iterator<Item = (&'static str, u64)>, u64, f64) {
        let mut so_far = 0;
        let up_to: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| {
                so_far += bucket.load(Ordering::Relaxed);
                so_far
            })
            .collect();
        let sum = self.sum.load(Ordering::Relaxed) as f64 * self.scale.unit;
        (self.scale.names.iter().copied().zip(up_to), so_far, sum)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
