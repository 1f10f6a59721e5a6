//! What an operator may set, its defaults, and what must hold between the values. Reading files and flags is
//! the program's part; of the files that the configuration names, only those of TLS are looked into.

mod admin;
mod in_force;
mod listen;
mod log;
mod peers;
mod reload;
mod scaler;
mod tls;
mod traces;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use toolwave_config::{MAX_THREADS, duration, size};

pub(crate) use self::in_force::InForce;
pub use self::{
    admin::{AdminSection, HistorySection},
    log::{Log, LogFormat},
    reload::{Reloaded, is_reloadable},
    scaler::ScalerSection,
    tls::{ClientCertificate, Tls},
    traces::TracesSection,
};
use crate::{
    audit::AuditSection,
    execution::limits::RequestLimits,
    identity::{Auth, Identities, WorkerIdentityEntry},
    tenants::{TenantName, TenantSection},
    worker::outbox::LEAST_MESSAGE,
};
pub use toolwave_config::ReloadStatus;

/// Of a payload or a message, in bytes; a message's length has 32 bits.
const LARGEST: u64 = 1 << 30;
/// Of parameters: what reads them after the check goes no deeper.
const DEEPEST: u64 = 127;

/// A coordinator's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where clients and operators come in, and workers unless `worker_listen` is set; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where workers come in, and nobody else.
    pub worker_listen: Option<SocketAddr>,
    /// Listens beyond loopback although whoever reaches the port may run every tool.
    pub insecure_allow_remote: bool,
    /// Attempts in flight at once over all workers.
    pub max_in_flight: usize,
    /// Calls that wait at once; an execution that would go beyond is refused.
    pub max_queued_calls: usize,
    /// Parameters and results held at once; beyond it executions are refused.
    #[serde(with = "size")]
    pub max_payload_bytes: u64,
    /// The largest result of a call.
    #[serde(with = "size")]
    pub max_result_bytes: u64,
    /// Of an attempt, where neither its call nor its tool says.
    #[serde(with = "duration")]
    pub default_timeout: Duration,
    /// How long executions may take to end once the coordinator is asked to.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
    /// For so long after the start nothing is refused for want of a worker.
    #[serde(with = "duration")]
    pub startup_grace: Duration,
    /// How long a call waits for a healthy worker that hosts its tool.
    #[serde(with = "duration")]
    pub worker_wait: Duration,
    /// How often workers say that they live.
    #[serde(with = "duration")]
    pub heartbeat_interval: Duration,
    /// A worker not heard for this long takes no new dispatch.
    #[serde(with = "duration")]
    pub suspect_after: Duration,
    /// A worker not answered for this long stops what others will run.
    #[serde(with = "duration")]
    pub self_fence: Duration,
    /// A worker not heard for this long is lost.
    #[serde(with = "duration")]
    pub lease: Duration,
    /// How long a call that is safe to repeat waits for a worker whose stream broke.
    #[serde(with = "duration")]
    pub reconnect_grace: Duration,
    /// A worker that does not confirm an abort for this long is closed.
    #[serde(with = "duration")]
    pub abort_confirmation: Duration,
    /// How long a stream may be open before its worker registers.
    #[serde(with = "duration")]
    pub register_timeout: Duration,
    /// More slots than this are not used of one worker.
    pub max_slots_per_worker: u32,
    /// A worker that declares more tools is refused.
    pub max_tools_per_worker: usize,
    /// Connections at once of each listener; further ones are closed at once.
    pub max_connections: usize,
    /// Connections at once from one address (of IPv6: from one /64). Loopback has no such limit.
    pub max_connections_per_address: usize,
    /// New connections from one address within 10 s. Loopback has no such limit.
    pub max_new_connections_per_address: usize,
    /// Streams (executions, sessions) at once on one connection.
    pub max_streams_per_connection: u32,
    /// Other coordinators, as `http://HOST:PORT` or `https://HOST:PORT` where workers come in: workers are told of
    /// them, and connect to every address of each name.
    pub peers: Vec<String>,
    /// Threads that serve; 0: one where there are up to two cores, else one per core.
    pub threads: usize,
    /// TLS of `listen`.
    pub tls: Option<Tls>,
    /// TLS of `worker_listen`.
    pub worker_tls: Option<Tls>,
    /// What one request may hold.
    pub requests: RequestLimits,
    /// Where operators look.
    pub admin: AdminSection,
    /// What is kept of executions for operators.
    pub history: HistorySection,
    /// Where traces go.
    pub traces: TracesSection,
    /// What autoscalers are told.
    pub scaler: ScalerSection,
    /// What is written to standard error.
    pub log: Log,
    /// Who may come in as a client; without it whoever reaches the listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Which workers may come in with a certificate.
    pub worker_identities: Vec<WorkerIdentityEntry>,
    /// Who did what, for good.
    pub audit: AuditSection,
    /// What each tenant may use.
    pub tenants: BTreeMap<TenantName, TenantSection>,
    /// The same, where a tenant's own section says nothing.
    pub tenant_defaults: TenantSection,
}

/// A value that cannot be used: its key, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Dotted.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub expected: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 7420).into(),
            worker_listen: None,
            insecure_allow_remote: false,
            max_in_flight: 100_000,
            max_queued_calls: 1_000_000,
            max_payload_bytes: 1 << 30,
            max_result_bytes: 16 << 20,
            default_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            startup_grace: Duration::from_secs(20),
            worker_wait: Duration::from_secs(20),
            heartbeat_interval: Duration::from_secs(2),
            suspect_after: Duration::from_secs(5),
            self_fence: Duration::from_secs(8),
            lease: Duration::from_secs(10),
            reconnect_grace: Duration::from_secs(2),
            abort_confirmation: Duration::from_secs(15),
            register_timeout: Duration::from_secs(5),
            max_slots_per_worker: 10_000,
            max_tools_per_worker: 10_000,
            max_connections: 20_000,
            max_connections_per_address: 2_000,
            max_new_connections_per_address: 1_000,
            max_streams_per_connection: 1_000,
            peers: Vec::new(),
            threads: 0,
            tls: None,
            worker_tls: None,
            requests: RequestLimits::default(),
            admin: AdminSection::default(),
            history: HistorySection::default(),
            traces: TracesSection::default(),
            scaler: ScalerSection::default(),
            log: Log::default(),
            auth: None,
            worker_identities: Vec::new(),
            audit: AuditSection::default(),
            tenants: BTreeMap::new(),
            tenant_defaults: TenantSection::default(),
        }
    }
}

// === impl Config ===

impl Config {
    /// For a coordinator in the process of its worker: a free port of loopback, and an unknown tool is
    /// answered at once.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            startup_grace: Duration::ZERO,
            ..Self::default()
        }
    }

    /// Every value that cannot be used, in the order of the keys.
    #[must_use]
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        self.check_listeners(&mut wrong);
        self.check_bounds(&mut wrong);
        if self.threads > MAX_THREADS {
            wrong.push(Wrong {
                key: "threads",
                what: format!("{} is too many", self.threads),
                expected: format!("0 to {MAX_THREADS}"),
            });
        }
        peers::check(&self.peers, &mut wrong);
        self.check_health(&mut wrong);
        wrong.extend(Identities::check(self));
        self.traces.check(&mut wrong);
        self.history.check(&mut wrong);
        self.log.check(&mut wrong);
        let audit = self.audit.check().into_iter();
        wrong.extend(audit.map(|(key, what, expected)| Wrong { key, what, expected }));
        wrong
    }

    fn check_bounds(&self, wrong: &mut Vec<Wrong>) {
        let mut above = |key, value: u64, least: u64| {
            if value < least {
                let expected = format!("at least {least}");
                wrong.push(Wrong {
                    key,
                    what: format!("{value} is too small"),
                    expected,
                });
            }
        };
        above("max_in_flight", self.max_in_flight as u64, 1);
        above("max_queued_calls", self.max_queued_calls as u64, 1);
        above("max_payload_bytes", self.max_payload_bytes, 1);
        above("max_result_bytes", self.max_result_bytes, 1);
        above("max_slots_per_worker", self.max_slots_per_worker.into(), 1);
        above("max_tools_per_worker", self.max_tools_per_worker as u64, 1);
        above("max_connections", self.max_connections as u64, 1);
        above(
            "max_connections_per_address",
            self.max_connections_per_address as u64,
            1,
        );
        above(
            "max_new_connections_per_address",
            self.max_new_connections_per_address as u64,
            1,
        );
        above(
            "max_streams_per_connection",
            self.max_streams_per_connection.into(),
            1,
        );
        above("requests.max_calls", self.requests.max_calls as u64, 1);
        above("requests.max_waves", self.requests.max_waves.into(), 1);
        above(
            "requests.max_parameters_bytes",
            self.requests.max_parameters_bytes as u64,
            2,
        );
        // Workers send frames of this size too.
        above(
            "requests.max_request_bytes",
            self.requests.max_request_bytes as u64,
            LEAST_MESSAGE.into(),
        );
        let mut below = |key, value: u64, most: u64| {
            if value > most {
                let expected = format!("at most {most}");
                wrong.push(Wrong {
                    key,
                    what: format!("{value} is too large"),
                    expected,
                });
            }
        };
        below("max_result_bytes", self.max_result_bytes, LARGEST);
        let requests = &self.requests;
        below(
            "requests.max_request_bytes",
            requests.max_request_bytes as u64,
            LARGEST,
        );
        below(
            "requests.max_parameters_bytes",
            requests.max_parameters_bytes as u64,
            LARGEST,
        );
        below("requests.max_json_depth", requests.max_json_depth as u64, DEEPEST);
    }

    fn check_health(&self, wrong: &mut Vec<Wrong>) {
        let mut above_zero = |key, value: Duration| {
            if value.is_zero() {
                wrong.push(Wrong {
                    key,
                    what: "is zero".into(),
                    expected: "a duration above zero".into(),
                });
            }
        };
        above_zero("default_timeout", self.default_timeout);
        above_zero("heartbeat_interval", self.heartbeat_interval);
        above_zero("register_timeout", self.register_timeout);
        above_zero("abort_confirmation", self.abort_confirmation);
        let text = |duration: Duration| humantime::format_duration(duration).to_string();
        let mut rule = |key, good: bool, what: String, expected: &str| {
            if !good {
                wrong.push(Wrong {
                    key,
                    what,
                    expected: expected.into(),
                });
            }
        };
        let (beat, lease) = (self.heartbeat_interval, self.lease);
        rule(
            "lease",
            lease >= beat * 2,
            format!("{} is less than two heartbeats of {}", text(lease), text(beat)),
            "at least twice heartbeat_interval, so that one lost heartbeat loses no worker",
        );
        rule(
            "suspect_after",
            self.suspect_after > beat && self.suspect_after <= lease,
            format!(
                "{} is not between heartbeat_interval and lease",
                text(self.suspect_after)
            ),
            "more than heartbeat_interval and at most lease",
        );
        rule(
            "self_fence",
            self.self_fence < lease,
            format!(
                "{} is not before the lease of {}",
                text(self.self_fence),
                text(lease)
            ),
            "less than lease, so that a worker stops before its calls run elsewhere",
        );
        rule(
            "reconnect_grace",
            self.reconnect_grace <= lease,
            format!(
                "{} is more than the lease of {}",
                text(self.reconnect_grace),
                text(lease)
            ),
            "at most lease",
        );
    }

    /// The scheduler's part.
    pub(crate) fn scheduler(&self) -> toolwave_scheduler::Config {
        toolwave_scheduler::Config {
            max_in_flight: self.max_in_flight,
            max_queued_calls: self.max_queued_calls,
            suspect_after: self.suspect_after,
            lease: self.lease,
            reconnect_grace: self.reconnect_grace,
            abort_confirmation: self.abort_confirmation,
            worker_wait: self.worker_wait,
            startup_grace: self.startup_grace,
            seed: uuid::Uuid::new_v4().as_u64_pair().0,
            ..toolwave_scheduler::Config::default()
        }
    }
}
