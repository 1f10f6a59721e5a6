//! The program `toolwave-worker`: the library's worker with the built-in tools and those of a file.
//!
//! Owns the order of things: settings, logs, tools, worker, exit code. All else is the library's.

use std::{collections::BTreeSet, process::ExitCode};

use clap::ArgMatches;
use toolwave_config::{EXIT_BAD_CONFIGURATION, Problem, report};
use toolwave_mounted::{Pinning, ToolsFile};
use toolwave_telemetry::logs::{BadFilter, Format, LogControl, Logs};
use toolwave_telemetry::traces::{Service, Settings, Tracer};
use toolwave_worker::{
    BuildError, RunError, SharedTool, TlsProblem, Worker, WorkerBuilder,
    tools::{BUILTIN_NAMES, builtin_tools},
};

use crate::{
    config::{Arguments, Config, Log, LogFormat, Origin},
    rereading::{InForce, Rereading},
};

mod config;
mod hosting;
#[cfg(test)]
mod reference;
mod rereading;
mod signals;

/// As the coordinator's: see there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Settings that are good.
struct Prepared {
    worker: WorkerBuilder,
    builtin: Vec<SharedTool>,
    file: Option<ToolsFile>,
    log: Log,
    traces: Settings,
    threads: usize,
    in_force: InForce,
}

fn main() -> ExitCode {
    // Before anything else: a process that was started to keep a command does nothing but that.
    toolwave_keeper::keep_if_asked();
    // Secrets are in its environment already, and commands are processes of the same user.
    if let Err(error) = toolwave_keeper::forbid_dumps() {
        eprintln!("core dumps cannot be forbidden: {error}");
    }
    let (arguments, matches) = Arguments::read();
    // Before it is read: what changes in between is then read again.
    let watch = arguments.config.as_ref().map(toolwave_config::Watch::new);
    let prepared = match prepare(arguments.clone(), &matches) {
        Ok(prepared) => prepared,
        Err(problems) => return report(&problems),
    };
    let warnings = prepared
        .file
        .as_ref()
        .map(ToolsFile::warnings)
        .unwrap_or_default();
    if arguments.check_config {
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
        println!("ok");
        return ExitCode::SUCCESS;
    }
    if arguments.print_config {
        print!("{}", prepared.in_force.shown());
        return ExitCode::SUCCESS;
    }
    let logs = match write_logs(&prepared.log) {
        Ok(logs) => logs,
        Err(error) => return report(&[Problem::new("log.level", error.to_string(), "")]),
    };
    for warning in warnings {
        tracing::warn!(problem = %warning, "the tools file can be used, but look at this");
    }
    let runtime = match toolwave_config::runtime(prepared.threads) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = %error, "no threads can be started");
            return ExitCode::FAILURE;
        }
    };
    let Prepared {
        worker,
        builtin,
        file,
        traces,
        in_force,
        ..
    } = prepared;
    let shown = in_force.clone();
    let worker = worker
        .logs(logs.clone())
        .reload_status("config", in_force.status().clone())
        .settings_text(move || shown.shown());
    let hosted = traced(worker, builtin, file, traces);
    let rereading = Rereading::new(arguments, matches, in_force, watch, logs);
    // on the runtime's own threads: a worker whose tools block all of them falls silent, and is seen to
    let ended = runtime.block_on(async {
        let _rereading = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = rereading.run().await {
                tracing::error!(%error, "SIGHUP cannot be heard: settings are not read again");
            }
        }));
        tokio::spawn(hosted).await
    });
    // a blocking tool that does not return must not hold up the end
    runtime.shutdown_background();
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(hosting::Failure::Problems(problems))) => report(&problems),
        Ok(Err(hosting::Failure::Build(error))) => {
            tracing::error!(error = %error, "the worker cannot host these tools");
            ExitCode::from(EXIT_BAD_CONFIGURATION)
        }
        Ok(Err(hosting::Failure::Keeper(error))) => {
            tracing::error!(error = %error, "this program cannot find itself to keep commands");
            ExitCode::FAILURE
        }
        Ok(Err(hosting::Failure::Lost(error))) | Err(error) => {
            tracing::error!(error = %error, "the worker's own loop failed");
            ExitCode::FAILURE
        }
        Ok(Err(hosting::Failure::Run(error))) => {
            tracing::error!(error = %error, "ended");
            match error {
                RunError::Interrupted { signal } => ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)),
                RunError::Health { .. } | RunError::Admin { .. } | RunError::Signals(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// Hosts the tools; what is queued of spans is sent before the end, unless that is to be at once.
async fn traced(
    worker: WorkerBuilder,
    builtin: Vec<SharedTool>,
    file: Option<ToolsFile>,
    traces: Settings,
) -> Result<(), hosting::Failure> {
    let service = Service {
        name: "toolwave-worker",
        version: env!("CARGO_PKG_VERSION"),
        instance: format!("{:032x}", fastrand::u128(..)),
    };
    let (tracer, exporting) = Tracer::start(&traces, service).map_err(|wrong| {
        hosting::Failure::Problems(vec![Problem::new(wrong.key, wrong.what, wrong.expected)])
    })?;
    let ended = hosting::host(worker.tracer(tracer), builtin, file).await;
    if !matches!(ended, Err(hosting::Failure::Run(RunError::Interrupted { .. }))) {
        exporting.shutdown().await;
    }
    ended
}

/// Everything that can be found wrong before the first connection is told at once.
fn prepare(arguments: Arguments, matches: &ArgMatches) -> Result<Prepared, Vec<Problem>> {
    let (config, origin, mut problems) = Config::load(arguments)?;
    let builtin = builtin_tools(&config.builtin).unwrap_or_else(|error| {
        problems.push(origin.problem("builtin", error.to_string(), ""));
        Vec::new()
    });
    let file = config.tools.as_deref().map(|path| {
        ToolsFile::read(path, &reserved(), Pinning::Kept).map_err(|of_file| problems.extend(of_file))
    });
    let tls = config.tls.settings();
    let coordinator = Worker::builder()
        .coordinators(&config.coordinator)
        .tls(tls.clone());
    let named = config.name.iter().map(|name| Worker::builder().name(name));
    for part in named.chain([coordinator, Worker::builder().tools(builtin.iter().cloned())]) {
        if let Err(error) = part.build() {
            problems.extend(built_wrong(&origin, &error));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (log, threads) = (config.log.clone(), config.threads);
    let traces = config.traces.settings();
    let in_force = InForce::new(config.clone(), origin.sources(matches));
    let mut worker = Worker::builder()
        .coordinators(config.coordinator)
        .tls(tls)
        .slots(config.slots)
        .drain_timeout(config.drain_timeout)
        .max_parameters_bytes(config.max_parameters)
        .max_result_bytes(config.max_result);
    if let Some(name) = config.name {
        worker = worker.name(name);
    }
    if let Some(address) = config.health {
        worker = worker.health(address);
    }
    if let Some(address) = config.admin.listen {
        worker = worker.admin(address);
    }
    for (key, value) in config.labels {
        worker = worker.label(key, value);
    }
    Ok(Prepared {
        worker,
        builtin,
        file: file.and_then(Result::ok),
        log,
        traces,
        threads,
        in_force,
    })
}

/// No tool of a file is called as a built-in one is, whether that is allowed here or not.
fn reserved() -> BTreeSet<String> {
    BUILTIN_NAMES.map(str::to_owned).into()
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

fn write_logs(log: &Log) -> Result<LogControl, BadFilter> {
    let format = match log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    // Libraries that log whole messages stay out of the log at any level.
    let logs = Logs::init(&log.level, format, toolwave_mounted::may_be_logged)?;
    // A tool that panics is an event of the log like others, not a text between its lines. The message stays out:
    // it is the tool's, and may hold what it was called with.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
    Ok(logs)
}
