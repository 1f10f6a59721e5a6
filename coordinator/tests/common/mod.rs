//! What the tests of this folder share: a coordinator on a free port, clients of it, and a worker that does
//! exactly what a test tells it to. Every wait is bounded, and its end is a failure.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]

use std::{
    collections::VecDeque,
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};
use toolwave_coordinator::{Config, Coordinator};
use toolwave_proto::v1::{
    self, admin_service_client::AdminServiceClient, attempt_report::End,
    execution_service_client::ExecutionServiceClient, worker_service_client::WorkerServiceClient,
};

/// No wait of a test is longer; it is no part of what is tested.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits, or fails the test.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

pub fn config() -> Config {
    Config {
        startup_grace: Duration::ZERO,
        ..Config::embedded()
    }
}

pub async fn start(config: Config) -> Coordinator {
    Coordinator::start(config).await.expect("a free port of loopback")
}

pub async fn channel(coordinator: &Coordinator) -> Channel {
    let uri = format!("http://{}", coordinator.address());
    Channel::from_shared(uri)
        .expect("a uri")
        .connect()
        .await
        .expect("it listens")
}

pub async fn client(coordinator: &Coordinator) -> ExecutionServiceClient<Channel> {
    ExecutionServiceClient::new(channel(coordinator).await).max_decoding_message_size(64 << 20)
}

pub async fn admin(coordinator: &Coordinator) -> AdminServiceClient<Channel> {
    AdminServiceClient::new(channel(coordinator).await)
}

/// The workers that the coordinator knows.
pub async fn workers(coordinator: &Coordinator) -> Vec<v1::WorkerStatus> {
    let listed = admin(coordinator)
        .await
        .list_workers(v1::ListWorkersRequest {})
        .await;
    listed.expect("it answers").into_inner().workers
}

/// Looks until `wanted` holds of the listed workers.
pub async fn workers_until(
    coordinator: &Coordinator,
    wanted: impl Fn(&[v1::WorkerStatus]) -> bool,
) -> Vec<v1::WorkerStatus> {
    let mut admin = admin(coordinator).await;
    soon("the state of the workers", async {
        loop {
            let listed = admin.list_workers(v1::ListWorkersRequest {}).await;
            let workers = listed.expect("it answers").into_inner().workers;
            if wanted(&workers) {
                return workers;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// A tool that may run more than once.
pub fn tool(name: &str) -> v1::Tool {
    v1::Tool {
        name: name.into(),
        idempotent: true,
        ..v1::Tool::default()
    }
}

/// A tool that may not.
pub fn once(name: &str) -> v1::Tool {
    v1::Tool {
        name: name.into(),
        ..v1::Tool::default()
    }
}

pub fn call(tool: &str, parameters: &str) -> v1::Call {
    v1::Call {
        tool_name: tool.into(),
        parameters_form: Some(v1::call::ParametersForm::ParametersJson(
            parameters.to_owned().into(),
        )),
        ..v1::Call::default()
    }
}

pub fn request(calls: Vec<v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency_auto: true,
        max_response_bytes: Some(64 << 20),
        ..v1::ExecuteParallelRequest::default()
    }
}

/// Runs calls in a task of their own, while the test plays the worker.
pub async fn execute(
    coordinator: &Coordinator,
    calls: Vec<v1::Call>,
) -> tokio::task::JoinHandle<Result<Vec<v1::CallResult>, Status>> {
    let mut client = client(coordinator).await;
    tokio::spawn(async move {
        Ok(client
            .execute_parallel(request(calls))
            .await?
            .into_inner()
            .results)
    })
}

/// What `execute` came to.
pub async fn results(
    execution: tokio::task::JoinHandle<Result<Vec<v1::CallResult>, Status>>,
) -> Vec<v1::CallResult> {
    soon("the end of the execution", execution)
        .await
        .expect("no panic")
        .expect("an answer")
}

/// The result of a call as JSON text.
pub fn json(result: &v1::CallResult) -> &str {
    match &result.result_form {
        Some(v1::call_result::ResultForm::ResultJson(text)) => std::str::from_utf8(text).expect("UTF-8"),
        other => panic!("{other:?} in {result:?}"),
    }
}

pub fn register(name: &str, tools: Vec<v1::Tool>) -> v1::Register {
    v1::Register {
        worker: name.into(),
        instance_id: format!("{name}-1"),
        min_protocol: 1,
        max_protocol: 1,
        slots: 8,
        tools,
        ..v1::Register::default()
    }
}

/// A worker that says what it is told to, and nothing else.
pub struct FakeWorker {
    says: Option<mpsc::Sender<v1::OpenSessionRequest>>,
    hears: Streaming<v1::OpenSessionResponse>,
    pub registered: v1::Registered,
    pub frames: Vec<v1::OpenSessionResponse>,
    dispatches: VecDeque<v1::Dispatch>,
    aborts: VecDeque<v1::AttemptRef>,
    results: u64,
}

impl FakeWorker {
    /// Opens a stream and says nothing.
    pub async fn open(coordinator: &Coordinator) -> Self {
        Self::open_on(channel(coordinator).await).await.expect("a stream")
    }

    /// The same on a connection of the test's own; refused when who opened it may not be a worker.
    pub async fn open_on(channel: Channel) -> Result<Self, Status> {
        let (says, said) = mpsc::channel(1024);
        let mut client = WorkerServiceClient::new(channel).max_decoding_message_size(16 << 20);
        // Answered before anything is sent.
        let opened = soon("the response", client.open_session(ReceiverStream::new(said))).await?;
        Ok(Self {
            says: Some(says),
            hears: opened.into_inner(),
            registered: v1::Registered::default(),
            frames: Vec::new(),
            dispatches: VecDeque::new(),
            aborts: VecDeque::new(),
            results: 0,
        })
    }

    /// Opens a stream and registers.
    pub async fn join(coordinator: &Coordinator, register: v1::Register) -> Self {
        Self::open(coordinator)
            .await
            .registered(coordinator, register)
            .await
    }

    /// Registers on an open stream.
    pub async fn registered(mut self, coordinator: &Coordinator, mut register: v1::Register) -> Self {
        static SESSIONS: AtomicU64 = AtomicU64::new(0);
        register.build = format!("session {}", SESSIONS.fetch_add(1, Ordering::Relaxed));
        self.say(v1::OpenSessionRequest {
            register: Some(register.clone()),
            ..Default::default()
        })
        .await;
        let first = self.frame().await;
        self.registered = first.registered.expect("the first frame answers register");
        // Known to the scheduler from here on.
        workers_until(coordinator, |workers| {
            workers.iter().any(|listed| listed.build == register.build)
        })
        .await;
        self
    }

    pub async fn say(&self, frame: v1::OpenSessionRequest) {
        let says = self.says.as_ref().expect("it has not hung up");
        says.send(frame).await.expect("the stream is open");
    }

    /// Ends its half of the stream, without goodbye.
    pub fn hang_up(&mut self) {
        self.says = None;
    }

    /// The next frame.
    pub async fn frame(&mut self) -> v1::OpenSessionResponse {
        let frame = soon("a frame", self.hears.message()).await;
        let frame = frame.expect("no fault").expect("the stream goes on");
        self.dispatches.extend(frame.dispatches.iter().cloned());
        self.aborts.extend(frame.aborts.iter().cloned());
        self.frames.push(frame.clone());
        frame
    }

    /// Reads frames until `wanted`.
    pub async fn until(
        &mut self,
        wanted: impl Fn(&v1::OpenSessionResponse) -> bool,
    ) -> v1::OpenSessionResponse {
        loop {
            let frame = self.frame().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// How the stream ends: `None` when well.
    pub async fn end(&mut self) -> Option<Status> {
        loop {
            match soon("the end of the stream", self.hears.message()).await {
                Ok(Some(frame)) => self.frames.push(frame),
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }

    pub async fn dispatch(&mut self) -> v1::Dispatch {
        loop {
            if let Some(dispatch) = self.dispatches.pop_front() {
                return dispatch;
            }
            self.frame().await;
        }
    }

    pub async fn abort(&mut self) -> v1::AttemptRef {
        loop {
            if let Some(abort) = self.aborts.pop_front() {
                return abort;
            }
            self.frame().await;
        }
    }

    /// The next report's number.
    pub fn number(&mut self) -> u64 {
        self.results += 1;
        self.results
    }

    pub async fn report(&mut self, attempt: &v1::AttemptRef, end: End) {
        let sequence = self.number();
        let report = v1::AttemptReport {
            attempt: Some(*attempt),
            sequence,
            end: Some(end),
            ..v1::AttemptReport::default()
        };
        self.say(v1::OpenSessionRequest {
            results: vec![report],
            ..Default::default()
        })
        .await;
    }

    pub async fn succeed(&mut self, dispatch: &v1::Dispatch, result: &str) {
        let attempt = dispatch.attempt.expect("a dispatch names its attempt");
        self.report(&attempt, End::ResultJson(result.to_owned().into()))
            .await;
    }

    pub async fn fail(&mut self, attempt: &v1::AttemptRef, kind: v1::AttemptFailureKind) {
        let failure = v1::AttemptFailure {
            kind: kind.into(),
            ..v1::AttemptFailure::default()
        };
        self.report(attempt, End::Failure(failure)).await;
    }

    /// Announces a result, and sends it in the pieces given.
    pub async fn announce(&mut self, dispatch: &v1::Dispatch, size: u64, pieces: Vec<(u64, Vec<u8>)>) {
        let sequence = self.number();
        let report = v1::AttemptReport {
            attempt: dispatch.attempt,
            sequence,
            result_size: size,
            ..v1::AttemptReport::default()
        };
        self.say(v1::OpenSessionRequest {
            results: vec![report],
            ..Default::default()
        })
        .await;
        for (offset, data) in pieces {
            let chunk = v1::PayloadChunk {
                attempt: dispatch.attempt,
                offset,
                data: data.into(),
            };
            self.say(v1::OpenSessionRequest {
                chunks: vec![chunk],
                ..Default::default()
            })
            .await;
        }
    }

    pub async fn beat(&self, number: u64, in_flight: Vec<v1::AttemptRef>) {
        let heartbeat = v1::Heartbeat {
            number,
            in_flight,
            dispatches_read: 0,
        };
        self.say(v1::OpenSessionRequest {
            heartbeat: Some(heartbeat),
            ..Default::default()
        })
        .await;
    }

    pub async fn goodbye(&self) {
        let goodbye = Some(v1::Goodbye {
            reason: "done".into(),
        });
        self.say(v1::OpenSessionRequest {
            goodbye,
            ..Default::default()
        })
        .await;
    }
}
