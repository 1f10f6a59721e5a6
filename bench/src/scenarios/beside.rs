//! Small calls beside large ones: executions of one call that does nothing, while 16 executions of 1 MiB in and
//! out are in flight all the time on another connection, to the same worker.
//!
//! Small ones come one after another, and at a constant rate with latency counted from when each was due.

use std::{cell::Cell, time::Instant};

use futures_util::future::{try_join, try_join_all};

use crate::{
    arrivals::open_loop,
    bench::{Bench, Series},
    cluster::Shape,
    connections::{Connect, connections},
    measure::{Latencies, float},
    workloads::{self, Job},
};

const LARGE_IN_FLIGHT: usize = 16;
const LARGE_BYTES: usize = 1 << 20;
/// Small ones, in a second.
const RATE: f64 = 500.0;
const VARIANTS: [&str; 2] = ["one after another", "500 a second"];

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let count: u64 = bench.size(400, 20);
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let clients = connections(&cluster, 2).await?;
    let wires = connections(&floor, 2).await?;
    let mut series = VARIANTS.map(|variant| {
        ["toolwave", "floor"].map(|system| Series::new("beside", system, count).variant(variant))
    });
    for run in 0..=bench.runs() {
        for (arriving, [ours, wire]) in [false, true].into_iter().zip(&mut series) {
            let of_cluster = beside(&cluster, &clients, count, arriving).await?;
            let of_floor = beside(&floor, &wires, count, arriving).await?;
            // the first one warms up
            if run > 0 {
                add(ours, &of_cluster);
                add(wire, &of_floor);
            }
        }
    }
    for series in series.into_iter().flatten() {
        bench.record(series);
    }
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

/// Latencies of the small ones, and megabytes a second of the large ones, in one direction.
async fn beside<S: Connect>(
    system: &S,
    connections: &[S::Connection],
    count: u64,
    arriving: bool,
) -> anyhow::Result<(Latencies, f64)> {
    let (ended, large_calls) = (Cell::new(false), Cell::new(0_u64));
    let jobs = [Job::echo(workloads::large(LARGE_BYTES))];
    let large = try_join_all((0..LARGE_IN_FLIGHT).map(async |_| {
        while !ended.get() {
            let answer = system.run_over(&connections[1], S::request(&jobs, 0)).await?;
            system.check(&answer)?;
            large_calls.set(large_calls.get() + 1);
        }
        anyhow::Ok(())
    }));
    let requests: Vec<_> = (0..count)
        .map(|index| S::request(&workloads::echoes(index, 1), 0))
        .collect();
    let small = async {
        let start = Instant::now();
        let latencies = if arriving {
            open_loop(system, &connections[..1], requests, RATE).await?.0
        } else {
            one_by_one(system, &connections[0], requests).await?
        };
        ended.set(true);
        let megabytes = float(large_calls.get() * LARGE_BYTES as u64) / 1e6;
        anyhow::Ok((latencies, megabytes / start.elapsed().as_secs_f64()))
    };
    Ok(try_join(large, small).await?.1)
}

async fn one_by_one<S: Connect>(
    system: &S,
    connection: &S::Connection,
    requests: Vec<S::Request>,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new()?;
    for request in requests {
        let start = Instant::now();
        let answer = system.run_over(connection, request).await?;
        latencies.add(start.elapsed());
        system.check(&answer)?;
    }
    Ok(latencies)
}

fn add(series: &mut Series, (latencies, megabytes): &(Latencies, f64)) {
    series.add("p50", "µs", latencies.at(0.5));
    series.add("p99", "µs", latencies.at(0.99));
    series.add("large calls beside", "MB/s", *megabytes);
}
