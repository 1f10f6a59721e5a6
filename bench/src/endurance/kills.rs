//! Workers that are killed with -9, one at a time and at random, while calls run on all of them.

use std::time::Duration;

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
/// Between the return of one and the end of the next, drawn up to this, in milliseconds.
const QUIET: u64 = 600;

/// # Errors
/// A broken promise, a leaked slot, a request without an answer.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let kills = bench.size(200, 3);
    let names = names(WORKERS);
    let mut cluster = cluster(bench.binaries(), &names).await?;
    let load = Load::start(&cluster, PACE).await?;
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..=QUIET))).await;
        cluster.replace(&names[fastrand::usize(..WORKERS)]).await?;
    }
    let tally = load.stop(&mut cluster).await?;
    let mut series = Series::new("kills", "toolwave", tally.calls);
    series.add("kills", "", float(kills));
    tally.add_to(&mut series);
    check(&cluster, &names, &mut series).await?;
    bench.record(series);
    Ok(())
}
