//! A worker of the last release: it knows the frames of the baseline, and does what a test tells it to.

use std::{collections::VecDeque, future::Future};

use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use toolwave_tests::PATIENCE;

use crate::baseline::v1::{
    AttemptFailure, AttemptRef, AttemptReport, Dispatch, Draining, Goodbye, Heartbeat, OpenSessionRequest,
    OpenSessionResponse, ProgressReport, Register, Registered, Tool, attempt_report::End,
    worker_service_client::WorkerServiceClient,
};

/// Frames that wait for the connection: more than any test sends before it reads.
const OUTBOX: usize = 64;

pub(crate) struct OldWorker {
    says: mpsc::Sender<OpenSessionRequest>,
    hears: Streaming<OpenSessionResponse>,
    pub(crate) registered: Registered,
    /// Heard, and not taken by the test.
    dispatches: VecDeque<Dispatch>,
    /// Heard, and not acknowledged to have ended.
    in_flight: Vec<AttemptRef>,
    read: u64,
    results: u64,
    beats: u64,
}

/// Waits, or fails the test.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

// === impl OldWorker ===

impl OldWorker {
    /// A session of a worker with these slots, which hosts `work`.
    pub(crate) async fn join(url: String, name: &str, slots: u32) -> Self {
        Self::open(url, Self::register(name, slots)).await.unwrap()
    }

    /// What it registers with.
    pub(crate) fn register(name: &str, slots: u32) -> Register {
        Register {
            worker: name.to_owned(),
            instance_id: format!("{name}-1"),
            min_protocol: 1,
            max_protocol: 1,
            build: "the last release".to_owned(),
            slots,
            tools: vec![Tool {
                name: "work".to_owned(),
                ..Tool::default()
            }],
            max_message_bytes: 16 << 20,
            max_parameters_bytes: 16 << 20,
            ..Register::default()
        }
    }

    /// A session, or why the coordinator grants none.
    pub(crate) async fn open(url: String, register: Register) -> Result<Self, Status> {
        let (says, said) = mpsc::channel(OUTBOX);
        let first = OpenSessionRequest {
            register: Some(register),
            ..OpenSessionRequest::default()
        };
        says.send(first).await.unwrap();
        let session = async {
            let mut client = WorkerServiceClient::connect(url).await.unwrap();
            let opened = client.open_session(ReceiverStream::new(said)).await?;
            let mut hears = opened.into_inner();
            let first = hears.message().await?;
            let registered = first.and_then(|frame| frame.registered);
            Ok::<_, Status>((hears, registered.expect("the first frame answers register")))
        };
        let (hears, registered) = soon("the session", session).await?;
        Ok(Self {
            says,
            hears,
            registered,
            dispatches: VecDeque::new(),
            in_flight: Vec::new(),
            read: 0,
            results: 0,
            beats: 0,
        })
    }

    pub(crate) async fn say(&self, frame: OpenSessionRequest) {
        soon("room for a frame", self.says.send(frame)).await.unwrap();
    }

    /// The next frame, while the session goes on.
    async fn frame(&mut self) -> OpenSessionResponse {
        let frame = soon("a frame", self.hears.message()).await.unwrap();
        let frame = frame.expect("the session goes on");
        let attempts = frame.dispatches.iter().filter_map(|dispatch| dispatch.attempt);
        self.in_flight.extend(attempts);
        self.read += frame.dispatches.len() as u64;
        self.dispatches.extend(frame.dispatches.iter().cloned());
        frame
    }

    /// Reads until `found` finds something in a frame.
    pub(crate) async fn hear<T>(&mut self, found: impl Fn(&OpenSessionResponse) -> Option<T>) -> T {
        loop {
            let frame = self.frame().await;
            if let Some(found) = found(&frame) {
                return found;
            }
        }
    }

    pub(crate) async fn dispatch(&mut self) -> Dispatch {
        while self.dispatches.is_empty() {
            self.frame().await;
        }
        self.dispatches.pop_front().unwrap()
    }

    /// Whether a dispatch came that the test did not take.
    pub(crate) fn has_dispatch(&self) -> bool {
        !self.dispatches.is_empty()
    }

    /// Says that an attempt runs, and how far it is.
    pub(crate) async fn starts(&self, attempt: AttemptRef) {
        let progress = ProgressReport {
            attempt: Some(attempt),
            fraction: Some(0.5),
            message: "half".to_owned(),
        };
        self.say(OpenSessionRequest {
            started: vec![attempt],
            progress: vec![progress],
            ..OpenSessionRequest::default()
        })
        .await;
    }

    pub(crate) async fn succeeds(&mut self, attempt: AttemptRef, json: &'static str) {
        self.ends(attempt, End::ResultJson(json.into())).await;
    }

    pub(crate) async fn fails(&mut self, attempt: AttemptRef, failure: AttemptFailure) {
        self.ends(attempt, End::Failure(failure)).await;
    }

    /// Reports the end and waits until it is acknowledged, which comes with the answer of a heartbeat.
    async fn ends(&mut self, attempt: AttemptRef, end: End) {
        self.results += 1;
        let sequence = self.results;
        let report = AttemptReport {
            attempt: Some(attempt),
            sequence,
            end: Some(end),
            execution_time: Some(prost_types::Duration {
                seconds: 0,
                nanos: 1_000_000,
            }),
            ..AttemptReport::default()
        };
        let heartbeat = self.heartbeat();
        self.say(OpenSessionRequest {
            results: vec![report],
            heartbeat: Some(heartbeat),
            ..OpenSessionRequest::default()
        })
        .await;
        self.hear(|frame| (frame.acknowledged_results >= sequence).then_some(()))
            .await;
        self.in_flight.retain(|other| *other != attempt);
    }

    fn heartbeat(&mut self) -> Heartbeat {
        self.beats += 1;
        Heartbeat {
            number: self.beats,
            in_flight: self.in_flight.clone(),
            dispatches_read: self.read,
        }
    }

    /// A heartbeat, and its answer: what the coordinator had to say before has been heard then.
    pub(crate) async fn beats(&mut self) {
        let heartbeat = self.heartbeat();
        let number = heartbeat.number;
        self.say(OpenSessionRequest {
            heartbeat: Some(heartbeat),
            ..OpenSessionRequest::default()
        })
        .await;
        self.hear(|frame| (frame.heartbeat_answer == number).then_some(()))
            .await;
    }

    pub(crate) async fn drains(&self) {
        let draining = Some(Draining {
            reason: "told to".to_owned(),
        });
        self.say(OpenSessionRequest {
            draining,
            ..OpenSessionRequest::default()
        })
        .await;
    }

    /// Leaves on purpose; the coordinator ends the session in order.
    pub(crate) async fn goodbye(self) {
        let goodbye = Some(Goodbye {
            reason: "the test ends".to_owned(),
        });
        self.say(OpenSessionRequest {
            goodbye,
            ..OpenSessionRequest::default()
        })
        .await;
        let end = self.end().await;
        assert!(end.is_none(), "it was told {end:?}");
    }

    /// What the session ends with: `None` in order.
    pub(crate) async fn end(mut self) -> Option<Status> {
        loop {
            match soon("the end", self.hears.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }
}
