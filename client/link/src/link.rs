//! The way to one coordinator: makes connections, one at a time, and keeps in mind why the last one failed.
//!
//! gRPC reports a broken connection as text that has lost its cause, so the cause is noted where it is met.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{self, Channel, Endpoint, Uri};
use tower::Service;

use crate::{Address, LinkFailure, Tls, TlsProblem, TlsProblems, stream::Connection};

/// For the name, the TCP connection and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to one coordinator. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

/// How a channel comes about, where not by this crate.
type Connect = Arc<dyn Fn(Endpoint) -> Connecting + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<Channel, transport::Error>> + Send>>;

struct Inner {
    address: Address,
    endpoint: Endpoint,
    dialled: Uri,
    tls: Option<Arc<Checked>>,
    connect: Option<Connect>,
    notes: Notes,
}

/// What has been read once and was right.
struct Checked {
    tls: Tls,
    name: ServerName<'static>,
    /// The last that was right: files that are being replaced are wrong for a moment.
    last: Mutex<Arc<ClientConfig>>,
}

/// Why the last connection failed.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Option<LinkFailure>>>);

// === impl Link ===

impl Link {
    /// Checks all that can be checked before anything is dialled. `tune` sets what HTTP/2 needs.
    ///
    /// # Errors
    /// Everything that is wrong with what TLS is told, also that it is told something and the address is `http`.
    pub fn try_new(
        address: &Address,
        tls: Tls,
        tune: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Self, TlsProblems> {
        let tls = if address.is_tls() {
            tls.check(address.host())?;
            let name = tls
                .name(address.host())
                .map_err(|problem| TlsProblems(vec![problem]))?;
            let last = Mutex::new(Arc::new(tls.load()?));
            Some(Arc::new(Checked { tls, name, last }))
        } else {
            unused(&tls)?;
            None
        };
        let dialled = address.dialled().map_err(|error| {
            TlsProblems(vec![TlsProblem {
                part: crate::TlsPart::ServerName,
                what: error.to_string(),
                expected: "a host".to_owned(),
            }])
        })?;
        // tonic itself would ask for its own TLS where the address says `https`.
        let endpoint = tune(Endpoint::from(dialled.clone())).origin(address.uri().clone());
        Ok(Self(Arc::new(Inner {
            address: address.clone(),
            endpoint,
            dialled,
            tls,
            connect: None,
            notes: Notes::default(),
        })))
    }

    /// Connects by other means than TCP and TLS, such as a simulated network; no part of the interface. Only before
    /// the link is cloned.
    #[doc(hidden)]
    #[must_use]
    pub fn connecting_by(mut self, connect: impl Fn(Endpoint) -> Connecting + Send + Sync + 'static) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.connect = Some(Arc::new(connect));
        }
        self
    }

    /// The way to one of the addresses of the host, or to another host that is to prove the same name: what is dialled
    /// differs, and nothing else. A link that connects by other means stays as it is.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        let Ok(dialled) = Uri::builder()
            .scheme("http")
            .authority(address.to_string())
            .path_and_query("/")
            .build()
        else {
            // a socket address is an authority as it is written
            return self.clone();
        };
        Self(Arc::new(Inner {
            address: self.0.address.clone(),
            endpoint: self.0.endpoint.clone(),
            dialled,
            tls: self.0.tls.clone(),
            connect: self.0.connect.clone(),
            notes: Notes::default(),
        }))
    }

    /// As it was given; what is dialled may be one of its host's addresses.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// It connects over TCP, so that the addresses of its host are its own to look up.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.0.connect.is_none()
    }

    /// Connects, within 5 s; the channel connects again by itself when it is used after the connection broke.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self) -> Result<Channel, LinkFailure> {
        let endpoint = &self.0.endpoint;
        let connected = match &self.0.connect {
            Some(connect) => tokio::time::timeout(CONNECT_TIMEOUT, connect(endpoint.clone()))
                .await
                .map_err(|_| LinkFailure::Timeout(CONNECT_TIMEOUT))?,
            None => endpoint.connect_with_connector(Dialer(self.clone())).await,
        };
        connected.map_err(|error| {
            let failure = self.failure();
            failure.unwrap_or_else(|| LinkFailure::Connect(root_cause(&error)))
        })
    }

    /// Why the last connection did not come about, or broke before anything was heard.
    #[must_use]
    pub fn failure(&self) -> Option<LinkFailure> {
        self.0.notes.last()
    }

    async fn dial(self) -> Result<TokioIo<Connection>, LinkFailure> {
        self.0.notes.put(None);
        let dialled = self.open().await;
        if let Err(failure) = &dialled {
            self.0.notes.put(Some(failure.clone()));
        }
        dialled.map(TokioIo::new)
    }

    async fn open(&self) -> Result<Connection, LinkFailure> {
        let until = tokio::time::Instant::now() + CONNECT_TIMEOUT;
        let stream = tokio::time::timeout_at(until, tcp(self.0.dialled.clone()))
            .await
            .map_err(|_| LinkFailure::Timeout(CONNECT_TIMEOUT))??;
        let Some(tls) = &self.0.tls else {
            return Ok(Connection::plain(stream, self.0.notes.clone()));
        };
        let connector = TlsConnector::from(tls.config().await);
        let handshake = connector.connect(tls.name.clone(), stream);
        let stream = tokio::time::timeout_at(until, handshake)
            .await
            .map_err(|_| LinkFailure::HandshakeTimeout(CONNECT_TIMEOUT))?
            .map_err(|error| LinkFailure::of_handshake(&error))?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Connection::tls(stream, self.0.notes.clone())),
            _ => Err(LinkFailure::NoHttp2),
        }
    }
}

/// What is dialled.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.dialled.authority();
        f.write_str(authority.map_or("", |authority| authority.as_str()))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = self.0.tls.as_ref().map(|checked| &checked.tls);
        f.debug_struct("Link")
            .field("address", &self.0.dialled)
            .field("tls", &tls)
            .finish()
    }
}

fn unused(tls: &Tls) -> Result<(), TlsProblems> {
    let problem = |part| TlsProblem {
        part,
        what: "means nothing without TLS, and the coordinator's address begins with http://".to_owned(),
        expected: "https://HOST:PORT for the coordinator".to_owned(),
    };
    let problems: Vec<TlsProblem> = tls.parts().into_iter().map(problem).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(TlsProblems(problems)),
    }
}

/// Tries a name's addresses as a browser does: another family after a moment.
async fn tcp(uri: Uri) -> Result<TcpStream, LinkFailure> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let connected = connector.call(uri).await;
    connected
        .map(TokioIo::into_inner)
        .map_err(|error| LinkFailure::Connect(root_cause(&error)))
}

/// The innermost error is the one that says what the system met; the outer ones say `transport error`.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

// === impl Checked ===

impl Checked {
    /// What the files say now, or what they said when they were last right.
    async fn config(self: &Arc<Self>) -> Arc<ClientConfig> {
        let checked = Arc::clone(self);
        // Files and perhaps a system's CAs are read: not on a thread that serves.
        let read = tokio::task::spawn_blocking(move || checked.tls.load()).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(Ok(config)) => *last = Arc::new(config),
            Ok(Err(problems)) => {
                tracing::warn!(error = %problems, "files for TLS are wrong; what they held before is used");
            }
            Err(error) => tracing::warn!(%error, "files for TLS were not read"),
        }
        Arc::clone(&last)
    }
}

// === impl Notes ===

impl Notes {
    pub(crate) fn put(&self, failure: Option<LinkFailure>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn last(&self) -> Option<LinkFailure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Connects for tonic, whenever its channel needs a connection.
struct Dialer(Link);

impl Service<Uri> for Dialer {
    type Response = TokioIo<Connection>;
    type Error = LinkFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LinkFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LinkFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.0.clone().dial())
    }
}
