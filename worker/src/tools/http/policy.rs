//! Where requests may go: the allowed hosts, and the check of every address that a name resolves to.
//!
//! The client connects only to addresses that came through [`CheckedResolver`], so a name cannot mean one address when
//! it is checked and another when it is used.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use super::{
    super::{BuiltinError, HttpAccess},
    address::{Reach, reach},
};

/// Finds the addresses of a name.
pub(in crate::tools) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The system's resolver.
pub(in crate::tools) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// A request is not let out. Told to the caller as `EGRESS_DENIED`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Denied(pub(super) String);

/// The allowed hosts.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    entries: Arc<[Entry]>,
    private_addresses: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    host: Host,
    /// None: the port of the scheme.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    /// Every name that ends so; begins with a dot.
    Below(String),
    Address(IpAddr),
}

// === impl Policy ===

impl Policy {
    /// Reads the entries.
    pub(super) fn new(access: &HttpAccess) -> Result<Self, BuiltinError> {
        if access.hosts.is_empty() {
            let reason = "no host is named; list the hosts that may be called";
            return Err(BuiltinError::Host {
                entry: String::new(),
                reason,
            });
        }
        let entry = |text: &String| {
            Entry::parse(text).map_err(|reason| BuiltinError::Host {
                entry: text.clone(),
                reason,
            })
        };
        let entries = access.hosts.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self {
            entries,
            private_addresses: access.private_addresses,
        })
    }

    /// Whether a request may go to the URL's host and port, as far as can be said before its name is resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Denied> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Denied(format!(
                "{} is not spoken, only http and https",
                url.scheme()
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denied("a user or password in a URL is not taken".to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        // Url leaves a port out where it is the scheme's own.
        let usual = url.port().is_none();
        let named =
            |entry: &&Entry| entry.host.is(host) && entry.port.map_or(usual, |allowed| allowed == port);
        if !self.entries.iter().any(|entry| named(&entry)) {
            return Err(Denied(format!(
                "{host}:{port} is not among the hosts that the operator allows"
            )));
        }
        match literal(host) {
            Some(address) => self.check_address(host, address),
            None => Ok(()),
        }
    }

    /// Whether a request for `host` may go to `address`.
    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        let matching = || self.entries.iter().filter(|entry| entry.host.is(host));
        let is_entry = matching().any(|entry| entry.host == Host::Address(address));
        let local = matching().any(|entry| entry.host == Host::Name("localhost".to_owned()));
        let permitted = match reach(address) {
            Reach::Public => true,
            Reach::Loopback => is_entry || local || self.private_addresses,
            Reach::Private => is_entry || self.private_addresses,
            Reach::Reserved => is_entry && !address.is_unspecified() && !address.is_multicast(),
        };
        if permitted {
            return Ok(());
        }
        Err(Denied(format!(
            "{host} is at {address}, which is not a public address"
        )))
    }
}

// === impl Entry ===

impl Entry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.to_ascii_lowercase();
        if text.contains("://") || text.contains(['/', '@', '%', ' ', '?', '#']) {
            return Err("write host or host:port, without scheme or path");
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self {
                host: Host::Address(address),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(0) | Err(_) => return Err("the port is no number from 1 to 65535"),
                Ok(port) => (host, Some(port)),
            },
            None => (text.as_str(), None),
        };
        if let Some(address) = literal(host) {
            return Ok(Self {
                host: Host::Address(address),
                port,
            });
        }
        let (below, name) = host.strip_prefix("*.").map_or((false, host), |name| (true, name));
        // What the URL parser makes of it is what requests will be compared with.
        let read = Url::parse(&format!("http://{name}/")).ok();
        if name.is_empty() || name.contains('*') || read.as_ref().and_then(Url::host_str) != Some(name) {
            return Err(
                "it is no host name; one that is: api.example.com, or *.example.com for all below it",
            );
        }
        let host = if below {
            Host::Below(format!(".{name}"))
        } else {
            Host::Name(name.to_owned())
        };
        Ok(Self { host, port })
    }
}

// === impl Host ===

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => name == host,
            Self::Below(end) => host.len() > end.len() && host.ends_with(end) && literal(host).is_none(),
            Self::Address(address) => literal(host) == Some(*address),
        }
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
        .parse()
        .ok()
}

/// Resolves names for the client, and lets none through of which any address is refused.
pub(super) struct CheckedResolver {
    policy: Policy,
    lookup: Lookup,
}

// === impl CheckedResolver ===

impl CheckedResolver {
    pub(super) fn new(policy: Policy, lookup: Lookup) -> Self {
        Self { policy, lookup }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let policy = self.policy.clone();
        let found = (self.lookup)(host.clone());
        Box::pin(async move {
            let found = found.await?;
            for address in &found {
                policy.check_address(&host, *address)?;
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
