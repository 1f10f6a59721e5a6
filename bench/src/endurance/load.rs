//! A steady load of calls that write down that they run, half of them not safe to repeat, and what came of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use toolwave_client::{Client, call, proto_duration, v1};
use toolwave_tests::{Binaries, recording::RecordingCluster};

use crate::{bench::Series, measure::float};

const SLOTS: u32 = 16;
/// Of an execution: a lost worker, a lease and another try fit into it several times.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Who calls, and how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) clients: usize,
    /// In an execution, all at once.
    pub(super) calls: usize,
    /// What a call takes is drawn between these, in milliseconds.
    pub(super) takes: (u64, u64),
}

type Kept = Vec<(v1::ExecuteParallelRequest, v1::ExecuteParallelResponse)>;

/// Clients that send one execution after another.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<anyhow::Result<Kept>>,
}

/// How calls ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) succeeded: u64,
    pub(super) unknown: u64,
    /// Attempts beyond the first.
    pub(super) repeated: u64,
}

impl Load {
    pub(super) async fn start(cluster: &RecordingCluster, pace: Pace) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..pace.clients {
            clients.spawn(calling(cluster.client().await?, pace, Arc::clone(&stop)));
        }
        Ok(Self { stop, clients })
    }

    /// Lets each client finish its execution, and gives the answers to the cluster.
    ///
    /// # Errors
    /// When a request got no answer.
    pub(super) async fn stop(mut self, cluster: &mut RecordingCluster) -> anyhow::Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        while let Some(kept) = self.clients.join_next().await {
            for (request, response) in kept?? {
                tally.add(&response);
                cluster.keep(&request, response);
            }
        }
        ensure!(tally.calls > 0, "there was no load");
        Ok(tally)
    }
}

impl Tally {
    fn add(&mut self, response: &v1::ExecuteParallelResponse) {
        for result in &response.results {
            self.calls += 1;
            self.succeeded += u64::from(result.success);
            self.unknown += u64::from(result.outcome() == v1::Outcome::Unknown);
            self.repeated += (result.attempts.len() as u64).saturating_sub(1);
        }
    }

    /// What every one of these measures tells, once the promise was found to hold and no slot to be taken.
    pub(super) fn add_to(&self, series: &mut Series) {
        series.add("calls", "", float(self.calls));
        series.add("repeated", "", float(self.repeated));
        series.add("unknown", "", float(self.unknown));
    }
}

async fn calling(client: Client, pace: Pace, stop: Arc<AtomicBool>) -> anyhow::Result<Kept> {
    let mut kept = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let calls = (0..pace.calls).map(|index| {
            let tool = if index % 2 == 0 {
                "record_safe"
            } else {
                "record_once"
            };
            call(tool, json!({ "ms": fastrand::u64(pace.takes.0..=pace.takes.1) }))
        });
        let request = v1::ExecuteParallelRequest {
            calls: calls.collect(),
            max_concurrency_auto: true,
            timeout: Some(proto_duration(TIMEOUT)),
            ..Default::default()
        };
        let response = client
            .execute_parallel(request.clone())
            .await
            .context("a request got no answer")?;
        kept.push((request, response));
    }
    Ok(kept)
}

/// The names of so many workers.
pub(super) fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("worker-{index}")).collect()
}

/// A coordinator as it is by default, and these workers.
pub(super) async fn cluster(binaries: &Binaries, names: &[String]) -> anyhow::Result<RecordingCluster> {
    let mut cluster = RecordingCluster::start(binaries.clone(), "")?;
    for name in names {
        cluster.add(name, SLOTS).await?;
    }
    Ok(cluster)
}

/// Holds everything against the promise, and the slots against their number. Adds that none of it was broken.
///
/// # Errors
/// With every breach, or the slots that are still taken.
pub(super) async fn check(
    cluster: &RecordingCluster,
    names: &[String],
    series: &mut Series,
) -> anyhow::Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    cluster.settle(&names).await?;
    cluster.check()?;
    let twice = ran_twice(cluster)?;
    ensure!(twice == 0, "{twice} calls not safe to repeat ran twice");
    series.add("ran twice", "", float(twice));
    let listed = cluster.client().await?.list_workers().await?;
    let taken: u32 = listed.iter().map(|worker| worker.in_flight).sum();
    series.add("slots leaked", "", f64::from(taken));
    Ok(())
}

/// Counted apart from the checker: calls not safe to repeat that were started more than once.
fn ran_twice(cluster: &RecordingCluster) -> anyhow::Result<u64> {
    let mut starts = rustc_hash::FxHashMap::default();
    for line in cluster.recorded().lines()? {
        if !line.repeatable && line.kind == toolwave_tests::history::Kind::Start {
            *starts.entry((line.execution, line.call)).or_insert(0_u64) += 1;
        }
    }
    Ok(starts.values().filter(|starts| **starts > 1).count() as u64)
}
