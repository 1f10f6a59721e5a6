//! More workers. All share the machine's processors with each other and with the coordinator: for calls that do
//! nothing, the figures show what more workers cost; for calls that wait, what they bring.

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    measure::float,
    system::abreast,
    workloads::{self, Job},
};

/// More than are in flight: slots never limit calls that do nothing.
const SLOTS: u32 = 1024;
const CALLS: u64 = 1000;
const CONCURRENCY: u32 = 256;
/// Of a worker, where calls wait.
const FEW_SLOTS: u32 = 16;
const SLEEP_MICROSECONDS: u32 = 10_000;
const ECHOES: &str = "calls that do nothing, all processes on the same cores";
const SLEEPS: &str = "sleeps of 10 ms, 16 slots a worker";

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let counts: &[usize] = bench.size(&[1, 8, 32, 100], &[1, 3]);
    for &count in counts {
        echoes(bench, count).await?;
    }
    for &count in counts {
        sleeps(bench, count).await?;
    }
    Ok(())
}

/// W1 with four executions in flight.
async fn echoes(bench: &mut Bench, workers: usize) -> anyhow::Result<()> {
    let executions = bench.size(20, 2);
    let batches: Vec<_> = (0..executions)
        .map(|index| workloads::echoes(index * CALLS, CALLS))
        .collect();
    let shape = Shape {
        workers,
        slots: SLOTS,
        ..Shape::default()
    };
    let cluster = bench.cluster(shape).await?;
    let mut series = Series::new("workers", "toolwave", executions * CALLS)
        .variant(ECHOES)
        .at("workers", float(workers as u64));
    abreast(&cluster, &batches, CONCURRENCY, 4).await?;
    for _ in 0..bench.runs() {
        series.add_throughput(&abreast(&cluster, &batches, CONCURRENCY, 4).await?);
    }
    bench.record(series);
    bench.end_cluster(cluster)
}

/// Slots are what limits: each worker brings 1,600 calls a second, as long as there is processor time.
async fn sleeps(bench: &mut Bench, workers: usize) -> anyhow::Result<()> {
    let slots = workers as u64 * u64::from(FEW_SLOTS);
    let rounds: u64 = bench.size(40, 5);
    let calls = slots * rounds;
    let jobs = vec![Job::sleep(SLEEP_MICROSECONDS); usize::try_from(calls)?];
    // executions of a size that is allowed, all in flight: slots are never idle for want of calls
    let batches: Vec<_> = jobs.chunks(10_000).map(<[Job]>::to_vec).collect();
    let ideal = float(rounds * u64::from(SLEEP_MICROSECONDS)) / 1e6;
    let shape = Shape {
        workers,
        slots: FEW_SLOTS,
        ..Shape::default()
    };
    let cluster = bench.cluster(shape).await?;
    let mut series = Series::new("workers", "toolwave", calls)
        .variant(SLEEPS)
        .at("workers", float(workers as u64));
    abreast(&cluster, &batches, 0, batches.len()).await?;
    for _ in 0..bench.runs() {
        let spent = abreast(&cluster, &batches, 0, batches.len()).await?;
        series.add_throughput(&spent);
        series.add("ideal/measured", "ratio", ideal / spent.seconds());
    }
    bench.record(series);
    bench.end_cluster(cluster)
}
