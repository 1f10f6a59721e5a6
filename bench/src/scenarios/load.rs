//! "open-loop": executions of ten calls arrive at a constant rate over 64 connections, at parts of the peak that
//! 64 clients reach in a closed loop just before. Latency counts from when an execution was due.
//!
//! The floor is given the same rates, parts of the cluster's peak and not of its own: users bring the load that
//! they have.

use crate::{
    arrivals::open_loop,
    bench::{Bench, Series},
    cluster::Shape,
    connections::{Connect, connections, crowd},
    measure::{Latencies, Spent, float},
    workloads,
};

const CLIENTS: usize = 64;
/// Of an execution, all in flight at once.
const CALLS: u64 = 10;
/// Parts of the peak.
const LOADS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
const PEAK: &str = "peak: 64 clients in a closed loop";

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let executions = bench.size(150, 5);
    let seconds = bench.size(2.0, 0.15);
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let clients = connections(&cluster, CLIENTS).await?;
    let wires = connections(&floor, CLIENTS).await?;
    let all = CLIENTS as u64 * executions * CALLS;
    let mut peaks = ["toolwave", "floor"].map(|system| Series::new("open-loop", system, all).variant(PEAK));
    let mut loads = LOADS.map(|load| {
        ["toolwave", "floor"].map(|system| Series::new("open-loop", system, CALLS).at("load", load))
    });
    peak(&cluster, &clients, executions).await?;
    peak(&floor, &wires, executions).await?;
    for _ in 0..bench.runs() {
        let spent = peak(&cluster, &clients, executions).await?;
        peaks[0].add_throughput(&spent);
        peaks[1].add_throughput(&peak(&floor, &wires, executions).await?);
        let peak = float(all) / spent.seconds() / float(CALLS);
        for (load, [ours, wire]) in LOADS.into_iter().zip(&mut loads) {
            let rate = peak * load;
            add(ours, rate, &at_rate(&cluster, &clients, rate, seconds).await?);
            add(wire, rate, &at_rate(&floor, &wires, rate, seconds).await?);
        }
    }
    for series in peaks.into_iter().chain(loads.into_iter().flatten()) {
        bench.record(series);
    }
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

async fn peak<S: Connect>(
    system: &S,
    connections: &[S::Connection],
    executions: u64,
) -> anyhow::Result<Spent> {
    let requests = connections.iter().map(|_| requests::<S>(executions)).collect();
    Ok(crowd(system, connections, requests).await?.1)
}

/// `rate` is of executions, in a second.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of executions, far below 2^53"
)]
async fn at_rate<S: Connect>(
    system: &S,
    connections: &[S::Connection],
    rate: f64,
    seconds: f64,
) -> anyhow::Result<Latencies> {
    let count = (rate * seconds).ceil() as u64;
    let (latencies, _) = open_loop(system, connections, requests::<S>(count), rate).await?;
    Ok(latencies)
}

fn requests<S: Connect>(executions: u64) -> Vec<S::Request> {
    (0..executions)
        .map(|index| S::request(&workloads::echoes(index * CALLS, CALLS), 0))
        .collect()
}

fn add(series: &mut Series, rate: f64, latencies: &Latencies) {
    series.add("rate", "executions/s", rate);
    series.add("p50", "µs", latencies.at(0.5));
    series.add("p99", "µs", latencies.at(0.99));
    series.add("p99.9", "µs", latencies.at(0.999));
}
