//! A worker that takes the steps of a row, and what is seen of it from both sides.

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use toolwave_proto::v1::{self, attempt_report::End};
use toolwave_tests::PATIENCE;

use super::{
    call::{Seen, call},
    rows::{Failure, Registration, Step, ToolRow, Who, invented},
    wire::Wire,
};
use crate::{door::Door, transport::from_hex};

/// A worker on its way through a row.
pub(crate) struct Play {
    /// Of clients.
    url: String,
    /// Of workers.
    door: Door,
    identity: Option<String>,
    wire: Wire,
    registration: Registration,
    coordinator_id: String,
    call: Option<AbortOnDropHandle<Result<Seen, Status>>>,
    attempt: Option<v1::AttemptRef>,
    results: u64,
    beats: u64,
    aborts: usize,
    /// The attempt that is spoken of was dispatched to somebody else.
    of_another: bool,
    /// `Some` once the session has ended.
    pub(crate) end: Option<Result<(), Status>>,
    /// Sessions that took over, or have calls of their own.
    others: Vec<Wire>,
}

fn duration((seconds, nanos): (i64, i32)) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos }
}

impl Play {
    pub(crate) async fn open(url: &str, door: &Door, identity: Option<&str>) -> Self {
        Self {
            url: url.to_owned(),
            door: door.clone(),
            identity: identity.map(str::to_owned),
            wire: Wire::open(door, identity).await,
            registration: Registration::default(),
            coordinator_id: String::new(),
            call: None,
            attempt: None,
            results: 0,
            beats: 0,
            aborts: 0,
            of_another: false,
            end: None,
            others: Vec::new(),
        }
    }

    /// A registration was answered.
    pub(crate) fn is_registered(&self) -> bool {
        !self.coordinator_id.is_empty()
    }

    /// Another has the name.
    pub(crate) fn is_second(&self) -> bool {
        !self.others.is_empty()
    }

    /// Takes a step. A session may end under it: that is seen in `end`.
    pub(crate) async fn step(&mut self, step: Step) {
        match step {
            Step::Register(registration) => self.register(*registration).await,
            Step::Raw(hex) => self.bytes(from_hex(&hex)).await,
            Step::Large(length) => {
                let mut unknown = Vec::with_capacity(length + 16);
                prost::encoding::bytes::encode(1999, &vec![b'x'; length], &mut unknown);
                self.bytes(unknown).await;
            }
            Step::Dispatch => self.dispatch().await,
            Step::DispatchToOther => self.dispatch_to_other().await,
            Step::OtherAnswers(json) => self.other_answers(json).await,
            Step::Started(who) => {
                let started = self.attempt(who).into_iter().collect();
                self.frame(v1::OpenSessionRequest {
                    started,
                    ..Default::default()
                })
                .await;
            }
            Step::Result { of, json } => {
                self.report(of, 1, Some(End::ResultJson(json.into())), 0).await;
            }
            Step::ResultHex(hex) => {
                let end = End::ResultJson(from_hex(&hex).into());
                self.report(Who::Current, 1, Some(end), 0).await;
            }
            Step::ResultLists(depth) => {
                let end = End::ResultJson("[".repeat(depth).into());
                self.report(Who::Current, 1, Some(end), 0).await;
            }
            Step::ResultBytes(length) => {
                let text = format!("\"{}\"", "r".repeat(length - 2));
                self.report(Who::Current, 1, Some(End::ResultJson(text.into())), 0)
                    .await;
            }
            Step::ResultNumbered(number) => {
                let end = End::ResultJson("1".into());
                self.report(Who::Current, number, Some(end), 0).await;
            }
            Step::Failure(failure) => self.failure(&failure).await,
            Step::Announce(size) => {
                self.report(Who::Current, 1, None, size).await;
            }
            Step::AnnounceOfAnother(number) => {
                let attempt = v1::AttemptRef {
                    attempt: number + 1,
                    ..invented(1)[0]
                };
                let report = v1::AttemptReport {
                    attempt: Some(attempt),
                    sequence: self.results + 1,
                    result_size: 9,
                    ..v1::AttemptReport::default()
                };
                self.send_report(report).await;
            }
            Step::Chunk { of, offset, text } => {
                let chunk = v1::PayloadChunk {
                    attempt: self.attempt(of),
                    offset,
                    data: text.into(),
                };
                self.frame(v1::OpenSessionRequest {
                    chunks: vec![chunk],
                    ..Default::default()
                })
                .await;
            }
            Step::Heartbeat {
                listed,
                current,
                read,
            } => {
                let mut in_flight = invented(listed);
                in_flight.extend(self.attempt.filter(|_| current));
                self.beat(in_flight, read).await;
            }
            Step::Heartbeats(count) => {
                for _ in 0..count {
                    if !self.beat(Vec::new(), 0).await {
                        break;
                    }
                }
            }
            Step::NoHeartbeat => self.no_heartbeat().await,
            Step::Progress {
                of,
                fraction,
                message,
            } => {
                let report = self.progress(of, &fraction, message);
                self.frame(v1::OpenSessionRequest {
                    progress: vec![report],
                    ..Default::default()
                })
                .await;
            }
            Step::ManyProgress { frames, reports } => {
                let report = self.progress(Who::Current, "0.5", "m".to_owned());
                let frame = v1::OpenSessionRequest {
                    progress: vec![report; reports],
                    ..Default::default()
                };
                for _ in 0..frames {
                    self.wire.say(&frame).await;
                }
            }
            Step::ToolsChanged(tools) => {
                let tools_changed = Some(v1::ToolsChanged {
                    tools: tools.iter().map(ToolRow::tool).collect(),
                });
                self.frame(v1::OpenSessionRequest {
                    tools_changed,
                    ..Default::default()
                })
                .await;
            }
            Step::Goodbye => {
                let goodbye = Some(v1::Goodbye::default());
                self.frame(v1::OpenSessionRequest {
                    goodbye,
                    ..Default::default()
                })
                .await;
            }
            Step::HangUp => self.wire.hang_up(),
            Step::Again { same_process } => self.again(same_process).await,
            Step::NameTaken(identity) => self.name_taken(&identity).await,
            Step::Settle => self.settle().await,
        }
    }

    async fn frame(&mut self, frame: v1::OpenSessionRequest) -> bool {
        self.wire.say(&frame).await
    }

    async fn bytes(&mut self, message: Vec<u8>) {
        self.wire.say_bytes(message.into()).await;
    }

    /// Says it, and waits for the answer when there is one.
    async fn register(&mut self, registration: Registration) {
        let frame = v1::OpenSessionRequest {
            register: Some(registration.register()),
            goodbye: registration.goodbye.then(v1::Goodbye::default),
            ..Default::default()
        };
        self.registration = registration;
        self.frame(frame).await;
        if let Some(frame) = self.hear().await
            && let Some(registered) = frame.registered
        {
            self.coordinator_id = registered.coordinator_id;
        }
    }

    /// The next frame; `None` once the session has ended.
    async fn hear(&mut self) -> Option<v1::OpenSessionResponse> {
        if self.end.is_some() {
            return None;
        }
        match self.wire.hear().await {
            Ok(Some(frame)) => {
                self.aborts += frame.aborts.len();
                self.attempt = frame
                    .dispatches
                    .last()
                    .map_or(self.attempt, |dispatch| dispatch.attempt);
                Some(frame)
            }
            Ok(None) => {
                self.end = Some(Ok(()));
                None
            }
            Err(status) => {
                self.end = Some(Err(status));
                None
            }
        }
    }

    async fn dispatch(&mut self) {
        self.attempt = None;
        self.call = Some(call(&self.url, "held"));
        while self.attempt.is_none() && self.hear().await.is_some() {}
    }

    /// The attempt that this worker speaks of from here on is another's.
    async fn dispatch_to_other(&mut self) {
        let mut register = Registration {
            worker: "other".into(),
            instance: "other-1".into(),
            ..Registration::default()
        }
        .register();
        register.tools[0].name = "others".into();
        let mut other = Wire::open(&self.door, self.identity.as_deref()).await;
        other
            .say(&v1::OpenSessionRequest {
                register: Some(register),
                ..Default::default()
            })
            .await;
        other.hear().await.expect("registered");
        self.call = Some(call(&self.url, "others"));
        while self.attempt.is_none() {
            let frame = other
                .hear()
                .await
                .expect("no fault")
                .expect("the session goes on");
            self.attempt = frame.dispatches.first().and_then(|dispatch| dispatch.attempt);
        }
        self.others.push(other);
        self.of_another = true;
    }

    async fn other_answers(&mut self, json: String) {
        let report = v1::AttemptReport {
            attempt: self.attempt,
            sequence: 1,
            end: Some(End::ResultJson(json.into())),
            ..v1::AttemptReport::default()
        };
        let other = self.others.last().expect("it was dispatched to another");
        other
            .say(&v1::OpenSessionRequest {
                results: vec![report],
                ..Default::default()
            })
            .await;
        self.attempt = None;
        self.of_another = false;
    }

    fn attempt(&self, who: Who) -> Option<v1::AttemptRef> {
        let current = self.attempt.unwrap_or_default();
        match who {
            Who::Current => Some(current),
            Who::Next => Some(v1::AttemptRef {
                attempt: current.attempt + 1,
                ..current
            }),
            Who::Unknown => invented(1).pop(),
            Who::None => None,
        }
    }

    async fn report(&mut self, of: Who, number: u64, end: Option<End>, result_size: u64) -> bool {
        let report = v1::AttemptReport {
            attempt: self.attempt(of),
            sequence: self.results + number,
            end,
            result_size,
            ..v1::AttemptReport::default()
        };
        self.send_report(report).await
    }

    async fn send_report(&mut self, report: v1::AttemptReport) -> bool {
        self.results += 1;
        self.frame(v1::OpenSessionRequest {
            results: vec![report],
            ..Default::default()
        })
        .await
    }

    async fn failure(&mut self, failure: &Failure) {
        let repeats = failure.message_bytes / failure.message.len().max(1);
        let end = End::Failure(v1::AttemptFailure {
            kind: failure.kind,
            code: failure.code.clone(),
            message: failure.message.repeat(repeats.max(1)),
            retryable: failure.retryable,
            retry_after: failure.retry_after.map(duration),
            details_json: failure.details.clone().into(),
        });
        let report = v1::AttemptReport {
            attempt: self.attempt,
            sequence: self.results + 1,
            end: Some(end),
            execution_time: failure.execution_time.map(duration),
            ..v1::AttemptReport::default()
        };
        self.send_report(report).await;
    }

    fn progress(&self, of: Who, fraction: &str, message: String) -> v1::ProgressReport {
        v1::ProgressReport {
            attempt: self.attempt(of),
            fraction: fraction.parse().ok(),
            message,
        }
    }

    async fn beat(&mut self, in_flight: Vec<v1::AttemptRef>, dispatches_read: u64) -> bool {
        self.beats += 1;
        let heartbeat = Some(v1::Heartbeat {
            number: self.beats,
            in_flight,
            dispatches_read,
        });
        self.frame(v1::OpenSessionRequest {
            heartbeat,
            ..Default::default()
        })
        .await
    }

    async fn no_heartbeat(&mut self) {
        // Each lets the coordinator's timers run: they are what is waited for.
        while self
            .report(Who::Unknown, 1, Some(End::ResultJson("1".into())), 0)
            .await
        {
            tokio::task::yield_now().await;
        }
    }

    /// The session of this play becomes the older of two.
    async fn again(&mut self, same_process: bool) {
        let mut register = self.registration.register();
        register.coordinator_id.clone_from(&self.coordinator_id);
        if same_process {
            register.in_flight = self.attempt.into_iter().collect();
        } else {
            register.instance_id = "w-2".into();
        }
        let mut newer = Wire::open(&self.door, self.identity.as_deref()).await;
        newer
            .say(&v1::OpenSessionRequest {
                register: Some(register),
                ..Default::default()
            })
            .await;
        newer.hear().await.expect("registered");
        self.others.push(newer);
    }

    /// The name is another's.
    async fn name_taken(&mut self, identity: &str) {
        let mut older = Wire::open(&self.door, Some(identity)).await;
        older
            .say(&v1::OpenSessionRequest {
                register: Some(Registration::default().register()),
                ..Default::default()
            })
            .await;
        older.hear().await.expect("registered");
        self.others.push(older);
    }

    /// A heartbeat is answered after what came before it was read.
    async fn settle(&mut self) {
        let in_flight = self.attempt.filter(|_| !self.of_another).into_iter().collect();
        self.beat(in_flight, 0).await;
        let number = self.beats;
        while let Some(frame) = self.hear().await {
            if frame.heartbeat_answer == number {
                break;
            }
        }
    }

    /// Reads on until the worker was told to stop so many attempts, or the session ends.
    pub(crate) async fn until_aborts(&mut self, count: usize) -> Result<(), String> {
        while self.aborts < count && self.hear().await.is_some() {}
        if self.aborts == count {
            Ok(())
        } else {
            Err(format!("{} aborts", self.aborts))
        }
    }

    /// Reads on until the session has ended.
    pub(crate) async fn until_the_end(&mut self) {
        while self.hear().await.is_some() {}
    }

    /// What became of the row's call.
    pub(crate) async fn seen(&mut self) -> Result<Seen, String> {
        let call = self.call.take().ok_or("no call was made")?;
        timeout(PATIENCE, call)
            .await
            .map_err(|_| "the call does not end".to_owned())?
            .map_err(|error| error.to_string())?
            .map_err(|status| format!("{status:?}"))
    }

    /// The session goes on: another call is answered on it.
    pub(crate) async fn answers_another(&mut self) -> Result<(), String> {
        self.dispatch().await;
        if let Some(end) = &self.end {
            return Err(format!("the session has ended: {end:?}"));
        }
        self.report(Who::Current, 1, Some(End::ResultJson("\"next\"".into())), 0)
            .await;
        let seen = self.seen().await?;
        if seen.result.success {
            Ok(())
        } else {
            Err(format!("the next call: {:?}", seen.result))
        }
    }
}
