//! Measures of a coordinator and a worker as real processes on this machine, as a table to read.
//!
//! `cargo bench -p toolwave-tests --bench measures [-- --runs 5 --only echo]`. Nothing is asserted of any
//! time; a call that does not succeed ends the measuring.

mod report;
mod workloads;

use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use report::{Row, Table};
use toolwave_client::{Client, v1};
use toolwave_tests::{Binaries, Processes, Profile};

/// Calls that one execution of the throughput and memory measures holds.
const CALLS: usize = 1000;
const ECHOES: usize = 2000;
/// Executions after which resident memory is read.
const MEMORY_AFTER: [usize; 2] = [100, 1000];
/// More than any workload has in flight: the worker is never what limits.
const SLOTS: u32 = 256;
const TRACK_MICROSECONDS: u64 = 60_000_000;

#[derive(Parser)]
struct Options {
    /// Runs of each measure; the median is printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Only measures whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Binaries of the dev profile: to try the measures out, not to measure.
    #[arg(long)]
    dev: bool,
    /// Cargo passes it when it benches, and not when it tests.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.bench {
        println!("measures: left out; they run with `cargo bench -p toolwave-tests --bench measures`");
        return Ok(());
    }
    let profile = if options.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    let binaries = Binaries::built(profile)?;
    let cluster = cluster(&binaries).await?;
    let client = cluster.client().await?;
    let runs = usize::from(options.runs);
    let mut table = Table::new(profile, runs);
    for measure in ["sleeps", "waves", "echo", "throughput", "planning", "memory"] {
        if !measure.contains(&options.only) {
            continue;
        }
        eprintln!("measuring {measure}");
        match measure {
            "sleeps" => {
                let row = Row::new("1,000 sleeps of 10 ms, 100 in flight: wall", "ms").ideal(100.0);
                table.add(row.of(walls(&client, runs, &workloads::sleeps()).await?));
            }
            "waves" => {
                let row = Row::new(
                    "20 waves of 50 calls of 5 ms, 3 dependencies each, 50 in flight: wall",
                    "ms",
                );
                table.add(
                    row.ideal(100.0)
                        .of(walls(&client, runs, &workloads::waves()).await?),
                );
            }
            "echo" => echo(&client, runs, &mut table).await?,
            "throughput" => throughput(&client, runs, &mut table).await?,
            "planning" => planning(&client, runs, &mut table).await?,
            _ => memory(&binaries, &mut table).await?,
        }
    }
    println!("{table}");
    Ok(())
}

/// A coordinator and one worker, both new.
async fn cluster(binaries: &Binaries) -> anyhow::Result<Processes> {
    let mut cluster = Processes::start(binaries.clone(), &[])?;
    cluster.add_worker("measured", SLOTS, &[]).await?;
    Ok(cluster)
}

/// Runs an execution, of which every call must succeed, and answers the milliseconds that it took.
async fn wall(client: &Client, request: v1::ExecuteParallelRequest) -> anyhow::Result<f64> {
    let calls = request.calls.len();
    let start = Instant::now();
    let answer = client.execute_parallel(request).await?;
    let wall = start.elapsed().as_secs_f64() * 1e3;
    ensure!(
        answer.results.len() == calls,
        "{} results of {calls} calls",
        answer.results.len()
    );
    match answer.results.iter().find(|result| !result.success) {
        Some(failed) => anyhow::bail!(
            "call {} ended {:?}: {:?}",
            failed.id,
            failed.outcome(),
            failed.error
        ),
        None => Ok(wall),
    }
}

/// The times of `runs` executions, after one that is not counted.
async fn walls(
    client: &Client,
    runs: usize,
    request: &v1::ExecuteParallelRequest,
) -> anyhow::Result<Vec<f64>> {
    wall(client, request.clone()).await?;
    let mut walls = Vec::new();
    for _ in 0..runs {
        walls.push(wall(client, request.clone()).await?);
    }
    Ok(walls)
}

async fn echo(client: &Client, runs: usize, table: &mut Table) -> anyhow::Result<()> {
    let request = workloads::echoes(1);
    for _ in 0..ECHOES / 10 {
        wall(client, request.clone()).await?;
    }
    let mut quantiles = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        let mut microseconds = Histogram::<u64>::new_with_bounds(1, TRACK_MICROSECONDS, 3)?;
        for _ in 0..ECHOES {
            let start = Instant::now();
            wall(client, request.clone()).await?;
            microseconds.record(u64::try_from(start.elapsed().as_micros())?.max(1))?;
        }
        for (values, quantile) in quantiles.iter_mut().zip([0.5, 0.99]) {
            values.push(report::float(microseconds.value_at_quantile(quantile)) / 1e3);
        }
    }
    let [median, high] = quantiles;
    table.add(Row::new("one echo at a time, 2,000 calls: p50", "ms").of(median));
    table.add(Row::new("one echo at a time, 2,000 calls: p99", "ms").of(high));
    Ok(())
}

async fn throughput(client: &Client, runs: usize, table: &mut Table) -> anyhow::Result<()> {
    let request = workloads::echoes(CALLS);
    let walls = walls(client, runs.max(10), &request).await?;
    let rates = walls
        .into_iter()
        .map(|wall| report::float(CALLS as u64) / wall * 1e3)
        .collect();
    table.add(Row::new("executions of 1,000 echoes, one after another", "calls/s").of(rates));
    let mut rates = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        let lane = || async {
            for _ in 0..5 {
                wall(client, request.clone()).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(lane(), lane(), lane(), lane())?;
        rates.push(report::float(20 * CALLS as u64) / start.elapsed().as_secs_f64());
    }
    table.add(Row::new("executions of 1,000 echoes, four at once", "calls/s").of(rates));
    Ok(())
}

async fn planning(client: &Client, runs: usize, table: &mut Table) -> anyhow::Result<()> {
    let request = workloads::planned();
    let mut walls = Vec::new();
    for run in 0..=runs {
        let request = request.clone();
        let start = Instant::now();
        let plan = client.plan_execution(request).await?;
        let wall = start.elapsed().as_secs_f64() * 1e3;
        ensure!(plan.edges.len() == 30_000, "{} edges", plan.edges.len());
        if run > 0 {
            walls.push(wall);
        }
    }
    table.add(Row::new("planning of 10,000 calls with 30,000 edges: wall", "ms").of(walls));
    Ok(())
}

/// Of a coordinator that has done nothing else.
async fn memory(binaries: &Binaries, table: &mut Table) -> anyhow::Result<()> {
    let mut cluster = cluster(binaries).await?;
    let client = cluster.client().await?;
    let request = workloads::echoes(CALLS);
    let mut done = 0;
    for after in MEMORY_AFTER {
        while done < after {
            wall(&client, request.clone()).await?;
            done += 1;
        }
        let resident = cluster
            .coordinator()
            .resident_bytes()
            .context("memory is read from /proc")?;
        let name = format!("new coordinator's resident memory after {after} executions of 1,000 echoes");
        table.add(Row::new(name, "MiB").of(vec![report::float(resident) / 1024.0 / 1024.0]));
    }
    Ok(())
}
