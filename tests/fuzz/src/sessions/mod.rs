//! Workers that say anything, to a coordinator that has clients: sessions, driver and scheduler as they run, with
//! their messages in memory and their time made. However the workers behave, each call of each client ends once,
//! no attempt is sent twice, the protocol is kept from this side, and at the end nothing is held.

mod client;
mod frames;
mod grpc;
mod peer;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arbitrary::Unstructured;
use toolwave_coordinator::{Config, fuzzed::Unlistened};

use self::{
    client::Client,
    peer::{Attempt, Peer},
};
use crate::draw;

/// More steps make runs slow rather than new.
const MOST_STEPS: usize = 80;
const MOST_PEERS: usize = 8;
const MOST_CLIENTS: usize = 12;
/// Longer than anybody may ask a coordinator to wait.
const DAY: Duration = Duration::from_secs(25 * 60 * 60);

struct World {
    coordinator: Arc<Unlistened>,
    coordinator_id: String,
    peers: Vec<Peer>,
    clients: Vec<Client>,
    /// Every attempt that was ever sent to a worker.
    dispatched: BTreeSet<Attempt>,
}

/// Plays what the input says.
///
/// # Panics
/// Something is lost, sent twice, or never ends.
pub fn run(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let config = config(&mut from);
    runtime().block_on(async {
        let mut world = World::start(&config);
        for _ in 0..MOST_STEPS {
            if from.is_empty() {
                break;
            }
            world.step(&mut from).await;
            world.look();
        }
        world.calm().await;
    });
}

/// A coordinator of this configuration serves a worker and its calls.
///
/// # Panics
/// It does not.
pub(crate) fn serves(config: &Config, data: &[u8]) {
    let mut from = Unstructured::new(data);
    runtime().block_on(async {
        let mut world = World::start(config);
        world.clients.push(Client::drawn(&world.coordinator, &mut from));
        world.settle().await;
        world
            .peers
            .push(Peer::open(&world.coordinator, frames::plain("w0", 4)));
        for _ in 0..8 {
            world.settle().await;
            world.look();
            for peer in &mut world.peers {
                let frame = frames::obliging(peer);
                peer.send(&frame);
            }
        }
        world.part().await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread")
}

/// Small bounds are reached sooner.
fn config(from: &mut draw::Bytes<'_>) -> Config {
    let mut config = Config::embedded();
    if draw::one_in(from, 2) {
        config.startup_grace = Duration::from_secs(20);
    }
    if draw::one_in(from, 3) {
        config.max_in_flight = 1 + draw::below(from, 4);
        config.max_queued_calls = 1 + draw::below(from, 12);
    }
    if draw::one_in(from, 3) {
        config.max_payload_bytes = draw::below(from, 1000) as u64 + 1;
        config.max_result_bytes = draw::below(from, 1000) as u64 + 1;
    }
    config
}

// === impl World ===

impl World {
    fn start(config: &Config) -> Self {
        Self {
            coordinator: Arc::new(Unlistened::start(config)),
            coordinator_id: String::new(),
            peers: Vec::new(),
            clients: Vec::new(),
            dispatched: BTreeSet::new(),
        }
    }

    async fn step(&mut self, from: &mut draw::Bytes<'_>) {
        match draw::below(from, 32) {
            0..=5 if self.clients.len() < MOST_CLIENTS => {
                self.clients.push(Client::drawn(&self.coordinator, from));
            }
            6 if self.clients.len() < MOST_CLIENTS => {
                let streams = draw::one_in(from, 2);
                let message: Vec<u8> = from.arbitrary().unwrap_or_default();
                self.clients
                    .push(Client::raw(&self.coordinator, &message, streams));
            }
            7 => client::cancel(&self.coordinator, "key"),
            8 if !self.clients.is_empty() => {
                let leaving = draw::below(from, self.clients.len());
                self.clients.swap_remove(leaving).leave();
            }
            9..=12 if self.peers.len() < MOST_PEERS => self.open(from),
            13..=22 => self.speak(from),
            23 => {
                let bytes: Vec<u8> = from.arbitrary().unwrap_or_default();
                let whole = !draw::one_in(from, 4);
                self.peer(from, |peer, _| peer.send_raw(&bytes, whole));
            }
            24 => self.peer(from, |peer, from| peer.end(draw::one_in(from, 2))),
            25 => self.peer(from, |peer, _| peer.vanish()),
            26 => self.peer(from, |peer, _| peer.toggle_reading()),
            27 => self.peer(from, |peer, _| {
                let frame = frames::obliging(peer);
                peer.send(&frame);
            }),
            28..=30 => {
                let wait = Duration::from_millis(draw::below(from, 15_000) as u64);
                tokio::time::sleep(wait).await;
            }
            // The process stands still.
            31 => tokio::time::advance(Duration::from_millis(draw::below(from, 30_000) as u64)).await,
            _ => {}
        }
        self.settle().await;
    }

    fn open(&mut self, from: &mut draw::Bytes<'_>) {
        let known: Vec<Attempt> = self.dispatched.iter().copied().collect();
        let register = frames::register(from, &self.coordinator_id, &known);
        self.peers.push(Peer::open(&self.coordinator, register));
    }

    fn speak(&mut self, from: &mut draw::Bytes<'_>) {
        let known: Vec<Attempt> = self.dispatched.iter().copied().collect();
        self.peer(from, |peer, from| {
            let frame = frames::frame(from, peer, &known);
            peer.send(&frame);
        });
    }

    fn peer(&mut self, from: &mut draw::Bytes<'_>, act: impl FnOnce(&mut Peer, &mut draw::Bytes<'_>)) {
        if !self.peers.is_empty() {
            let at = draw::below(from, self.peers.len());
            act(&mut self.peers[at], from);
        }
    }

    /// Time that is made passes only when nothing else is to be done.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(self.coordinator.is_alive(), "the driver has ended");
    }

    fn look(&mut self) {
        for peer in &mut self.peers {
            let seen = peer.look();
            for attempt in seen.dispatched {
                assert!(self.dispatched.insert(attempt), "{attempt:?} is sent twice");
            }
            if let Some(id) = seen.coordinator_id {
                self.coordinator_id = id;
            }
        }
    }

    /// Every worker goes and stays away: every client is answered.
    async fn part(&mut self) {
        self.peers.iter_mut().for_each(Peer::vanish);
        tokio::time::sleep(DAY).await;
        self.look();
        for client in self.clients.drain(..) {
            client.check().await;
        }
        assert!(self.coordinator.is_alive(), "the driver has ended");
    }

    /// And nothing is left.
    async fn calm(&mut self) {
        self.part().await;
        assert_eq!(
            self.coordinator.slots_taken().await,
            Some(Vec::new()),
            "workers are kept"
        );
        assert_eq!(self.coordinator.calls_open().await, 0, "calls are left");
        assert_eq!(self.coordinator.payload_bytes(), 0, "payloads are left");
    }
}
