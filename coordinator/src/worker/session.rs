//! The reading half of a session: one task that always drains its stream and turns each frame into one
//! message to the driver. It puts pieces together, checks that results are JSON, counts what it acknowledges.
//! It knows no state of any call.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use tokio::sync::mpsc;
use tonic::Streaming;
use toolwave_proto::v1::{self, attempt_report::End};
use toolwave_scheduler::{AttemptKey, SessionKey};

use super::{
    convert,
    fault::SessionFault,
    handshake::{self, Registration},
    outbox::{Answers, Outbound},
    pace::Pace,
    permitted::Caller,
    pieces::Pieces,
    service::Workers,
};
use crate::{
    audit::Event,
    driver::mailbox::{Description, Frame, Heartbeat, Input, Joined, Report},
};

/// An acknowledgement does not wait for another frame beyond so many results ...
const UNACKNOWLEDGED: u64 = 256;
/// ... or bytes of results.
const UNACKNOWLEDGED_BYTES: usize = 256 * 1024;

/// One session, as its reader sees it.
pub(super) struct Session {
    workers: Arc<Workers>,
    key: SessionKey,
    name: Arc<str>,
    /// The most that it had in this session: attempts that took a slot that it gave back may still be listed.
    slots: u32,
    caller: Caller,
    answers: Arc<Answers>,
    pieces: Pieces,
    /// The number of the last result that was announced.
    last_result: u64,
    /// The last that was acknowledged at once or by the way.
    acknowledged: u64,
    unacknowledged_bytes: usize,
    pace: Pace,
}

/// Why a session's reader stopped.
enum Stop {
    Goodbye,
    /// Its stream ended, or broke.
    Ended,
    /// Its writer is gone.
    Closed,
    Fault(SessionFault),
}

/// Serves a stream from its first frame to its end. `outbox` leads to the writing half.
pub(super) async fn serve(
    workers: Arc<Workers>,
    mut stream: Streaming<v1::OpenSessionRequest>,
    mut caller: Caller,
    outbox: mpsc::Sender<Vec<Outbound>>,
    answers: Arc<Answers>,
) {
    let registered = tokio::select! {
        registered = handshake::register(&mut stream, &workers.terms, &caller) => registered,
        () = answers.closed.cancelled() => return,
    };
    let permitted = registered.and_then(|mut registration| {
        let offered = std::mem::take(&mut registration.tools);
        registration.tools = caller.permitted(&registration.name, offered, &workers.audit)?;
        Ok(registration)
    });
    let registration = match permitted {
        Ok(registration) => registration,
        // It has asked whether this is a coordinator that it knows, and goes on with the session that it has.
        Err(fault @ SessionFault::AlreadyConnected) => {
            tracing::debug!(address = ?caller.address, "a worker came by another address than that of its session");
            answers.end(Some(fault));
            return;
        }
        Err(fault) => {
            let (address, identity) = (caller.address, caller.identity());
            tracing::warn!(?address, identity, reason = fault.reason(), error = %fault, "worker refused");
            workers.audit.record(|| Event::WorkerRefused {
                peer: address,
                identity: caller.worker.as_ref().map(|worker| worker.uri.clone()),
                reason: fault.reason(),
            });
            answers.end(Some(fault));
            return;
        }
    };
    let key = workers.next_session();
    let session = Session {
        key,
        name: registration.name.clone(),
        slots: registration.slots,
        caller,
        answers,
        pieces: Pieces::default(),
        last_result: 0,
        acknowledged: 0,
        unacknowledged_bytes: 0,
        pace: Pace::new(),
        workers,
    };
    if !session.join(registration, outbox).await {
        return;
    }
    session.read(stream).await;
}

// === impl Session ===

impl Session {
    /// Tells the driver, which answers the worker; false when it is gone.
    async fn join(&self, registration: Registration, outbox: mpsc::Sender<Vec<Outbound>>) -> bool {
        let terms = &self.workers.terms;
        let session_id = format!("{}-{}", terms.coordinator_id, self.key.0);
        let registered = handshake::registered(&registration, &session_id, terms);
        let ours = registered.unwanted.is_empty();
        let tools = self
            .workers
            .declarations
            .declare(&registration.name, registration.tools)
            .await;
        let joined = Joined {
            session: self.key,
            registered: Box::new(registered),
            identity: self.caller.worker.as_ref().map(|worker| worker.uri.clone()),
            name: registration.name,
            instance_id: registration.instance_id,
            slots: self.slots,
            tools,
            in_flight: if ours {
                convert::attempt_keys(&registration.in_flight)
            } else {
                Vec::new()
            },
            draining: registration.draining,
            peers: terms.peers.clone(),
            max_parameters: registration.max_parameters,
            description: Description {
                labels: registration.labels,
                build: registration.build,
                address: self.caller.address,
            },
            outbox,
            answers: self.answers.clone(),
        };
        self.tell(Input::Joined(Box::new(joined))).await
    }

    /// Reads until the stream ends, then says how it ended.
    async fn read(mut self, mut stream: Streaming<v1::OpenSessionRequest>) {
        let answers = self.answers.clone();
        let closed = answers.closed.cancelled();
        tokio::pin!(closed);
        let stop = loop {
            let frame = tokio::select! {
                biased;
                frame = stream.message() => frame,
                () = &mut closed => break Stop::Closed,
            };
            match frame {
                Ok(Some(frame)) => {
                    if let Err(stop) = self.frame(frame).await {
                        break stop;
                    }
                }
                // An end without goodbye is a lost session, however cleanly it came.
                Ok(None) => break Stop::Ended,
                Err(status) => {
                    let fault = SessionFault::unread(&status, self.workers.terms.max_message);
                    break fault.map_or(Stop::Ended, Stop::Fault);
                }
            }
        };
        let how = match &stop {
            Stop::Goodbye => "goodbye",
            Stop::Ended => "stream ended",
            Stop::Closed => "closed here",
            Stop::Fault(fault) => fault.reason(),
        };
        tracing::info!(
            worker = %self.name,
            session = self.key.0,
            how,
            progress_dropped = self.pace.progress_dropped,
            "session ended"
        );
        if !matches!(stop, Stop::Goodbye) {
            self.tell(Input::Broken(self.key)).await;
        }
        answers.end(match stop {
            Stop::Fault(fault) => Some(fault),
            Stop::Goodbye | Stop::Ended | Stop::Closed => None,
        });
    }

    /// One frame becomes one message.
    async fn frame(&mut self, mut frame: v1::OpenSessionRequest) -> Result<(), Stop> {
        if frame.register.is_some() {
            return Err(Stop::Fault(SessionFault::RegisteredTwice));
        }
        let mut ended = Vec::with_capacity(frame.results.len());
        for report in frame.results {
            self.report(report, &mut ended).map_err(Stop::Fault)?;
        }
        for piece in frame.chunks {
            self.piece(&piece, &mut ended);
        }
        let beat = frame.heartbeat.as_ref().map(|heartbeat| heartbeat.number);
        let heartbeat = self.heartbeat(frame.heartbeat, &ended).map_err(Stop::Fault)?;
        let tools = match frame.tools_changed {
            Some(changed) => Some(self.tools(changed.tools).await.map_err(Stop::Fault)?),
            None => None,
        };
        let slots = frame.slots_changed.map(|changed| self.slots(changed.slots));
        let goodbye = frame.goodbye.is_some();
        self.pace.thin(&mut frame.progress);
        let message = Frame {
            session: self.key,
            started: convert::attempt_keys(&frame.started),
            progress: frame.progress.into_iter().filter_map(convert::progress).collect(),
            ended,
            heartbeat,
            tools,
            draining: frame.draining.is_some(),
            slots,
            goodbye,
        };
        if !message.is_empty() && !self.tell(Input::Frame(Box::new(message))).await {
            return Err(Stop::Fault(SessionFault::CoordinatorGone));
        }
        self.acknowledge();
        if let Some(number) = beat {
            self.answers.answer(number);
        }
        if goodbye { Err(Stop::Goodbye) } else { Ok(()) }
    }

    /// The end of an attempt, or the announcement of one.
    fn report(&mut self, report: v1::AttemptReport, ended: &mut Vec<Report>) -> Result<(), SessionFault> {
        let Some(attempt) = report.attempt.as_ref().map(convert::attempt_key) else {
            return Err(SessionFault::BadFrame("a result names no attempt".to_owned()));
        };
        if report.sequence != self.last_result + 1 {
            let (got, expected) = (report.sequence, self.last_result + 1);
            return Err(SessionFault::BadFrame(format!(
                "a result has the number {got}; expected {expected}"
            )));
        }
        self.last_result = report.sequence;
        let limit = self.workers.terms.max_result;
        let end = match report.end {
            Some(End::Failure(failure)) => convert::failure(failure),
            Some(End::ResultJson(payload)) if !payload.is_empty() => convert::result(payload, limit),
            _ if report.result_size > limit => convert::too_large(report.result_size, limit),
            _ if report.result_size > 0 => {
                // A worker has at most what its slots allow; the rest is a peer that only wants memory.
                if self.pieces.len() >= (self.slots as usize).saturating_mul(2).max(64) {
                    return Err(SessionFault::BadFrame(
                        "more results in pieces than slots allow".to_owned(),
                    ));
                }
                // `limit` was kept, and it fits into memory
                let size = usize::try_from(report.result_size).unwrap_or(usize::MAX);
                self.pieces
                    .announce(attempt, report.sequence, size, report.execution_time);
                return Ok(());
            }
            _ => convert::broken("the report holds neither a result nor a failure".to_owned()),
        };
        self.unacknowledged_bytes += end.len();
        let execution_time = convert::execution_time(report.execution_time);
        ended.push(Report {
            attempt,
            end,
            execution_time,
        });
        Ok(())
    }

    fn piece(&mut self, piece: &v1::PayloadChunk, ended: &mut Vec<Report>) {
        let Some(attempt) = piece.attempt.as_ref().map(convert::attempt_key) else {
            return;
        };
        self.unacknowledged_bytes += piece.data.len();
        let Some(whole) = self.pieces.add(attempt, piece.offset, &piece.data) else {
            return;
        };
        let end = match whole.payload {
            Ok(payload) => convert::result(payload, self.workers.terms.max_result),
            Err(fault) => convert::broken(fault),
        };
        let execution_time = convert::execution_time(whole.execution_time);
        ended.push(Report {
            attempt: whole.attempt,
            end,
            execution_time,
        });
    }

    /// Counts heartbeats: too many are not heard, far too many end the session. What `ended` in the same frame
    /// is over, also if the heartbeat lists it: ends are taken first.
    fn heartbeat(
        &mut self,
        heartbeat: Option<v1::Heartbeat>,
        ended: &[Report],
    ) -> Result<Option<Heartbeat>, SessionFault> {
        let Some(heartbeat) = heartbeat else {
            return Ok(None);
        };
        handshake::check_listed(heartbeat.in_flight.len(), self.slots)?;
        if !self.pace.beat()? {
            return Ok(None);
        }
        let mut in_flight = convert::attempt_keys(&heartbeat.in_flight);
        let over: FxHashSet<AttemptKey> = ended.iter().map(|report| report.attempt).collect();
        in_flight.retain(|attempt| !over.contains(attempt));
        Ok(Some(Heartbeat {
            in_flight,
            dispatches_read: heartbeat.dispatches_read,
        }))
    }

    /// Those that are used of what it gives.
    fn slots(&mut self, given: u32) -> u32 {
        let slots = given.min(self.workers.terms.max_slots);
        self.slots = self.slots.max(slots);
        slots
    }

    async fn tools(&mut self, tools: Vec<v1::Tool>) -> Result<Vec<Arc<str>>, SessionFault> {
        let limit = self.workers.terms.max_tools;
        if tools.len() > limit {
            return Err(SessionFault::TooManyTools {
                listed: tools.len(),
                limit,
            });
        }
        let tools = self.caller.permitted(&self.name, tools, &self.workers.audit)?;
        Ok(self.workers.declarations.declare(&self.name, tools).await)
    }

    /// What the driver took is safe. It is said with whatever is sent next, unless much waits for it.
    fn acknowledge(&mut self) {
        let safe = self.pieces.complete_up_to(self.last_result);
        let urgent =
            safe - self.acknowledged > UNACKNOWLEDGED || self.unacknowledged_bytes > UNACKNOWLEDGED_BYTES;
        if safe > self.acknowledged || urgent {
            self.answers.acknowledge(safe, urgent);
        }
        if urgent {
            self.acknowledged = safe;
            self.unacknowledged_bytes = 0;
        }
    }

    /// False when the driver is gone.
    async fn tell(&self, input: Input) -> bool {
        self.workers.driver.send(input).await.is_ok()
    }
}
