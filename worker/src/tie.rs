//! The tie to one coordinator as it stands now: waited for, being opened, or open. Decides nothing.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::{sync::mpsc, time::Instant};
use toolwave_proto::v1::{OpenSessionRequest, OpenSessionResponse};

use crate::{catalogue::Catalogue, client::Opened, error::SessionError, session::Session};

/// ```text
/// Waiting ──► Opening ──► Open
///    ▲           │          │
///    └───────────┴──────────┘ refused, unreachable, ended, silent
/// ```
pub(crate) enum Tie {
    Waiting(Instant),
    Opening {
        opening: BoxFuture<'static, Result<Opened, SessionError>>,
        said_draining: bool,
        said_tools: Arc<Catalogue>,
    },
    Open(Session),
}

/// What came of waiting for it.
pub(crate) enum Event {
    WaitIsOver,
    Opened(Box<Opened>),
    Frame(OpenSessionResponse),
    Lost(SessionError),
}

impl Tie {
    /// Cancel safe: what is half done stays in `self`.
    pub(crate) async fn next(&mut self) -> Event {
        match self {
            Self::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                Event::WaitIsOver
            }
            Self::Opening { opening, .. } => match opening.await {
                Ok(opened) => Event::Opened(Box::new(opened)),
                Err(error) => Event::Lost(error),
            },
            Self::Open(session) => match session.next_frame().await {
                Ok(frame) => Event::Frame(frame),
                Err(error) => Event::Lost(error),
            },
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

/// Waits until the connection takes another frame, or has ended. Cancel safe.
pub(crate) async fn writable(outgoing: Option<&mpsc::Sender<OpenSessionRequest>>) {
    if let Some(outgoing) = outgoing {
        let _ = outgoing.reserve().await;
    }
}
