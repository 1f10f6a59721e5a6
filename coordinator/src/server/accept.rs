//! The loop that takes connections: past the doors, through the handshake of TLS beside the loop, to the server.
//! Nothing that a peer does or leaves undone, and no want of file descriptors, ends it or holds it up.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::{Connection, Cut, Transport},
    doors::{Doors, Pass, Refusal},
    stream::{ByteStream, Incoming},
    tls::Reloaded,
};
use crate::identity::Peer;

/// For a handshake of TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Handshakes at once of one listener, at some 10 KiB each; two thousand take a core a second or two.
const HANDSHAKES_AT_ONCE: usize = 4096;
/// For file descriptors to come free.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What the loop of one listener has.
pub(super) struct Accepting {
    pub(super) doors: Arc<Doors>,
    pub(super) tls: Option<Reloaded>,
    /// Every connection ends with it.
    pub(super) cut: Cut,
    /// To the server, which takes each at once.
    pub(super) accepted: mpsc::Sender<io::Result<Connection>>,
}

// === impl Accepting ===

impl Accepting {
    /// Takes connections until there are no more, or until it is dropped.
    pub(super) async fn run(self, mut incoming: Incoming) {
        let mut handshakes = JoinSet::new();
        loop {
            let next = tokio::select! {
                next = incoming.next() => next,
                Some(_) = handshakes.join_next() => continue,
            };
            match next {
                Some(Ok((stream, address))) => self.take(stream, address, &mut handshakes).await,
                Some(Err(error)) => self.back_off(&error).await,
                None => break,
            }
        }
        while handshakes.join_next().await.is_some() {}
    }

    async fn take(&self, stream: ByteStream, address: SocketAddr, handshakes: &mut JoinSet<()>) {
        let pass = match self.doors.enter(address) {
            Ok(pass) => pass,
            Err(refusal) => return self.refuse(address, refusal),
        };
        let Some(tls) = &self.tls else {
            let certificates = Arc::new([]);
            let peer = Peer {
                address,
                certificates,
            };
            let connection = Connection::new(Transport::Plain(stream), peer, pass, &self.cut);
            // A server that has ended takes no more.
            let _ = self.accepted.send(Ok(connection)).await;
            return;
        };
        if handshakes.len() >= HANDSHAKES_AT_ONCE {
            let (limit, value) = ("TLS handshakes at once", HANDSHAKES_AT_ONCE);
            return self.refuse(address, Refusal { limit, value });
        }
        let (acceptor, cut, accepted) = (
            TlsAcceptor::from(tls.now()),
            self.cut.clone(),
            self.accepted.clone(),
        );
        handshakes.spawn(async move {
            if let Some(connection) = shake_hands(acceptor, stream, address, pass, &cut).await {
                let _ = accepted.send(Ok(connection)).await;
            }
        });
    }

    fn refuse(&self, address: SocketAddr, Refusal { limit, value }: Refusal) {
        if let Some(connections) = self.doors.to_tell(limit) {
            let listener = self.doors.listener();
            tracing::warn!(listener, %address, limit, value, connections, "connection refused: a limit is reached");
        }
    }

    async fn back_off(&self, error: &io::Error) {
        let of_one_connection = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::Interrupted
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::NotConnected
                | io::ErrorKind::TimedOut
        );
        if of_one_connection {
            return;
        }
        if let Some(times) = self.doors.to_tell("accept") {
            let listener = self.doors.listener();
            tracing::error!(listener, %error, times, "no connection can be accepted, trying again");
        }
        sleep(BACK_OFF).await;
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: ByteStream,
    address: SocketAddr,
    pass: Pass,
    cut: &Cut,
) -> Option<Connection> {
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)) => shaken,
        () = cut.ordered() => return None,
    };
    let why = match shaken {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default().into();
            let peer = Peer {
                address,
                certificates,
            };
            let stream = Transport::Tls(Box::new(stream));
            return Some(Connection::new(stream, peer, pass, cut));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "not done within 5 s".to_owned(),
    };
    let doors = pass.doors();
    if let Some(connections) = doors.to_tell("handshake") {
        let listener = doors.listener();
        tracing::warn!(listener, %address, why, connections, "connection closed: no TLS handshake");
    }
    None
}
