//! Flags and environment of the program, laid over its file. Every problem of all of them is told at once.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, parser::ValueSource};
use toolwave_config::{File, Problem, Source, Sources, parse_duration, parse_size};
use toolwave_coordinator::config::{Config, LogFormat};

/// Runs a toolwave coordinator: clients send it executions, workers dial in and run their calls.
///
/// Each value is taken from its flag, else from the environment, else from the file, else it has its default.
#[derive(Clone, Debug, Parser)]
#[command(name = "toolwave-coordinator", version)]
pub(crate) struct Flags {
    /// Configuration file, in TOML.
    #[arg(long, value_name = "FILE", env = "TOOLWAVE_COORDINATOR_CONFIG")]
    config: Option<PathBuf>,
    /// Checks the configuration and ends: 0 when it is good, 78 with every problem otherwise.
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Prints the configuration that all of it comes to, in TOML, secrets masked, and ends.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Address for clients, and for workers where they have none of their own [default: 127.0.0.1:7420].
    #[arg(long, value_name = "ADDRESS", env = "TOOLWAVE_COORDINATOR_LISTEN")]
    listen: Option<SocketAddr>,
    /// Address for workers alone [default: none, they come in where clients do].
    #[arg(long, value_name = "ADDRESS", env = "TOOLWAVE_COORDINATOR_WORKER_LISTEN")]
    worker_listen: Option<SocketAddr>,
    /// Address for operators: probes, metrics, the dashboard [default: none].
    #[arg(long, value_name = "ADDRESS", env = "TOOLWAVE_COORDINATOR_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
    /// Listens beyond loopback without a check of who comes in: whoever reaches the port may run every tool.
    // Its variable says no too, over a file that says yes.
    #[arg(
        long,
        value_name = "BOOL",
        env = "TOOLWAVE_COORDINATOR_INSECURE_ALLOW_REMOTE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    insecure_allow_remote: Option<bool>,
    /// Attempts in flight at once over all workers [default: 100000].
    #[arg(long, value_name = "N", env = "TOOLWAVE_COORDINATOR_MAX_IN_FLIGHT")]
    max_in_flight: Option<usize>,
    /// Calls that wait at once [default: 1000000].
    #[arg(long, value_name = "N", env = "TOOLWAVE_COORDINATOR_MAX_QUEUED_CALLS")]
    max_queued_calls: Option<usize>,
    /// Parameters and results held at once [default: 1 GiB].
    #[arg(long, value_name = "SIZE", env = "TOOLWAVE_COORDINATOR_MAX_PAYLOAD_BYTES", value_parser = parse_size)]
    max_payload_bytes: Option<u64>,
    /// The largest result of a call [default: 16 MiB].
    #[arg(long, value_name = "SIZE", env = "TOOLWAVE_COORDINATOR_MAX_RESULT_BYTES", value_parser = parse_size)]
    max_result_bytes: Option<u64>,
    /// Of an attempt, where neither call nor tool says [default: 30s].
    #[arg(long, value_name = "DURATION", env = "TOOLWAVE_COORDINATOR_DEFAULT_TIMEOUT", value_parser = parse_duration)]
    default_timeout: Option<Duration>,
    /// For executions to end once asked to stop [default: 30s].
    #[arg(long, value_name = "DURATION", env = "TOOLWAVE_COORDINATOR_DRAIN_TIMEOUT", value_parser = parse_duration)]
    drain_timeout: Option<Duration>,
    /// For workers to come after the start [default: 20s].
    #[arg(long, value_name = "DURATION", env = "TOOLWAVE_COORDINATOR_STARTUP_GRACE", value_parser = parse_duration)]
    startup_grace: Option<Duration>,
    /// For a worker of a call's tool to come [default: 20s].
    #[arg(long, value_name = "DURATION", env = "TOOLWAVE_COORDINATOR_WORKER_WAIT", value_parser = parse_duration)]
    worker_wait: Option<Duration>,
    /// A worker not heard for this long is lost [default: 10s].
    #[arg(long, value_name = "DURATION", env = "TOOLWAVE_COORDINATOR_LEASE", value_parser = parse_duration)]
    lease: Option<Duration>,
    /// Threads that serve; 0: one where there are up to two cores, else one per core [default: 0].
    #[arg(long, value_name = "N", env = "TOOLWAVE_COORDINATOR_THREADS")]
    threads: Option<usize>,
    /// OTLP receiver of traces, over gRPC, such as http://127.0.0.1:4317 [default: none].
    #[arg(long, value_name = "URL", env = "TOOLWAVE_COORDINATOR_TRACES_ENDPOINT")]
    traces_endpoint: Option<String>,
    /// Share of executions that is traced where the client brings no trace, 0 to 1 [default: 0.01].
    #[arg(long, value_name = "SHARE", env = "TOOLWAVE_COORDINATOR_TRACES_SAMPLE")]
    traces_sample: Option<f64>,
    /// error, warn, info, debug, trace, or directives [default: info].
    #[arg(long, value_name = "LEVEL", env = "TOOLWAVE_COORDINATOR_LOG_LEVEL")]
    log_level: Option<String>,
    /// How log lines look [default: text].
    #[arg(long, value_name = "FORMAT", env = "TOOLWAVE_COORDINATOR_LOG_FORMAT")]
    log_format: Option<LogFormat>,
}

// === impl Flags ===

impl Flags {
    /// Those of the command line and the environment, with which of both each came from. Ends the program where they
    /// are wrong, or ask for help.
    pub(crate) fn read() -> (Self, ArgMatches) {
        // What variables say may be a secret.
        let matches = Self::command()
            .mut_args(|argument| argument.hide_env_values(true))
            .get_matches();
        match Self::from_arg_matches(&matches) {
            Ok(flags) => (flags, matches),
            Err(error) => error.exit(),
        }
    }

    /// The file, where there is one.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// The configuration that all of it comes to, and where its values came from.
    ///
    /// # Errors
    /// Every problem, with its place where it has one.
    pub(crate) fn config(self, matches: &ArgMatches) -> Result<(Config, Sources), Vec<Problem>> {
        let file = self.config.as_ref().map(File::read).transpose()?;
        let mut config = file
            .as_ref()
            .map_or_else(|| Ok(Config::default()), File::parse::<Config>)?;
        self.lay_over(&mut config);
        let problem = |wrong: toolwave_coordinator::config::Wrong| match &file {
            Some(file) => file.problem(wrong.key, wrong.what, wrong.expected),
            None => Problem::new(wrong.key, wrong.what, wrong.expected),
        };
        let problems: Vec<Problem> = config.check().into_iter().map(problem).collect();
        if problems.is_empty() {
            Ok((config, sources(file, matches)))
        } else {
            Err(problems)
        }
    }

    fn lay_over(self, config: &mut Config) {
        fn set<T>(value: Option<T>, place: &mut T) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(self.insecure_allow_remote, &mut config.insecure_allow_remote);
        set(self.listen, &mut config.listen);
        set(self.worker_listen.map(Some), &mut config.worker_listen);
        set(self.admin_listen.map(Some), &mut config.admin.listen);
        set(self.max_in_flight, &mut config.max_in_flight);
        set(self.max_queued_calls, &mut config.max_queued_calls);
        set(self.max_payload_bytes, &mut config.max_payload_bytes);
        set(self.max_result_bytes, &mut config.max_result_bytes);
        set(self.default_timeout, &mut config.default_timeout);
        set(self.drain_timeout, &mut config.drain_timeout);
        set(self.startup_grace, &mut config.startup_grace);
        set(self.worker_wait, &mut config.worker_wait);
        set(self.lease, &mut config.lease);
        set(self.threads, &mut config.threads);
        set(self.traces_endpoint.map(Some), &mut config.traces.endpoint);
        set(self.traces_sample, &mut config.traces.sample);
        set(self.log_level, &mut config.log.level);
        set(self.log_format, &mut config.log.format);
    }
}

fn sources(file: Option<File>, matches: &ArgMatches) -> Sources {
    let mut sources = Sources::new(file);
    for id in matches.ids() {
        match matches.value_source(id.as_str()) {
            Some(ValueSource::CommandLine) => sources.say(id.as_str(), Source::Flag),
            Some(ValueSource::EnvVariable) => sources.say(id.as_str(), Source::Environment),
            _ => {}
        }
    }
    sources
}
