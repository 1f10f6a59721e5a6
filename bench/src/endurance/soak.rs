//! Load for half an hour or as long as one likes, with a worker killed every 20 s: what leaks shows.

use std::time::Duration;

use anyhow::ensure;

use super::{
    load::{Load, Pace, check, cluster, names},
    watch::{slope, watched},
};
use crate::{
    bench::{Bench, Series},
    measure::float,
};

const WORKERS: usize = 4;
const PACE: Pace = Pace {
    clients: 3,
    calls: 12,
    takes: (20, 400),
};
const BETWEEN_KILLS: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
const LOOKS_A_MINUTE: usize = 12;

/// # Errors
/// A broken promise, a leaked slot, a request without an answer.
pub(crate) async fn run(bench: &mut Bench, minutes: u64) -> anyhow::Result<()> {
    let length = bench.size(Duration::from_secs(minutes * 60), Duration::from_secs(3));
    let (between, look) = (
        bench.size(BETWEEN_KILLS, Duration::from_secs(1)),
        bench.size(BETWEEN_LOOKS, Duration::from_millis(200)),
    );
    let names = names(WORKERS);
    let mut cluster = cluster(bench.binaries(), &names).await?;
    let coordinator = cluster.processes().coordinator().id();
    let load = Load::start(&cluster, PACE).await?;
    let start = tokio::time::Instant::now();
    let mut kills = 0;
    let killing = async {
        let mut next = start + between;
        while next <= start + length {
            tokio::time::sleep_until(next).await;
            cluster.replace(&names[fastrand::usize(..WORKERS)]).await?;
            kills += 1;
            next += between;
        }
        Ok(())
    };
    let ((), looks) = watched(coordinator, look, killing).await?;
    let tally = load.stop(&mut cluster).await?;
    // what was open for the last kill is closed by now
    cluster
        .settle(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .await?;
    let ((), last) = watched(coordinator, look, async { Ok(()) }).await?;
    ensure!(kills > 0, "there was no kill");
    let mut series = Series::new("soak", "toolwave", tally.calls);
    series.add("minutes", "", length.as_secs_f64() / 60.0);
    series.add("kills", "", float(kills));
    tally.add_to(&mut series);
    check(&cluster, &names, &mut series).await?;
    let last = last[last.len() - 1];
    let early = looks[looks.len() / 30 + 1];
    for look in looks.iter().step_by(LOOKS_A_MINUTE) {
        series.add(
            "memory each minute",
            "MiB",
            float(look.resident) / 1024.0 / 1024.0,
        );
    }
    series.add("memory slope", "MiB/h", slope(&looks));
    series.add("memory at the end", "MiB", float(last.resident) / 1024.0 / 1024.0);
    series.add(
        "descriptors more",
        "",
        float(last.descriptors as u64) - float(early.descriptors as u64),
    );
    bench.record(series);
    Ok(())
}
