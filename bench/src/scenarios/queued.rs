//! "queued-memory": what the coordinator's resident memory grows by for each call that waits with 1 KiB of
//! parameters, and what is left of it once they have run, the first time and the second.
//!
//! Sleeps occupy every slot of the one worker while the calls come in, and are cancelled once memory was looked at.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use futures_util::{
    StreamExt as _,
    future::{try_join, try_join_all},
};
use toolwave_client::v1::{self, execution_event::Kind};

use crate::{
    bench::{Bench, Series},
    cluster::{Cluster, Shape},
    measure::{float, resident_bytes},
    system::abreast,
    workloads::{self, Job},
};

const SLOTS: u32 = 64;
const PARAMETERS_BYTES: usize = 1024;
/// Longer than the calls take to come in; all of them together are held no longer than this.
const HELD_MICROSECONDS: u32 = 25_000_000;
/// Between two looks at what waits.
const LOOK: Duration = Duration::from_millis(20);
/// For an allocator that gives memory back a while after it was freed.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let executions: usize = bench.size(10, 2);
    let calls: usize = bench.size(10_000, 1000);
    let jobs = vec![Job::echo(workloads::large(PARAMETERS_BYTES)); calls];
    let all = (executions * calls) as u64;
    let mut series = Series::new("queued-memory", "toolwave", all);
    for _ in 0..bench.runs() {
        let cluster = bench
            .cluster(Shape {
                slots: SLOTS,
                ..Shape::default()
            })
            .await?;
        abreast(&cluster, &[workloads::echoes(0, 10)], 0, 1).await?;
        let before = resident(&cluster)?;
        series.add("rss before", "MiB", mebibytes(before));
        for (queued, after) in [
            ("rss queued", "rss after"),
            ("rss queued again", "rss after again"),
        ] {
            let most = held(&cluster, &jobs, executions).await?;
            // only a new coordinator has no freed memory to reuse
            if queued == "rss queued" {
                let grown = most.saturating_sub(before);
                series.add("per queued call", "B", float(grown) / float(all));
            }
            series.add(queued, "MiB", mebibytes(most));
            tokio::time::sleep(SETTLE).await;
            series.add(after, "MiB", mebibytes(resident(&cluster)?));
        }
        bench.end_cluster(cluster)?;
    }
    bench.record(series);
    Ok(())
}

/// Resident memory while all of these calls wait; they have run when it returns.
async fn held(cluster: &Cluster, jobs: &[Job], executions: usize) -> anyhow::Result<u64> {
    let request = workloads::execution(&vec![Job::sleep(HELD_MICROSECONDS); SLOTS as usize], 0);
    cluster.ledger.submitted(request.calls.len() as u64);
    let mut events = pin!(cluster.client().execute_parallel_stream(request).await?);
    let holder = loop {
        let event = events.next().await.context("no plan came")??;
        if let Some(Kind::Planned(planned)) = event.kind {
            break planned.execution_id;
        }
    };
    wait_for(cluster, "sleep", |tool| tool.in_flight == SLOTS).await?;

    let requests: Vec<_> = (0..executions).map(|_| workloads::execution(jobs, 0)).collect();
    let expected = (jobs.len() * executions) as u64;
    let answers = try_join_all(requests.into_iter().map(|request| cluster.run(request)));
    let look = async {
        wait_for(cluster, "echo", |tool| u64::from(tool.queued) == expected).await?;
        let most = resident(cluster)?;
        cluster.client().cancel_execution(holder).await?;
        anyhow::Ok(most)
    };
    let (answers, most) = try_join(answers, look).await?;
    for answer in &answers {
        cluster.check(answer)?;
    }
    while let Some(event) = events.next().await {
        if let Some(Kind::Result(v1::CallEnded {
            result: Some(result), ..
        })) = event?.kind
        {
            cluster.ledger.received(1);
            ensure!(
                result.outcome() == v1::Outcome::Cancelled && result.attempts.len() == 1,
                "a sleep that held a slot ended {:?}: slots were free while memory was looked at",
                result.outcome()
            );
        }
    }
    Ok(most)
}

/// Until a tool is as it is expected to be.
async fn wait_for(
    cluster: &Cluster,
    name: &str,
    expected: impl Fn(&v1::ListedTool) -> bool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(HELD_MICROSECONDS.into()) {
        let tools = cluster.client().list_tools().await?;
        let named = |listed: &&v1::ListedTool| listed.tool.as_ref().is_some_and(|tool| tool.name == name);
        if tools.iter().find(named).is_some_and(&expected) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!(
        "the calls of {name} are not as expected after {:?}",
        start.elapsed()
    )
}

fn resident(cluster: &Cluster) -> anyhow::Result<u64> {
    let coordinator = cluster
        .watched()
        .iter()
        .find(|watched| watched.role == "coordinator");
    Ok(resident_bytes(coordinator.context("no coordinator")?.id)?)
}

fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / 1024.0 / 1024.0
}
