//! The clients of all HTTP tools: those with the same rules share one, and with it its connections.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    time::Duration,
};

use reqwest::Certificate;
use toolwave_egress::{Exchange, Lookup, Policy, client, system_lookup};

/// Idle connections that are kept for one host.
const MAX_IDLE: usize = 32;

/// How HTTP tools find and reach services. Cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    lookup: Lookup,
    /// A client lives as long as a tool has it.
    clients: Mutex<HashMap<Rules, Weak<Exchange>>>,
}

/// What tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    /// PEM; `None`: those of the system.
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) connect_timeout: Duration,
}

impl Network {
    /// With the system's resolver; one for the whole process.
    #[must_use]
    pub fn system() -> Self {
        static SYSTEM: LazyLock<Network> = LazyLock::new(|| Network::resolving(system_lookup()));
        SYSTEM.clone()
    }

    /// With a resolver of yours. Every address that it finds is checked as any other is.
    #[must_use]
    pub fn resolving(lookup: Lookup) -> Self {
        Self(Arc::new(Shared {
            lookup,
            clients: Mutex::default(),
        }))
    }

    /// The client of these rules.
    pub(super) fn exchange(&self, rules: &Rules) -> Result<Arc<Exchange>, String> {
        // Nothing panics while it is held; what it guards is whole in any case.
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = clients.get(rules).and_then(Weak::upgrade) {
            return Ok(exchange);
        }
        clients.retain(|_, exchange| exchange.strong_count() > 0);
        let exchange = Arc::new(self.build(rules)?);
        clients.insert(rules.clone(), Arc::downgrade(&exchange));
        Ok(exchange)
    }

    fn build(&self, rules: &Rules) -> Result<Exchange, String> {
        let mut builder = client(&rules.policy, self.0.lookup.clone())
            .gzip(true)
            .connect_timeout(rules.connect_timeout)
            .pool_max_idle_per_host(MAX_IDLE);
        if let Some(pem) = &rules.authorities {
            builder = builder.tls_certs_only(authorities(pem)?);
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Exchange::new(client, rules.policy.clone()))
    }
}

fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if certificates.is_empty() => Err("it holds no certificate".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(chain(&error)),
    }
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
