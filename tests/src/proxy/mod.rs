//! A TCP proxy between real parts that does to their bytes what networks do: delays, holds, loses and cuts them.
//!
//! Each direction has a [`Flow`] of its own, which a test changes while connections are open; bytes and
//! connections are counted, so that a test waits for what happened and not for time. It knows nothing of what
//! the bytes mean.

mod link;
#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::PATIENCE;

/// What becomes of the bytes of one direction, on connections that are open and on those that come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    #[default]
    Open,
    /// They pass, so much later each.
    Delayed(Duration),
    /// They pass, so many a second.
    Throttled(u64),
    /// Nothing is read: they wait in the kernel's buffers until those are full, and arrive once it is open again.
    /// TCP sees a link that is down in this way.
    Stopped,
    /// They are taken and thrown away. A connection that lost some is reset when the flow changes: what would
    /// follow makes no sense to its reader.
    Blackholed,
    /// So many pass on each connection from now on, then the connection is reset.
    CutAfter(u64),
    /// The reader sees the end of the stream; what its peer still writes is thrown away.
    HalfClosed,
}

/// How connections end that a test ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// RST to both ends.
    Reset,
    /// FIN to both ends.
    Closed,
}

/// One direction of all connections.
#[derive(Debug, Default)]
pub struct Direction {
    flow: watch::Sender<Flow>,
    bytes: watch::Sender<u64>,
}

/// Connections.
#[derive(Clone, Copy, Debug, Default)]
struct Connections {
    accepted: u64,
    open: u64,
}

/// What the connections share with the test.
#[derive(Debug)]
struct Wires {
    to_server: Direction,
    to_client: Direction,
    connections: watch::Sender<Connections>,
    end: watch::Sender<End>,
    turns_away: watch::Sender<bool>,
}

/// A running proxy. Dropped, it closes its port and every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wires: Arc<Wires>,
    _accepting: AbortOnDropHandle<()>,
}

// === impl Direction ===

impl Direction {
    /// From now on this becomes of the bytes.
    pub fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }

    /// How many bytes have passed, of all connections.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        *self.bytes.borrow()
    }

    /// Waits until so many have passed since the proxy began.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn until_bytes(&self, bytes: u64) -> anyhow::Result<()> {
        let mut seen = self.bytes.subscribe();
        let passed = seen.wait_for(|passed| *passed >= bytes);
        let came = timeout(PATIENCE, passed).await;
        came.with_context(|| format!("{} bytes passed; expected {bytes}", self.bytes()))??;
        Ok(())
    }
}

// === impl Proxy ===

impl Proxy {
    /// Listens on a free loopback port, for `upstream`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let wires = Arc::new(Wires {
            to_server: Direction::default(),
            to_client: Direction::default(),
            connections: watch::Sender::default(),
            end: watch::Sender::new(End::Closed),
            turns_away: watch::Sender::default(),
        });
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&wires)));
        Ok(Self {
            address,
            wires,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients and workers connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What those who connect send.
    #[must_use]
    pub fn to_server(&self) -> &Direction {
        &self.wires.to_server
    }

    /// What those who connect receive.
    #[must_use]
    pub fn to_client(&self) -> &Direction {
        &self.wires.to_client
    }

    /// Sets both directions.
    pub fn set(&self, flow: Flow) {
        self.to_server().set(flow);
        self.to_client().set(flow);
    }

    /// Opens both directions, and the door.
    pub fn heal(&self) {
        self.turn_away(false);
        self.set(Flow::Open);
    }

    /// Whoever connects is reset at once.
    pub fn turn_away(&self, away: bool) {
        self.wires.turns_away.send_replace(away);
    }

    /// Every open connection is reset at both ends.
    pub fn reset(&self) {
        self.wires.end.send_replace(End::Reset);
    }

    /// Every open connection ends at both ends, as if both had closed it.
    pub fn close(&self) {
        self.wires.end.send_replace(End::Closed);
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.wires.connections.borrow().accepted
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.wires.connections.borrow().open
    }

    /// Waits until so many connections were accepted.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn until_accepted(&self, connections: u64) -> anyhow::Result<()> {
        let mut seen = self.wires.connections.subscribe();
        let came = timeout(PATIENCE, seen.wait_for(|now| now.accepted >= connections)).await;
        came.with_context(|| format!("{} connections came; expected {connections}", self.accepted()))??;
        Ok(())
    }

    /// Waits until so few connections are open.
    ///
    /// # Errors
    /// When they stay.
    pub async fn until_open(&self, connections: u64) -> anyhow::Result<()> {
        let mut seen = self.wires.connections.subscribe();
        let ended = timeout(PATIENCE, seen.wait_for(|now| now.open <= connections)).await;
        ended.with_context(|| format!("{} connections are open; expected {connections}", self.open()))??;
        Ok(())
    }
}

/// Accepts for ever; owns what it accepted.
async fn accept(listener: TcpListener, upstream: SocketAddr, wires: Arc<Wires>) {
    let mut links = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = links.join_next() => continue,
        };
        let Ok((client, _)) = accepted else {
            // out of descriptors: those that are open end, and make room
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        if *wires.turns_away.borrow() {
            link::reset(&client);
            continue;
        }
        wires.connections.send_modify(|now| {
            now.accepted += 1;
            now.open += 1;
        });
        let wires = Arc::clone(&wires);
        links.spawn(async move {
            let end = wires.end.subscribe();
            match TcpStream::connect(upstream).await {
                Ok(server) => link::carry(client, server, &wires, end).await,
                Err(_) => link::reset(&client),
            }
            wires.connections.send_modify(|now| now.open -= 1);
        });
    }
}
