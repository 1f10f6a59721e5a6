//! How long the calls of a worker that was killed, or stands still, wait until they run elsewhere.
//!
//! Counted from the signal to the event that a second attempt has started, as the client is told it. With the
//! lease, heartbeats and grace that everybody gets.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use serde_json::json;
use toolwave_client::v1::execution_event::Kind;
use toolwave_client::{Client, call, v1};
use toolwave_tests::Processes;

use crate::bench::{Bench, Series};

const WORKERS: usize = 3;
const SLOTS: u32 = 16;
/// Fills half of the slots: there is room elsewhere.
const CALLS: usize = 24;
/// Longer than a lease and a grace together.
const SLEEP: Duration = Duration::from_secs(14);
/// For a worker that was killed or stood still to be back.
const BACK: Duration = Duration::from_secs(40);

/// # Errors
/// When a call does not succeed, or none was on the worker.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let rounds = bench.size(5, 1);
    let mut processes = Processes::start(bench.binaries().clone(), &[])?;
    for index in 0..WORKERS {
        processes.add_worker(&name(index), SLOTS, &[]).await?;
    }
    let client = processes.client().await?;
    let mut killed = Series::new("detection", "toolwave", 0).variant("worker killed");
    let mut frozen = Series::new("detection", "toolwave", 0).variant("worker frozen");
    for round in 0..rounds {
        let victim = round % WORKERS;
        for longest in lost(&client, &mut processes, victim, "KILL").await? {
            killed.add("until its calls run elsewhere", "s", longest.as_secs_f64());
        }
        drop(processes.take_worker(&name(victim)));
        processes.add_worker(&name(victim), SLOTS, &[]).await?;
        let waits = lost(&client, &mut processes, victim, "STOP").await?;
        signal_to(&mut processes, victim, "CONT")?;
        for longest in waits {
            frozen.add("until its calls run elsewhere", "s", longest.as_secs_f64());
        }
        ready(&client, WORKERS).await?;
    }
    bench.record(killed);
    bench.record(frozen);
    Ok(())
}

fn signal_to(processes: &mut Processes, victim: usize, signal: &str) -> anyhow::Result<()> {
    let name = name(victim);
    let mut workers = processes.workers().iter();
    let worker = workers.find(|worker| worker.name() == name);
    worker.context("the worker was started")?.signal(signal)
}

fn name(index: usize) -> String {
    format!("worker-{index}")
}

/// Sends the signal once all calls have started, and answers how long each of the worker's calls waited.
async fn lost(
    client: &Client,
    processes: &mut Processes,
    victim: usize,
    signal: &str,
) -> anyhow::Result<Vec<Duration>> {
    let milliseconds = SLEEP.as_millis();
    let request = v1::ExecuteParallelRequest {
        calls: vec![call("sleep", json!({"milliseconds": milliseconds})); CALLS],
        max_concurrency_auto: true,
        ..Default::default()
    };
    let mut events = Box::pin(client.execute_parallel_stream(request).await?);
    let (mut on_victim, mut started) = (HashMap::new(), 0);
    let mut at = None;
    let mut waits = Vec::new();
    while let Some(event) = events.next().await {
        match event?.kind {
            Some(Kind::Started(attempt)) => {
                if attempt.attempt == 1 {
                    started += 1;
                    if attempt.worker == name(victim) {
                        on_victim.insert(attempt.call_index, ());
                    }
                    if started == CALLS {
                        signal_to(processes, victim, signal)?;
                        at = Some(Instant::now());
                    }
                } else if on_victim.remove(&attempt.call_index).is_some() {
                    ensure!(
                        attempt.worker != name(victim),
                        "call {} went back to the lost worker",
                        attempt.call_index
                    );
                    waits.push(at.context("an attempt was lost before the signal")?.elapsed());
                }
            }
            Some(Kind::Result(ended)) => {
                let result = ended.result.context("an end without a result")?;
                ensure!(result.success, "call {} ended {:?}", result.id, result.error);
            }
            _ => {}
        }
    }
    ensure!(!waits.is_empty(), "no call was on the worker");
    ensure!(
        on_victim.is_empty(),
        "calls of the lost worker never ran elsewhere"
    );
    Ok(waits)
}

/// Waits until so many workers take dispatches. One that lost many attempts at once is taken out for a while, and is
/// back after it has ended a call well: some are sent for that.
async fn ready(client: &Client, count: usize) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let request = v1::ExecuteParallelRequest {
            calls: vec![call("sleep", json!({"milliseconds": 1})); count],
            max_concurrency_auto: true,
            ..Default::default()
        };
        client.execute_parallel(request).await?;
        let workers = client.list_workers().await?;
        let able = workers
            .iter()
            .filter(|worker| worker.state() == v1::WorkerState::Ready && worker.in_flight == 0)
            .count();
        if able == count {
            return Ok(());
        }
        ensure!(
            start.elapsed() < BACK,
            "{able} of {count} workers are back: {workers:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
