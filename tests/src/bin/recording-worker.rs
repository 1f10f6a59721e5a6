//! A worker process whose tools write down what they do; see `toolwave_tests::recording`.
//!
//! `recording-worker COORDINATOR[,COORDINATOR...] NAME SLOTS RECORD [SLOWER_MS]`

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use toolwave_tests::{history::Recorder, recording};
use toolwave_worker::{RunError, Worker};

/// As a worker on two cores or few has; tools that block all of them stop the worker's own loop.
const THREADS: usize = 2;
/// For what runs at SIGTERM: longer than any call of a test.
const DRAIN: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [coordinator, name, slots, record, more @ ..] = arguments.as_slice() else {
        anyhow::bail!("expected COORDINATOR NAME SLOTS RECORD [SLOWER_MS]");
    };
    let slower = more
        .first()
        .map_or(Ok(0), |text| text.parse())
        .context("SLOWER_MS is no number")?;
    let recorder = Arc::new(Recorder::open(Path::new(record))?);
    let worker = Worker::builder()
        .coordinators(coordinator.split(','))
        .name(name)
        .slots(slots.parse().context("SLOTS is no number")?)
        .drain_timeout(DRAIN)
        .tools(recording::tools(&recorder, name, Duration::from_millis(slower)))
        .build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    // on the runtime's own threads: a worker whose tools block all of them falls silent, and is seen to
    let ended = runtime.block_on(async { tokio::spawn(worker.run_until_signal()).await });
    runtime.shutdown_background();
    match ended? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(RunError::Interrupted { signal }) => Ok(ExitCode::from(128 + u8::try_from(signal).unwrap_or(0))),
        Err(error) => Err(error.into()),
    }
}
