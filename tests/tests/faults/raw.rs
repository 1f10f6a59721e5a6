//! The two ends of a session without the generated types: frames are bytes, so that a test can send what only
//! another version of the protocol would.

use std::{convert::Infallible, io};

use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::future::BoxFuture;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{Service, http},
    server::NamedService,
};

/// Frames that wait: more than any script sends before it reads.
const FRAMES: usize = 64;
const OPEN_SESSION: &str = "/toolwave.v1.WorkerService/OpenSession";

/// Messages as they are on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(frame);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// The worker's end of a session with a real coordinator.
pub(crate) struct RawWorker {
    pub(crate) outgoing: mpsc::Sender<Bytes>,
    pub(crate) incoming: Streaming<Bytes>,
}

impl RawWorker {
    /// Opens a session with this first frame.
    pub(crate) async fn open(url: String, first: Bytes) -> anyhow::Result<Self> {
        let (outgoing, frames) = mpsc::channel(FRAMES);
        outgoing.try_send(first)?;
        let channel = tonic::transport::Endpoint::from_shared(url)?.connect().await?;
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await?;
        let path = http::uri::PathAndQuery::from_static(OPEN_SESSION);
        let answer = client
            .streaming(Request::new(ReceiverStream::new(frames)), path, Raw)
            .await?;
        Ok(Self {
            outgoing,
            incoming: answer.into_inner(),
        })
    }
}

/// One session of a real worker, at the coordinator's end.
pub(crate) struct RawSession {
    pub(crate) outgoing: mpsc::Sender<Result<Bytes, Status>>,
    pub(crate) incoming: Streaming<Bytes>,
}

/// What workers dial instead of a coordinator.
#[derive(Clone)]
pub(crate) struct RawCoordinator(mpsc::Sender<RawSession>);

impl RawCoordinator {
    /// Listens; answers its address, and the sessions as they come.
    pub(crate) async fn start() -> io::Result<(String, mpsc::Receiver<RawSession>)> {
        let (sender, sessions) = mpsc::channel(FRAMES);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tonic::transport::Server::builder()
            .add_service(Self(sender))
            .serve_with_incoming(TcpListenerStream::new(listener));
        // ends with the test's runtime
        tokio::spawn(serving);
        Ok((url, sessions))
    }
}

impl NamedService for RawCoordinator {
    const NAME: &'static str = "toolwave.v1.WorkerService";
}

impl Service<http::Request<Body>> for RawCoordinator {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = Sessions(self.0.clone());
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).streaming(service, request).await) })
    }
}

/// Hands each session to the test.
struct Sessions(mpsc::Sender<RawSession>);

impl tonic::server::StreamingService<Bytes> for Sessions {
    type Response = Bytes;
    type ResponseStream = ReceiverStream<Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let sessions = self.0.clone();
        Box::pin(async move {
            let (outgoing, frames) = mpsc::channel(FRAMES);
            let incoming = request.into_inner();
            let session = RawSession { outgoing, incoming };
            sessions
                .send(session)
                .await
                .map_err(|_| Status::unavailable("the test is over"))?;
            Ok(Response::new(ReceiverStream::new(frames)))
        })
    }
}
