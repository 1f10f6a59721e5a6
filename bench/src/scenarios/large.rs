//! W6: calls with 1 MiB in and out, each an execution of its own, 16 in flight.

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    measure::{Spent, float},
    system::abreast,
    workloads::{self, Job},
};

const IN_FLIGHT: usize = 16;
const PAYLOAD_BYTES: usize = 1 << 20;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let calls = bench.size(200, 20);
    let batches = vec![vec![Job::echo(workloads::large(PAYLOAD_BYTES))]; calls];
    // in one direction: the wire carries twice that on each hop
    let megabytes = float((calls * PAYLOAD_BYTES) as u64) / 1e6;
    let add = |series: &mut Series, spent: &Spent| {
        series.add("throughput", "MB/s", megabytes / spent.seconds());
        series.add_cpu(spent);
    };
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    let mut ours = Series::new("W6", "toolwave", calls as u64);
    let mut wire = Series::new("W6", "floor", calls as u64);
    abreast(&cluster, &batches, 0, IN_FLIGHT).await?;
    abreast(&floor, &batches, 0, IN_FLIGHT).await?;
    for _ in 0..bench.runs() {
        add(&mut ours, &abreast(&cluster, &batches, 0, IN_FLIGHT).await?);
        add(&mut wire, &abreast(&floor, &batches, 0, IN_FLIGHT).await?);
    }
    bench.record(ours);
    bench.record(wire);
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}
