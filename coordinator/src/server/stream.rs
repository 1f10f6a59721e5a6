//! The bytes of an accepted connection, wherever it was accepted: TCP without indirection, anything else boxed.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tonic::transport::server::TcpIncoming;

/// What is accepted, one after another, and from whom. An error is of one connection, or passes.
pub(crate) type Incoming = BoxStream<'static, io::Result<(ByteStream, SocketAddr)>>;

/// How long a silent peer's kernel is left alone.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// One connection's bytes.
pub(crate) enum ByteStream {
    Tcp(TcpStream),
    Other(Pin<Box<dyn ReadWrite>>),
}

/// A byte stream of another kind, such as one of a simulated network.
pub(crate) trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<IO: AsyncRead + AsyncWrite + Send> ReadWrite for IO {}

/// What a listener accepts.
pub(crate) fn of_tcp(listener: TcpListener) -> Incoming {
    TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(TCP_KEEPALIVE))
        .map(|accepted| {
            let stream = accepted?;
            // A peer that left at once has no address any more.
            let address = stream.peer_addr()?;
            Ok((ByteStream::Tcp(stream), address))
        })
        .boxed()
}

/// What is accepted elsewhere.
pub(crate) fn of_others<IO>(
    accepted: impl Stream<Item = io::Result<(IO, SocketAddr)>> + Send + 'static,
) -> Incoming
where
    IO: AsyncRead + AsyncWrite + Send + 'static,
{
    accepted
        .map(|accepted| accepted.map(|(stream, address)| (ByteStream::Other(Box::pin(stream)), address)))
        .boxed()
}

// === impl ByteStream ===

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Other(stream) => stream.as_mut().poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Other(stream) => stream.as_mut().poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Other(stream) => stream.as_mut().poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Other(stream) => stream.as_mut().poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Other(stream) => stream.as_mut().poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Other(stream) => stream.is_write_vectored(),
        }
    }
}
