//! What each tenant may use, as the operator set it: the sections `tenants` and `tenant_defaults`, and what they
//! come to for one tenant. Counts nothing: that is the scheduler's, and for bytes the driver's.

mod bound;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::SocketAddr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tonic::Extensions;
use toolwave_scheduler::{CallRate, TenantLimit, TenantLimits};

pub use bound::{Bound, Bytes, Rate};

use crate::identity::{Client, NamePatterns, Peer};

/// `[tenants.NAME]` and `[tenant_defaults]`: what is left out of the one is taken from the other, and what is left
/// out of both is no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSection {
    /// Attempts in flight at once; what is beyond waits. 0 admits nothing.
    pub max_in_flight: Option<Bound<u32>>,
    /// Calls accepted and not in flight; an execution that would go beyond is refused.
    pub max_queued_calls: Option<Bound<u32>>,
    /// Parameters and results held; beyond it executions are refused.
    pub max_payload_bytes: Option<Bound<Bytes>>,
    /// Calls admitted a second, over time.
    pub calls_per_second: Option<Bound<Rate>>,
    /// Calls that may come at once after a rest; a second's worth unless said.
    pub burst: Option<Burst>,
    /// Turns for one of a tenant of weight 1; 1 unless said.
    pub weight: Option<Weight>,
    /// The tools that its clients may name, of those that their credentials allow; all unless said.
    pub tools: Option<NamePatterns>,
}

/// The name of a tenant: 1 to 128 bytes of [A-Za-z0-9._:-].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantName(String);

/// 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u32);

/// At least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Burst(u32);

/// What one tenant may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowance {
    pub(crate) limits: TenantLimits,
    pub(crate) max_payload_bytes: Option<u64>,
    /// `None`: all.
    pub(crate) tools: Option<NamePatterns>,
}

/// A limit of a tenant at which executions are refused, with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quota {
    /// Nothing may be in flight.
    InFlight,
    /// Calls that wait at once.
    QueuedCalls(u32),
    /// Parameters and results held at once, in bytes.
    PayloadBytes(u64),
    /// Calls admitted over time.
    CallsPerSecond {
        /// In the long run.
        rate: f64,
        /// At once after a rest.
        burst: u32,
    },
}

/// All allowances.
#[derive(Debug, Default)]
pub(crate) struct Allowances {
    named: HashMap<String, Arc<Allowance>>,
    others: Arc<Allowance>,
}

/// Who asks, for whom, from where.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client: Arc<Client>,
    pub(crate) allowance: Arc<Allowance>,
    pub(crate) peer: Option<SocketAddr>,
}

// === impl Allowances ===

impl Allowances {
    pub(crate) fn new(tenants: &BTreeMap<TenantName, TenantSection>, defaults: &TenantSection) -> Self {
        let named = tenants
            .iter()
            .map(|(name, section)| (name.0.clone(), Arc::new(Allowance::new(section, defaults))));
        Self {
            named: named.collect(),
            others: Arc::new(Allowance::new(&TenantSection::default(), defaults)),
        }
    }

    /// Of a tenant, whether it has a section or not.
    pub(crate) fn of(&self, tenant: &str) -> &Arc<Allowance> {
        self.named.get(tenant).unwrap_or(&self.others)
    }

    /// Who sent a request.
    pub(crate) fn caller(&self, extensions: &Extensions) -> Caller {
        let client = Client::of(extensions);
        Caller {
            allowance: self.of(&client.tenant).clone(),
            client,
            peer: peer(extensions),
        }
    }
}

/// The other end of the connection that a request came over.
pub(crate) fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    let tcp = || {
        extensions
            .get::<tonic::transport::server::TcpConnectInfo>()?
            .remote_addr()
    };
    extensions.get::<Peer>().map(|peer| peer.address).or_else(tcp)
}

// === impl Allowance ===

impl Allowance {
    fn new(section: &TenantSection, defaults: &TenantSection) -> Self {
        let rate = bound(section.calls_per_second, defaults.calls_per_second).map(|rate| CallRate {
            per_second: rate.0,
            burst: section
                .burst
                .or(defaults.burst)
                .map_or_else(|| (rate.0.ceil() as u32).max(1), |burst| burst.0),
        });
        Self {
            limits: TenantLimits {
                max_in_flight: bound(section.max_in_flight, defaults.max_in_flight),
                max_queued_calls: bound(section.max_queued_calls, defaults.max_queued_calls),
                rate,
                weight: section.weight.or(defaults.weight).map_or(1, |weight| weight.0),
            },
            max_payload_bytes: bound(section.max_payload_bytes, defaults.max_payload_bytes)
                .map(|bytes| bytes.0),
            tools: section
                .tools
                .clone()
                .or_else(|| defaults.tools.clone())
                .filter(|tools| !tools.allow_all()),
        }
    }
}

impl Allowance {
    /// What the scheduler refused for, with its value.
    pub(crate) fn quota(&self, limit: TenantLimit) -> Quota {
        match limit {
            TenantLimit::InFlight => Quota::InFlight,
            TenantLimit::QueuedCalls => Quota::QueuedCalls(self.limits.max_queued_calls.unwrap_or_default()),
            TenantLimit::CallsPerSecond => {
                let rate = self.limits.rate;
                Quota::CallsPerSecond {
                    rate: rate.map_or(0.0, |rate| rate.per_second),
                    burst: rate.map_or(0, |rate| rate.burst),
                }
            }
        }
    }
}

fn bound<T>(own: Option<Bound<T>>, default: Option<Bound<T>>) -> Option<T> {
    match own.or(default)? {
        Bound::At(value) => Some(value),
        Bound::Unlimited => None,
    }
}

// === impl Caller ===

impl Caller {
    /// It may name the tool.
    pub(crate) fn may_name(&self, tool: &str) -> bool {
        self.client.tools.allow(tool)
            && self
                .allowance
                .tools
                .as_ref()
                .is_none_or(|tools| tools.allow(tool))
    }

    /// It may name every tool.
    pub(crate) fn may_name_all(&self) -> bool {
        self.allowance.tools.is_none() && self.client.tools.allow_all()
    }
}

// === impl Quota ===

impl Quota {
    /// The key in the configuration.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::InFlight => "max_in_flight",
            Self::QueuedCalls(_) => "max_queued_calls",
            Self::PayloadBytes(_) => "max_payload_bytes",
            Self::CallsPerSecond { .. } => "calls_per_second",
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight => write!(formatter, "no call of the tenant may be in flight"),
            Self::QueuedCalls(limit) => {
                write!(formatter, "at most {limit} calls of the tenant may wait at once")
            }
            Self::PayloadBytes(limit) => write!(
                formatter,
                "at most {limit} bytes of parameters and results of the tenant may be held at once"
            ),
            Self::CallsPerSecond { rate, burst } => write!(
                formatter,
                "at most {rate} calls a second of the tenant are admitted, {burst} at once"
            ),
        }
    }
}

// === impl TenantName, Weight, Burst ===

impl TryFrom<String> for TenantName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let good = (1..=128).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        if good {
            Ok(Self(name))
        } else {
            let name: String = name.chars().take(160).collect();
            Err(format!(
                "`{name}` is no name of a tenant; expected 1 to 128 of [A-Za-z0-9._:-]"
            ))
        }
    }
}

impl From<TenantName> for String {
    fn from(name: TenantName) -> Self {
        name.0
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;

    fn try_from(weight: u32) -> Result<Self, String> {
        let heaviest = TenantLimits::HEAVIEST;
        if (1..=heaviest).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(format!("{weight} is no weight; expected 1 to {heaviest}"))
        }
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl TryFrom<u32> for Burst {
    type Error = String;

    fn try_from(burst: u32) -> Result<Self, String> {
        if burst > 0 {
            Ok(Self(burst))
        } else {
            Err("0 lets no call come; expected at least 1, or `calls_per_second = 0` to admit none".into())
        }
    }
}

impl From<Burst> for u32 {
    fn from(burst: Burst) -> Self {
        burst.0
    }
}

#[cfg(test)]
mod crossing;
#[cfg(test)]
mod tests;
