//! Dials the coordinator and opens a session; says how long to wait before the next try.

use std::{error::Error as _, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming, transport::Endpoint};
use tonic_types::StatusExt as _;
use toolwave_link::{Address, Link, Tls};
use toolwave_proto::{
    http2,
    v1::{
        OpenSessionRequest, OpenSessionResponse, Register, Registered,
        worker_service_client::WorkerServiceClient,
    },
};

use crate::{
    error::{BuildError, SessionError, chain},
    outbox::MAX_FRAME,
};

/// The largest message that either side sends.
pub(crate) const MAX_MESSAGE: usize = 16 << 20;
/// Why a coordinator refuses a session that another address has already.
const ALREADY_CONNECTED: &str = "ALREADY_CONNECTED";
/// From the first frame to its answer; below the time after which a worker fences itself.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(5);
/// Both hold while the stream is idle too: without them neither end would notice a cable that was pulled.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Frames made and not yet taken by the connection: one being written and one to follow it without a pause.
/// More would only be in the way of heartbeats, and make smaller frames.
const FRAMES: usize = 2;

/// A session that has been accepted.
pub(crate) struct Opened {
    pub(crate) outgoing: mpsc::Sender<OpenSessionRequest>,
    pub(crate) incoming: Streaming<OpenSessionResponse>,
    pub(crate) registered: Registered,
    /// What else the first frame held.
    pub(crate) first: OpenSessionResponse,
    /// When `register` was sent.
    pub(crate) asked_at: Instant,
    /// Until what follows from it is known to the others.
    pub(crate) turn: Turn,
}

/// The ties of a worker register one at a time: each says which coordinators the others are connected to.
pub(crate) type Turns = Arc<Mutex<()>>;
pub(crate) type Turn = OwnedMutexGuard<()>;

/// The way to the coordinator. `url` may leave out `http://`.
pub(crate) fn link(url: &str, tls: Tls) -> Result<Link, BuildError> {
    let full = match url.contains("://") {
        true => url.to_owned(),
        false => format!("http://{url}"),
    };
    let address = Address::parse(&full).map_err(|error| BuildError::Coordinator {
        url: url.to_owned(),
        reason: error.reason,
    })?;
    Link::try_new(&address, tls, tuned).map_err(|problems| BuildError::Tls { problems: problems.0 })
}

fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .max_frame_size(http2::LARGEST_FRAME)
}

/// Connects, registers when it is its turn, and waits for the answer. `register` is asked when that has come.
pub(crate) async fn open(
    link: Link,
    turns: Turns,
    register: impl FnOnce() -> Register,
) -> Result<Opened, SessionError> {
    let channel = link.connect().await.map_err(SessionError::Link)?;
    let turn = turns.lock_owned().await;
    let mut client = WorkerServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let (outgoing, frames) = mpsc::channel(FRAMES);
    let first = OpenSessionRequest {
        register: Some(register()),
        ..OpenSessionRequest::default()
    };
    let asked_at = Instant::now();
    // before the call: a server may answer its headers only once it has read the first frame
    outgoing.try_send(first).map_err(|_| SessionError::Ended)?;
    let answer = async {
        let mut incoming = client
            .open_session(ReceiverStream::new(frames))
            .await?
            .into_inner();
        let first = incoming.message().await?;
        Ok((incoming, first))
    };
    let (incoming, first) = tokio::time::timeout(REGISTER_TIMEOUT, answer)
        .await
        .map_err(|_| SessionError::NoAnswer(REGISTER_TIMEOUT))?
        .map_err(|status: tonic::Status| refused(&link, &status))?;
    let mut first = first.ok_or(SessionError::Ended)?;
    let Some(registered) = first.registered.take() else {
        return Err(SessionError::Protocol(
            "the first frame does not answer register".to_owned(),
        ));
    };
    check(&registered)?;
    Ok(Opened {
        outgoing,
        incoming,
        registered,
        first,
        asked_at,
        turn,
    })
}

/// What the coordinator said, or why it could not say it.
fn refused(link: &Link, status: &tonic::Status) -> SessionError {
    if status.source().is_none() {
        let reason = status.get_details_error_info().map(|error| error.reason);
        if status.code() == Code::Aborted && reason.as_deref() == Some(ALREADY_CONNECTED) {
            return SessionError::AlreadyConnected;
        }
        return SessionError::Refused {
            code: status.code(),
            message: status.message().to_owned(),
        };
    }
    match link.failure() {
        Some(failure) => SessionError::Link(failure),
        None => SessionError::Broken(chain(status)),
    }
}

fn check(registered: &Registered) -> Result<(), SessionError> {
    let versions = toolwave_proto::PROTOCOL;
    if !versions.contains(&registered.protocol) {
        return Err(SessionError::Protocol(format!(
            "it answers with protocol version {}, and this worker offered {} to {}; expected one of those",
            registered.protocol,
            versions.start(),
            versions.end()
        )));
    }
    if registered.max_message_bytes != 0 && (registered.max_message_bytes as usize) < MAX_FRAME {
        return Err(SessionError::Protocol(format!(
            "it takes messages of {} bytes; expected at least {MAX_FRAME}",
            registered.max_message_bytes
        )));
    }
    Ok(())
}

/// Waits between tries, each drawn from zero to a bound that grows: workers that lose a coordinator at once
/// do not come back at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const SECOND: Duration = Duration::from_millis(500);
    const LAST: Duration = Duration::from_secs(30);

    /// The wait before the next try.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(fastrand::f64())
    }

    fn bound(&self) -> Duration {
        match self.failures {
            0 => Self::FIRST,
            failures => Self::SECOND
                .saturating_mul(1 << (failures - 1).min(10))
                .min(Self::LAST),
        }
    }

    /// A session has shown that it works.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_the_wait_grows_from_100_ms_to_30_s_and_starts_again() {
        let mut backoff = Backoff::default();
        let mut bounds = Vec::new();
        for _ in 0..10 {
            let bound = backoff.bound();
            assert!(backoff.next_wait() <= bound);
            bounds.push(bound.as_millis());
        }
        assert_eq!(
            bounds,
            [100, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        backoff.reset();
        assert_eq!(backoff.bound().as_millis(), 100);
    }

    #[test]
    fn an_address_that_cannot_be_dialled_is_refused_with_the_reason() {
        for (url, reason) in [
            ("ftp://host:1", "expected http://host:1 or https://host:1"),
            ("http://host", "expected http://host:7420"),
            ("http://host:1/path", "expected http://HOST:PORT"),
            ("http://:1", "expected http://HOST:PORT"),
            ("http://a b:1", "expected http://HOST:PORT"),
        ] {
            let text = link(url, Tls::new()).unwrap_err().to_string();
            assert!(text.contains(reason), "{url}: {text}");
        }
        assert!(link("127.0.0.1:7420", Tls::new()).is_ok());
        assert!(link("http://[::1]:7420/", Tls::new()).is_ok());
    }
}
