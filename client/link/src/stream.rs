//! A connection that notices, by the first bytes it hears, whom it really reached. After them it only passes on.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{LinkFailure, link::Notes};

/// One connection to a coordinator.
pub(crate) struct Connection {
    stream: Stream,
    notes: Notes,
    /// Something came.
    heard: bool,
}

enum Stream {
    Plain(TcpStream),
    // Most of a kilobyte, once for each connection.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(crate) fn plain(stream: TcpStream, notes: Notes) -> Self {
        Self {
            stream: Stream::Plain(stream),
            notes,
            heard: false,
        }
    }

    /// Over TLS 1.3 the client's handshake ends before the server has judged the client's certificate: until
    /// something is heard, that is what an end of the connection most likely means.
    pub(crate) fn tls(stream: TlsStream<TcpStream>, notes: Notes) -> Self {
        notes.put(Some(LinkFailure::ClosedUnheard));
        Self {
            stream: Stream::Tls(Box::new(stream)),
            notes,
            heard: false,
        }
    }

    fn read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if !self.heard {
            self.watch(&read, &buffer.filled()[before..]);
        }
        read
    }

    /// A server that turns a client away may close before the client has written. What it said is read first: the
    /// end of the connection makes it readable, if it is not yet.
    fn written<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let closed = matches!(&written, Poll::Ready(Err(error)) if matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        ));
        let mut last_words = [0; 64];
        match closed
            && !self.heard
            && self
                .read(context, &mut ReadBuf::new(&mut last_words))
                .is_pending()
        {
            true => Poll::Pending,
            false => written,
        }
    }

    fn watch(&mut self, read: &Poll<io::Result<()>>, bytes: &[u8]) {
        match read {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => {
                if let Some(failure) = LinkFailure::of_stream(error) {
                    self.notes.put(Some(failure));
                }
            }
            Poll::Ready(Ok(())) if bytes.is_empty() => {}
            Poll::Ready(Ok(())) => {
                self.heard = true;
                self.notes.put(match &self.stream {
                    Stream::Plain(_) => told_by(bytes),
                    Stream::Tls(_) => None,
                });
            }
        }
    }
}

/// HTTP/2 begins with SETTINGS, whose first byte is a length's, and no length is that large.
fn told_by(bytes: &[u8]) -> Option<LinkFailure> {
    const ALERT: u8 = 0x15;
    const HANDSHAKE: u8 = 0x16;
    match bytes {
        [ALERT | HANDSHAKE, 0x03, ..] => Some(LinkFailure::TlsServer),
        [b'H', b'T', b'T', b'P', ..] => Some(LinkFailure::Http1),
        _ => None,
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        };
        this.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        this.written(written, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
