//! Who a command may reach: a coordinator, the same behind TLS of every kind, one that refuses everybody, and
//! programs that are none.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tonic::{
    Status,
    body::Body,
    codegen::{Service, http},
    server::NamedService,
    service::Routes,
    transport::server::TcpIncoming,
};
use toolwave_coordinator::{Coordinator, config::Config};

use crate::tls::{Authority, Issued, When, mode, server_config};

/// All of them, as long as this is held.
pub(crate) struct Servers {
    addresses: BTreeMap<&'static str, SocketAddr>,
    ca: Authority,
    other: Authority,
    client: Issued,
    foreign: Issued,
    _coordinator: Coordinator,
    _tasks: JoinSet<()>,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let coordinator = Coordinator::start(Config::embedded()).await.unwrap();
        let behind = coordinator.address();
        let (ca, other) = (Authority::new(), Authority::new());
        let client = ca.client("spiffe://toolwave/tenant/a", When::Now);
        let foreign = other.client("spiffe://toolwave/tenant/a", When::Now);
        let good = || ca.server(&["127.0.0.1", "localhost"], When::Now);
        let mut tasks = JoinSet::new();
        let mut addresses = BTreeMap::from([("coordinator", behind)]);
        for (kind, own, client_ca) in [
            ("tls", good(), None),
            (
                "tls-elsewhere",
                ca.server(&["elsewhere.example"], When::Now),
                None,
            ),
            ("tls-expired", ca.server(&["127.0.0.1"], When::Past), None),
            ("mtls", good(), Some(&ca)),
        ] {
            let acceptor = TlsAcceptor::from(Arc::new(server_config(&own, client_ca)));
            let listener = listen(kind, &mut addresses).await;
            tasks.spawn(terminate(listener, acceptor, behind));
        }
        for (kind, status) in [
            ("unauthenticated", Status::unauthenticated("no credentials")),
            ("forbidden", Status::permission_denied("only an operator may")),
        ] {
            let listener = listen(kind, &mut addresses).await;
            let routes =
                Routes::new(Execution(Refusing(status.clone()))).add_service(Admin(Refusing(status)));
            tasks.spawn(async move {
                let server = tonic::transport::Server::builder().add_routes(routes);
                server
                    .serve_with_incoming(TcpIncoming::from(listener))
                    .await
                    .unwrap();
            });
        }
        let web = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".as_slice();
        let listener = listen("http1", &mut addresses).await;
        tasks.spawn(answer_and_close(listener, web));
        let listener = listen("closes", &mut addresses).await;
        tasks.spawn(close_on_request(listener));
        Self {
            addresses,
            client,
            foreign,
            ca,
            other,
            _coordinator: coordinator,
            _tasks: tasks,
        }
    }

    pub(crate) fn address(&self, kind: &str) -> SocketAddr {
        *self
            .addresses
            .get(kind)
            .unwrap_or_else(|| panic!("no server {kind}"))
    }

    /// What cases name: the CAs, and certificates of both.
    pub(crate) fn write_certificates(&self, directory: &Path) {
        fs::write(directory.join("ca.pem"), self.ca.pem()).unwrap();
        fs::write(directory.join("other-ca.pem"), self.other.pem()).unwrap();
        self.client.write(directory, "client");
        self.foreign.write(directory, "foreign");
        let open = directory.join("open.key");
        fs::write(&open, &self.client.key).unwrap();
        mode(&open, 0o644);
    }
}

async fn listen(kind: &'static str, addresses: &mut BTreeMap<&'static str, SocketAddr>) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    addresses.insert(kind, listener.local_addr().unwrap());
    listener
}

/// Speaks TLS for the coordinator behind it.
async fn terminate(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            if let (Ok(mut outer), Ok(mut inner)) =
                (acceptor.accept(stream).await, TcpStream::connect(behind).await)
            {
                // Either side may be killed at any time.
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            }
        });
    }
}

async fn answer_and_close(listener: TcpListener, answer: &'static [u8]) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    }
}

/// Closes each connection when a request has come: one that is closed before may as well have taken none.
async fn close_on_request(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = read_headers(&mut stream).await;
        let _ = stream.shutdown().await;
    }
}

/// Reads HTTP/2 as far as its first frame of headers.
async fn read_headers(stream: &mut TcpStream) -> std::io::Result<()> {
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    stream.read_exact(&mut [0; PREFACE]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

/// Answers every RPC with one status.
#[derive(Clone)]
struct Refusing(Status);

#[derive(Clone)]
struct Execution(Refusing);

#[derive(Clone)]
struct Admin(Refusing);

impl NamedService for Execution {
    const NAME: &'static str = "toolwave.v1.ExecutionService";
}

impl NamedService for Admin {
    const NAME: &'static str = "toolwave.v1.AdminService";
}

macro_rules! refuse_everything {
    ($($service:ty),*) => {$(
        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = std::future::Ready<Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _: http::Request<Body>) -> Self::Future {
                std::future::ready(Ok((self.0).0.clone().into_http()))
            }
        }
    )*};
}

refuse_everything!(Execution, Admin);
