//! The result file: what `run` writes and `report` reads, and nothing else.
//!
//! It keeps every run's value, never only a summary: medians, ranges and ratios are the reader's.

use serde::{Deserialize, Serialize};

/// Everything that one measuring found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// When it began, RFC 3339, UTC.
    pub(crate) taken: String,
    /// `git describe --always --dirty`, or "unknown".
    pub(crate) commit: String,
    /// The command line that took it.
    pub(crate) command: String,
    pub(crate) machine: Machine,
    /// Of each system in each scenario.
    pub(crate) runs: u32,
    pub(crate) figures: Vec<Figure>,
}

/// What it was measured on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    /// Those that all processes together may use.
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) memory_mib: u64,
    /// `rustc -V`
    pub(crate) rustc: String,
}

/// One metric of one system in one variant of a scenario, over all runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// "W1", "W4b", "open-loop", "memory", …
    pub(crate) scenario: String,
    /// "toolwave", "floor", or a peer's name.
    pub(crate) system: String,
    /// "", or what is different, such as "four executions in flight".
    pub(crate) variant: String,
    /// "throughput", "p50", "p99", "ideal/measured", "makespan/bound", "rss", …
    pub(crate) metric: String,
    /// "calls/s", "µs", "ratio", "MB/s", "MiB", "B"
    pub(crate) unit: String,
    /// Where on a curve.
    pub(crate) at: Option<At>,
    /// One for each run, in the order of measuring.
    pub(crate) values: Vec<f64>,
    pub(crate) cpu: Vec<CpuPerCall>,
    /// In each run.
    pub(crate) calls: u64,
}

/// The x of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct At {
    pub(crate) name: String,
    pub(crate) value: f64,
}

/// Processor time that a process spent on a call: the median of the runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CpuPerCall {
    /// "client", "coordinator", "worker", "relay" or "echo server"; several workers count as one.
    pub(crate) process: String,
    pub(crate) microseconds: f64,
}

/// The middle one, or the mean of the middle two; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!((median(&[9.0, 1.0, 3.0]) - 3.0).abs() < 1e-9);
    }
}
