//! The coordinators that a client may ask: one at a time, kept as long as it answers, and another when it does not.
//!
//! It decides nothing about requests; `failover` says what may be sent again.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tonic::transport::Channel;
use toolwave_link::{Link, Resolver};
use toolwave_proto::v1::{
    admin_service_client::AdminServiceClient, execution_service_client::ExecutionServiceClient,
};

use crate::{
    ClientError, MAX_MESSAGE_BYTES,
    token::{Authorized, Token},
};

/// How long one of several coordinators is left alone that could not be reached.
const REST: Duration = Duration::from_secs(1);

/// What clones of a client share.
pub(crate) struct Pool {
    /// As given, each with its URL.
    links: Vec<(String, Link)>,
    resolver: Resolver,
    token: Option<Token>,
    state: Mutex<State>,
    /// Many requests that miss their coordinator at once look for one together.
    searching: tokio::sync::Mutex<()>,
}

struct State {
    current: Option<Arc<Way>>,
    /// Where the next search begins; at random at first, so that clients spread.
    next: usize,
    resting: BTreeMap<Place, Instant>,
    ways: u64,
}

/// One address of one of the URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    link: usize,
    address: Option<SocketAddr>,
}

/// A connection to one coordinator.
pub(crate) struct Way {
    number: u64,
    place: Place,
    pub(crate) address: String,
    pub(crate) link: Link,
    pub(crate) execution: ExecutionServiceClient<Authorized>,
    pub(crate) admin: AdminServiceClient<Authorized>,
}

impl Pool {
    pub(crate) fn new(links: Vec<(String, Link)>, resolver: Resolver, token: Option<Token>) -> Self {
        let state = State {
            current: None,
            next: fastrand::usize(..),
            resting: BTreeMap::new(),
            ways: 0,
        };
        Self {
            links,
            resolver,
            token,
            state: Mutex::new(state),
            searching: tokio::sync::Mutex::default(),
        }
    }

    /// The first that was given.
    pub(crate) fn url(&self) -> &str {
        self.links.first().map_or("", |(url, _)| url)
    }

    /// There is one URL, which leads to this machine or to an address: nobody else is to be asked.
    pub(crate) fn is_single(&self) -> bool {
        let [(_, link)] = &*self.links else { return false };
        link.address().is_loopback()
            || link.address().host().parse::<std::net::IpAddr>().is_ok()
            || !link.is_tcp()
    }

    /// The coordinator that was asked last, or one that can be connected to now and does not rest.
    pub(crate) async fn way(&self) -> Result<Arc<Way>, ClientError> {
        if let Some(way) = self.state().current.clone() {
            return Ok(way);
        }
        let _search = self.searching.lock().await;
        if let Some(way) = self.state().current.clone() {
            return Ok(way);
        }
        let mut missed = None;
        for place in self.places().await? {
            let (url, link) = &self.links[place.link];
            let link = place
                .address
                .map_or_else(|| link.clone(), |address| link.at(address));
            let address = match place.address {
                Some(ip) if !self.is_single() => format!("{url} ({ip})"),
                _ => url.clone(),
            };
            match link.connect().await {
                Ok(channel) => return Ok(self.keep(place, address, link, channel)),
                Err(failure) => {
                    self.rest(place, REST);
                    missed = Some(ClientError::from_link(&address, failure));
                }
            }
        }
        Err(missed.unwrap_or_else(|| ClientError::Unreachable {
            address: self.url().to_owned(),
            reason: "none of its addresses is to be tried now".to_owned(),
        }))
    }

    /// Not this one again for a while, if there are others.
    pub(crate) fn leave(&self, way: &Way, rest: Duration) {
        self.rest(way.place, rest);
        let mut state = self.state();
        if state
            .current
            .as_ref()
            .is_some_and(|current| current.number == way.number)
        {
            state.current = None;
        }
    }

    /// When one that rests may be asked again; `None`: some do not rest.
    pub(crate) async fn rested_at(&self) -> Option<Instant> {
        let places = self.places().await.ok()?;
        let state = self.state();
        let resting = places.iter().map(|place| state.resting.get(place).copied());
        resting.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    fn rest(&self, place: Place, rest: Duration) {
        let mut state = self.state();
        let now = Instant::now();
        state.resting.retain(|_, until| *until > now);
        state.resting.insert(place, now + rest);
    }

    fn keep(&self, place: Place, address: String, link: Link, channel: Channel) -> Arc<Way> {
        let channel = Authorized::new(channel, self.token.clone());
        let execution = ExecutionServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let admin = AdminServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut state = self.state();
        state.ways += 1;
        let way = Arc::new(Way {
            number: state.ways,
            place,
            address,
            link,
            execution,
            admin,
        });
        state.current = Some(Arc::clone(&way));
        way
    }

    /// Every address of every URL in turn, those that rest last: names are looked up for each search.
    async fn places(&self) -> Result<Vec<Place>, ClientError> {
        let mut places = Vec::new();
        let mut unknown = None;
        for (at, (url, link)) in self.links.iter().enumerate() {
            if self.is_single() || !link.is_tcp() {
                places.push(Place {
                    link: at,
                    address: None,
                });
                continue;
            }
            let address = link.address();
            match self.resolver.resolve(address.host(), address.port()).await {
                Ok(found) => places.extend(found.into_iter().map(|address| Place {
                    link: at,
                    address: Some(address),
                })),
                Err(error) => {
                    unknown = Some(ClientError::Unreachable {
                        address: url.clone(),
                        reason: error.to_string(),
                    });
                }
            }
        }
        if let (true, Some(unknown)) = (places.is_empty(), unknown) {
            return Err(unknown);
        }
        let mut state = self.state();
        let count = places.len().max(1);
        places.rotate_left(state.next % count);
        state.next = (state.next % count + 1) % count;
        let now = Instant::now();
        places.sort_by_key(|place| state.resting.get(place).filter(|until| **until > now).copied());
        Ok(places)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// What its coordinator, or the way there, said.
    pub(crate) fn error(&self, status: tonic::Status) -> ClientError {
        ClientError::from_status(&self.address, &self.link, status)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let links: Vec<&Link> = self.links.iter().map(|(_, link)| link).collect();
        f.debug_struct("Pool")
            .field("links", &links)
            .finish_non_exhaustive()
    }
}
