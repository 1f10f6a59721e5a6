//! How many connections come in, in all and from one address, and what is said about those that do not. Knows
//! nothing of what they carry.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::Config;

/// For `max_new_connections_per_address`.
const WINDOW: Duration = Duration::from_secs(10);
/// Between two lines of one kind.
const QUIET: Duration = Duration::from_secs(1);

/// A listener's doors.
pub(super) struct Doors {
    /// The key of the listener's address.
    listener: &'static str,
    limits: Limits,
    state: Mutex<State>,
    spoken: Mutex<HashMap<&'static str, Spoken>>,
}

#[derive(Clone, Copy)]
struct Limits {
    all: usize,
    of_address: usize,
    new_of_address: usize,
}

#[derive(Default)]
struct State {
    open: usize,
    /// Those with an open connection, or with one that was new within the window.
    addresses: HashMap<IpAddr, Arrivals>,
    swept: Option<Instant>,
}

struct Arrivals {
    open: usize,
    /// When the window began.
    since: Instant,
    /// Within the window.
    new: usize,
}

struct Spoken {
    at: Instant,
    /// Of its kind, not told yet.
    held: u64,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The key of the limit.
    pub(super) limit: &'static str,
    pub(super) value: usize,
}

/// The right of one connection to be there. Dropped, there is room for another.
pub(super) struct Pass {
    doors: Arc<Doors>,
    address: IpAddr,
}

// === impl Doors ===

impl Doors {
    pub(super) fn new(listener: &'static str, config: &Config) -> Arc<Self> {
        Arc::new(Self {
            listener,
            limits: Limits {
                all: config.max_connections,
                of_address: config.max_connections_per_address,
                new_of_address: config.max_new_connections_per_address,
            },
            state: Mutex::default(),
            spoken: Mutex::default(),
        })
    }

    /// Lets a connection in, or not.
    pub(super) fn enter(self: &Arc<Self>, peer: SocketAddr) -> Result<Pass, Refusal> {
        let address = source(peer.ip());
        let now = Instant::now();
        let mut state = self.state();
        state.sweep(now);
        let refused = |limit, value| Err(Refusal { limit, value });
        if state.open >= self.limits.all {
            return refused("max_connections", self.limits.all);
        }
        let arrivals = state.addresses.entry(address).or_insert(Arrivals {
            open: 0,
            since: now,
            new: 0,
        });
        if now.duration_since(arrivals.since) >= WINDOW {
            (arrivals.since, arrivals.new) = (now, 0);
        }
        // A proxy, and whatever else runs on this host, is there for many.
        if !address.is_loopback() {
            if arrivals.open >= self.limits.of_address {
                return refused("max_connections_per_address", self.limits.of_address);
            }
            if arrivals.new >= self.limits.new_of_address {
                return refused("max_new_connections_per_address", self.limits.new_of_address);
            }
        }
        arrivals.open += 1;
        arrivals.new += 1;
        state.open += 1;
        drop(state);
        Ok(Pass {
            doors: self.clone(),
            address,
        })
    }

    pub(super) fn listener(&self) -> &'static str {
        self.listener
    }

    /// How many of a kind there are to tell of, this one among them. `None`: of this kind a line was written less
    /// than a second ago.
    pub(super) fn to_tell(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
        match spoken.get_mut(kind) {
            Some(last) if now.duration_since(last.at) < QUIET => {
                last.held += 1;
                None
            }
            last => {
                let held = last.map_or(0, |last| last.held);
                spoken.insert(kind, Spoken { at: now, held: 0 });
                Some(held + 1)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// Forgets, once in a window, the addresses that count for nothing any more.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < WINDOW) {
            return;
        }
        self.swept = Some(now);
        self.addresses
            .retain(|_, arrivals| arrivals.open > 0 || now.duration_since(arrivals.since) < WINDOW);
    }
}

// === impl Pass ===

impl Pass {
    pub(super) fn doors(&self) -> &Doors {
        &self.doors
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.doors.state();
        state.open -= 1;
        if let Some(arrivals) = state.addresses.get_mut(&self.address) {
            arrivals.open -= 1;
        }
    }
}

/// What counts as one address: of IPv6 the network, of which one host has all.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}
