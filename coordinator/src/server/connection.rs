//! One accepted connection: closed when the server has waited long enough at its end, and when its peer says
//! nothing at all (until the HTTP/2 preface has come, no keepalive looks after it).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::stream::ByteStream;
use crate::identity::Peer;

/// Of the HTTP/2 preface.
const PREFACE_BYTES: usize = 24;
/// For the preface to come.
const PREFACE_WITHIN: Duration = Duration::from_secs(10);

/// A byte stream with both.
pub(super) struct Connection {
    stream: ByteStream,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Gone once the preface has come.
    opening: Option<Opening>,
}

struct Opening {
    read: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(stream: ByteStream, peer: Peer, cut: &CancellationToken) -> Self {
        let deadline = Box::pin(tokio::time::sleep(PREFACE_WITHIN));
        Self {
            stream,
            peer,
            cut: Box::pin(cut.clone().cancelled_owned()),
            opening: Some(Opening { read: 0, deadline }),
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
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Some(opening) = &mut this.opening {
            opening.read += buffer.filled().len() - before;
            if opening.read >= PREFACE_BYTES {
                this.opening = None;
            } else if polled.is_pending() && opening.deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
