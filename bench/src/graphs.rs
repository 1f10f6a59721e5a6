//! Graphs of calls, the same in every run, and what the fastest schedule could make of them.

use std::time::Duration;

use fastrand::Rng;

use crate::workloads::{self, Job, Work};

/// Of the layered graph.
pub(crate) const WIDTH: u32 = 50;
const DEPENDENCIES: usize = 3;
/// Mean of a call, in microseconds.
const MEAN: u32 = 5000;
/// Of the logarithm of a skewed call's time.
const SIGMA: f64 = 1.0;
/// So that every run measures the same graph.
const EDGES_SEED: u64 = 20_240_601;
const SLEEPS_SEED: u64 = 42;

/// Layers of 50 sleeps, each of which needs three calls of the layer before.
pub(crate) fn layered(layers: u32, sleep: fn(&mut Rng) -> u32) -> Vec<Job> {
    let mut edges = Rng::with_seed(EDGES_SEED);
    let mut sleeps = Rng::with_seed(SLEEPS_SEED);
    let mut jobs = Vec::new();
    for layer in 0..layers {
        for _ in 0..WIDTH {
            let mut job = Job::sleep(sleep(&mut sleeps));
            if let Some(before) = layer.checked_sub(1) {
                job.depends_on = edges.choose_multiple(before * WIDTH..layer * WIDTH, DEPENDENCIES);
                job.depends_on.sort_unstable();
            }
            jobs.push(job);
        }
    }
    jobs
}

/// `calls` echoes with `edges` dependencies between them, each on an earlier call, no two the same.
///
/// # Panics
/// When there are more edges than pairs of calls.
pub(crate) fn random(calls: u32, edges: u32) -> Vec<Job> {
    let pairs = u64::from(calls) * u64::from(calls.saturating_sub(1)) / 2;
    assert!(u64::from(edges) <= pairs, "{edges} edges between {calls} calls");
    let mut rng = Rng::with_seed(EDGES_SEED);
    let mut jobs = workloads::echoes(0, calls.into());
    let mut left = edges;
    while left > 0 {
        let (one, other) = (rng.u32(0..calls), rng.u32(0..calls));
        let needs = &mut jobs[one.max(other) as usize].depends_on;
        let before = one.min(other);
        if one != other && !needs.contains(&before) {
            needs.push(before);
            left -= 1;
        }
    }
    jobs
}

/// 5 ms, always.
pub(crate) fn even(_: &mut Rng) -> u32 {
    MEAN
}

/// Lognormal with a mean of 5 ms.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and no time is below zero"
)]
pub(crate) fn skewed(rng: &mut Rng) -> u32 {
    // Box and Muller's way from even to normal; 1 - f64() is never 0
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
    let mu = f64::from(MEAN).ln() - SIGMA * SIGMA / 2.0;
    (mu + SIGMA * normal).exp().round().max(1.0) as u32
}

/// No schedule ends earlier: neither before the longest chain, nor before all work is shared out.
pub(crate) fn lower_bound(jobs: &[Job], in_flight: u32) -> Duration {
    let mut ends = Vec::with_capacity(jobs.len());
    let mut work = Duration::ZERO;
    for job in jobs {
        let sleep = match &job.work {
            Work::Sleep(microseconds) => Duration::from_micros((*microseconds).into()),
            Work::Echo(_) => Duration::ZERO,
        };
        let ready: Duration = job
            .depends_on
            .iter()
            .map(|before| ends[*before as usize])
            .max()
            .unwrap_or_default();
        ends.push(ready + sleep);
        work += sleep;
    }
    let longest = ends.into_iter().max().unwrap_or_default();
    longest.max(work / in_flight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_but_the_first_needs_three_of_the_one_before() {
        let jobs = layered(20, even);
        assert_eq!(jobs.len(), 1000);
        for (index, job) in jobs.iter().enumerate() {
            let layer = index as u32 / WIDTH;
            let mut needs = job.depends_on.clone();
            needs.dedup();
            assert_eq!(needs.len(), if layer == 0 { 0 } else { 3 });
            assert!(needs.iter().all(|before| before / WIDTH + 1 == layer));
        }
    }

    #[test]
    fn a_random_graph_has_its_edges_once_each_and_none_backwards() {
        let jobs = random(1000, 3000);
        assert_eq!(jobs.iter().map(|job| job.depends_on.len()).sum::<usize>(), 3000);
        for (index, job) in (0..).zip(&jobs) {
            let mut needs = job.depends_on.clone();
            needs.sort_unstable();
            needs.dedup();
            assert_eq!(needs.len(), job.depends_on.len());
            assert!(needs.iter().all(|before| *before < index));
        }
    }

    #[test]
    fn graphs_are_the_same_every_time() {
        let text = |jobs: Vec<Job>| format!("{jobs:?}");
        assert_eq!(text(layered(3, skewed)), text(layered(3, skewed)));
    }

    #[test]
    fn skewed_sleeps_have_a_mean_of_five_milliseconds() {
        let mut rng = Rng::with_seed(1);
        let sum: u64 = (0..100_000).map(|_| u64::from(skewed(&mut rng))).sum();
        let mean = sum / 100_000;
        assert!((4900..5100).contains(&mean), "{mean} µs");
    }

    #[test]
    fn the_bound_is_the_longest_chain_or_the_shared_work() {
        assert_eq!(lower_bound(&layered(20, even), 50), Duration::from_millis(100));
        let independent = vec![Job::sleep(1000); 100];
        assert_eq!(lower_bound(&independent, 10), Duration::from_millis(10));
        assert_eq!(lower_bound(&independent, 1000), Duration::from_millis(1));
    }
}
