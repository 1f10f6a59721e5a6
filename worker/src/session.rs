//! One session: reads every frame as it comes, keeps heartbeats and their answers, and writes what waits.
//!
//! It decides nothing about attempts: the executor does, and what they ended with is in `Unacknowledged`.

use std::{collections::VecDeque, time::Duration};

use futures_util::FutureExt;
use rustc_hash::FxHashSet;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::Instant,
};
use tonic::Streaming;
use toolwave_proto::v1::{
    AttemptRef, Dispatch, Heartbeat, OpenSessionRequest, OpenSessionResponse, Registered,
};
use toolwave_tool::Progress;

use crate::{
    client::Opened,
    convert,
    error::SessionError,
    executor::{Accepted, Executor},
    outbox::Outbox,
    unacknowledged::Unacknowledged,
};

const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
const DEFAULT_SELF_FENCE: Duration = Duration::from_secs(8);
/// Heartbeats without an answer that are remembered; the fence closes long before.
const MAX_UNANSWERED: usize = 64;
/// Frames read before others have their turn.
const READ_BUDGET: usize = 64;

/// What the attempts of a worker are made of; it outlives sessions.
pub(crate) struct Attempts {
    pub(crate) executor: Executor,
    pub(crate) results: Unacknowledged,
}

impl Attempts {
    /// What runs, and what has ended and is not acknowledged.
    pub(crate) fn in_flight(&self) -> Vec<AttemptRef> {
        self.executor.attempts().chain(self.results.attempts()).collect()
    }
}

/// What frames said that concerns more than attempts.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The operator's word on draining; the executor has it.
    pub(crate) draining_changed: bool,
    /// A heartbeat was answered.
    pub(crate) heartbeat_answered: bool,
    /// The slots that were told last are what the coordinator goes by.
    pub(crate) slots_heard: bool,
    /// Where other coordinators are.
    pub(crate) coordinators: Option<Vec<String>>,
}

pub(crate) struct Session {
    outgoing: mpsc::Sender<OpenSessionRequest>,
    incoming: Streaming<OpenSessionResponse>,
    outbox: Outbox,
    max_result_bytes: u64,
    dispatches_read: u64,
    heartbeat_interval: Duration,
    heartbeat_due: Instant,
    heartbeats: u64,
    unanswered: VecDeque<(u64, Instant)>,
    self_fence: Duration,
    /// When what was answered last had been sent.
    heard: Instant,
    reconnect_after: Option<Duration>,
    asked_for_acknowledgement: bool,
    /// The answer to this heartbeat comes after the last change of slots was heard.
    slots_told_with: Option<u64>,
}

impl Session {
    /// Begins with what `Registered` says, and returns the first frame for [`Session::handle`].
    pub(crate) fn begin(
        opened: Opened,
        same_coordinator: bool,
        attempts: &mut Attempts,
    ) -> (Self, OpenSessionResponse) {
        let Opened {
            outgoing,
            incoming,
            registered,
            first,
            asked_at,
            turn: _turn,
        } = opened;
        settle(&registered, same_coordinator, attempts);
        let interval = convert::from_proto_duration(registered.heartbeat_interval);
        let heartbeat_interval = interval.unwrap_or(DEFAULT_HEARTBEAT_INTERVAL);
        let max_result_bytes = if registered.max_result_bytes == 0 {
            u64::MAX
        } else {
            registered.max_result_bytes
        };
        let session = Self {
            outgoing,
            incoming,
            outbox: Outbox::default(),
            max_result_bytes,
            dispatches_read: 0,
            heartbeat_interval,
            // at once: it tells the coordinator that its answer to register was heard
            heartbeat_due: Instant::now(),
            heartbeats: 0,
            unanswered: VecDeque::new(),
            self_fence: convert::from_proto_duration(registered.self_fence).unwrap_or(DEFAULT_SELF_FENCE),
            heard: asked_at,
            reconnect_after: None,
            asked_for_acknowledgement: false,
            slots_told_with: None,
        };
        (session, first)
    }

    /// The next frame. Cancel safe.
    pub(crate) async fn next_frame(&mut self) -> Result<OpenSessionResponse, SessionError> {
        match self.incoming.message().await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(SessionError::Ended),
            Err(status) => Err(SessionError::Broken(format!(
                "{:?}: {}",
                status.code(),
                status.message()
            ))),
        }
    }

    /// Handles frames that are here already, so that one wake-up serves all of them.
    pub(crate) fn drain_ready(
        &mut self,
        attempts: &mut Attempts,
        heard: &mut Heard,
    ) -> Result<(), SessionError> {
        for _ in 0..READ_BUDGET {
            let Some(frame) = self.next_frame().now_or_never() else {
                break;
            };
            self.handle(frame?, attempts, heard)?;
        }
        Ok(())
    }

    /// Handles one frame, in the order of its fields.
    pub(crate) fn handle(
        &mut self,
        frame: OpenSessionResponse,
        attempts: &mut Attempts,
        heard: &mut Heard,
    ) -> Result<(), SessionError> {
        if frame.registered.is_some() {
            return Err(SessionError::Protocol("it answered register twice".to_owned()));
        }
        for dispatch in frame.dispatches {
            self.dispatch(dispatch, attempts)?;
        }
        for chunk in frame.chunks {
            let attempt = named(chunk.attempt, "a chunk")?;
            let accepted = attempts
                .executor
                .chunk(attempt, &chunk)
                .map_err(|error| SessionError::Protocol(error.to_string()))?;
            self.accepted(attempt, accepted, attempts);
        }
        for attempt in frame.aborts {
            // the end of one that has ended is on its way
            if !attempts.results.contains(&attempt)
                && let Some(ended) = attempts.executor.abort(attempt)
            {
                attempts.results.push(ended);
            }
        }
        if !attempts.results.acknowledge(frame.acknowledged_results) {
            let number = frame.acknowledged_results;
            return Err(SessionError::Protocol(format!(
                "it acknowledged result {number}, which was not sent"
            )));
        }
        if frame.heartbeat_answer > 0 {
            self.answered(frame.heartbeat_answer);
            heard.heartbeat_answered = true;
            if self
                .slots_told_with
                .take_if(|number| *number <= frame.heartbeat_answer)
                .is_some()
            {
                heard.slots_heard = true;
            }
        }
        if let Some(shutdown) = frame.shutdown {
            self.reconnect_after =
                Some(convert::from_proto_duration(shutdown.reconnect_after).unwrap_or_default());
        }
        if let Some(set) = frame.set_draining {
            attempts.executor.set_operator_drains(set.draining);
            heard.draining_changed = true;
        }
        if let Some(coordinators) = frame.coordinators {
            heard.coordinators = Some(coordinators.addresses);
        }
        Ok(())
    }

    fn dispatch(&mut self, mut dispatch: Dispatch, attempts: &mut Attempts) -> Result<(), SessionError> {
        self.dispatches_read = self.dispatches_read.max(dispatch.sequence);
        let attempt = named(dispatch.attempt.take(), "a dispatch")?;
        let accepted = if attempts.results.contains(&attempt) {
            Accepted::Duplicate
        } else {
            attempts.executor.dispatch(attempt, dispatch)
        };
        if matches!(accepted, Accepted::Duplicate) {
            tracing::warn!(
                execution = attempt.execution,
                call_index = attempt.call_index,
                attempt = attempt.attempt,
                "an attempt was dispatched twice and runs once"
            );
        }
        self.accepted(attempt, accepted, attempts);
        Ok(())
    }

    fn accepted(&mut self, attempt: AttemptRef, accepted: Accepted, attempts: &mut Attempts) {
        match accepted {
            Accepted::Started => self.outbox.started(Instant::now(), attempt),
            Accepted::Ended(ended) => attempts.results.push(ended),
            Accepted::Arriving | Accepted::Duplicate => {}
        }
    }

    fn answered(&mut self, number: u64) {
        while let Some((sent, at)) = self.unanswered.front().copied() {
            if sent > number {
                break;
            }
            self.heard = at;
            self.unanswered.pop_front();
        }
    }

    /// Does what is due, then writes what waits until the connection takes no more.
    /// True: it takes no more for now, and more waits.
    pub(crate) fn write(&mut self, attempts: &mut Attempts) -> Result<bool, SessionError> {
        let now = Instant::now();
        if self.heartbeat_due <= now {
            self.heartbeat(now);
        }
        while self.outbox.is_ready(now, &attempts.results) {
            match self.outgoing.try_reserve() {
                Ok(permit) => {
                    let Attempts { executor, results } = &mut *attempts;
                    let runs = |attempt: &AttemptRef| executor.has(attempt);
                    if let Some(mut frame) = self.outbox.next_frame(now, results, self.max_result_bytes, runs)
                    {
                        if let Some(heartbeat) = &mut frame.heartbeat {
                            // Without those whose end this frame or one before it tells: the coordinator takes
                            // ends first, and what is listed after its end would be stopped, and keep a slot.
                            let told_in_part = self.outbox.told_in_part();
                            let in_flight = executor.attempts().chain(results.untold()).chain(told_in_part);
                            heartbeat.in_flight = in_flight.collect();
                        }
                        permit.send(frame);
                    }
                }
                Err(TrySendError::Full(())) => return Ok(true),
                Err(TrySendError::Closed(())) => return Err(SessionError::Ended),
            }
        }
        Ok(false)
    }

    /// What is in flight is put in when the frame is made.
    fn heartbeat(&mut self, now: Instant) {
        self.heartbeats += 1;
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back((self.heartbeats, now));
        let (number, dispatches_read) = (self.heartbeats, self.dispatches_read);
        self.outbox.heartbeat(Heartbeat {
            number,
            in_flight: Vec::new(),
            dispatches_read,
        });
        self.heartbeat_due = now + jittered(self.heartbeat_interval);
    }

    /// The next heartbeat goes out now, once in a session: its answer acknowledges what has been sent.
    pub(crate) fn ask_for_acknowledgement(&mut self) {
        if !std::mem::replace(&mut self.asked_for_acknowledgement, true) {
            self.heartbeat_due = Instant::now();
        }
    }

    /// The coordinator may use so many slots from now on; the heartbeat that goes with it is answered by one that knows.
    pub(crate) fn slots(&mut self, slots: u32) {
        self.outbox.slots(slots);
        self.slots_told_with = Some(self.heartbeats + 1);
        self.heartbeat_due = Instant::now();
    }

    pub(crate) fn outgoing(&self) -> mpsc::Sender<OpenSessionRequest> {
        self.outgoing.clone()
    }

    pub(crate) fn progress(&mut self, attempt: AttemptRef, progress: Progress) {
        self.outbox.progress(attempt, progress);
    }

    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// When `write` has something to do though nothing came. While the connection takes no more, nothing in the outbox
    /// is due: to wake up for it would be to spin.
    pub(crate) fn next_due(&self, blocked: bool) -> Instant {
        let due = self.outbox.next_due().filter(|_| !blocked);
        due.map_or(self.heartbeat_due, |due| due.min(self.heartbeat_due))
    }

    /// When the coordinator has been silent for too long.
    pub(crate) fn fence_at(&self) -> Instant {
        self.heard + self.self_fence
    }

    pub(crate) fn self_fence(&self) -> Duration {
        self.self_fence
    }

    /// What the coordinator said of the time after its shutdown.
    pub(crate) fn reconnect_after(&self) -> Option<Duration> {
        self.reconnect_after
    }

    /// Says goodbye and reads until the coordinator has closed the stream.
    pub(crate) async fn leave(mut self, attempts: &mut Attempts, reason: &str) {
        self.outbox.goodbye(reason);
        loop {
            match self.write(attempts) {
                Ok(false) => break,
                Ok(true) => drop(self.outgoing.reserve().await),
                Err(_) => return,
            }
        }
        // the stream's end follows the last frame
        let Self {
            outgoing,
            mut incoming,
            ..
        } = self;
        drop(outgoing);
        while let Ok(Some(_)) = incoming.message().await {}
    }
}

/// What `Registered` says of the attempts that were listed.
fn settle(registered: &Registered, same_coordinator: bool, attempts: &mut Attempts) {
    if same_coordinator {
        let unwanted: FxHashSet<AttemptRef> = registered.unwanted.iter().copied().collect();
        attempts.results.begin_session();
        attempts.results.forget(&unwanted);
        attempts.executor.stop_unwanted(&unwanted);
    } else {
        attempts.results.forget_all();
        attempts.executor.orphan_all();
    }
    for ended in attempts.executor.begin_session() {
        attempts.results.push(ended);
    }
}

fn named(attempt: Option<AttemptRef>, what: &str) -> Result<AttemptRef, SessionError> {
    attempt.ok_or_else(|| SessionError::Protocol(format!("{what} names no attempt")))
}

/// ±20 %, so that the heartbeats of many workers spread.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.8 + 0.4 * fastrand::f64())
}
