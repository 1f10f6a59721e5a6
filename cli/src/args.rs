//! The command line: what can be asked for, and nothing of how it is done.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plan::parse_duration;

/// Where a coordinator listens unless told otherwise.
pub(crate) const DEFAULT_COORDINATOR: &str = "http://127.0.0.1:7420";

/// Runs the tool calls of a plan in parallel: here and now, or on a cluster.
#[derive(Debug, Parser)]
#[command(name = "toolwave", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a plan and reports how each call ended
    Run(RunArgs),
    /// Shows the waves of a plan and why each call waits, or everything that is wrong with it; runs nothing
    Plan(PlanArgs),
    /// Lists the tools of a cluster
    Tools(ToolsArgs),
    /// Lists the workers of a cluster
    Workers(WorkersArgs),
    /// Stops dispatching to a worker; what it runs goes on to its end
    Drain(DrainArgs),
    /// Cancels an execution
    Cancel(CancelArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The plan, YAML or JSON; `-` reads standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) embedded: EmbeddedArgs,
    /// Runs on this cluster instead of in this process
    #[arg(long, value_name = "URL", env = "TOOLWAVE_COORDINATOR")]
    pub(crate) coordinator: Option<String>,
    /// Calls in flight at once: a number, or `auto` for as many as the slots allow [default: the plan's, else 5]
    #[arg(long, value_name = "N|auto", value_parser = concurrency)]
    pub(crate) max_concurrency: Option<Concurrency>,
    /// Bounds the whole execution, such as `30s` or `5m`
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Starts a wave only when the whole wave before it has ended
    #[arg(long)]
    pub(crate) barrier: bool,
    /// The first failure cancels all the rest
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Shows results in full
    #[arg(long)]
    pub(crate) full: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How the cluster inside this process is made.
#[derive(Debug, Args)]
pub(crate) struct EmbeddedArgs {
    /// Lets tools use files=DIR, files-write=DIR, sql=FILE, sql-write=FILE, http=HOST or http=HOST:PORT; repeatable
    #[arg(long, value_name = "WHAT=WHICH")]
    pub(crate) allow: Vec<String>,
    /// Calls that the embedded worker runs at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) slots: u32,
    /// Shows the log of the embedded coordinator and worker, on standard error
    #[arg(long)]
    pub(crate) worker_log: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The plan, YAML or JSON; `-` reads standard input
    pub(crate) file: PathBuf,
    /// Asks this cluster, whose tools then count, instead of the built-in tools
    #[arg(long, value_name = "URL", env = "TOOLWAVE_COORDINATOR")]
    pub(crate) coordinator: Option<String>,
    /// Writes the graph for Mermaid or Graphviz instead
    #[arg(long, value_name = "FORMAT")]
    pub(crate) graph: Option<GraphFormat>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ToolsArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Lists the built-in tools that `run` would have, without a cluster
    #[arg(long)]
    pub(crate) builtin: bool,
    /// With --builtin: what tools may use, as for `run`
    #[arg(long, value_name = "WHAT=WHICH", requires = "builtin")]
    pub(crate) allow: Vec<String>,
    /// Shows the JSON Schema of each tool's parameters
    #[arg(long)]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WorkersArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// The worker's name
    pub(crate) worker: String,
    /// Dispatches to it again
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The execution's id, as `run` reports it
    pub(crate) execution: String,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// The cluster's coordinator
    #[arg(long, value_name = "URL", env = "TOOLWAVE_COORDINATOR", default_value = DEFAULT_COORDINATOR)]
    pub(crate) coordinator: String,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// `json` writes one JSON document and nothing else to standard output
    #[arg(long = "output", value_name = "FORMAT", default_value = "text")]
    pub(crate) format: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Mermaid,
    Dot,
}

/// Calls in flight at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    Auto,
    Calls(u32),
}

fn concurrency(text: &str) -> Result<Concurrency, String> {
    match text {
        "auto" => Ok(Concurrency::Auto),
        _ => match text.parse() {
            Ok(calls) if calls > 0 => Ok(Concurrency::Calls(calls)),
            _ => Err("expected a whole number from 1, or `auto`".to_owned()),
        },
    }
}
