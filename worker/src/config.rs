//! What the binary is told: by a file, the environment and flags. Flags win over the environment, that over the
//! file, that over defaults.
//!
//! It only says what is wrong with what it was told; tools and the worker are made elsewhere.

// Said, since a fuzz target takes this file by its path.
#[path = "config/origin.rs"]
mod origin;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};
use toolwave_config::{File, MAX_THREADS, Problem, parse_duration, parse_size};
use toolwave_telemetry::{
    logs::{BadFilter, EXPECTED, Logs},
    traces::Settings,
};
use toolwave_worker::{
    Tls,
    tools::{Allow, Builtin},
    worker::{DEFAULT_COORDINATOR, DEFAULT_DRAIN_TIMEOUT, DEFAULT_MAX_PAYLOAD, DEFAULT_SLOTS},
};

pub(crate) use self::origin::Origin;

const MAX_SLOTS: u32 = 100_000;
const MAX_DRAIN_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_PAYLOAD: u64 = 1 << 10;
const MAX_PAYLOAD: u64 = 1 << 30;

/// Hosts tools for a toolwave coordinator.
///
/// Dials the coordinator, registers its tools and runs the calls that it is given. SIGTERM drains it: what runs
/// may end, then it says goodbye; a second signal ends it at once.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "toolwave-worker", version)]
pub(crate) struct Arguments {
    /// TOML file with the same settings
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_WORKER_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Check the settings, say what is wrong with them, and exit
    #[arg(long)]
    pub(crate) check_config: bool,

    /// Print the settings in TOML, secrets masked, with where each came from, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Where coordinators listen: every address of each host; may be repeated [default: http://127.0.0.1:7420]
    #[arg(
        long,
        value_name = "URL",
        env = "TOOLWAVE_WORKER_COORDINATOR",
        value_delimiter = ','
    )]
    coordinator: Vec<String>,

    /// The CA of an https coordinator, in a PEM file; no other is trusted then [default: the system's]
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_WORKER_TLS_CA")]
    tls_ca: Option<PathBuf>,

    /// Certificate that proves to the coordinator which worker this is, in a PEM file
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_WORKER_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,

    /// The certificate's key, in a PEM file that nobody else can read
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_WORKER_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// Name that the coordinator's certificate must have [default: the host of its address]
    #[arg(long, value_name = "NAME", env = "TOOLWAVE_WORKER_TLS_SERVER_NAME")]
    tls_server_name: Option<String>,

    /// Name in the cluster, stable over restarts [default: the host's name and the process's number]
    #[arg(long, env = "TOOLWAVE_WORKER_NAME")]
    name: Option<String>,

    /// Calls at once [default: 16]
    #[arg(long, env = "TOOLWAVE_WORKER_SLOTS")]
    slots: Option<u32>,

    /// Label for operators and placement; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", env = "TOOLWAVE_WORKER_LABELS", value_delimiter = ',',
          value_parser = parse_label)]
    labels: Vec<(String, String)>,

    /// Where to serve health checks (grpc.health.v1) [default: nowhere]
    #[arg(long, value_name = "ADDRESS", env = "TOOLWAVE_WORKER_HEALTH")]
    health: Option<SocketAddr>,

    /// Where to serve probes and metrics over HTTP (/livez, /readyz, /metrics) [default: nowhere]
    #[arg(long, value_name = "ADDRESS", env = "TOOLWAVE_WORKER_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,

    /// How long what runs may go on after SIGTERM [default: 30s]
    #[arg(long, value_name = "DURATION", env = "TOOLWAVE_WORKER_DRAIN_TIMEOUT", value_parser = parse_duration)]
    drain_timeout: Option<Duration>,

    /// Larger parameters of a call are refused [default: 8 MiB]
    #[arg(long, value_name = "SIZE", env = "TOOLWAVE_WORKER_MAX_PARAMETERS", value_parser = parse_size)]
    max_parameters: Option<u64>,

    /// A larger result of a call is a failure [default: 8 MiB]
    #[arg(long, value_name = "SIZE", env = "TOOLWAVE_WORKER_MAX_RESULT", value_parser = parse_size)]
    max_result: Option<u64>,

    /// Also hosts the tools of this file: commands, HTTP services and MCP servers. It is read again on SIGHUP and
    /// when it changes
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_WORKER_TOOLS")]
    tools: Option<PathBuf>,

    /// What built-in tools may touch: files=DIR, files-write=DIR, sql=FILE, sql-write=FILE, http=HOST[:PORT];
    /// may be repeated
    #[arg(
        long,
        value_name = "WHAT",
        env = "TOOLWAVE_WORKER_ALLOW",
        value_delimiter = ','
    )]
    allow: Vec<Allow>,

    /// Threads that serve and run tools that do not block; 0: one where there are up to two cores, else one per
    /// core [default: 0]
    #[arg(long, value_name = "N", env = "TOOLWAVE_WORKER_THREADS")]
    threads: Option<usize>,

    /// OTLP receiver for the spans of tools that are called within a trace, over gRPC, such as http://127.0.0.1:4317
    /// [default: none]
    #[arg(long, value_name = "URL", env = "TOOLWAVE_WORKER_TRACES_ENDPOINT")]
    traces_endpoint: Option<String>,

    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT", env = "TOOLWAVE_WORKER_LOG_FORMAT")]
    log_format: Option<LogFormat>,

    /// Which log lines there are, such as info or toolwave_worker=debug [default: info]
    #[arg(long, value_name = "FILTER", env = "TOOLWAVE_WORKER_LOG_LEVEL")]
    log_level: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// The settings, with defaults where nothing was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where coordinators listen: every address of each host.
    #[serde(deserialize_with = "one_or_more")]
    pub(crate) coordinator: Vec<String>,
    /// Whom to trust and what to show, where a coordinator's address is `https`.
    pub(crate) tls: TlsFiles,
    /// Name in the cluster, stable over restarts; else the host's name and the process's number.
    pub(crate) name: Option<String>,
    /// Calls at once.
    pub(crate) slots: u32,
    /// For operators and placement; `pool` names the pool that is scaled as one.
    pub(crate) labels: BTreeMap<String, String>,
    /// Where to serve health checks (grpc.health.v1); without it nowhere.
    pub(crate) health: Option<SocketAddr>,
    /// Where operators look.
    pub(crate) admin: Admin,
    /// How long what runs may go on after SIGTERM.
    #[serde(with = "toolwave_config::duration")]
    pub(crate) drain_timeout: Duration,
    /// Larger parameters of a call are refused.
    #[serde(with = "toolwave_config::size")]
    pub(crate) max_parameters: u64,
    /// A larger result of a call is a failure.
    #[serde(with = "toolwave_config::size")]
    pub(crate) max_result: u64,
    /// Threads that serve and run tools that do not block; 0: one where there are up to two cores, else one per core.
    pub(crate) threads: usize,
    /// What is written to standard error.
    pub(crate) log: Log,
    /// Where traces go.
    pub(crate) traces: Traces,
    /// Also hosts the tools of this file: commands, HTTP services and MCP servers. In the file, its path is relative
    /// to the file's folder. What it says is read again when it changes.
    pub(crate) tools: Option<PathBuf>,
    /// What built-in tools may touch.
    pub(crate) builtin: Builtin,
}

/// The table `tls`: whom to trust and what to show, where the coordinator's address is `https`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsFiles {
    /// The coordinator's CA, in a PEM file; no other is trusted then. Without it those of the system.
    ca: Option<PathBuf>,
    /// Certificate that proves to the coordinator which worker this is, in a PEM file.
    certificate: Option<PathBuf>,
    /// The certificate's key, in a PEM file that nobody else can read.
    key: Option<PathBuf>,
    /// Name that the coordinator's certificate must have; else the host of its address.
    server_name: Option<String>,
}

impl TlsFiles {
    pub(crate) fn settings(&self) -> Tls {
        let mut tls = Tls::new();
        if let Some(path) = &self.ca {
            tls = tls.ca_file(path);
        }
        if let Some(path) = &self.certificate {
            tls = tls.certificate_file(path);
        }
        if let Some(path) = &self.key {
            tls = tls.key_file(path);
        }
        if let Some(name) = &self.server_name {
            tls = tls.server_name(name);
        }
        tls
    }
}

/// The table `admin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    /// Where probes and metrics are served; without it nowhere.
    pub(crate) listen: Option<SocketAddr>,
}

/// The table `traces`. Which executions are traced is decided before they come here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Traces {
    /// The OTLP receiver, over gRPC; without it nothing is exported.
    endpoint: Option<String>,
    /// Spans that wait to be sent at most; what is beyond is dropped, and counted.
    max_queued_spans: usize,
}

impl Default for Traces {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            endpoint: settings.endpoint,
            max_queued_spans: settings.max_queued_spans,
        }
    }
}

impl Traces {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint.clone(),
            max_queued_spans: self.max_queued_spans,
            ..Settings::default()
        }
    }
}

/// The table `log`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// How lines look: for people, or a JSON object a line.
    pub(crate) format: LogFormat,
    /// Which lines there are: a level, or directives such as `info,toolwave_worker=debug`.
    pub(crate) level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            coordinator: vec![DEFAULT_COORDINATOR.to_owned()],
            tls: TlsFiles::default(),
            name: None,
            slots: DEFAULT_SLOTS,
            labels: BTreeMap::new(),
            health: None,
            admin: Admin::default(),
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            max_parameters: DEFAULT_MAX_PAYLOAD,
            max_result: DEFAULT_MAX_PAYLOAD,
            threads: 0,
            log: Log::default(),
            traces: Traces::default(),
            tools: None,
            builtin: Builtin::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

/// Keys that take effect while the worker runs. The files that `tools` and `tls` name are read again by themselves.
const RELOADABLE: [&str; 1] = ["log.level"];

/// Whether a dotted key takes effect while the worker runs.
pub(crate) fn is_reloadable(key: &str) -> bool {
    RELOADABLE.contains(&key)
}

impl Config {
    /// Reads the file, puts flags and environment over it, and checks the whole: the problems that it gives are
    /// of values, which others may add to.
    ///
    /// # Errors
    /// Every problem of a file that cannot be read as settings.
    pub(crate) fn load(arguments: Arguments) -> Result<(Self, Origin, Vec<Problem>), Vec<Problem>> {
        let file = arguments.config.as_ref().map(File::read).transpose()?;
        let mut config = file.as_ref().map(Self::of_file).transpose()?.unwrap_or_default();
        let (flags, mut problems) = config.apply(arguments);
        let origin = Origin { file, flags };
        config.check(&origin, &mut problems);
        Ok((config, origin, problems))
    }

    /// The tools stand beside the file that names them, wherever the worker is started; a flag's path is the shell's.
    fn of_file(file: &File) -> Result<Self, Vec<Problem>> {
        let mut config: Self = file.parse()?;
        if let (Some(tools), Some(folder)) = (&mut config.tools, file.path().parent()) {
            *tools = folder.join(&tools);
        }
        Ok(config)
    }

    /// Says which flags (or variables) were given.
    fn apply(&mut self, arguments: Arguments) -> (Vec<&'static str>, Vec<Problem>) {
        let mut flags = Vec::new();
        let mut problems = Vec::new();
        let mut set = |flag: &'static str, given: bool| {
            if given {
                flags.push(flag);
            }
        };
        let coordinators = Some(arguments.coordinator).filter(|urls| !urls.is_empty());
        set("--coordinator", put(&mut self.coordinator, coordinators));
        let tls = &mut self.tls;
        set("--tls-ca", put(&mut tls.ca, arguments.tls_ca.map(Some)));
        set(
            "--tls-certificate",
            put(&mut tls.certificate, arguments.tls_certificate.map(Some)),
        );
        set("--tls-key", put(&mut tls.key, arguments.tls_key.map(Some)));
        set(
            "--tls-server-name",
            put(&mut tls.server_name, arguments.tls_server_name.map(Some)),
        );
        set("--name", put(&mut self.name, arguments.name.map(Some)));
        set("--slots", put(&mut self.slots, arguments.slots));
        set("--health", put(&mut self.health, arguments.health.map(Some)));
        let admin = arguments.admin_listen.map(Some);
        set("--admin-listen", put(&mut self.admin.listen, admin));
        set(
            "--drain-timeout",
            put(&mut self.drain_timeout, arguments.drain_timeout),
        );
        set(
            "--max-parameters",
            put(&mut self.max_parameters, arguments.max_parameters),
        );
        set("--max-result", put(&mut self.max_result, arguments.max_result));
        set("--threads", put(&mut self.threads, arguments.threads));
        set("--tools", put(&mut self.tools, arguments.tools.map(Some)));
        set(
            "--traces-endpoint",
            put(&mut self.traces.endpoint, arguments.traces_endpoint.map(Some)),
        );
        set("--log-format", put(&mut self.log.format, arguments.log_format));
        set("--log-level", put(&mut self.log.level, arguments.log_level));
        set("--label", !arguments.labels.is_empty());
        self.labels.extend(arguments.labels);
        for allow in arguments.allow {
            if let Err(error) = self.builtin.allow(allow) {
                problems.push(Problem::new("--allow", error.to_string(), ""));
            }
        }
        (flags, problems)
    }

    fn check(&self, origin: &Origin, problems: &mut Vec<Problem>) {
        if self.slots > MAX_SLOTS {
            let what = format!("is {}", self.slots);
            problems.push(origin.problem("slots", what, format!("0 to {MAX_SLOTS}")));
        }
        if self.threads > MAX_THREADS {
            let what = format!("is {}", self.threads);
            problems.push(origin.problem("threads", what, format!("0 to {MAX_THREADS}")));
        }
        if self.drain_timeout > MAX_DRAIN_TIMEOUT {
            let what = format!("is {}", humantime::format_duration(self.drain_timeout));
            problems.push(origin.problem("drain_timeout", what, "at most 24h"));
        }
        for (key, size) in [
            ("max_parameters", self.max_parameters),
            ("max_result", self.max_result),
        ] {
            if !(MIN_PAYLOAD..=MAX_PAYLOAD).contains(&size) {
                problems.push(origin.problem(key, format!("is {size} bytes"), "1 KiB to 1 GiB"));
            }
        }
        if let Err(BadFilter { directive }) = Logs::check(&self.log.level) {
            problems.push(origin.problem("log.level", format!("`{directive}` is no filter"), EXPECTED));
        }
        for wrong in self.traces.settings().check() {
            problems.push(origin.problem(wrong.key, wrong.what, wrong.expected));
        }
    }
}

impl Arguments {
    /// Those of the command line and the environment, with which of both each came from. Ends the program where they
    /// are wrong, or ask for help.
    pub(crate) fn read() -> (Self, ArgMatches) {
        // What variables say may be a secret.
        let matches = Self::command()
            .mut_args(|argument| argument.hide_env_values(true))
            .get_matches();
        match Self::from_arg_matches(&matches) {
            Ok(arguments) => (arguments, matches),
            Err(error) => error.exit(),
        }
    }
}

/// True when there is something to put.
fn put<T>(place: &mut T, value: Option<T>) -> bool {
    value.map(|value| *place = value).is_some()
}

/// A URL, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a URL or a list of URLs")]
    enum Urls {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Urls::deserialize(deserializer)? {
        Urls::One(url) => vec![url],
        Urls::Many(urls) => urls,
    })
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no label; expected KEY=VALUE")),
    }
}
