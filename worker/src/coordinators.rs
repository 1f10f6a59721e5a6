//! The coordinators of a worker: which addresses there are now, and a tie to each, which is a task of its own.
//!
//! Addresses come from the names that the worker was given and from what coordinators tell it of others. It knows
//! nothing of attempts, and never ends a session: a tie whose address is named no more ends by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use toolwave_link::{Address, Link, Resolver};

use crate::{
    service::{Service, Shared},
    shares::TieKey,
};

/// Each has a connection and a share of the slots; every coordinator has one of every worker.
const MOST: usize = 10;
/// How often names are looked up.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(5);
/// The same, while none has an address.
const FIRST_LOOKUP_INTERVAL: Duration = Duration::from_millis(500);

/// What coordinators tell of others; it counts as long as the session in which it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Lists>);

#[derive(Debug, Default)]
struct Lists {
    by: Mutex<BTreeMap<TieKey, Vec<String>>>,
    changed: Notify,
}

/// What a tie is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Address(SocketAddr),
    /// What is given connects by means of its own: which, of those that are given.
    Given(usize),
}

/// A name, and how who is found there is spoken to: as the link that was given, which it must prove to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    host: String,
    port: u16,
    link: usize,
}

struct Entry {
    key: TieKey,
    link: usize,
    wanted: watch::Sender<bool>,
}

type Found = Vec<(Name, io::Result<Vec<SocketAddr>>)>;

pub(crate) struct Coordinators {
    /// As given.
    links: Vec<Link>,
    resolver: Resolver,
    shared: Shared,
    stop: CancellationToken,
    /// The addresses that each name had when it was looked up last; a name that cannot be looked up keeps them.
    known: BTreeMap<Name, Vec<SocketAddr>>,
    /// Names of which it was said that they cannot be looked up.
    unknown_told: BTreeSet<Name>,
    beyond_told: bool,
    ties: BTreeMap<Target, Entry>,
    tasks: JoinSet<Target>,
    keys: u64,
}

impl Told {
    pub(crate) fn tell(&self, by: TieKey, mut addresses: Vec<String>) {
        addresses.truncate(MOST);
        self.lists().insert(by, addresses);
        self.0.changed.notify_one();
    }

    pub(crate) fn forget(&self, by: TieKey) {
        if self.lists().remove(&by).is_some() {
            self.0.changed.notify_one();
        }
    }

    fn lists(&self) -> MutexGuard<'_, BTreeMap<TieKey, Vec<String>>> {
        self.0.by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coordinators {
    pub(crate) fn new(links: Vec<Link>, resolver: Resolver, shared: Shared, stop: CancellationToken) -> Self {
        Self {
            links,
            resolver,
            shared,
            stop,
            known: BTreeMap::new(),
            unknown_told: BTreeSet::new(),
            beyond_told: false,
            ties: BTreeMap::new(),
            tasks: JoinSet::new(),
            keys: 0,
        }
    }

    /// Keeps a tie to each address until `stop` fires and every tie has ended.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut looking: Option<BoxFuture<'static, Found>> = Some(self.look());
        let mut again = Instant::now();
        loop {
            if stop.is_cancelled() {
                // each tie drains by itself
                while let Some(ended) = self.tasks.join_next().await {
                    self.on_ended(ended);
                }
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.tasks.join_next() => {
                    self.on_ended(ended);
                    self.keep_ties();
                }
                found = found(&mut looking) => {
                    looking = None;
                    again = Instant::now() + self.interval();
                    self.on_found(found);
                }
                () = self.shared.told.0.changed.notified() => looking = Some(self.look()),
                () = tokio::time::sleep_until(again), if looking.is_none() && self.changes() => {
                    looking = Some(self.look());
                }
            }
        }
    }

    fn interval(&self) -> Duration {
        let interval = match self.known.is_empty() {
            true => FIRST_LOOKUP_INTERVAL,
            false => LOOKUP_INTERVAL,
        };
        interval.mul_f64(0.8 + 0.4 * fastrand::f64())
    }

    /// There are names whose addresses may change.
    fn changes(&self) -> bool {
        self.names()
            .iter()
            .any(|name| name.host.parse::<std::net::IpAddr>().is_err())
    }

    /// Those that were given, then those that were told, each once.
    fn names(&self) -> Vec<Name> {
        let given = self.links.iter().enumerate().filter(|(_, link)| link.is_tcp());
        let mut names: Vec<Name> = given
            .map(|(at, link)| Name {
                host: link.address().host().to_owned(),
                port: link.address().port(),
                link: at,
            })
            .collect();
        for (by, addresses) in &*self.shared.told.lists() {
            let Some(teller) = self.ties.values().find(|tie| tie.key == *by) else {
                continue;
            };
            names.extend(
                addresses
                    .iter()
                    .filter_map(|address| self.told_name(address, teller.link)),
            );
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert((name.host.clone(), name.port)));
        names
    }

    /// Who is there must prove to be what the teller was asked to prove: with TLS, to the same name; without, nothing.
    fn told_name(&self, address: &str, link: usize) -> Option<Name> {
        let teller = self.links.get(link).filter(|link| link.is_tcp())?;
        let address = Address::parse(address).ok();
        let address = address.filter(|address| address.is_tls() == teller.address().is_tls())?;
        Some(Name {
            host: address.host().to_owned(),
            port: address.port(),
            link,
        })
    }

    fn look(&self) -> BoxFuture<'static, Found> {
        let one = |name: Name| {
            let resolver = self.resolver.clone();
            async move {
                let addresses = resolver.resolve(&name.host, name.port).await;
                (name, addresses)
            }
        };
        Box::pin(join_all(self.names().into_iter().map(one)))
    }

    fn on_found(&mut self, found: Found) {
        let names: BTreeSet<Name> = found.iter().map(|(name, _)| name.clone()).collect();
        self.known.retain(|name, _| names.contains(name));
        self.unknown_told.retain(|name| names.contains(name));
        for (name, addresses) in found {
            match addresses {
                Ok(addresses) => {
                    self.unknown_told.remove(&name);
                    let before = self.known.insert(name.clone(), addresses.clone());
                    if before.as_ref() != Some(&addresses) && name.host.parse::<std::net::IpAddr>().is_err() {
                        tracing::info!(host = name.host, ?addresses, "coordinators found");
                    }
                }
                Err(error) => {
                    let keeps = self.known.get(&name).map_or(0, Vec::len);
                    if self.unknown_told.insert(name.clone()) {
                        tracing::warn!(host = name.host, %error, keeps, "a coordinator's name cannot be looked up");
                    }
                }
            }
        }
        self.keep_ties();
    }

    /// A tie to each address that is known, up to the limit: those of names that were given come first.
    fn keep_ties(&mut self) {
        let mut wanted: Vec<(Target, usize)> = Vec::new();
        let given = self.links.iter().enumerate().filter(|(_, link)| !link.is_tcp());
        wanted.extend(given.map(|(at, _)| (Target::Given(at), at)));
        for name in self.names() {
            let addresses = self.known.get(&name).into_iter().flatten();
            wanted.extend(addresses.map(|address| (Target::Address(*address), name.link)));
        }
        let mut seen = BTreeSet::new();
        wanted.retain(|(target, _)| seen.insert(*target));
        let beyond = wanted.len().saturating_sub(MOST);
        wanted.truncate(MOST);
        if beyond > 0 && !std::mem::replace(&mut self.beyond_told, true) {
            tracing::warn!(
                limit = MOST,
                beyond,
                "more coordinators than a worker connects to"
            );
        }
        for (target, entry) in &self.ties {
            let still = wanted.iter().any(|(wanted, _)| wanted == target);
            entry
                .wanted
                .send_if_modified(|wanted| std::mem::replace(wanted, still) != still);
        }
        for (target, link) in wanted {
            if !self.ties.contains_key(&target) {
                self.tie(target, link);
            }
        }
    }

    fn tie(&mut self, target: Target, link: usize) {
        let way = match target {
            Target::Address(address) => self.links[link].at(address),
            Target::Given(at) => self.links[at].clone(),
        };
        self.keys += 1;
        let key = TieKey(self.keys);
        let (wanted, still) = watch::channel(true);
        let service = Service::new(key, way, still, self.shared.clone());
        let running = service.run(self.stop.clone());
        self.tasks.spawn(async move {
            running.await;
            target
        });
        self.ties.insert(target, Entry { key, link, wanted });
    }

    fn on_ended(&mut self, ended: Result<Target, tokio::task::JoinError>) {
        match ended {
            Ok(target) => drop(self.ties.remove(&target)),
            // Nobody would serve its coordinator: the worker ends, as whoever supervises it then sees.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => tracing::error!("the loop of a coordinator was cancelled"),
            },
        }
    }
}

/// Cancel safe; waits for ever where nothing is looked up.
async fn found(looking: &mut Option<BoxFuture<'static, Found>>) -> Found {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}
