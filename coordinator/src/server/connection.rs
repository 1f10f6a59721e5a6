//! One connection that was let in, with or without TLS: closed when its first bytes do not come in time or are of
//! another protocol, and when the server has waited long enough at its end.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::{
    doors::Pass,
    opening::{NoOpening, Opening},
    stream::ByteStream,
};
use crate::identity::Peer;

/// How all connections of a server end.
#[derive(Clone, Default)]
pub(super) struct Cut {
    now: CancellationToken,
    /// Bytes that all of them have written.
    written: Arc<AtomicU64>,
}

pub(super) struct Connection {
    stream: Transport,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    written: Arc<AtomicU64>,
    /// Gone once the first bytes have come.
    opening: Option<Opening>,
    pass: Pass,
}

pub(super) enum Transport {
    Plain(ByteStream),
    Tls(Box<TlsStream<ByteStream>>),
}

// === impl Cut ===

impl Cut {
    pub(super) fn every_connection(&self) {
        self.now.cancel();
    }

    pub(super) async fn ordered(&self) {
        self.now.cancelled().await;
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(stream: Transport, peer: Peer, pass: Pass, cut: &Cut) -> Self {
        Self {
            stream,
            peer,
            cut: Box::pin(cut.now.clone().cancelled_owned()),
            written: cut.written.clone(),
            opening: Some(Opening::new()),
            pass,
        }
    }

    /// Looks at what has come since `before` bytes of the buffer were filled.
    fn open(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<()>>,
        fresh: &[u8],
    ) -> Poll<io::Result<()>> {
        let Some(opening) = &mut self.opening else {
            return polled;
        };
        let why = match (opening.take(fresh), &polled) {
            (Ok(true), _) => {
                self.opening = None;
                return polled;
            }
            (Ok(false), Poll::Pending) => ready!(opening.poll_late(context)),
            (Ok(false), Poll::Ready(_)) => return polled,
            (Err(why), _) => why,
        };
        self.tell(why);
        Poll::Ready(Err(why.into()))
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn tell(&self, why: NoOpening) {
        let doors = self.pass.doors();
        if let Some(connections) = doors.to_tell("opening") {
            let listener = doors.listener();
            tracing::warn!(listener, address = %self.peer.address, came = %why, connections, "connection closed: no client");
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let polled = match &mut this.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        match this.opening {
            None => polled,
            Some(_) => this.open(context, polled, &buffer.filled()[before..]),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.count(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        };
        this.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
