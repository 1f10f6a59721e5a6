//! "execution-size": the same number of calls in executions of 10 to 10,000, one execution after another, 256
//! calls in flight at most: what an execution costs beside its calls.

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    measure::float,
    system::abreast,
    workloads,
};

const CONCURRENCY: u32 = 256;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let calls: u64 = bench.size(20_000, 1000);
    let sizes: &[u64] = bench.size(&[10, 100, 1000, 10_000], &[10, 100, 1000]);
    let cluster = bench.cluster(Shape::default()).await?;
    let floor = bench.floor().await?;
    for &size in sizes {
        let batches: Vec<_> = (0..calls / size)
            .map(|index| workloads::echoes(index * size, size))
            .collect();
        let series =
            |system| Series::new("execution-size", system, calls).at("calls of an execution", float(size));
        let (mut ours, mut wire) = (series("toolwave"), series("floor"));
        abreast(&cluster, &batches, CONCURRENCY, 1).await?;
        abreast(&floor, &batches, CONCURRENCY, 1).await?;
        for _ in 0..bench.runs() {
            ours.add_throughput(&abreast(&cluster, &batches, CONCURRENCY, 1).await?);
            wire.add_throughput(&abreast(&floor, &batches, CONCURRENCY, 1).await?);
        }
        bench.record(ours);
        bench.record(wire);
    }
    bench.end_cluster(cluster)?;
    bench.end_floor(floor).await
}
