//! The one task that owns the scheduler, the payloads and the directory of workers.
//!
//! It takes what waits in its two inputs, lets the scheduler decide once for all of it, and carries out what
//! came of it, in order. It never waits for a send, never posts to its own inputs, never looks into a payload.

mod actions;
mod auditing;
mod counting;
mod directory;
mod executions;
pub(crate) mod feed;
pub(crate) mod mailbox;
mod observing;
mod requests;
pub(crate) mod resolving;
mod sessions;
mod telling;
mod tenants;
mod tools;

use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use toolwave_scheduler::{Action, CancelReason, Event, ExecutionKey, Scheduler, SessionKey, Time};

use self::{
    counting::Counting,
    directory::Directory,
    executions::Executions,
    feed::Abandoned,
    mailbox::{Input, Request},
    resolving::Resolving,
    tenants::Tenants,
    tools::Tools,
};
use crate::{
    audit::{Audit, Record},
    observe::numbers::Numbers,
    worker::declarations::Declarations,
};

/// Frames and answers that are taken in one round.
const INPUTS_A_ROUND: usize = 256;
/// A timer that is due for longer than this was missed: the process stood still, and not its workers.
const STALL: Duration = Duration::from_millis(500);
/// After a stall, the time for what waits in sockets to be read before any timer fires: heartbeats, and
/// workers that dialled again because nobody answered.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Requests that are taken in one round.
const REQUESTS_A_ROUND: usize = 64;

/// What the driver reads.
pub(crate) struct Inputs {
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) abandoned: Arc<Abandoned>,
}

/// Bounds and defaults that are not the scheduler's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Of parameters and results held, in bytes.
    pub(crate) max_payload_bytes: u64,
    /// Of an attempt, where neither its call nor its tool says.
    pub(crate) attempt_timeout: Duration,
}

/// The task's state.
pub(crate) struct Driver {
    scheduler: Scheduler,
    clock: Clock,
    terms: Terms,
    declarations: Arc<Declarations>,
    tools: Tools,
    tenants: Tenants,
    executions: Executions,
    directory: Directory,
    resolving: Resolving,
    /// What the scheduler decided and is not carried out; empty between rounds.
    actions: Vec<Action>,
    /// What was found while carrying out, for the scheduler; empty between rounds.
    found: VecDeque<Event>,
    dead: Vec<SessionKey>,
    admission: Admission,
    audit: Audit,
    /// For the audit; empty between rounds.
    records: Vec<Record>,
    counting: Counting,
    /// No timer fires before this: see [`CATCH_UP`].
    catches_up_until: Time,
    stopping: bool,
}

/// Open until the coordinator drains.
#[derive(Default)]
struct Admission {
    draining: Option<Duration>,
    /// Answered when no execution is left.
    drained: Vec<oneshot::Sender<()>>,
    /// Answered with the number, when no execution is left.
    cut: Vec<(usize, oneshot::Sender<usize>)>,
}

/// The origin of the scheduler's time, on the clock that tests can stop.
struct Clock {
    origin: Instant,
    now: Time,
    wall: SystemTime,
}

// === impl Driver ===

impl Driver {
    pub(crate) fn new(
        scheduler: Scheduler,
        terms: Terms,
        declarations: Arc<Declarations>,
        payload_bytes: Arc<std::sync::atomic::AtomicU64>,
        resolving: Resolving,
        audit: Audit,
    ) -> Self {
        Self {
            scheduler,
            clock: Clock::start(),
            terms,
            declarations,
            tools: Tools::default(),
            tenants: Tenants::default(),
            executions: Executions::new(payload_bytes),
            directory: Directory::default(),
            resolving,
            actions: Vec::new(),
            found: VecDeque::new(),
            dead: Vec::new(),
            admission: Admission::default(),
            audit,
            records: Vec::new(),
            counting: Counting::new(Arc::new(Numbers::new())),
            catches_up_until: Time::ZERO,
            stopping: false,
        }
    }

    /// Counts here what happens.
    pub(crate) fn counting(mut self, numbers: Arc<Numbers>) -> Self {
        self.counting = Counting::new(numbers);
        self
    }

    /// Runs until it is told to stop. Dropped or panicking, it closes every feed.
    pub(crate) async fn run(mut self, mut from: Inputs) {
        let mut inputs = Vec::with_capacity(INPUTS_A_ROUND);
        let mut requests = Vec::with_capacity(REQUESTS_A_ROUND);
        let mut abandoned: Vec<ExecutionKey> = Vec::new();
        let timer = tokio::time::sleep_until(self.clock.origin);
        tokio::pin!(timer);
        let mut armed = None;
        while !self.stopping {
            let due = self.due();
            if due != armed {
                armed = due;
                if let Some(due) = due {
                    timer.as_mut().reset(self.clock.instant(due));
                }
            }
            tokio::select! {
                biased;
                taken = from.inputs.recv_many(&mut inputs, INPUTS_A_ROUND) => if taken == 0 { return },
                () = &mut timer, if armed.is_some() => armed = None,
                taken = from.requests.recv_many(&mut requests, REQUESTS_A_ROUND) => if taken == 0 { return },
                () = from.abandoned.changed.notified() => {}
            }
            // Whatever woke it, everything gets its turn in every round.
            while inputs.len() < INPUTS_A_ROUND
                && let Ok(input) = from.inputs.try_recv()
            {
                inputs.push(input);
            }
            while requests.len() < REQUESTS_A_ROUND
                && let Ok(request) = from.requests.try_recv()
            {
                requests.push(request);
            }
            from.abandoned.take(&mut abandoned);
            self.round(&mut inputs, &mut requests, &mut abandoned);
        }
    }

    /// Takes everything in, decides once, carries out.
    fn round(
        &mut self,
        inputs: &mut Vec<Input>,
        requests: &mut Vec<Request>,
        abandoned: &mut Vec<ExecutionKey>,
    ) {
        self.clock.read();
        for input in inputs.drain(..) {
            self.input(input);
        }
        self.fire_timers();
        for request in requests.drain(..) {
            self.request(request);
        }
        for execution in abandoned.drain(..) {
            self.handle(Event::Cancel {
                execution,
                reason: CancelReason::ClientGone,
            });
        }
        self.scheduler.dispatch(self.clock.now, &mut self.actions);
        loop {
            self.carry_out();
            self.resolving.pump();
            self.directory.flush(&mut self.dead);
            let mut dead = mem::take(&mut self.dead);
            for session in dead.drain(..) {
                self.note_disconnected(session, "UNWRITABLE");
                self.observe_disconnected(session, "UNWRITABLE");
                self.directory.ended(session);
                self.found.push_back(Event::WorkerLost {
                    session,
                    end: toolwave_scheduler::SessionEnd::Broken,
                });
            }
            self.dead = dead;
            if self.found.is_empty() {
                break;
            }
            while let Some(event) = self.found.pop_front() {
                self.handle(event);
            }
            self.scheduler.dispatch(self.clock.now, &mut self.actions);
        }
        // Before anybody hears of it.
        self.hand_over_records();
        self.executions.publish();
        self.answer_drained();
    }

    /// When a timer may fire next.
    fn due(&self) -> Option<Time> {
        self.scheduler
            .next_timeout()
            .map(|due| due.max(self.catches_up_until))
    }

    /// Fires what is due, unless the process stood still since: silence of workers is then its own.
    fn fire_timers(&mut self) {
        let Some(late) = self
            .due()
            .filter(|due| *due <= self.clock.now)
            .map(|due| self.clock.now.since(due))
        else {
            return;
        };
        if late > STALL {
            tracing::warn!(
                ?late,
                "the coordinator stood still; workers have time to be heard before timers fire"
            );
            self.catches_up_until = self.clock.now + CATCH_UP;
        } else {
            self.scheduler.handle_timeout(self.clock.now, &mut self.actions);
        }
    }

    /// One event for the scheduler.
    fn handle(&mut self, event: Event) {
        self.scheduler.handle(self.clock.now, event, &mut self.actions);
    }
}

// === impl Clock ===

impl Clock {
    fn start() -> Self {
        Self {
            origin: Instant::now(),
            now: Time::ZERO,
            wall: SystemTime::now(),
        }
    }

    /// Once a round.
    fn read(&mut self) {
        self.now = Time::from_duration(self.origin.elapsed());
        self.wall = SystemTime::now();
    }

    fn instant(&self, time: Time) -> Instant {
        // A timer that nobody will live to see fits into no instant.
        let far = Duration::from_secs(60 * 60 * 24 * 365);
        self.origin + time.since_origin().min(self.origin.elapsed() + far)
    }

    /// The date of an instant that is not in the future, as the wall clock is now.
    fn date(&self, time: Time) -> SystemTime {
        self.wall
            .checked_sub(self.now.since(time))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
