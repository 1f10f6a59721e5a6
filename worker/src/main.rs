//! The program `toolwave-worker`: the library's worker with the built-in tools.
//!
//! Owns the order of things: settings, logs, tools, worker, exit code. All else is the library's.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use toolwave_config::{Problem, report};
use toolwave_worker::{BuildError, RunError, TlsProblem, Worker, tools::builtin_tools};

use crate::config::{Arguments, Config, Log, LogFormat, Origin};

mod config;

/// As the coordinator's: see there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let check_only = arguments.check_config;
    let (worker, log, threads) = match prepare(arguments) {
        Ok(prepared) => prepared,
        Err(problems) => return report(&problems),
    };
    if check_only {
        println!("ok");
        return ExitCode::SUCCESS;
    }
    write_logs(&log);
    let runtime = match toolwave_config::runtime(threads) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = %error, "no threads can be started");
            return ExitCode::FAILURE;
        }
    };
    // on the runtime's own threads: a worker whose tools block all of them falls silent, and is seen to
    let ended = runtime.block_on(async { tokio::spawn(worker.run_until_signal()).await });
    // a blocking tool that does not return must not hold up the end
    runtime.shutdown_background();
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            tracing::error!(error = %error, "ended");
            match error {
                RunError::Interrupted { signal } => ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)),
                RunError::Health { .. } | RunError::Signals(_) => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            tracing::error!(error = %error, "the worker's own loop failed");
            ExitCode::FAILURE
        }
    }
}

/// Everything that can be found wrong before the first connection is told at once.
fn prepare(arguments: Arguments) -> Result<(Worker, Log, usize), Vec<Problem>> {
    let (config, origin, mut problems) = Config::load(arguments)?;
    let tools = builtin_tools(&config.builtin).unwrap_or_else(|error| {
        problems.push(origin.problem("builtin", error.to_string(), ""));
        Vec::new()
    });
    let tls = config.tls.settings();
    let coordinator = Worker::builder()
        .coordinator(&config.coordinator)
        .tls(tls.clone());
    let named = config.name.iter().map(|name| Worker::builder().name(name));
    for part in named.chain([coordinator, Worker::builder().tools(tools.iter().cloned())]) {
        if let Err(error) = part.build() {
            problems.extend(built_wrong(&origin, &error));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (log, threads) = (config.log.clone(), config.threads);
    let mut builder = Worker::builder()
        .coordinator(config.coordinator)
        .tls(tls)
        .slots(config.slots)
        .drain_timeout(config.drain_timeout)
        .max_parameters_bytes(config.max_parameters)
        .max_result_bytes(config.max_result)
        .tools(tools);
    if let Some(name) = config.name {
        builder = builder.name(name);
    }
    if let Some(address) = config.health {
        builder = builder.health(address);
    }
    for (key, value) in config.labels {
        builder = builder.label(key, value);
    }
    let worker = builder.build().map_err(|error| built_wrong(&origin, &error))?;
    Ok((worker, log, threads))
}

fn built_wrong(origin: &Origin, error: &BuildError) -> Vec<Problem> {
    let key = match error {
        BuildError::Tls { problems } => {
            let told = |problem: &TlsProblem| {
                let key = format!("tls.{}", problem.part);
                origin.problem(&key, &problem.what, &problem.expected)
            };
            return problems.iter().map(told).collect();
        }
        BuildError::Coordinator { .. } => "coordinator",
        BuildError::Name { .. } => "name",
        BuildError::DuplicateTool { .. }
        | BuildError::Tool { .. }
        | BuildError::TooManyDeclarations { .. } => "builtin",
    };
    let text = error.to_string();
    let (what, expected) = text.split_once("; expected ").unwrap_or((&text, ""));
    vec![origin.problem(key, what, expected)]
}

fn write_logs(log: &Log) {
    let mut filter = tracing_subscriber::EnvFilter::try_new(&log.level).unwrap_or_default();
    // it logs whole messages of MCP servers, parameters and results among them
    if let Ok(silence) = "rmcp=off".parse() {
        filter = filter.add_directive(silence);
    }
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    // A tool that panics is an event of the log like others, not a text between its lines. The message stays out:
    // it is the tool's, and may hold what it was called with.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
}
