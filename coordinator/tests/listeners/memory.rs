//! A coordinator that is reached through memory, from whatever address a test wants.

use std::{io, net::SocketAddr, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream},
    sync::mpsc,
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    codegen::http,
    transport::{Channel, Endpoint, Uri},
};
use toolwave_coordinator::{Config, Coordinator};

use crate::common::soon;

/// An address of a network for examples.
pub(crate) const SOMEWHERE: &str = "192.0.2.7";

/// Where connections come from.
#[derive(Clone)]
pub(crate) struct Memory(mpsc::Sender<io::Result<(DuplexStream, SocketAddr)>>);

impl Memory {
    pub(crate) async fn start(config: Config) -> (Self, Coordinator) {
        let (accepted, incoming) = mpsc::channel(4);
        let coordinator = Coordinator::start_on(config, ReceiverStream::new(incoming))
            .await
            .expect("nothing is bound");
        (Self(accepted), coordinator)
    }

    /// The client's end of a connection from an address.
    pub(crate) async fn connect(&self, from: &str) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let address = SocketAddr::new(from.parse().expect("an address"), 4000);
        self.0.send(Ok((far, address))).await.expect("it runs");
        near
    }

    /// What accepting can fail with.
    pub(crate) async fn fail(&self, error: io::Error) {
        self.0.send(Err(error)).await.expect("it runs");
    }

    /// A client whose connections come from [`SOMEWHERE`].
    pub(crate) async fn channel(&self) -> Channel {
        let memory = self.clone();
        let connect = tower::service_fn(move |_: Uri| {
            let memory = memory.clone();
            async move { Ok::<_, io::Error>(TokioIo::new(memory.connect(SOMEWHERE).await)) }
        });
        let endpoint = Endpoint::from_static("http://in.memory");
        soon("a connection", endpoint.connect_with_connector(connect))
            .await
            .expect("it is served")
    }

    /// Whether a connection from an address is served.
    pub(crate) async fn lets_in(&self, from: &str) -> Option<Client> {
        Client::open(self.connect(from).await).await
    }
}

/// An HTTP/2 client that knows nothing of gRPC but how to read its status.
pub(crate) struct Client {
    requests: h2::client::SendRequest<bytes::Bytes>,
    /// Dropped, it ends.
    _connection: tokio_util::task::AbortOnDropHandle<()>,
}

impl Client {
    /// `None`: the other end does not serve.
    pub(crate) async fn open<IO>(stream: IO) -> Option<Self>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, connection) = h2::client::handshake(stream).await.ok()?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut client = Self {
            requests,
            _connection: tokio_util::task::AbortOnDropHandle::new(connection),
        };
        // The health of what is asked.
        client
            .status("/grpc.health.v1.Health/Check")
            .await
            .map(|_| client)
    }

    /// The gRPC status of a method that is sent nothing. `None`: the connection has ended.
    pub(crate) async fn status(&mut self, path: &str) -> Option<u32> {
        let request = http::Request::post(format!("http://listener{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a request");
        let mut requests = self.requests.clone().ready().await.ok()?;
        let (response, _) = requests.send_request(request, true).ok()?;
        let mut response = response.await.ok()?;
        let status = |headers: &http::HeaderMap| {
            let status = headers.get("grpc-status")?.to_str().ok()?;
            status.parse().ok()
        };
        if let Some(status) = status(response.headers()) {
            return Some(status);
        }
        let body = response.body_mut();
        while let Some(Ok(_)) = body.data().await {}
        body.trailers().await.ok()?.as_ref().and_then(status)
    }

    /// Sends so many requests without an end, and cancels all of them at once.
    pub(crate) async fn cancel(&mut self, count: usize) {
        let mut sent = Vec::new();
        for _ in 0..count {
            let request = http::Request::post("http://listener/toolwave.v1.ExecutionService/ExecuteParallel")
                .header("content-type", "application/grpc")
                .body(())
                .expect("a request");
            let requests = soon("a free stream", self.requests.clone().ready()).await;
            let mut requests = requests.expect("the connection lives");
            sent.push(requests.send_request(request, false).expect("sent"));
        }
    }
}

/// How long the other end leaves a connection open that sends nothing more.
pub(crate) async fn until_closed<IO: AsyncRead + Unpin>(stream: &mut IO) -> Duration {
    let start = Instant::now();
    let mut said = [0; 1024];
    soon("the end of the connection", async {
        while !matches!(stream.read(&mut said).await, Ok(0) | Err(_)) {}
    })
    .await;
    start.elapsed()
}
