//! Twice the load that there is capacity for, for a minute: what is accepted keeps its pace, the rest is refused, and
//! the coordinator's memory stays where it is.

use std::time::Duration;

use anyhow::Context as _;

use super::watch::watched;
use crate::{
    bench::{Bench, Series},
    measure::float,
    scenarios::overload::{Crowd, Window},
};

const SLOTS: u32 = 64;
const LOOK: Duration = Duration::from_millis(500);

/// # Errors
/// When nothing was refused, a refusal did not say when to come back, or a call is not accounted for.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let length = bench.size(Duration::from_secs(60), Duration::from_millis(400));
    let at_peak = bench.size(Duration::from_secs(10), Duration::from_millis(400));
    let mut crowd = Crowd::new(bench, SLOTS).await?;
    crowd.saturate(Window::after(at_peak / 4, at_peak)).await?;
    let peak = crowd.saturate(Window::after(at_peak / 4, at_peak)).await?;
    let coordinator = crowd
        .cluster
        .watched()
        .iter()
        .find(|process| process.role == "coordinator")
        .context("a cluster has a coordinator")?
        .id;
    let window = Window::after(length / 20, length);
    let (tally, looks) = watched(coordinator, LOOK, crowd.overload(peak, window)).await?;
    let mut series = Series::new("overload", "toolwave", 0);
    tally.add_to(&mut series, peak, length);
    let largest = looks.iter().map(|look| look.resident).max().unwrap_or(0);
    let mebibytes = |bytes: u64| float(bytes) / 1024.0 / 1024.0;
    series.add("coordinator's memory before", "MiB", mebibytes(looks[0].resident));
    series.add("coordinator's largest memory", "MiB", mebibytes(largest));
    bench.record(series);
    bench.end_cluster(crowd.cluster)
}
