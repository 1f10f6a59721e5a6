//! The worker with all its tools while it runs: those of the file are mounted, replaced when they change, and closed
//! last.

use std::{io, time::Duration};

use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use toolwave_config::Problem;
use toolwave_keeper::Keeper;
use toolwave_mounted::{Mounts, ToolsFile};
use toolwave_worker::{BuildError, RunError, SharedTool, WorkerBuilder, WorkerHandle};

use crate::signals::Hangup;

/// MCP servers that take longer to start do not keep the worker's other tools from being used. Most need less, and so the
/// worker registers with their tools.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the worker did not run, or not to its end.
pub(crate) enum Failure {
    /// A tool of the file cannot be made.
    Problems(Vec<Problem>),
    /// What the tools say of themselves together is too much.
    Build(BuildError),
    /// The program's own file is not to be found.
    Keeper(io::Error),
    /// Its loop failed.
    Lost(JoinError),
    /// It ran, and ended badly.
    Run(RunError),
}

/// Runs the worker until a signal ends it.
pub(crate) async fn host(
    worker: WorkerBuilder,
    builtin: Vec<SharedTool>,
    file: Option<ToolsFile>,
) -> Result<(), Failure> {
    let Some(file) = file else {
        let worker = worker.tools(builtin).build().map_err(Failure::Build)?;
        return worker.run_until_signal().await.map_err(Failure::Run);
    };
    let keeper = Keeper::this_program().map_err(Failure::Keeper)?;
    let mut reread = Hangup::listen().map_err(|error| Failure::Run(RunError::Signals(error)))?;
    let asked = interrupted().map_err(|error| Failure::Run(RunError::Signals(error)))?;
    let mut mounts = tokio::select! {
        mounts = Mounts::of_file(file, keeper, crate::reserved(), Some(PATIENCE)) => mounts.map_err(Failure::Problems)?,
        signal = asked => {
            // Nobody knows of this worker yet, so there is nothing to drain; what was started ends where it is dropped.
            tracing::info!(signal, "asked to end before the tools had started");
            return Ok(());
        }
    };
    let worker = worker
        .reload_status("tools", mounts.reload_status().clone())
        .tools(builtin.iter().cloned())
        .tools(mounts.tools());
    let worker = worker.build().map_err(Failure::Build)?;
    let handle = worker.handle();
    // by itself: the session goes on while servers are started
    let mut running = AbortOnDropHandle::new(tokio::spawn(worker.run_until_signal()));
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            () = mounts.changed() => offer(&handle, &builtin, &mounts),
            () = reread.heard() => {
                tracing::info!("asked to read the tools file again");
                if mounts.reload().await {
                    offer(&handle, &builtin, &mounts);
                }
            }
        }
    };
    let ended = ended.map_err(Failure::Lost)?.map_err(Failure::Run);
    if matches!(ended, Err(Failure::Run(RunError::Interrupted { .. }))) {
        // dropped, the tools end at once with all their processes
        return ended;
    }
    // Their calls have ended, or have been given up. Servers may take their grace, unless there is another signal.
    let interrupted = interrupted().map_err(|error| Failure::Run(RunError::Signals(error)))?;
    tokio::select! {
        () = mounts.close() => ended,
        signal = interrupted => Err(Failure::Run(RunError::Interrupted { signal })),
    }
}

/// The next signal that asks the worker to end, from now on.
#[cfg(unix)]
fn interrupted() -> io::Result<impl Future<Output = i32>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
    let (mut terminated, mut interrupted) = (signal(terminate)?, signal(interrupt)?);
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => terminate.as_raw_value(),
            _ = interrupted.recv() => interrupt.as_raw_value(),
        }
    })
}

/// The same, where Ctrl-C is all there is.
#[cfg(not(unix))]
fn interrupted() -> io::Result<impl Future<Output = i32>> {
    const INTERRUPT: i32 = 2;

    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPT
    })
}

fn offer(handle: &WorkerHandle, builtin: &[SharedTool], mounts: &Mounts) {
    let all = builtin.iter().cloned().chain(mounts.tools());
    if let Err(error) = handle.replace_tools(all) {
        mounts.reload_status().failed();
        tracing::error!(%error, "the changed tools cannot be hosted; those before stay");
    }
}
