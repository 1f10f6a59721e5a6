//! The command line: what can be asked for, and nothing of how it is done.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use rustls::pki_types::ServerName;

use crate::{
    again::AgainArgs, approve::ApproveArgs, call::CallArgs, check_tools::CheckArgs,
    executions::ExecutionsArgs, limits::LimitsArgs, plan::parse_duration, top::TopArgs, trace::TraceArgs,
};

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
    /// Makes one call, here or on a cluster, and shows its result
    Call(CallArgs),
    /// Finds every mistake of a file of tools
    Check(CheckArgs),
    /// Shows what is new or changed of the tools of MCP servers, and approves it
    Approve(ApproveArgs),
    /// Lists the tools of a cluster
    Tools(ToolsArgs),
    /// Lists the workers of a cluster
    Workers(WorkersArgs),
    /// Lists the executions of a cluster, or shows one with its calls
    #[command(visible_alias = "execution")]
    Executions(ExecutionsArgs),
    /// Draws when each call of an execution waited, ran and ended, as text, SVG or JSON
    Trace(TraceArgs),
    /// Lists the limits of a cluster and who waits for them
    Limits(LimitsArgs),
    /// Shows a cluster at work, on the whole terminal
    Top(TopArgs),
    /// Stops dispatching to a worker; what it runs goes on to its end
    Drain(DrainArgs),
    /// Cancels an execution; as an operator, one of any tenant
    Cancel(CancelArgs),
    /// Makes a CA for development and certificates of coordinator, worker and client, and shows how they are used
    Certs(CertsArgs),
    /// Makes a token and the entry that lets a coordinator know it
    Token(TokenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The plan, YAML or JSON; with --from, a model's reply; `-` reads standard input
    pub(crate) file: PathBuf,
    /// Runs the tool calls of this provider's reply instead of a plan, and writes the messages to send back
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) from: Option<ProviderFormat>,
    #[command(flatten)]
    pub(crate) embedded: EmbeddedArgs,
    /// Runs on this cluster instead of in this process
    #[arg(long, value_name = "URL", env = "TOOLWAVE_COORDINATOR")]
    pub(crate) coordinator: Option<String>,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) again: AgainArgs,
    /// Calls in flight at once: a number, or `auto` for as many as the slots allow [default: the plan's, else 5]
    #[arg(long, value_name = "N|auto", value_parser = concurrency)]
    pub(crate) max_concurrency: Option<Concurrency>,
    /// Bounds the whole execution, such as `30s` or `5m`
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// The trace that the execution is part of, as W3C Trace Context has it [default: the variable TRACEPARENT]
    #[arg(long, value_name = "TRACEPARENT")]
    pub(crate) traceparent: Option<String>,
    /// Starts a wave only when the whole wave before it has ended
    #[arg(long)]
    pub(crate) barrier: bool,
    /// The first failure cancels all the rest
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Shows results in full
    #[arg(long)]
    pub(crate) full: bool,
    /// Says all that is known of why it took as long as it did [default: what is worth four lines]
    #[arg(long)]
    pub(crate) analysis: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How the cluster inside this process is made.
#[derive(Debug, Args)]
pub(crate) struct EmbeddedArgs {
    /// Lets tools use files=DIR, files-write=DIR, sql=FILE, sql-write=FILE, http=HOST or http=HOST:PORT; repeatable
    #[arg(long, value_name = "WHAT=WHICH")]
    pub(crate) allow: Vec<String>,
    /// Also hosts the tools of this file, whose MCP servers are started
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: Option<PathBuf>,
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
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    /// Knows the tools of this file beside the built-in ones; its MCP servers are started to ask them
    #[arg(long, value_name = "FILE", conflicts_with = "coordinator")]
    pub(crate) tools: Option<PathBuf>,
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
    /// With --builtin: those of this file too, whose MCP servers are started
    #[arg(long, value_name = "FILE", requires = "builtin")]
    pub(crate) tools: Option<PathBuf>,
    /// With --builtin: what tools may use, as for `run`
    #[arg(long, value_name = "WHAT=WHICH", requires = "builtin")]
    pub(crate) allow: Vec<String>,
    /// Shows the JSON Schema of each tool's parameters
    #[arg(long)]
    pub(crate) schema: bool,
    /// Writes the tools as this provider's definitions, for a request's `tools`
    #[arg(long = "for", value_name = "PROVIDER", conflicts_with = "schema")]
    pub(crate) for_provider: Option<ProviderFormat>,
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
    /// The execution's id, as `run` reports it; of an operator any beginning of it that is no other's
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
    #[command(flatten)]
    pub(crate) link: LinkArgs,
}

/// How a coordinator elsewhere is reached, and as whom.
#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// Trusts this CA, a PEM file, and no other; for https [default: the system's]
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_CA", help_heading = LINK)]
    pub(crate) ca: Option<PathBuf>,
    /// Shows this certificate, a PEM file
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_CERTIFICATE", help_heading = LINK)]
    pub(crate) certificate: Option<PathBuf>,
    /// The certificate's key, a PEM file that nobody else can read
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_KEY", help_heading = LINK)]
    pub(crate) key: Option<PathBuf>,
    /// Name that the coordinator's certificate must have [default: the host of its address]
    #[arg(long, value_name = "NAME", env = "TOOLWAVE_SERVER_NAME", help_heading = LINK)]
    pub(crate) server_name: Option<String>,
    /// Sends the token in this file [otherwise: the variable TOOLWAVE_TOKEN, or the file TOOLWAVE_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = LINK)]
    pub(crate) token_file: Option<PathBuf>,
    /// Sends this token. Every user of this machine can read it meanwhile: a file or the variable is better
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "token_file",
        help_heading = LINK
    )]
    pub(crate) token: Option<Secret>,
    /// Sends the token without TLS, over a network where others can read it
    #[arg(long, help_heading = LINK)]
    pub(crate) insecure_plaintext_token: bool,
}

const LINK: &str = "Coordinator elsewhere";

/// What is never shown.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug, Args)]
pub(crate) struct CertsArgs {
    /// Where the files go; made if it is not there
    pub(crate) directory: PathBuf,
    /// A worker of this name; repeatable [default, with a new CA: worker]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) worker: Vec<String>,
    /// A client of this tenant; repeatable [default, with a new CA: default]
    #[arg(long, value_name = "TENANT", value_parser = name)]
    pub(crate) tenant: Vec<String>,
    /// A coordinator that is also reached by this name or address; repeatable [always: localhost, 127.0.0.1, ::1]
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) host: Vec<String>,
    /// How long the certificates are valid; a new CA is for 3650 days
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// Its name, for the audit and for whoever takes it away again
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// Whose executions and limits
    #[arg(long, value_name = "TENANT", default_value = "default", value_parser = name)]
    pub(crate) tenant: String,
    /// Tools that it may call: names, or beginnings such as `files.*`; comma-separated or repeated [default: none]
    #[arg(long, value_name = "TOOLS", value_delimiter = ',', value_parser = pattern)]
    pub(crate) tools: Vec<String>,
    /// May list and drain workers too
    #[arg(long)]
    pub(crate) operator: bool,
    /// When it ends to be valid, such as `30d` from now [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) expires_in: Option<Duration>,
    /// Writes the token to this new file, for --token-file, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
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

/// Whose way to say tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProviderFormat {
    /// OpenAI chat completions; of replies, OpenAI responses too
    Openai,
    /// OpenAI responses
    OpenaiResponses,
    /// Anthropic messages
    Anthropic,
    /// Gemini generateContent
    Gemini,
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

/// Of workers, tenants and tokens.
fn name(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    match (1..=128).contains(&text.len()) && text.chars().all(fine) {
        true => Ok(text.to_owned()),
        false => Err("expected 1 to 128 of [A-Za-z0-9._:-]".to_owned()),
    }
}

fn pattern(text: &str) -> Result<String, String> {
    match text.strip_suffix('*') {
        Some("") => Ok(text.to_owned()),
        Some(beginning) => name(beginning).map(|_| text.to_owned()),
        None => name(text),
    }
    .map_err(|error| format!("{error}, and `*` at the end only"))
}

fn host(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a DNS name or an IP address, without a port".to_owned()),
    }
}
