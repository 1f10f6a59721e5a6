//! The admin port: plain HTTP/1, for probes, scrapers and operators. What it serves is given to it.
//!
//! Whoever reaches the port can hold no more of the process than a bounded number of connections, and none of them
//! without sending requests.

mod log_level;
mod operators;
mod probes;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{self, JoinSet},
    time::sleep,
};

pub use self::{
    log_level::log_level,
    operators::{Guard, Refusal},
    probes::{METRICS_CONTENT_TYPE, probes},
};

/// For the headers of the first request, and of each further one from the answer to the one before on.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Each takes a file descriptor and some 10 KiB; probes, a few scrapers and open dashboards need a dozen.
const CONNECTIONS: usize = 256;
/// Of one address, which through a forwarded port is that of all operators: so that none takes the place of those that
/// probe.
const CONNECTIONS_OF_ONE: usize = 128;
/// Of the headers and the request line, in bytes.
const HEADERS_BYTES: usize = 16 * 1024;
/// For file descriptors to come free.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A port that is bound and not yet served.
pub struct AdminPort {
    listener: TcpListener,
    address: SocketAddr,
}

/// Connections that are open.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// Whose the connection of a task is.
    peers: HashMap<task::Id, IpAddr>,
    of: HashMap<IpAddr, usize>,
}

// === impl AdminPort ===

impl AdminPort {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is not to be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped, and every connection with it. Handlers can ask for the peer's address
    /// (`ConnectInfo<SocketAddr>`).
    pub async fn serve(self, routes: Router) {
        let mut open = Connections::default();
        loop {
            tokio::select! {
                Some(ended) = open.tasks.join_next_with_id() => open.ended(match ended {
                    Ok((id, ())) => id,
                    // a handler panicked
                    Err(error) => error.id(),
                }),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => open.take(stream, peer, &routes),
                    Err(error) => {
                        tracing::warn!(%error, "admin port: no connection can be accepted, trying again");
                        sleep(BACK_OFF).await;
                    }
                },
            }
        }
    }
}

// === impl Connections ===

impl Connections {
    /// Serves a connection, or closes it where there are too many.
    fn take(&mut self, stream: TcpStream, peer: SocketAddr, routes: &Router) {
        let of_this = self.of.get(&peer.ip()).copied().unwrap_or(0);
        if self.tasks.len() >= CONNECTIONS || of_this >= CONNECTIONS_OF_ONE {
            let (limit, of_one) = (CONNECTIONS, CONNECTIONS_OF_ONE);
            tracing::debug!(%peer, limit, of_one, "admin port: connection refused, too many are open");
            return;
        }
        *self.of.entry(peer.ip()).or_default() += 1;
        let routes = routes.clone().layer(Extension(ConnectInfo(peer)));
        let task = self.tasks.spawn(async move {
            // It matters for answers in several pieces only.
            let _ = stream.set_nodelay(true);
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_WITHIN)
                .max_buf_size(HEADERS_BYTES)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
            if let Err(error) = serving.await {
                tracing::debug!(%peer, %error, "admin port: connection ended");
            }
        });
        self.peers.insert(task.id(), peer.ip());
    }

    fn ended(&mut self, task: task::Id) {
        let Some(of) = self.peers.remove(&task) else {
            return;
        };
        if let Some(count) = self.of.get_mut(&of) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&of);
            }
        }
    }
}
