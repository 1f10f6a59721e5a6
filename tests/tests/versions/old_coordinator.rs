//! A coordinator of the last release, no larger than a test needs: one worker at a time, calls in request order and
//! all at once, no retries. What was added to the contract since, it neither says nor understands. What clients get
//! from it is in `old_answers`.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming, transport::server::TcpIncoming};

use crate::baseline::v1::{
    self,
    admin_service_server::AdminServiceServer,
    execution_service_server::ExecutionServiceServer,
    worker_service_server::{WorkerService, WorkerServiceServer},
};

/// Frames that wait for the connection: more than any test sends.
const OUTBOX: usize = 256;

pub(crate) type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// It listens until it is dropped.
pub(crate) struct OldCoordinator {
    address: SocketAddr,
    program: Program,
    _server: AbortOnDropHandle<()>,
}

#[derive(Clone, Default)]
pub(crate) struct Program(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    registered: watch::Sender<Option<v1::Register>>,
    /// Answered to workers in place of version 1, unless it is 0.
    protocol: AtomicU32,
}

/// Who sends frames to a worker.
type Says = mpsc::Sender<Result<v1::OpenSessionResponse, Status>>;

#[derive(Default)]
struct State {
    says: Option<Says>,
    /// Who waits for the end of an attempt, by the number that is its execution's.
    awaited: HashMap<u64, oneshot::Sender<v1::AttemptReport>>,
    dispatched: u64,
}

// === impl OldCoordinator ===

impl OldCoordinator {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let program = Program::default();
        let server = tonic::transport::Server::builder()
            .add_service(WorkerServiceServer::new(program.clone()))
            .add_service(ExecutionServiceServer::new(program.clone()))
            .add_service(AdminServiceServer::new(program.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = server.await;
        }));
        Self {
            address,
            program,
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers workers with another version of the protocol from now on; 0: with version 1, as it should.
    pub(crate) fn answers_with(&self, protocol: u32) {
        self.program.0.protocol.store(protocol, Ordering::SeqCst);
    }

    /// What the worker registered with, once one has.
    pub(crate) async fn registered(&self) -> v1::Register {
        let mut registered = self.program.0.registered.subscribe();
        let there = registered.wait_for(Option::is_some).await;
        there.unwrap().clone().unwrap()
    }

    /// Gives the worker calls of `work`, all in one frame; the ends as they are reported.
    pub(crate) fn dispatch(&self, calls: usize) -> Vec<oneshot::Receiver<v1::AttemptReport>> {
        self.calls("work", "{}", calls)
    }

    /// The same of any tool.
    pub(crate) fn calls(
        &self,
        tool: &str,
        json: &'static str,
        calls: usize,
    ) -> Vec<oneshot::Receiver<v1::AttemptReport>> {
        let calls = (0..calls).map(|_| (tool.to_owned(), json.into()));
        self.program.dispatch(calls.collect()).unwrap()
    }
}

// === impl Program ===

impl Program {
    /// Dispatches these calls; the ends as they are reported.
    pub(crate) fn dispatch(
        &self,
        calls: Vec<(String, bytes::Bytes)>,
    ) -> Result<Vec<oneshot::Receiver<v1::AttemptReport>>, Status> {
        let mut state = self.0.state.lock().unwrap();
        let (mut dispatches, mut ends) = (Vec::new(), Vec::new());
        for (tool_name, parameters_json) in calls {
            state.dispatched += 1;
            let number = state.dispatched;
            let (ended, end) = oneshot::channel();
            state.awaited.insert(number, ended);
            ends.push(end);
            dispatches.push(v1::Dispatch {
                attempt: Some(v1::AttemptRef {
                    execution: number,
                    call_index: 0,
                    attempt: 1,
                }),
                tool_name,
                parameters_json,
                timeout: Some(prost_types::Duration {
                    seconds: 30,
                    nanos: 0,
                }),
                idempotency_key: format!("key-{number}"),
                execution_id: format!("execution-{number}"),
                call_id: "0".to_owned(),
                sequence: number,
                ..v1::Dispatch::default()
            });
        }
        drop(state);
        self.tell(v1::OpenSessionResponse {
            dispatches,
            ..v1::OpenSessionResponse::default()
        })?;
        Ok(ends)
    }

    /// What the worker registered with, while one is here.
    pub(crate) fn worker(&self) -> Option<v1::Register> {
        self.0.registered.borrow().clone()
    }

    /// Tells the worker that is here.
    pub(crate) fn tell(&self, frame: v1::OpenSessionResponse) -> Result<(), Status> {
        let state = self.0.state.lock().unwrap();
        let says = state.says.as_ref();
        let says = says.ok_or_else(|| Status::not_found("no worker is here"))?;
        says.try_send(Ok(frame))
            .map_err(|_| Status::unavailable("the worker has gone"))
    }

    /// Answers what a worker says, until it leaves.
    async fn session(self, mut hears: Streaming<v1::OpenSessionRequest>, says: Says) {
        let protocol = self.0.protocol.load(Ordering::SeqCst).max(1);
        while let Ok(Some(frame)) = hears.message().await {
            let mut answer = v1::OpenSessionResponse::default();
            if let Some(register) = frame.register {
                answer.registered = Some(v1::Registered {
                    coordinator_id: "the last release".to_owned(),
                    session_id: "1".to_owned(),
                    protocol,
                    heartbeat_interval: Some(prost_types::Duration {
                        seconds: 0,
                        nanos: 100_000_000,
                    }),
                    self_fence: Some(prost_types::Duration { seconds: 8, nanos: 0 }),
                    max_message_bytes: 16 << 20,
                    max_result_bytes: 16 << 20,
                    ..v1::Registered::default()
                });
                let _ = says.try_send(Ok(answer));
                if protocol == 1 {
                    self.0.state.lock().unwrap().says = Some(says.clone());
                    self.0.registered.send_replace(Some(register));
                }
                continue;
            }
            for report in frame.results {
                answer.acknowledged_results = report.sequence;
                let number = report.attempt.unwrap().execution;
                let awaited = self.0.state.lock().unwrap().awaited.remove(&number);
                if let Some(awaited) = awaited {
                    let _ = awaited.send(report);
                }
            }
            if let Some(beat) = frame.heartbeat {
                answer.heartbeat_answer = beat.number;
            }
            if frame.goodbye.is_some() {
                break;
            }
            if answer != v1::OpenSessionResponse::default() {
                let _ = says.try_send(Ok(answer));
            }
        }
        if protocol != 1 {
            return;
        }
        self.0.state.lock().unwrap().says = None;
        self.0.registered.send_replace(None);
    }
}

#[tonic::async_trait]
impl WorkerService for Program {
    type OpenSessionStream = Streamed<v1::OpenSessionResponse>;

    async fn open_session(
        &self,
        request: Request<Streaming<v1::OpenSessionRequest>>,
    ) -> Result<Response<Self::OpenSessionStream>, Status> {
        let (says, said) = mpsc::channel(OUTBOX);
        // It ends with the connection, which ends with the server.
        tokio::spawn(self.clone().session(request.into_inner(), says));
        Ok(Response::new(Box::pin(ReceiverStream::new(said))))
    }
}
