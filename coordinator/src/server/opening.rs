//! The first bytes of a connection: the HTTP/2 preface and the first frame, the client's settings. Until they have
//! come no keepalive looks after the connection, so they must come in time. A request need not: clients connect
//! early and wait, and keepalive finds out whether they are still there.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Of a frame, of which the first three bytes are the length of the rest.
const FRAME_HEADER: usize = 9;
/// For all of it.
const WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Opening {
    /// Bytes that have come.
    come: usize,
    /// Where the first frame ends; known once its length has come.
    end: usize,
    deadline: Pin<Box<Sleep>>,
}

/// Why a connection ends before it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoOpening {
    #[error("nothing, or not all of the HTTP/2 preface and the first frame, within 5 s")]
    Late,
    #[error("TLS, where none is served")]
    Tls,
    #[error("no HTTP/2")]
    Other,
}

// === impl Opening ===

impl Opening {
    pub(super) fn new() -> Self {
        Self {
            come: 0,
            end: PREFACE.len() + FRAME_HEADER,
            deadline: Box::pin(tokio::time::sleep(WITHIN)),
        }
    }

    /// Takes what has come; whether that was all of it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<bool, NoOpening> {
        for &byte in bytes {
            if self.come == self.end {
                break;
            }
            match PREFACE.get(self.come) {
                Some(&wanted) if byte == wanted => {}
                // The first byte of TLS' handshake.
                Some(_) if self.come == 0 && byte == 0x16 => return Err(NoOpening::Tls),
                Some(_) => return Err(NoOpening::Other),
                None => {
                    // 2, 1, 0: the length is in network order.
                    if let Some(shift) = (PREFACE.len() + 2).checked_sub(self.come) {
                        self.end += usize::from(byte) << (8 * shift);
                    }
                }
            }
            self.come += 1;
        }
        Ok(self.come == self.end)
    }

    /// Ready when it is too late.
    pub(super) fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<NoOpening> {
        self.deadline.as_mut().poll(context).map(|()| NoOpening::Late)
    }
}

impl From<NoOpening> for io::Error {
    fn from(why: NoOpening) -> Self {
        let kind = match why {
            NoOpening::Late => io::ErrorKind::TimedOut,
            NoOpening::Tls | NoOpening::Other => io::ErrorKind::InvalidData,
        };
        Self::new(kind, why)
    }
}
