//! Graphs of calls that do nothing, each as one execution: what following dependencies costs.

use std::io::Write as _;

use tempfile::NamedTempFile;

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    graphs,
    measure::{Spent, float},
    system::abreast,
    workloads::{self, Job},
};

const CONCURRENCY: u32 = 256;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let (calls, edges) = bench.size((10_000, 30_000), (500, 1500));
    let length = bench.size(1000, 50);
    let graphs = [
        ("chain", chain(length)),
        ("diamonds", diamonds(length / 4)),
        ("fan-out and fan-in", fan(length)),
        ("random, three edges a call", graphs::random(calls, edges)),
    ];
    // a chain has a wave for each call, and by default there may be 256
    let mut configuration = NamedTempFile::with_suffix(".toml")?;
    writeln!(configuration, "[requests]\nmax_waves = {length}")?;
    let shape = Shape {
        coordinator_flags: vec!["--config".to_owned(), configuration.path().display().to_string()],
        ..Shape::default()
    };
    let cluster = bench.cluster(shape).await?;
    let floor = bench.floor().await?;
    for (variant, graph) in graphs {
        let calls = graph.len() as u64;
        let mut ours = Series::new("shapes", "toolwave", calls).variant(variant);
        let mut wire = Series::new("shapes", "floor", calls).variant(variant);
        let graph = [graph];
        abreast(&cluster, &graph, CONCURRENCY, 1).await?;
        abreast(&floor, &graph, CONCURRENCY, 1).await?;
        for _ in 0..bench.runs() {
            add(
                &mut ours,
                calls,
                &abreast(&cluster, &graph, CONCURRENCY, 1).await?,
            );
            add(&mut wire, calls, &abreast(&floor, &graph, CONCURRENCY, 1).await?);
        }
        bench.record(ours);
        bench.record(wire);
    }
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}

/// Each call needs the one before.
fn chain(calls: u32) -> Vec<Job> {
    depending(calls, |index| index.checked_sub(1).into_iter().collect())
}

/// Side by side, each of four calls: one, two that need it, one that needs both.
fn diamonds(count: u32) -> Vec<Job> {
    depending(count * 4, |index| match index % 4 {
        0 => Vec::new(),
        3 => vec![index - 2, index - 1],
        side => vec![index - side],
    })
}

/// One call, many that need it, one that needs them all.
fn fan(width: u32) -> Vec<Job> {
    depending(width + 2, |index| match index {
        0 => Vec::new(),
        last if last > width => (1..=width).collect(),
        _ => vec![0],
    })
}

fn depending(calls: u32, needs: impl Fn(u32) -> Vec<u32>) -> Vec<Job> {
    let mut jobs = workloads::echoes(0, calls.into());
    for (index, job) in (0..).zip(&mut jobs) {
        job.depends_on = needs(index);
    }
    jobs
}

fn add(series: &mut Series, calls: u64, spent: &Spent) {
    let microseconds = spent.seconds() * 1e6;
    series.add("makespan", "µs", microseconds);
    series.add("per call", "µs", microseconds / float(calls));
    series.add_cpu(spent);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(jobs: &[Job]) -> Vec<Vec<u32>> {
        jobs.iter().map(|job| job.depends_on.clone()).collect()
    }

    #[test]
    fn graphs_have_the_edges_of_their_names() {
        assert_eq!(needs(&chain(3)), [vec![], vec![0], vec![1]]);
        assert_eq!(
            needs(&diamonds(2))[..],
            [
                vec![],
                vec![0],
                vec![0],
                vec![1, 2],
                vec![],
                vec![4],
                vec![4],
                vec![5, 6]
            ]
        );
        assert_eq!(needs(&fan(3)), [vec![], vec![0], vec![0], vec![0], vec![1, 2, 3]]);
    }
}
