//! W3: independent sleeps of 10 ms, 100 in flight. W4 and W4b: the layered graph of sleeps, even and skewed,
//! 50 in flight; of the cluster pipelined and with a barrier after each layer.
//!
//! Each run is one execution, set against the time that it would take if nothing cost anything.

use toolwave_client::v1::Schedule;

use crate::{
    bench::{Bench, Series},
    cluster::{Cluster, Shape},
    graphs,
    measure::Spent,
    system::{abreast, run_abreast},
    workloads::{self, Job},
};

/// Of W3.
const SLEEP_MICROSECONDS: u32 = 10_000;
const SLEEPS_IN_FLIGHT: u32 = 100;
/// Of W4 and W4b.
const GRAPH_IN_FLIGHT: u32 = 50;
const BARRIER: &str = "barrier";

/// W3.
pub(crate) async fn independent(bench: &mut Bench) -> anyhow::Result<()> {
    let waves: u32 = bench.size(10, 2);
    let calls = waves * SLEEPS_IN_FLIGHT;
    let batches = [vec![Job::sleep(SLEEP_MICROSECONDS); calls as usize]];
    let ideal = f64::from(waves * SLEEP_MICROSECONDS) / 1e6;
    let add = |series: &mut Series, spent: &Spent| {
        series.add("ideal/measured", "ratio", ideal / spent.seconds());
        series.add_cpu(spent);
    };
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let mut ours = Series::new("W3", "toolwave", calls.into());
    let mut wire = Series::new("W3", "floor", calls.into());
    abreast(&cluster, &batches, SLEEPS_IN_FLIGHT, 1).await?;
    abreast(&floor, &batches, SLEEPS_IN_FLIGHT, 1).await?;
    for _ in 0..bench.runs() {
        add(
            &mut ours,
            &abreast(&cluster, &batches, SLEEPS_IN_FLIGHT, 1).await?,
        );
        add(&mut wire, &abreast(&floor, &batches, SLEEPS_IN_FLIGHT, 1).await?);
    }
    bench.record(ours);
    bench.record(wire);
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

/// W4.
pub(crate) async fn even_graph(bench: &mut Bench) -> anyhow::Result<()> {
    let layers = bench.size(20, 3);
    graph(bench, "W4", &[graphs::layered(layers, graphs::even)]).await
}

/// W4b.
pub(crate) async fn skewed_graph(bench: &mut Bench) -> anyhow::Result<()> {
    let layers = bench.size(20, 3);
    graph(bench, "W4b", &[graphs::layered(layers, graphs::skewed)]).await
}

async fn graph(bench: &mut Bench, scenario: &str, graph: &[Vec<Job>; 1]) -> anyhow::Result<()> {
    let bound = graphs::lower_bound(&graph[0], GRAPH_IN_FLIGHT).as_secs_f64();
    let add = |series: &mut Series, spent: &Spent| {
        series.add("makespan/bound", "ratio", spent.seconds() / bound);
        series.add_cpu(spent);
    };
    let calls = graph[0].len() as u64;
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let mut ours = Series::new(scenario, "toolwave", calls);
    let mut barrier = Series::new(scenario, "toolwave", calls).variant(BARRIER);
    let mut wire = Series::new(scenario, "floor", calls);
    abreast(&cluster, graph, GRAPH_IN_FLIGHT, 1).await?;
    abreast(&floor, graph, GRAPH_IN_FLIGHT, 1).await?;
    for _ in 0..bench.runs() {
        add(&mut ours, &abreast(&cluster, graph, GRAPH_IN_FLIGHT, 1).await?);
        add(&mut wire, &abreast(&floor, graph, GRAPH_IN_FLIGHT, 1).await?);
        add(&mut barrier, &with_barriers(&cluster, graph).await?);
    }
    for series in [ours, wire, barrier] {
        bench.record(series);
    }
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

/// No call of a layer starts before the whole layer above has ended.
async fn with_barriers(cluster: &Cluster, graph: &[Vec<Job>; 1]) -> anyhow::Result<Spent> {
    let mut request = workloads::execution(&graph[0], GRAPH_IN_FLIGHT);
    request.schedule = Schedule::BarrierWaves.into();
    run_abreast(cluster, vec![request], graph, 1).await
}
