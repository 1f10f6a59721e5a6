//! What only a coordinator does, and the floor has nothing to set against: planning a large graph, and remembering
//! executions that have ended.

use anyhow::ensure;

use crate::{
    bench::{Bench, Series, measured},
    cluster::Shape,
    graphs,
    measure::float,
    system::abreast,
    workloads,
};

/// Calls of an execution whose memory is looked at.
const CALLS: u64 = 1000;

/// `PlanExecution` of 10,000 calls and 30,000 edges.
pub(crate) async fn planning(bench: &mut Bench) -> anyhow::Result<()> {
    let (calls, edges) = bench.size((10_000, 30_000), (1000, 3000));
    let request = workloads::execution(&graphs::random(calls, edges), 0);
    let cluster = bench.cluster(Shape::default()).await?;
    let mut series = Series::new("planning", "toolwave", calls.into());
    for run in 0..=bench.runs() {
        let work = async { Ok(cluster.client().plan_execution(request.clone()).await?) };
        let (plan, spent) = measured(cluster.watched(), work).await?;
        ensure!(
            plan.edges.len() == edges as usize,
            "{} of {edges} edges were planned",
            plan.edges.len()
        );
        // the first one warms up
        if run > 0 {
            series.add("wall", "ms", spent.seconds() * 1e3);
            series.add_cpu(&spent);
        }
    }
    bench.record(series);
    // planning runs nothing, so that something must, for the account to be of use
    let jobs = [workloads::echoes(0, 1)];
    abreast(&cluster, &jobs, 0, 1).await?;
    bench.end_cluster(cluster)
}

/// Resident memory of a new coordinator after executions of 1,000 calls.
pub(crate) async fn memory(bench: &mut Bench) -> anyhow::Result<()> {
    let batches = [workloads::echoes(0, CALLS)];
    let mut readings = bench.size([100, 1000], [2, 4]).map(|executions| {
        let series = Series::new("memory", "toolwave", executions * CALLS).variant("new coordinator");
        (executions, series.at("executions ended", float(executions)))
    });
    for _ in 0..bench.runs() {
        let mut cluster = bench.cluster(Shape::default()).await?;
        let mut ended = 0;
        for (executions, series) in &mut readings {
            while ended < *executions {
                abreast(&cluster, &batches, 0, 1).await?;
                ended += 1;
            }
            series.add(
                "rss",
                "MiB",
                float(cluster.coordinator_bytes()?) / 1024.0 / 1024.0,
            );
        }
        bench.end_cluster(cluster)?;
    }
    for (_, series) in readings {
        bench.record(series);
    }
    Ok(())
}
