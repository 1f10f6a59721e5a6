//! `WorkerService`: answers a stream at once and leaves the rest to the session's task. Waiting for the first
//! frame here would hold back the response headers, which some clients wait for before they send.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::{self, Body, BoxFuture, StdError, http},
    server::{Grpc, NamedService, StreamingService},
};
use toolwave_proto::v1::{self, worker_service_server::SERVICE_NAME};
use toolwave_scheduler::SessionKey;

use super::{
    declarations::Declarations,
    frame::{Frame, FrameCodec},
    outbox::{Answers, LEAST_MESSAGE, Outbox},
    permitted::Caller,
    session,
};
use crate::{audit::Audit, driver::mailbox::Input};

/// What holds for every session.
#[derive(Clone, Debug)]
pub(crate) struct SessionTerms {
    /// Random, new with each coordinator.
    pub(crate) coordinator_id: Arc<str>,
    pub(crate) register_within: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) self_fence: Duration,
    /// Of a message from a worker, in bytes.
    pub(crate) max_message: usize,
    /// Of a result, in bytes.
    pub(crate) max_result: u64,
    pub(crate) max_slots: u32,
    pub(crate) max_tools: usize,
    /// Other coordinators, which workers are told of.
    pub(crate) peers: Arc<[String]>,
}

/// What the sessions share.
pub(crate) struct Workers {
    pub(super) terms: SessionTerms,
    pub(super) driver: mpsc::Sender<Input>,
    pub(super) declarations: Arc<Declarations>,
    pub(super) audit: Audit,
    sessions: AtomicU64,
    /// Owns the readers.
    readers: TaskTracker,
}

// === impl Workers ===

impl Workers {
    pub(crate) fn new(
        terms: SessionTerms,
        driver: mpsc::Sender<Input>,
        declarations: Arc<Declarations>,
        readers: TaskTracker,
        audit: Audit,
    ) -> Self {
        Self {
            terms,
            driver,
            declarations,
            audit,
            sessions: AtomicU64::new(1),
            readers,
        }
    }

    pub(super) fn next_session(&self) -> SessionKey {
        SessionKey(self.sessions.fetch_add(1, Ordering::Relaxed))
    }
}

/// The service, for a server: as the generated one, but for the codec.
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Workers>);

/// Its one method.
struct OpenSession(Arc<Workers>);

impl NamedService for Service {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> codegen::Service<http::Request<B>> for Service
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let method = request
            .uri()
            .path()
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'));
        if method != Some((SERVICE_NAME, "OpenSession")) {
            return Box::pin(ready(Ok(Status::unimplemented("").into_http())));
        }
        let workers = self.0.clone();
        Box::pin(async move {
            let limit = workers.terms.max_message.max(LEAST_MESSAGE as usize);
            let mut grpc = Grpc::new(FrameCodec).max_decoding_message_size(limit);
            Ok(grpc.streaming(OpenSession(workers), request).await)
        })
    }
}

impl StreamingService<v1::OpenSessionRequest> for OpenSession {
    type Response = Frame;
    type ResponseStream = Outbox;
    type Future = Ready<Result<Response<Outbox>, Status>>;

    fn call(&mut self, request: Request<Streaming<v1::OpenSessionRequest>>) -> Self::Future {
        let workers = self.0.clone();
        let caller = Caller::of(request.extensions());
        // An attempt in flight is at most said once and aborted once, and takes a slot until it has ended:
        // a fuller outbox belongs to a worker that does not read. Room is taken only as it is used.
        let room = (workers.terms.max_slots as usize)
            .saturating_mul(2)
            .saturating_add(16);
        let (outbox, arriving) = mpsc::channel(room);
        let answers = Arc::new(Answers::default());
        let writer = Outbox::new(arriving, answers.clone());
        self.0.readers.spawn(session::serve(
            workers,
            request.into_inner(),
            caller,
            outbox,
            answers,
        ));
        ready(Ok(Response::new(writer)))
    }
}
