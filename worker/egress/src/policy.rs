//! Where requests may go: hosts by name, and every address that a name resolves to.
//!
//! It decides and never connects; [`client`](crate::client) connects only to what passed here.

use std::{net::IpAddr, sync::Arc};

use reqwest::Url;

use crate::{
    address::{Reach, reach},
    range::Range,
};

/// A request is not let out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(pub String);

/// A text names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is no host to allow: {reason}")]
pub struct EntryError {
    /// As given.
    pub entry: String,
    /// What was wrong and what would be right.
    pub reason: &'static str,
}

/// What may be reached. Two that are equal permit the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    entries: Arc<[Entry]>,
    inside: Inside,
    schemes: Schemes,
    /// The one host that requests are made for, where there is one.
    origin: Option<(String, u16)>,
}

/// One service: the URL's scheme, host and port, and what else its answers may lead to.
#[derive(Clone, Debug)]
pub struct Service<'a> {
    /// Of which scheme, host and port count.
    pub url: &'a Url,
    /// http beside https.
    pub plain_http: bool,
    /// Loopback and private addresses that may be reached. Link-local, metadata and other reserved ones only where one
    /// range is that address.
    pub inside: &'a [Range],
    /// Where redirects may lead.
    pub redirects: &'a Redirects,
}

/// Where redirects may lead, once somebody follows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// To the service itself.
    #[default]
    Own,
    /// To any public host as well.
    Public,
    /// To these hosts as well: `host`, `host:port`, `*.domain`.
    Hosts(Vec<String>),
}

/// Which addresses that are not public are permitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Inside {
    /// Those that an entry names itself, and loopback for `localhost`.
    Named,
    /// Loopback and private ones of every entry.
    EveryEntry,
    /// Those in the ranges.
    Ranges(Arc<[Range]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Schemes {
    Https,
    HttpAndHttps,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    host: Host,
    /// None: the port of the scheme.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    /// Every name that ends so; begins with a dot.
    Below(String),
    Address(IpAddr),
    Any,
}

// === impl Policy ===

impl Policy {
    /// The hosts of a list: `host` (its ports 80 for http, 443 for https), `host:port`, `*.domain`, an IP address. An
    /// entry that is itself a loopback or private address, or `localhost`, permits that address; `private_addresses`
    /// permits loopback and private ones for all.
    ///
    /// # Errors
    /// The first entry that names no host, or that there is none.
    pub fn hosts(entries: &[String], private_addresses: bool) -> Result<Self, EntryError> {
        if entries.is_empty() {
            return Err(EntryError {
                entry: String::new(),
                reason: "no host is named; list the hosts that may be called",
            });
        }
        Ok(Self {
            entries: entries
                .iter()
                .map(|entry| Entry::read(entry))
                .collect::<Result<_, _>>()?,
            inside: if private_addresses {
                Inside::EveryEntry
            } else {
                Inside::Named
            },
            schemes: Schemes::HttpAndHttps,
            origin: None,
        })
    }

    /// One service, and where its redirects may lead.
    ///
    /// # Errors
    /// A host of `redirects` that is none.
    pub fn service(service: &Service<'_>) -> Result<Self, EntryError> {
        let host = service.url.host_str().unwrap_or_default();
        let port = service.url.port_or_known_default().unwrap_or_default();
        let own = Entry {
            host: match literal(host) {
                Some(address) => Host::Address(address),
                None => Host::Name(host.to_owned()),
            },
            port: service.url.port(),
        };
        let mut entries = vec![own];
        match service.redirects {
            Redirects::Own => {}
            Redirects::Public => entries.push(Entry {
                host: Host::Any,
                port: None,
            }),
            Redirects::Hosts(hosts) => {
                for host in hosts {
                    entries.push(Entry::read(host)?);
                }
            }
        }
        Ok(Self {
            entries: entries.into(),
            inside: Inside::Ranges(service.inside.into()),
            schemes: if service.plain_http {
                Schemes::HttpAndHttps
            } else {
                Schemes::Https
            },
            origin: Some((host.to_owned(), port)),
        })
    }

    /// Whether a request may go to the URL's host and port, as far as can be said before its name is resolved.
    ///
    /// # Errors
    /// Says what is not let out.
    pub fn check(&self, url: &Url) -> Result<(), Denied> {
        match (self.schemes, url.scheme()) {
            (Schemes::HttpAndHttps, "http") | (_, "https") => {}
            (Schemes::HttpAndHttps, scheme) => {
                return Err(Denied(format!("{scheme} is not spoken, only http and https")));
            }
            (Schemes::Https, scheme) => {
                return Err(Denied(format!("{scheme} is not spoken, only https")));
            }
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
        // What is permitted inside for the service's port is found again by its name alone, when it is resolved.
        let other_port = |(own, own_port): &(String, u16)| own == host && *own_port != port;
        if !self.entries.iter().any(|entry| named(&entry)) || self.origin.as_ref().is_some_and(other_port) {
            return Err(Denied(format!(
                "{host}:{port} is not among the hosts that the operator allows"
            )));
        }
        match literal(host) {
            Some(address) => self.check_address(host, address, Some(port)),
            None => Ok(()),
        }
    }

    /// Whether a request for `host` may go to `address`; without a port, to the service's own where it is its host.
    pub(crate) fn check_address(&self, host: &str, address: IpAddr, port: Option<u16>) -> Result<(), Denied> {
        if self.permits(host, address, port) {
            return Ok(());
        }
        Err(Denied(format!(
            "{host} is at {address}, which is not a public address"
        )))
    }

    fn permits(&self, host: &str, address: IpAddr, port: Option<u16>) -> bool {
        let reach = reach(address);
        let nowhere = address.is_unspecified() || address.is_multicast();
        if let Inside::Ranges(ranges) = &self.inside {
            let own = self.origin.as_ref().filter(|(own, _)| own == host);
            let port = port.or(own.map(|(_, port)| *port));
            let mut holding = ranges.iter().filter(|range| range.holds(address, port));
            return match reach {
                Reach::Public => true,
                Reach::Loopback | Reach::Private => holding.next().is_some(),
                Reach::Reserved => holding.any(Range::is_address) && !nowhere,
            };
        }
        let every = self.inside == Inside::EveryEntry;
        let matching = || self.entries.iter().filter(|entry| entry.host.is(host));
        let is_entry = matching().any(|entry| entry.host == Host::Address(address));
        let local = matching().any(|entry| entry.host == Host::Name("localhost".to_owned()));
        match reach {
            Reach::Public => true,
            Reach::Loopback => is_entry || local || every,
            Reach::Private => is_entry || every,
            Reach::Reserved => is_entry && !nowhere,
        }
    }
}

// === impl Entry ===

impl Entry {
    fn read(text: &str) -> Result<Self, EntryError> {
        Self::parse(text).map_err(|reason| EntryError {
            entry: text.to_owned(),
            reason,
        })
    }

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
            Self::Any => true,
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
