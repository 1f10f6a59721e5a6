//! All workers restarted, one after another, as a deployment does: told to end, waited for, started again.

use std::time::{Duration, Instant};

use anyhow::ensure;
use toolwave_tests::recording::RecordingCluster;

use super::load::{Load, Pace, check, cluster, names};
use crate::{
    bench::{Bench, Series},
    measure::float,
};

const WORKERS: usize = 4;
const PACE: Pace = Pace {
    clients: 3,
    calls: 20,
    takes: (5, 300),
};
/// Longer than a worker may take to drain.
const ENDED_WITHIN: Duration = Duration::from_secs(40);

/// # Errors
/// A broken promise, a worker that does not end well, a request without an answer.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let rounds = bench.size(5, 1);
    let names = names(WORKERS);
    let mut cluster = cluster(bench.binaries(), &names).await?;
    let load = Load::start(&cluster, PACE).await?;
    let mut restarts = 0;
    for _ in 0..rounds {
        for name in &names {
            end_well(&mut cluster, name).await?;
            cluster.replace(name).await?;
            restarts += 1;
        }
    }
    let tally = load.stop(&mut cluster).await?;
    let mut series = Series::new("rolling", "toolwave", tally.calls);
    series.add("restarts", "", float(restarts));
    series.add("failed", "", float(tally.calls - tally.succeeded));
    tally.add_to(&mut series);
    check(&cluster, &names, &mut series).await?;
    bench.record(series);
    Ok(())
}

/// The runtime of this process goes on meanwhile: the load is in it.
async fn end_well(cluster: &mut RecordingCluster, name: &str) -> anyhow::Result<()> {
    let worker = cluster.worker(name);
    worker.signal("TERM")?;
    let start = Instant::now();
    loop {
        if let Some(status) = worker.ended()? {
            ensure!(status.success(), "{name} ended with {status}");
            return Ok(());
        }
        ensure!(start.elapsed() < ENDED_WITHIN, "{name} does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
