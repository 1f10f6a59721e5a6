//! Thousands of workers that are connected and have nothing to do: what each costs the coordinator in memory, and
//! what they do to the latency of calls that are dispatched among them.
//!
//! All of them host the tool that is called, and all live in one process beside this one, few or many.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
};
use toolwave_client::Client;
use toolwave_tests::Processes;
use toolwave_worker::{SharedTool, Worker, tools::builtin_tools};

use crate::{
    bench::{Bench, Series},
    measure::{Latencies, float, resident_bytes},
    results::median,
    workloads,
};

/// What the latency is compared with.
const FEW: usize = 4;
const SLOTS: u32 = 4;
/// For the heartbeats of new workers to have come at least once, and for what starting took to be given back.
const SETTLED: Duration = Duration::from_secs(6);
/// The line that says that all have registered.
const READY: &str = "registered";
/// For that line to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A coordinator, a process with so many workers, and what was seen of them.
struct Among {
    /// Of the coordinator, in bytes.
    resident: u64,
    /// 99th percentile of each run, in microseconds.
    latencies: Vec<f64>,
}

/// # Errors
/// When something does not start, or a call does not succeed.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let many = bench.size(5_000, 50);
    // the same twice, before and after: the machine's pace changes
    let before = among(bench, FEW).await?;
    let crowd = among(bench, many).await?;
    let after = among(bench, FEW).await?;
    let few_resident = before.resident.midpoint(after.resident);
    let more = crowd.resident.saturating_sub(few_resident);
    let per_worker = float(more) / float((many - FEW) as u64) / 1024.0;
    let few: Vec<f64> = before.latencies.into_iter().chain(after.latencies).collect();
    let few = median(&few);
    let mut series = Series::new("idle-workers", "toolwave", 0).at("workers", float(many as u64));
    series.add("memory of a worker", "KiB", per_worker);
    for p99 in crowd.latencies {
        series.add("p99", "µs", p99);
        series.add("p99 ÷ p99 with 4", "ratio", p99 / few);
    }
    bench.record(series);
    Ok(())
}

async fn among(bench: &Bench, workers: usize) -> anyhow::Result<Among> {
    let mut processes = Processes::start(bench.binaries().clone(), &[])?;
    let _hosts = start_hosts(&processes.url(), workers).await?;
    tokio::time::sleep(bench.size(SETTLED, Duration::ZERO)).await;
    let resident = resident_bytes(processes.coordinator().id())?;
    let client = processes.client().await?;
    let listed = client.list_workers().await?.len();
    ensure!(listed == workers, "{listed} of {workers} workers are connected");
    let count = bench.size(3_000, 50);
    single_calls(&client, count).await?;
    let mut latencies = Vec::new();
    for _ in 0..bench.runs() {
        latencies.push(single_calls(&client, count).await?.at(0.99));
    }
    Ok(Among { resident, latencies })
}

async fn single_calls(client: &Client, count: u64) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new()?;
    for index in 0..count {
        let request = workloads::execution(&workloads::echoes(index, 1), 0);
        let start = std::time::Instant::now();
        let answer = client.execute_parallel(request).await?;
        latencies.add(start.elapsed());
        ensure!(
            answer.results.iter().all(|result| result.success),
            "a call failed: {:?}",
            answer.results
        );
    }
    Ok(latencies)
}

/// This program again, as so many workers; ends when dropped.
async fn start_hosts(coordinator: &str, count: usize) -> anyhow::Result<Child> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["idle-workers", coordinator, &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .with_context(|| format!("{count} workers have not registered within {PATIENCE:?}"))??;
    ensure!(line.as_deref() == Some(READY), "the workers' process ended");
    Ok(child)
}

/// Hosts so many workers of a coordinator until its standard input ends: the other side of this measure.
///
/// # Errors
/// When one cannot be built.
pub(crate) async fn host(coordinator: &str, count: usize) -> anyhow::Result<()> {
    let tools: Vec<SharedTool> = builtin_tools(&toolwave_worker::tools::Builtin::default())?
        .into_iter()
        .filter(|tool| tool.declaration().name == "echo")
        .collect();
    ensure!(tools.len() == 1, "there is no echo among the built-in tools");
    let mut handles = Vec::with_capacity(count);
    let mut running = tokio::task::JoinSet::new();
    for index in 0..count {
        let worker = Worker::builder()
            .coordinator(coordinator)
            .name(format!("idle-{index}"))
            .slots(SLOTS)
            .tools(tools.iter().cloned())
            .build()?;
        handles.push(worker.handle());
        running.spawn(worker.run());
    }
    join_all(handles.iter().map(|handle| handle.registered())).await;
    println!("{READY}");
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    Ok(())
}
