//! What is measured besides time: processor time and memory of processes, distributions, and that nothing is lost.

mod conservation;
mod cpu;
mod histogram;

pub(crate) use conservation::Ledger;
pub(crate) use cpu::{Meter, Spent, Watched};
pub(crate) use histogram::Latencies;
pub(crate) use toolwave_tests::resident_bytes;

/// A count as a number to divide by.
#[allow(clippy::cast_precision_loss, reason = "counts and bytes stay below 2^53")]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}
