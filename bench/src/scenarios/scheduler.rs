//! The scheduler alone, in this process: what a call costs from its submission to its end, with few and with many
//! queued. Nothing is sent and nothing runs; the cluster's figures contain this one.

use std::time::Instant;

use anyhow::ensure;
use toolwave_bench_instructions::treadmill::{Load, Treadmill};

use crate::{
    bench::{Bench, Series},
    measure::float,
};

const QUEUED: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Calls of an execution, where so many are queued.
const EXECUTION: usize = 1_000;
/// Of the variant with many executions.
const SMALL_EXECUTION: usize = 10;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let calls = bench.size(200_000, 20_000);
    let mut all: Vec<(Load, Series)> = QUEUED
        .into_iter()
        .flat_map(|queued| {
            let series = || Series::new("scheduler", "toolwave", calls).at("queued calls", queued as f64);
            [
                (load(queued, EXECUTION.min(queued)), series()),
                (
                    load(queued, SMALL_EXECUTION),
                    series().variant("executions of 10 calls"),
                ),
            ]
        })
        .collect();
    // One round to warm up.
    for run in 0..=bench.runs() {
        for (load, series) in &mut all {
            let microseconds = microseconds_a_call(*load, calls)?;
            if run > 0 {
                series.add("time per call", "µs", microseconds);
            }
        }
    }
    for (_, series) in all {
        bench.record(series);
    }
    Ok(())
}

/// 256 slots that are always taken, and frames as full as a session makes them.
fn load(queued: usize, execution: usize) -> Load {
    Load {
        queued,
        execution,
        workers: 4,
        slots: 64,
        frame: 64,
    }
}

/// The whole way of a call: submitted, dispatched, begun, ended, and its end taken note of.
fn microseconds_a_call(load: Load, calls: u64) -> anyhow::Result<f64> {
    let mut treadmill = Treadmill::new(load);
    treadmill.prepare(calls as usize + load.execution);
    let before = treadmill.ended();
    let start = Instant::now();
    while treadmill.ended() - before < calls {
        treadmill.frame();
        while treadmill.wants_more() {
            treadmill.submit();
        }
    }
    let spent = start.elapsed();
    let ended = treadmill.ended() - before;
    ensure!(
        treadmill.drain(),
        "the scheduler lost calls, or keeps some that have ended"
    );
    Ok(spent.as_secs_f64() * 1e6 / float(ended))
}
