//! The program `toolwave-coordinator`: flags over environment over file over defaults, then a coordinator
//! until a signal. A second signal ends it at once.

mod flags;
#[cfg(test)]
mod reference;
mod rereading;

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use toolwave_config::Sources;
use toolwave_coordinator::{Config, Coordinator, config::LogFormat};
use toolwave_telemetry::logs::{Format, LogControl, Logs};

use crate::rereading::Rereading;

/// Measured: a fifth less processor time for each call than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a shell adds to a signal's number.
const SIGNALLED: i32 = 128;

fn main() -> ExitCode {
    let (flags, matches) = flags::Flags::read();
    // Before it is read: what changes in between is then read again.
    let watch = flags.file().map(toolwave_config::Watch::new);
    let (config, sources) = match flags.clone().config(&matches) {
        Ok(read) => read,
        Err(problems) => return toolwave_config::report(&problems),
    };
    if flags.check_config {
        println!("the configuration is good");
        return ExitCode::SUCCESS;
    }
    if flags.print_config {
        return print(&config, &sources);
    }
    let format = match config.log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    let logs = match Logs::init(&config.log.level, format, |_| true) {
        Ok(logs) => logs,
        Err(error) => {
            eprintln!("toolwave-coordinator: log.level: {error}");
            return ExitCode::from(toolwave_config::EXIT_BAD_CONFIGURATION);
        }
    };
    let runtime = match toolwave_config::runtime(config.threads) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("toolwave-coordinator: the runtime did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let control = logs.clone();
    let rereading = Rereading::new(flags, matches, watch, logs);
    let code = runtime.block_on(run(config, sources, rereading, control));
    // Whatever a connection still does ends with the process.
    runtime.shutdown_background();
    code
}

fn print(config: &Config, sources: &Sources) -> ExitCode {
    match toolwave_config::effective(config, sources) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("toolwave-coordinator: the configuration cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config, sources: Sources, mut rereading: Rereading, logs: LogControl) -> ExitCode {
    let signals =
        signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
    let (mut term, mut interrupt) = match signals {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("toolwave-coordinator: signals cannot be heard: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = rereading.listen() {
        eprintln!("toolwave-coordinator: signals cannot be heard: {error}");
        return ExitCode::FAILURE;
    }
    let mut coordinator = match Coordinator::start_logged(config, logs).await {
        Ok(coordinator) => coordinator,
        Err(error) => {
            eprintln!("toolwave-coordinator: {error}");
            return ExitCode::FAILURE;
        }
    };
    coordinator.say_sources(sources);
    loop {
        tokio::select! {
            number = next(&mut term, &mut interrupt) => {
                tracing::info!(signal = number, "asked to end");
                break;
            }
            failure = coordinator.failed() => {
                tracing::error!(%failure, "coordinator failed");
                return ExitCode::FAILURE;
            }
            () = rereading.due() => rereading.read(&coordinator).await,
        }
    }
    tokio::select! {
        report = coordinator.shutdown() => {
            if !report.finished {
                tracing::warn!(executions = report.executions_cut, "executions were cut");
            }
            ExitCode::SUCCESS
        }
        number = next(&mut term, &mut interrupt) => std::process::exit(SIGNALLED + number),
    }
}

/// The number of the next signal that asks for the end.
async fn next(term: &mut Signal, interrupt: &mut Signal) -> i32 {
    tokio::select! {
        _ = term.recv() => SignalKind::terminate().as_raw_value(),
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
    }
}
