//! The command `toolwave`: runs plans here or on a cluster, shows what they would do, and serves operators.
//!
//! Standard output holds the answer and nothing else; progress, notes, logs and errors go to standard error.

mod again;
mod analysis;
mod approve;
mod args;
mod asking;
mod call;
mod certs;
mod check;
mod check_tools;
mod cluster;
mod definitions;
mod difference;
mod document;
mod executions;
mod failure;
mod from;
mod glyphs;
mod graph;
mod inspect;
mod interrupt;
mod limits;
mod moment;
mod mounted;
mod operator;
mod output;
mod permission;
mod plan;
mod progress;
mod report;
mod run;
mod text;
mod token;
mod top;
mod trace;
mod words;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    args::{Cli, Command},
    failure::{Failure, Verdict},
};

fn main() -> ExitCode {
    // Before anything else: a process that was started to keep a command does nothing but that.
    toolwave_keeper::keep_if_asked();
    let cli = Cli::parse();
    log(&cli);
    quiet_tool_panics();
    let verdict = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("no runtime: {error}")))
        .and_then(|runtime| {
            let verdict = runtime.block_on(command(cli));
            // A tool that blocks, or a reader of standard input, must not hold up the end of the process.
            runtime.shutdown_background();
            verdict
        });
    match verdict {
        Ok(verdict) => verdict.exit_code(),
        Err(failure) => {
            output::note(&failure.to_string());
            failure.exit_code()
        }
    }
}

async fn command(cli: Cli) -> Result<Verdict, Failure> {
    match cli.command {
        Command::Run(args) => run::run(args).await,
        Command::Plan(args) => inspect::plan(args).await,
        Command::Call(args) => call::call(args).await,
        Command::Check(args) => check_tools::check(args).await,
        Command::Approve(args) => approve::approve(args).await,
        Command::Tools(args) => operator::tools(args).await,
        Command::Workers(args) => operator::workers(args).await,
        Command::Executions(args) => executions::executions(args).await,
        Command::Trace(args) => trace::trace(args).await,
        Command::Limits(args) => limits::limits(args).await,
        Command::Top(args) => top::top(args).await,
        Command::Drain(args) => operator::drain(args).await,
        Command::Cancel(args) => operator::cancel(args).await,
        Command::Certs(args) => certs::certs(&args),
        Command::Token(args) => token::token(&args),
    }
}

/// Logs would tear the progress bars, so they come only when they are asked for.
fn log(cli: &Cli) {
    let wanted = match &cli.command {
        Command::Run(args) => args.embedded.worker_log,
        Command::Call(args) => args.embedded.worker_log,
        _ => false,
    };
    let mut filter = match (wanted, std::env::var("RUST_LOG")) {
        (_, Ok(filter)) => EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info")),
        (true, Err(_)) => EnvFilter::new("info"),
        (false, Err(_)) => EnvFilter::new("off"),
    };
    // it logs whole messages of MCP servers, parameters and results among them
    if let Ok(silence) = "rmcp=off".parse() {
        filter = filter.add_directive(silence);
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::colour_wanted() && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .finish()
        .with(filter_fn(toolwave_mounted::may_be_logged))
        .init();
}

/// A tool that panics is reported as its call's failure; the default report, with a backtrace perhaps, would tear the
/// progress and say it twice. Tools never run on the main thread, whose panics are bugs of this program.
fn quiet_tool_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match std::thread::current().name() {
        Some("main") => default(panic),
        _ => {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a thread of the embedded cluster panicked");
        }
    }));
}
