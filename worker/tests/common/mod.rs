//! A coordinator that does what a test says, on a real socket, and tools that a test can hold and watch.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "only tests use this")]

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    pin::Pin,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{Request, Response, Status, Streaming, service::Routes};
use toolwave_proto::v1::{
    ToolsChanged,
    worker_service_server::{WorkerService, WorkerServiceServer},
    *,
};
use toolwave_worker::{RunError, Worker, WorkerBuilder, WorkerHandle};

mod tools;

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use tools::{Counted, Gate, Text, echo, instant};

/// Nothing here takes so long: a test that waits for ever fails instead.
const HANG: Duration = Duration::from_secs(20);

/// A coordinator whose sessions a test plays.
pub(crate) struct FakeCoordinator {
    pub(crate) address: SocketAddr,
    sessions: mpsc::Receiver<FakeSession>,
    _server: Box<dyn std::any::Any + Send>,
}

struct Service {
    sessions: mpsc::Sender<FakeSession>,
}

/// One session, and what its worker has said.
pub(crate) struct FakeSession {
    incoming: Streaming<OpenSessionRequest>,
    outgoing: mpsc::Sender<Result<OpenSessionResponse, Status>>,
    pub(crate) said: Said,
    pub(crate) acknowledges: bool,
    pub(crate) answers: bool,
    dispatched: u64,
}

/// Everything since the session began.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) frames: usize,
    pub(crate) started: Vec<AttemptRef>,
    pub(crate) progress: Vec<ProgressReport>,
    pub(crate) results: Vec<AttemptReport>,
    pub(crate) payloads: HashMap<AttemptRef, Vec<u8>>,
    /// In which order entries and pieces came: results by attempt, pieces by attempt and offset.
    pub(crate) order: Vec<(AttemptRef, Option<u64>)>,
    pub(crate) heartbeats: VecDeque<Heartbeat>,
    /// The names of each set of tools that replaced the one before.
    pub(crate) offers: Vec<Vec<String>>,
    pub(crate) draining: bool,
    pub(crate) goodbye: bool,
    pub(crate) ended: bool,
}

#[tonic::async_trait]
impl WorkerService for Service {
    type OpenSessionStream = Pin<Box<dyn Stream<Item = Result<OpenSessionResponse, Status>> + Send>>;

    async fn open_session(
        &self,
        request: Request<Streaming<OpenSessionRequest>>,
    ) -> Result<Response<Self::OpenSessionStream>, Status> {
        let (outgoing, frames) = mpsc::channel(1024);
        let session = FakeSession {
            incoming: request.into_inner(),
            outgoing,
            said: Said::default(),
            acknowledges: true,
            answers: true,
            dispatched: 0,
        };
        self.sessions
            .send(session)
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }
}

impl FakeCoordinator {
    pub(crate) async fn start() -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn serve(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (routes, sessions) = Self::routes();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let incoming = TcpListenerStream::new(listener)
                .map(|stream| stream.inspect(|stream| stream.set_nodelay(true).unwrap()));
            tonic::transport::Server::builder()
                .add_routes(routes)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self::served(address, sessions, server)
    }

    /// For a server of another kind, which goes to [`FakeCoordinator::served`].
    pub(crate) fn routes() -> (Routes, mpsc::Receiver<FakeSession>) {
        let (sender, sessions) = mpsc::channel(16);
        let service = WorkerServiceServer::new(Service { sessions: sender });
        (Routes::new(service.max_decoding_message_size(16 << 20)), sessions)
    }

    /// Keeps the server as long as itself.
    pub(crate) fn served(
        address: SocketAddr,
        sessions: mpsc::Receiver<FakeSession>,
        server: impl Send + 'static,
    ) -> Self {
        Self {
            address,
            sessions,
            _server: Box::new(server),
        }
    }

    /// The next session that is opened, and its first frame.
    pub(crate) async fn session(&mut self) -> (FakeSession, Register) {
        let mut session = within(self.sessions.recv()).await.expect("the server runs");
        let frame = within(session.incoming.message())
            .await
            .unwrap()
            .expect("a first frame");
        let register = frame.register.clone().expect("the first frame registers");
        assert_eq!(
            frame,
            OpenSessionRequest {
                register: Some(register.clone()),
                ..Default::default()
            }
        );
        (session, register)
    }

    /// The next session, accepted.
    pub(crate) async fn accept(&mut self) -> (FakeSession, Register) {
        let (session, register) = self.session().await;
        session.register(registered()).await;
        (session, register)
    }
}

pub(crate) fn registered() -> Registered {
    Registered {
        coordinator_id: "coordinator".to_owned(),
        session_id: "session".to_owned(),
        protocol: 1,
        heartbeat_interval: duration(2000),
        self_fence: duration(8000),
        unwanted: Vec::new(),
        max_message_bytes: 16 << 20,
        max_result_bytes: 8 << 20,
    }
}

pub(crate) fn duration(millis: i32) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::from(millis / 1000),
        nanos: millis % 1000 * 1_000_000,
    })
}

impl FakeSession {
    pub(crate) async fn register(&self, registered: Registered) {
        self.send(OpenSessionResponse {
            registered: Some(registered),
            ..Default::default()
        })
        .await;
    }

    pub(crate) async fn send(&self, frame: OpenSessionResponse) {
        within(self.outgoing.send(Ok(frame)))
            .await
            .expect("the stream is open");
    }

    /// Ends the session instead of accepting it.
    pub(crate) async fn refuse(self, status: Status) {
        within(self.outgoing.send(Err(status)))
            .await
            .expect("the stream is open");
    }

    /// Dispatches attempts in one frame.
    pub(crate) async fn dispatch(&mut self, dispatches: impl IntoIterator<Item = Dispatch>) {
        let dispatches = dispatches
            .into_iter()
            .map(|mut dispatch| {
                self.dispatched += 1;
                dispatch.sequence = self.dispatched;
                dispatch
            })
            .collect();
        self.send(OpenSessionResponse {
            dispatches,
            ..Default::default()
        })
        .await;
    }

    pub(crate) async fn abort(&self, attempt: AttemptRef) {
        self.send(OpenSessionResponse {
            aborts: vec![attempt],
            ..Default::default()
        })
        .await;
    }

    pub(crate) async fn acknowledge(&self, results: u64) {
        self.send(OpenSessionResponse {
            acknowledged_results: results,
            ..Default::default()
        })
        .await;
    }

    /// Reads frames until the worker has said something, or the stream has ended.
    pub(crate) async fn until(&mut self, what: impl Fn(&Said) -> bool) {
        let reading = async {
            while !what(&self.said) {
                assert!(!self.said.ended, "the stream ended before: {:?}", self.said);
                self.read().await;
            }
        };
        within(reading).await;
    }

    /// Reads until this attempt has ended, result included.
    pub(crate) async fn report(&mut self, attempt: AttemptRef) -> AttemptReport {
        self.until(|said| {
            said.result(attempt).is_some_and(|report| {
                report.result_size == 0
                    || said
                        .payloads
                        .get(&attempt)
                        .is_some_and(|payload| payload.len() as u64 == report.result_size)
            })
        })
        .await;
        self.said.result(attempt).cloned().expect("it was just there")
    }

    /// The result's text.
    pub(crate) async fn result(&mut self, attempt: AttemptRef) -> String {
        let report = self.report(attempt).await;
        match report.end {
            Some(attempt_report::End::ResultJson(json)) if report.result_size == 0 => {
                String::from_utf8(json.to_vec()).unwrap()
            }
            Some(attempt_report::End::ResultJson(_)) => {
                String::from_utf8(self.said.payloads[&attempt].clone()).unwrap()
            }
            end => panic!("expected a result: {end:?}"),
        }
    }

    pub(crate) async fn failure(&mut self, attempt: AttemptRef) -> AttemptFailure {
        match self.report(attempt).await.end {
            Some(attempt_report::End::Failure(failure)) => failure,
            end => panic!("expected a failure: {end:?}"),
        }
    }

    async fn read(&mut self) {
        let Ok(Some(frame)) = self.incoming.message().await else {
            self.said.ended = true;
            return;
        };
        let mut answer = OpenSessionResponse::default();
        if self.acknowledges {
            answer.acknowledged_results = frame.results.last().map_or(0, |report| report.sequence);
        }
        if self.answers {
            answer.heartbeat_answer = frame.heartbeat.as_ref().map_or(0, |heartbeat| heartbeat.number);
        }
        self.said.add(frame);
        if answer != OpenSessionResponse::default() {
            // a worker that has gone needs no answer
            let _ = self.outgoing.send(Ok(answer)).await;
        }
    }
}

impl Said {
    fn add(&mut self, frame: OpenSessionRequest) {
        self.frames += 1;
        self.started.extend(frame.started);
        self.progress.extend(frame.progress);
        for report in frame.results {
            self.order.push((report.attempt.unwrap(), None));
            self.results.push(report);
        }
        for chunk in frame.chunks {
            let attempt = chunk.attempt.unwrap();
            let payload = self.payloads.entry(attempt).or_default();
            assert_eq!(chunk.offset, payload.len() as u64, "pieces come in order");
            assert!(chunk.data.len() <= 64 << 10, "a piece has at most 64 KiB");
            self.order.push((attempt, Some(chunk.offset)));
            payload.extend_from_slice(&chunk.data);
        }
        self.heartbeats.extend(frame.heartbeat);
        let names = |changed: ToolsChanged| changed.tools.into_iter().map(|tool| tool.name).collect();
        self.offers.extend(frame.tools_changed.map(names));
        self.draining |= frame.draining.is_some();
        self.goodbye |= frame.goodbye.is_some();
    }

    pub(crate) fn result(&self, attempt: AttemptRef) -> Option<&AttemptReport> {
        self.results.iter().find(|report| report.attempt == Some(attempt))
    }
}

/// An attempt of call 0.
pub(crate) fn attempt(execution: u64) -> AttemptRef {
    AttemptRef {
        execution,
        call_index: 0,
        attempt: 1,
    }
}

pub(crate) fn dispatch(execution: u64, tool: &str, parameters: &str) -> Dispatch {
    Dispatch {
        attempt: Some(attempt(execution)),
        tool_name: tool.to_owned(),
        parameters_json: parameters.to_owned().into(),
        timeout: duration(20_000),
        idempotency_key: "key".to_owned(),
        execution_id: "execution".to_owned(),
        call_id: "call".to_owned(),
        ..Dispatch::default()
    }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future)
        .await
        .expect("it does not hang")
}

/// A worker that runs.
pub(crate) struct Running {
    pub(crate) handle: WorkerHandle,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) fn start(builder: WorkerBuilder) -> Self {
        let worker = builder.build().unwrap();
        Self {
            handle: worker.handle(),
            task: tokio::spawn(worker.run()),
        }
    }

    pub(crate) async fn ended(&mut self) {
        within(&mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address that is taken and refuses connections until it is listened on.
pub(crate) fn refusing_address() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A worker named `w` with two slots and the tools `echo`, `hold` and `instant`.
pub(crate) fn worker(coordinator: &FakeCoordinator, gate: &Gate) -> WorkerBuilder {
    worker_for(coordinator.address, gate)
}

pub(crate) fn worker_for(coordinator: SocketAddr, gate: &Gate) -> WorkerBuilder {
    Worker::builder()
        .coordinator(format!("http://{coordinator}"))
        .name("w")
        .slots(2)
        .tool(echo())
        .tool(instant())
        .tool(gate.tool())
}
