//! W2: one call at a time. W5: turns of an agent, executions of five calls, one after another.

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    measure::{Latencies, Spent},
    system::one_by_one,
    workloads,
};

/// W2.
pub(crate) async fn single_calls(bench: &mut Bench) -> anyhow::Result<()> {
    let count = bench.size(2000, 50);
    run(bench, "W2", count, 1).await
}

/// W5.
pub(crate) async fn turns(bench: &mut Bench) -> anyhow::Result<()> {
    let count = bench.size(200, 20);
    run(bench, "W5", count, 5).await
}

async fn run(bench: &mut Bench, scenario: &str, executions: u64, calls: u64) -> anyhow::Result<()> {
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let batches: Vec<_> = (0..executions)
        .map(|index| workloads::echoes(index * calls, calls))
        .collect();
    let mut ours = Series::new(scenario, "toolwave", executions * calls);
    let mut wire = Series::new(scenario, "floor", executions * calls);
    one_by_one(&cluster, &batches).await?;
    one_by_one(&floor, &batches).await?;
    for _ in 0..bench.runs() {
        add(&mut ours, &one_by_one(&cluster, &batches).await?);
        add(&mut wire, &one_by_one(&floor, &batches).await?);
    }
    bench.record(ours);
    bench.record(wire);
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

fn add(series: &mut Series, (latencies, spent): &(Latencies, Spent)) {
    series.add("p50", "µs", latencies.at(0.5));
    series.add("p99", "µs", latencies.at(0.99));
    series.add_cpu(spent);
}
