//! The writing half of a session: what the driver hands over becomes frames, when the stream asks for one.
//!
//! A frame takes what waits, up to 256 entries or 64 KiB, and never waits for more. Large parameters follow
//! their dispatch in pieces, in turns, so that no payload holds up another. Acknowledgements and heartbeat
//! answers ride on whatever is sent. It has no task: the connection polls it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, task::AtomicWaker};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use toolwave_proto::v1;
use toolwave_scheduler::AttemptKey;
use toolwave_telemetry::traces::TraceContext;

use super::{convert, fault::SessionFault, frame::Frame};
use crate::error::status;

/// Entries of a frame, at most.
const FRAME_ENTRIES: usize = 256;
/// A frame takes no further entry from here on, in bytes.
const FRAME_BYTES: usize = 64 * 1024;
/// A larger payload follows in pieces of this size.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;
/// What a worker's `max_message_bytes` must allow: a full frame, one large entry and a piece.
pub(crate) const LEAST_MESSAGE: u32 = 256 * 1024;

/// One thing to say to a worker.
pub(crate) enum Outbound {
    Registered(Box<v1::Registered>),
    Dispatch(Assignment),
    Abort(AttemptKey),
    Shutdown {
        reconnect_after: Duration,
    },
    SetDraining(bool),
    /// Where others are.
    Coordinators(Arc<[String]>),
    /// Last: ends the stream.
    Close(SessionFault),
}

/// An attempt on its way to a worker.
#[cfg_attr(test, derive(Debug))]
pub struct Assignment {
    /// Which.
    pub attempt: AttemptKey,
    /// Shared by all attempts of the execution.
    pub words: Arc<Words>,
    /// JSON text.
    pub parameters: Bytes,
    /// Of the attempt, from its start.
    pub timeout: Duration,
    /// Whether a worker that has lost touch is to stop it.
    pub safe_to_repeat: bool,
    /// Among the dispatches of the session, from 1.
    pub sequence: u64,
    /// Of the attempt.
    pub trace: Option<Arc<TraceContext>>,
}

/// The texts of an execution that travel with its attempts.
#[cfg_attr(test, derive(Debug))]
pub struct Words {
    /// Of the execution.
    pub execution_id: Arc<str>,
    /// In request order.
    pub calls: Vec<CallWords>,
}

/// Those of a call.
#[cfg_attr(test, derive(Debug))]
pub struct CallWords {
    /// Its id.
    pub id: Arc<str>,
    /// Its tool's name.
    pub tool: Arc<str>,
    /// Empty: none.
    pub idempotency_key: Box<str>,
}

/// What the reading half wants said: numbers that only grow, so only the last of each counts.
#[derive(Default)]
pub(crate) struct Answers {
    acknowledged: AtomicU64,
    heartbeat: AtomicU64,
    /// The acknowledgement is not to wait for another frame.
    urgent: AtomicBool,
    /// Set: the stream ends, with a fault or well.
    end: Mutex<Option<Option<SessionFault>>>,
    wake: AtomicWaker,
    /// Fires when the writing half is gone, however that came.
    pub(crate) closed: CancellationToken,
}

/// The response stream of a session.
pub(crate) struct Outbox {
    arriving: mpsc::Receiver<Vec<Outbound>>,
    waiting: VecDeque<Outbound>,
    pieces: VecDeque<Remainder>,
    answers: Arc<Answers>,
    acknowledged: u64,
    answered: u64,
    /// The first frame was sent; before it there is nothing to say.
    registered: bool,
    ended: bool,
}

/// What is left to send of a large payload.
struct Remainder {
    attempt: AttemptKey,
    payload: Bytes,
    offset: usize,
}

// === impl Answers ===

impl Answers {
    /// Results up to `sequence` are safe; `urgent`: say it now, otherwise with what is said next.
    pub(crate) fn acknowledge(&self, sequence: u64, urgent: bool) {
        self.acknowledged.store(sequence, Ordering::Release);
        if urgent {
            self.urgent.store(true, Ordering::Release);
            self.wake.wake();
        }
    }

    /// Answers a heartbeat.
    pub(crate) fn answer(&self, heartbeat: u64) {
        self.heartbeat.store(heartbeat, Ordering::Release);
        self.wake.wake();
    }

    /// Ends the stream; the first reason counts.
    pub(crate) fn end(&self, fault: Option<SessionFault>) {
        self.end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(fault);
        self.wake.wake();
    }

    fn ended(&self) -> Option<Option<SessionFault>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

// === impl Outbox ===

impl Outbox {
    pub(crate) fn new(arriving: mpsc::Receiver<Vec<Outbound>>, answers: Arc<Answers>) -> Self {
        Self {
            arriving,
            waiting: VecDeque::new(),
            pieces: VecDeque::new(),
            answers,
            acknowledged: 0,
            answered: 0,
            registered: false,
            ended: false,
        }
    }

    /// A frame of what waits; `None` when nothing does.
    fn compose(&mut self) -> Option<Result<Frame, SessionFault>> {
        let mut frame = Frame::default();
        let mut entries = 0;
        let mut bytes = 0;
        while entries < FRAME_ENTRIES && bytes < FRAME_BYTES {
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            match next {
                Outbound::Registered(registered) => {
                    self.registered = true;
                    frame.rest.registered = Some(*registered);
                    return Some(Ok(frame));
                }
                Outbound::Dispatch(assignment) => {
                    bytes += self.dispatch(assignment, &mut frame);
                }
                Outbound::Abort(attempt) => {
                    self.pieces.retain(|remainder| remainder.attempt != attempt);
                    frame.rest.aborts.push(convert::attempt_ref(attempt));
                    bytes += 24;
                }
                Outbound::Shutdown { reconnect_after } => {
                    let reconnect_after = Some(convert::duration(reconnect_after));
                    frame.rest.shutdown = Some(v1::Shutdown { reconnect_after });
                }
                Outbound::SetDraining(draining) => {
                    frame.rest.set_draining = Some(v1::SetDraining { draining });
                }
                Outbound::Coordinators(addresses) => {
                    let addresses = addresses.to_vec();
                    frame.rest.coordinators = Some(v1::Coordinators { addresses });
                }
                Outbound::Close(fault) if entries == 0 && self.pieces.is_empty() => return Some(Err(fault)),
                close @ Outbound::Close(_) => {
                    self.pieces.clear();
                    self.waiting.clear();
                    self.waiting.push_front(close);
                    break;
                }
            }
            entries += 1;
        }
        if let Some(piece) = self.piece() {
            frame.rest.chunks.push(piece);
            entries += 1;
        }
        self.answer(&mut frame.rest, entries > 0).then_some(Ok(frame))
    }

    /// Adds a dispatch; returns about how many bytes that is.
    fn dispatch(&mut self, assignment: Assignment, frame: &mut Frame) -> usize {
        let call = &assignment.words.calls[assignment.attempt.call.index as usize];
        let mut bytes = 96 + call.tool.len() + call.id.len();
        if assignment.is_large() {
            self.pieces.push_back(Remainder {
                attempt: assignment.attempt,
                payload: assignment.parameters.clone(),
                offset: 0,
            });
        } else {
            bytes += assignment.parameters.len();
        }
        if frame.dispatches.is_empty() {
            frame
                .dispatches
                .reserve_exact(FRAME_ENTRIES.min(1 + self.waiting.len()));
        }
        frame.dispatches.push(assignment);
        bytes
    }

    /// The next piece of the payload whose turn it is.
    fn piece(&mut self) -> Option<v1::PayloadChunk> {
        let mut remainder = self.pieces.pop_front()?;
        let end = remainder.payload.len().min(remainder.offset + PIECE_BYTES);
        let piece = v1::PayloadChunk {
            attempt: Some(convert::attempt_ref(remainder.attempt)),
            offset: remainder.offset as u64,
            data: remainder.payload.slice(remainder.offset..end),
        };
        if end < remainder.payload.len() {
            remainder.offset = end;
            self.pieces.push_back(remainder);
        }
        Some(piece)
    }

    /// Adds the numbers that are due; true when the frame is to be sent.
    fn answer(&mut self, frame: &mut v1::OpenSessionResponse, filled: bool) -> bool {
        if !self.registered {
            return filled;
        }
        let heartbeat = self.answers.heartbeat.load(Ordering::Acquire);
        let urgent = self.answers.urgent.swap(false, Ordering::AcqRel);
        let acknowledged = self.answers.acknowledged.load(Ordering::Acquire);
        let send = filled || heartbeat > self.answered || (urgent && acknowledged > self.acknowledged);
        if !send {
            return false;
        }
        if heartbeat > self.answered {
            self.answered = heartbeat;
            frame.heartbeat_answer = heartbeat;
        }
        if acknowledged > self.acknowledged {
            self.acknowledged = acknowledged;
            frame.acknowledged_results = acknowledged;
        }
        true
    }

    fn end(&mut self, fault: Option<SessionFault>) -> Poll<Option<Result<Frame, Status>>> {
        self.ended = true;
        Poll::Ready(fault.map(|fault| Err(status(fault.code(), fault.reason(), fault.to_string()))))
    }
}

impl Stream for Outbox {
    type Item = Result<Frame, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        // Before anything is looked at, so that no wake-up falls between looking and waiting.
        this.answers.wake.register(context.waker());
        if let Some(end) = this.answers.ended() {
            return this.end(end);
        }
        let mut gone = false;
        while this.waiting.len() < FRAME_ENTRIES {
            match this.arriving.poll_recv(context) {
                Poll::Ready(Some(batch)) => this.waiting.extend(batch),
                Poll::Ready(None) => {
                    gone = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        match this.compose() {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(fault)) => this.end(Some(fault)),
            None if gone => this.end(Some(SessionFault::CoordinatorGone)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.answers.closed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    #[test]
    fn nothing_is_said_to_a_worker_before_it_is_registered() {
        let (outbox, arriving) = mpsc::channel(1);
        let answers = Arc::new(Answers::default());
        let mut frames = Outbox::new(arriving, answers.clone());
        answers.answer(7);
        answers.acknowledge(3, true);
        assert!(frames.next().now_or_never().is_none(), "it waits");
        let registered = Outbound::Registered(Box::default());
        assert!(outbox.try_send(vec![registered]).is_ok());
        let mut next = || frames.next().now_or_never().flatten().unwrap().unwrap().rest;
        let first = next();
        assert!(first.registered.is_some() && first.heartbeat_answer == 0);
        let second = next();
        assert_eq!((second.heartbeat_answer, second.acknowledged_results), (7, 3));
    }
}
