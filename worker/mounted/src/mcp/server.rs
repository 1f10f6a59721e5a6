//! The table `[servers.NAME]`: what may be said of an MCP server.
//!
//! It starts nothing; what is wrong with it is said by `check.rs`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use toolwave_keeper::Limits;
use toolwave_tool::{Declaration, Effect, Rate, Safety};

use crate::value::Source;

/// An MCP server whose tools are hosted as `NAME.TOOL`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// A program that speaks MCP on its standard input and output, with its arguments.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// The address of a server that speaks Streamable HTTP.
    #[serde(default)]
    pub url: Option<String>,
    /// Sent with every request to `url`.
    #[serde(default)]
    pub headers: BTreeMap<String, Source>,
    /// Loopback and private addresses that `url` may reach: `127.0.0.1:8080`, `10.0.0.0/8`.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// http beside https.
    #[serde(default)]
    pub allow_http: bool,
    /// All that the command's environment holds.
    #[serde(default)]
    pub environment: BTreeMap<String, Source>,
    /// The command's working directory.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// What each process of the command may take.
    #[serde(default)]
    pub limits: Resources,
    /// Processes of the command that are kept warm.
    #[serde(default = "one")]
    pub pool: u32,
    /// Calls at once in one process, or on one HTTP connection; none: as many as come.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// From the start of a process to its list of tools.
    #[serde(default = "start_timeout", with = "toolwave_config::duration")]
    pub start_timeout: Duration,
    /// What a server may take to answer whether it speaks the protocol of 2026; then it is asked in the old way.
    #[serde(default = "discover_timeout", with = "toolwave_config::duration")]
    pub discover_timeout: Duration,
    /// What a server may take to stop a call, and a process to end.
    #[serde(default = "grace", with = "toolwave_config::duration")]
    pub grace: Duration,
    /// Which protocol is spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// What becomes of a process that does not say that it stopped a call.
    #[serde(default)]
    pub cancellation: Cancellation,
    /// Where the command's standard error goes.
    #[serde(default)]
    pub stderr: StandardError,
    /// Believe what the server says of its tools' effects.
    #[serde(default)]
    pub trust_annotations: bool,
    /// Only these tools; none: all.
    #[serde(default)]
    pub include: Option<Vec<String>>,
    /// Not these tools.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Of one attempt, for tools that say nothing of their own.
    #[serde(default, deserialize_with = "crate::optional::duration")]
    pub timeout: Option<Duration>,
    /// The largest result in bytes.
    #[serde(default, deserialize_with = "crate::optional::size")]
    pub max_result: Option<u64>,
    /// Of all its tools.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the operator says of single tools.
    #[serde(default)]
    pub tools: BTreeMap<String, Overrides>,
}

/// What a process may take; none: what the worker may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Seconds of CPU time.
    #[serde(default)]
    pub cpu_seconds: Option<u64>,
    /// Bytes of address space.
    #[serde(default, deserialize_with = "crate::optional::size")]
    pub memory: Option<u64>,
    /// Descriptors that are open at once.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// Processes and threads of the worker's user.
    #[serde(default)]
    pub processes: Option<u64>,
    /// Bytes of each file that it writes.
    #[serde(default, deserialize_with = "crate::optional::size")]
    pub file_size: Option<u64>,
}

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// The newer one, and the older with servers that do not know it.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// With a handshake.
    #[serde(rename = "2025-11-25")]
    Handshake,
    /// Without one.
    #[serde(rename = "2026-07-28")]
    Discovery,
}

/// What becomes of a process that does not answer a call that was cancelled, as the protocol wants of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancellation {
    /// After the grace it is replaced: the one proof that the work has stopped.
    #[default]
    Replace,
    /// It is believed to have stopped the work.
    Trust,
}

/// Where the standard error of a process goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardError {
    /// Nowhere, but for the last lines of a start that failed: servers write parameters there.
    #[default]
    Discard,
    /// To the worker's log, at debug.
    Log,
}

/// What the operator says of one tool: it has the last word.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// It is not hosted.
    #[serde(default)]
    pub hidden: bool,
    /// In place of the server's.
    #[serde(default)]
    pub description: Option<String>,
    /// Of one attempt.
    #[serde(default, deserialize_with = "crate::optional::duration")]
    pub timeout: Option<Duration>,
    /// See [`Safety::ReadOnly`].
    #[serde(default)]
    pub read_only: bool,
    /// See [`Safety::Idempotent`].
    #[serde(default)]
    pub idempotent: bool,
    /// See [`Safety::HonoursIdempotencyKey`].
    #[serde(default)]
    pub honours_idempotency_key: bool,
    /// Keys of what a call reads.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Keys of what a call changes.
    #[serde(default)]
    pub writes: Vec<String>,
    /// In flight at once over all workers.
    #[serde(default)]
    pub max_concurrency: Option<u32>,
    /// In flight at once on one worker.
    #[serde(default)]
    pub max_concurrency_per_worker: Option<u32>,
    /// Starts over time.
    #[serde(default)]
    pub rate: Option<Starts>,
    /// The largest result in bytes.
    #[serde(default, deserialize_with = "crate::optional::size")]
    pub max_result: Option<u64>,
    /// Beside those of the server.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Starts over time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Starts {
    /// A second, over all workers.
    pub per_second: f64,
    /// At once, after a pause.
    #[serde(default = "one")]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

fn start_timeout() -> Duration {
    Duration::from_secs(30)
}

fn discover_timeout() -> Duration {
    Duration::from_secs(3)
}

fn grace() -> Duration {
    Duration::from_secs(2)
}

impl Server {
    /// Whether the operator wants the tool.
    pub(super) fn wants(&self, tool: &str) -> bool {
        let included = |list: &Vec<String>| list.iter().any(|name| name == tool);
        self.include.as_ref().is_none_or(included)
            && !included(&self.exclude)
            && !self.tools.get(tool).is_some_and(|overrides| overrides.hidden)
    }

    /// Calls that can run at once; `None`: no bound.
    pub(super) fn capacity(&self) -> Option<u32> {
        self.concurrency.map(|calls| calls.saturating_mul(self.pool))
    }

    /// Puts what the operator says over what the server said of its tool.
    pub(super) fn apply(&self, tool: &str, declaration: &mut Declaration) {
        declaration.timeout = self.timeout;
        declaration.max_result_bytes = self.max_result;
        declaration.max_concurrency_per_worker = self.capacity();
        declaration.labels.clone_from(&self.labels);
        let Some(overrides) = self.tools.get(tool) else {
            return;
        };
        if let Some(description) = &overrides.description {
            declaration.description.clone_from(description);
        }
        declaration.timeout = overrides.timeout.or(declaration.timeout);
        if let Some(safety) = overrides.safety() {
            declaration.safety = safety;
        }
        let reads = overrides.reads.iter().cloned().map(Effect::Reads);
        let writes = overrides.writes.iter().cloned().map(Effect::Writes);
        declaration.effects = reads.chain(writes).collect();
        declaration.max_concurrency = overrides.max_concurrency;
        if let Some(own) = overrides.max_concurrency_per_worker {
            let bound = declaration.max_concurrency_per_worker;
            declaration.max_concurrency_per_worker = Some(bound.map_or(own, |bound| bound.min(own)));
        }
        declaration.rate = overrides.rate.map(|starts| Rate {
            per_second: starts.per_second,
            burst: starts.burst,
        });
        declaration.max_result_bytes = overrides.max_result.or(declaration.max_result_bytes);
        declaration.labels.extend(overrides.labels.clone());
    }
}

impl From<Resources> for Limits {
    fn from(resources: Resources) -> Self {
        Self {
            cpu_seconds: resources.cpu_seconds,
            memory_bytes: resources.memory,
            open_files: resources.open_files,
            processes: resources.processes,
            file_bytes: resources.file_size,
        }
    }
}

impl Overrides {
    /// What is promised of repeated calls, where anything is.
    pub(super) fn safety(&self) -> Option<Safety> {
        match (self.read_only, self.idempotent, self.honours_idempotency_key) {
            (true, ..) => Some(Safety::ReadOnly),
            (_, true, _) => Some(Safety::Idempotent),
            (_, _, true) => Some(Safety::HonoursIdempotencyKey),
            _ => None,
        }
    }
}
