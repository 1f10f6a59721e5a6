//! A coordinator of the last release, no larger than a test needs: one worker at a time, calls in request order and
//! all at once, no retries. What was added to the contract since, it neither says nor understands.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
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
    admin_service_server::{AdminService, AdminServiceServer},
    attempt_report::End,
    execution_service_server::{ExecutionService, ExecutionServiceServer},
    worker_service_server::{WorkerService, WorkerServiceServer},
};

/// Frames that wait for the connection: more than any test sends.
const OUTBOX: usize = 256;

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// It listens until it is dropped.
pub(crate) struct OldCoordinator {
    address: SocketAddr,
    program: Program,
    _server: AbortOnDropHandle<()>,
}

#[derive(Clone, Default)]
struct Program(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    registered: watch::Sender<Option<v1::Register>>,
}

#[derive(Default)]
struct State {
    says: Option<mpsc::Sender<Result<v1::OpenSessionResponse, Status>>>,
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

    /// What the worker registered with, once one has.
    pub(crate) async fn registered(&self) -> v1::Register {
        let mut registered = self.program.0.registered.subscribe();
        let there = registered.wait_for(Option::is_some).await;
        there.unwrap().clone().unwrap()
    }

    /// Gives the worker calls of `work`, all in one frame; the ends as they are reported.
    pub(crate) fn dispatch(&self, calls: usize) -> Vec<oneshot::Receiver<v1::AttemptReport>> {
        let calls = (0..calls).map(|_| ("work".to_owned(), "{}".into()));
        self.program.dispatch(calls.collect()).unwrap()
    }
}

// === impl Program ===

impl Program {
    fn dispatch(
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
        let frame = v1::OpenSessionResponse {
            dispatches,
            ..v1::OpenSessionResponse::default()
        };
        let says = state.says.as_ref();
        let says = says.ok_or_else(|| Status::unavailable("no worker is here"))?;
        says.try_send(Ok(frame))
            .map_err(|_| Status::unavailable("the worker has gone"))?;
        Ok(ends)
    }

    /// Answers what a worker says, until it leaves.
    async fn session(
        self,
        mut hears: Streaming<v1::OpenSessionRequest>,
        says: mpsc::Sender<Result<v1::OpenSessionResponse, Status>>,
    ) {
        while let Ok(Some(frame)) = hears.message().await {
            let mut answer = v1::OpenSessionResponse::default();
            if let Some(register) = frame.register {
                answer.registered = Some(v1::Registered {
                    coordinator_id: "the last release".to_owned(),
                    session_id: "1".to_owned(),
                    protocol: 1,
                    heartbeat_interval: Some(prost_types::Duration {
                        seconds: 0,
                        nanos: 100_000_000,
                    }),
                    self_fence: Some(prost_types::Duration { seconds: 8, nanos: 0 }),
                    max_message_bytes: 16 << 20,
                    max_result_bytes: 16 << 20,
                    ..v1::Registered::default()
                });
                self.0.state.lock().unwrap().says = Some(says.clone());
                let _ = says.try_send(Ok(answer));
                self.0.registered.send_replace(Some(register));
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

#[tonic::async_trait]
impl ExecutionService for Program {
    type ExecuteParallelStreamStream = Streamed<v1::ExecuteParallelStreamResponse>;

    async fn execute_parallel(
        &self,
        request: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        use v1::call::ParametersForm;
        let calls = request.into_inner().calls.into_iter().map(|call| {
            let json = match call.parameters_form {
                Some(ParametersForm::ParametersJson(json)) => json,
                _ => "{}".into(),
            };
            (call.tool_name, json)
        });
        let mut results = Vec::new();
        for (index, end) in self.dispatch(calls.collect())?.into_iter().enumerate() {
            let report = end.await.map_err(|_| Status::unavailable("the worker is lost"))?;
            let Some(End::ResultJson(json)) = report.end else {
                return Err(Status::internal("it fails no calls, only tests"));
            };
            results.push(v1::CallResult {
                id: index.to_string(),
                tool_name: "work".to_owned(),
                success: true,
                outcome: v1::Outcome::Succeeded.into(),
                result_form: Some(v1::call_result::ResultForm::ResultJson(json)),
                ..v1::CallResult::default()
            });
        }
        let summary = v1::ExecutionSummary {
            execution_id: "execution-1".to_owned(),
            calls: results.len() as u32,
            ..v1::ExecutionSummary::default()
        };
        Ok(Response::new(v1::ExecuteParallelResponse {
            results,
            summary: Some(summary),
        }))
    }

    async fn execute_parallel_stream(
        &self,
        _: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Self::ExecuteParallelStreamStream>, Status> {
        Err(Status::unavailable("no test streams"))
    }

    async fn plan_execution(
        &self,
        _: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        Err(Status::unavailable("no test plans"))
    }

    async fn cancel_execution(
        &self,
        _: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        Err(Status::not_found("no test cancels"))
    }

    async fn list_tools(
        &self,
        _: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        Ok(Response::new(v1::ListToolsResponse::default()))
    }
}

#[tonic::async_trait]
impl AdminService for Program {
    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let registered = self.0.registered.borrow().clone();
        let workers = registered.into_iter().map(|register| v1::WorkerStatus {
            worker: register.worker,
            slots: register.slots,
            ..v1::WorkerStatus::default()
        });
        let workers = workers.collect();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainWorkerRequest>,
    ) -> Result<Response<v1::DrainWorkerResponse>, Status> {
        let state = self.0.state.lock().unwrap();
        let says = state
            .says
            .as_ref()
            .ok_or_else(|| Status::not_found("no worker is here"))?;
        let draining = !request.into_inner().resume;
        let frame = v1::OpenSessionResponse {
            set_draining: Some(v1::SetDraining { draining }),
            ..v1::OpenSessionResponse::default()
        };
        let _ = says.try_send(Ok(frame));
        Ok(Response::new(v1::DrainWorkerResponse::default()))
    }
}
