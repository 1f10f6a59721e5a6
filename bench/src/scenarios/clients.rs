//! 64 clients at once, each with a connection of its own and one execution at a time, of 1 to 50 calls.

use fastrand::Rng;

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    connections::{Connect, connections, crowd},
    measure::{Latencies, Spent},
    workloads,
};

const CLIENTS: usize = 64;
const MOST_CALLS: u64 = 50;
/// So that every run has the same sizes.
const SIZES_SEED: u64 = 64;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let sizes = sizes(bench.size(40, 2));
    let calls = sizes.iter().flatten().sum();
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let clients = connections(&cluster, CLIENTS).await?;
    let wires = connections(&floor, CLIENTS).await?;
    let mut ours = Series::new("clients", "toolwave", calls);
    let mut wire = Series::new("clients", "floor", calls);
    crowd(&cluster, &clients, requests(&cluster, &sizes)).await?;
    crowd(&floor, &wires, requests(&floor, &sizes)).await?;
    for _ in 0..bench.runs() {
        add(
            &mut ours,
            &crowd(&cluster, &clients, requests(&cluster, &sizes)).await?,
        );
        add(&mut wire, &crowd(&floor, &wires, requests(&floor, &sizes)).await?);
    }
    bench.record(ours);
    bench.record(wire);
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

/// How many calls each execution of each client has.
fn sizes(executions: usize) -> Vec<Vec<u64>> {
    let mut rng = Rng::with_seed(SIZES_SEED);
    let mut client = || (0..executions).map(|_| rng.u64(1..=MOST_CALLS)).collect();
    (0..CLIENTS).map(|_| client()).collect()
}

fn requests<S: Connect>(_: &S, sizes: &[Vec<u64>]) -> Vec<Vec<S::Request>> {
    let request = |calls: &u64| S::request(&workloads::echoes(0, *calls), 0);
    sizes
        .iter()
        .map(|client| client.iter().map(request).collect())
        .collect()
}

fn add(series: &mut Series, (latencies, spent): &(Latencies, Spent)) {
    series.add_throughput(spent);
    series.add("p50", "µs", latencies.at(0.5));
    series.add("p99", "µs", latencies.at(0.99));
}
