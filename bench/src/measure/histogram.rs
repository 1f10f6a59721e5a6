//! Latencies in a histogram of three digits, from 100 ns to ten minutes.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::float;

/// Of the histogram, in nanoseconds.
const STEP: u64 = 100;
const LONGEST: u64 = 600_000_000_000 / STEP;

/// What single calls or executions took.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST, 3)?))
    }

    /// Anything longer than the histogram counts as its longest.
    pub(crate) fn add(&mut self, latency: Duration) {
        let steps = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX) / STEP;
        self.0.saturating_record(steps.max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// In microseconds; `quantile` from 0 to 1.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        float(self.0.value_at_quantile(quantile) * STEP) / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_told_in_microseconds_to_three_digits() {
        let mut latencies = Latencies::new().unwrap();
        for microseconds in 1..=1000 {
            latencies.add(Duration::from_micros(microseconds));
        }
        assert!((latencies.at(0.5) - 500.0).abs() < 1.0, "{}", latencies.at(0.5));
        assert!((latencies.at(0.99) - 990.0).abs() < 2.0, "{}", latencies.at(0.99));
    }
}
