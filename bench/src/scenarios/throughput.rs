//! W1: calls that do nothing, in executions of 1,000, one execution after another and four at once; and what
//! memory the servers hold afterwards.

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    measure::{Watched, float, resident_bytes},
    system::abreast,
    workloads,
};

const CONCURRENCY: u32 = 256;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let (executions, calls) = bench.size((20, 1000), (4, 100));
    let batches: Vec<_> = (0..executions)
        .map(|index| workloads::echoes(index * calls, calls))
        .collect();
    for (in_flight, variant) in [(1, ""), (4, "four executions in flight")] {
        let mut ours = Series::new("W1", "toolwave", executions * calls).variant(variant);
        let mut wire = Series::new("W1", "floor", executions * calls).variant(variant);
        abreast(&cluster, &batches, CONCURRENCY, in_flight).await?;
        abreast(&floor, &batches, CONCURRENCY, in_flight).await?;
        for _ in 0..bench.runs() {
            ours.add_throughput(&abreast(&cluster, &batches, CONCURRENCY, in_flight).await?);
            wire.add_throughput(&abreast(&floor, &batches, CONCURRENCY, in_flight).await?);
        }
        bench.record(ours);
        bench.record(wire);
    }
    memory(bench, "toolwave", cluster.watched())?;
    memory(bench, "floor", &floor.watched())?;
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

/// What the servers hold now, each and together.
fn memory(bench: &mut Bench, system: &str, servers: &[Watched]) -> anyhow::Result<()> {
    let mut sum = 0.0;
    for server in servers {
        let mebibytes = float(resident_bytes(server.id)?) / 1024.0 / 1024.0;
        sum += mebibytes;
        let mut series = Series::new("memory", system, 0).variant(&format!("{} after W1", server.role));
        series.add("rss", "MiB", mebibytes);
        bench.record(series);
    }
    let mut series = Series::new("memory", system, 0).variant("servers after W1");
    series.add("rss", "MiB", sum);
    bench.record(series);
    Ok(())
}
