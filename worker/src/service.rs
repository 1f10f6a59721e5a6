//! The loop of a tie to one coordinator: the session that is open or to be opened, its attempts, the fence, the drain.
//!
//! Heartbeats come from this loop and from no other task: a worker whose runtime is stuck falls silent.
//! A stream that ends never ends the loop; it dials again, and what runs goes on meanwhile.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use toolwave_proto::v1::{AttemptRef, OpenSessionRequest, OpenSessionResponse, Register};
use toolwave_tool::Progress;

use crate::{
    catalogue::Catalogue,
    client::{self, Backoff, Opened, Turns},
    coordinators::Told,
    error::SessionError,
    executor::Executor,
    handle::Status,
    numbers::Numbers,
    offer,
    session::{Attempts, Heard, Session},
    shares::TieKey,
    slots::{News, Slots},
    tie::{Event, Tie, writable},
    unacknowledged::Unacknowledged,
    worker::Settings,
};

use ending::{Drain, RESULTS_KEPT, UNWANTED_PATIENCE};

mod ending;

/// Progress of all attempts that waits for the loop; what does not fit is dropped.
const PROGRESS: usize = 64;
/// Another address of a coordinator that has a session is looked at again so seldom: it may come to lead elsewhere.
const ALIAS_WAIT: Duration = Duration::from_secs(60);
/// When a session ends, another address of its coordinator is tried about so soon.
const ALIAS_CHECK: Duration = Duration::from_millis(500);

/// What the ties of one worker share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) tools: watch::Receiver<Arc<Catalogue>>,
    pub(crate) instance_id: String,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) slots: Slots,
    pub(crate) turns: Turns,
    pub(crate) told: Told,
    pub(crate) numbers: Arc<Numbers>,
}

pub(crate) struct Service {
    key: TieKey,
    settings: Settings,
    coordinator: toolwave_link::Link,
    shared: Shared,
    tools: watch::Receiver<Arc<Catalogue>>,
    news: News,
    /// The address is still one of a coordinator.
    wanted: watch::Receiver<bool>,
    unwanted_since: Option<Instant>,
    /// When the last session ended.
    lost_at: Option<Instant>,
    /// Another address leads to the same coordinator.
    parked: bool,
    /// What the metrics hold of `attempts.results`.
    outbox_counted: i64,
    attempts: Attempts,
    progress: mpsc::Receiver<(AttemptRef, Progress)>,
    tie: Tie,
    backoff: Backoff,
    /// Empty before the first session.
    coordinator_id: String,
    /// When work stops that someone else may have been given; `None` before the first session, and once fenced.
    fence_at: Option<Instant>,
    drain: Drain,
    /// More waits than the connection takes.
    blocked: bool,
    /// Which refusal of this worker's identity was told: it is told once, however often it is repeated.
    refusal_told: Option<String>,
    /// That nobody is there was told since there was a session last.
    absence_told: bool,
    /// An operator drains the worker there.
    drained: bool,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.numbers.outbox.add(-self.outbox_counted);
    }
}

impl Service {
    pub(crate) fn new(
        key: TieKey,
        coordinator: toolwave_link::Link,
        wanted: watch::Receiver<bool>,
        shared: Shared,
    ) -> Self {
        let (sender, progress) = mpsc::channel(PROGRESS);
        let (settings, mut tools) = (shared.settings.clone(), shared.tools.clone());
        let (share, news) = shared.slots.share(key);
        let executor = Executor::new(
            Arc::clone(&tools.borrow_and_update()),
            share,
            settings.max_parameters_bytes,
            sender,
            shared.numbers.clone(),
            settings.tracer.clone(),
        );
        Self {
            key,
            settings,
            coordinator,
            shared,
            tools,
            news,
            wanted,
            unwanted_since: None,
            lost_at: None,
            parked: false,
            outbox_counted: 0,
            attempts: Attempts {
                executor,
                results: Unacknowledged::default(),
            },
            progress,
            tie: Tie::Waiting(Instant::now()),
            backoff: Backoff::default(),
            coordinator_id: String::new(),
            fence_at: None,
            drain: Drain::No,
            blocked: false,
            refusal_told: None,
            absence_told: false,
            drained: false,
        }
    }

    /// Serves until `stop` fires and what runs has ended, or the drain's time is over; or until its address is named no
    /// more and nothing of it is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let timer = tokio::time::sleep_until(Instant::now());
        let stopped = stop.cancelled();
        tokio::pin!(timer, stopped);
        loop {
            let due = self.next_due();
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            let outgoing = self.blocked_outgoing();
            tokio::select! {
                biased;
                () = &mut stopped, if self.drain == Drain::No => self.begin_drain(),
                event = self.tie.next() => self.on_tie(event),
                ended = self.attempts.executor.next_ended() => self.attempts.results.push(ended),
                Ok(()) = self.tools.changed() => self.on_tools(),
                Some((attempt, progress)) = self.progress.recv() => self.on_progress(attempt, progress),
                session_ended = self.news.changed(self.parked) => self.on_shares(session_ended),
                Ok(()) = self.wanted.changed() => {}
                () = writable(outgoing.as_ref()), if outgoing.is_some() => {}
                () = &mut timer => {}
            }
            self.serve_ready();
            if self.is_over() {
                return self.leave().await;
            }
        }
    }

    /// Everything that is ready now, in one go: results of many attempts leave in one frame.
    fn serve_ready(&mut self) {
        let now = Instant::now();
        while let Some(ended) = self.attempts.executor.try_next_ended() {
            self.attempts.results.push(ended);
        }
        while let Ok((attempt, progress)) = self.progress.try_recv() {
            self.on_progress(attempt, progress);
        }
        if let Tie::Open(session) = &mut self.tie {
            let mut heard = Heard::default();
            let read = session.drain_ready(&mut self.attempts, &mut heard);
            self.on_heard(heard);
            if let Err(error) = read {
                self.lose(error);
            }
        }
        self.check_fence(now);
        self.check_drain(now);
        self.check_wanted(now);
        if let Tie::Open(session) = &mut self.tie {
            match session.write(&mut self.attempts) {
                Ok(blocked) => self.blocked = blocked,
                Err(error) => self.lose(error),
            }
        }
        // of all coordinators together
        let unacknowledged = self.attempts.results.len() as i64;
        self.shared
            .numbers
            .outbox
            .add(unacknowledged - self.outbox_counted);
        self.outbox_counted = unacknowledged;
    }

    fn next_due(&self) -> Instant {
        let mut due = match &self.tie {
            Tie::Open(session) => session.next_due(self.blocked),
            Tie::Waiting(_) | Tie::Opening { .. } => Instant::now() + Duration::from_secs(3600),
        };
        if let Some(fence) = self.fence_at {
            due = due.min(fence);
        }
        if let Some(since) = self.unwanted_since {
            let over = since + UNWANTED_PATIENCE;
            due = if over > Instant::now() { due.min(over) } else { due };
        }
        match self.drain {
            Drain::No => due,
            Drain::Finishing(deadline) => {
                let kept = self.lost_at.map(|at| at + RESULTS_KEPT);
                let kept = kept.filter(|at| *at > Instant::now());
                due.min(deadline).min(kept.unwrap_or(deadline))
            }
            Drain::Cutting(deadline) => due.min(deadline),
        }
    }

    fn blocked_outgoing(&self) -> Option<mpsc::Sender<OpenSessionRequest>> {
        match &self.tie {
            Tie::Open(session) if self.blocked => Some(session.outgoing()),
            _ => None,
        }
    }

    // === the tie ===

    fn on_tie(&mut self, event: Event) {
        match event {
            Event::WaitIsOver => self.dial(),
            Event::Opened(opened) => self.begin_session(*opened),
            Event::Frame(frame) => self.on_frame(frame),
            Event::Lost(error) => self.lose(error),
        }
    }

    fn dial(&mut self) {
        let said_tools = Arc::clone(&self.tools.borrow());
        let register = self.register(&said_tools);
        let said_draining = register.draining;
        let (slots, key) = (self.shared.slots.clone(), self.key);
        let register = move || {
            let (slots, connected_to) = slots.opening(key);
            Register {
                slots,
                connected_to,
                ..register
            }
        };
        let turns = Turns::clone(&self.shared.turns);
        let opening = Box::pin(client::open(self.coordinator.clone(), turns, register));
        self.tie = Tie::Opening {
            opening,
            said_draining,
            said_tools,
        };
    }

    fn register(&self, catalogue: &Catalogue) -> Register {
        let versions = toolwave_proto::PROTOCOL;
        Register {
            in_flight: self.attempts.in_flight(),
            coordinator_id: self.coordinator_id.clone(),
            draining: self.attempts.executor.is_draining(),
            instance_id: self.shared.instance_id.clone(),
            min_protocol: *versions.start(),
            max_protocol: *versions.end(),
            ..offer::registration(&self.settings, catalogue)
        }
    }

    fn begin_session(&mut self, opened: Opened) {
        let (said_draining, said_tools) = match &self.tie {
            Tie::Opening {
                said_draining,
                said_tools,
                ..
            } => (*said_draining, Some(Arc::clone(said_tools))),
            Tie::Waiting(_) | Tie::Open(_) => (false, None),
        };
        let registered = &opened.registered;
        let share = &self.attempts.executor.share;
        if share.is_open_besides(&registered.coordinator_id) {
            // one that does not look at `connected_to`
            return self.lose(SessionError::AlreadyConnected);
        }
        share.opened(&registered.coordinator_id);
        tracing::info!(
            worker = %self.settings.name,
            session_id = %registered.session_id,
            coordinator_id = %registered.coordinator_id,
            unwanted = registered.unwanted.len(),
            "registered"
        );
        let known = std::mem::replace(&mut self.coordinator_id, registered.coordinator_id.clone());
        let same = known.is_empty() || known == self.coordinator_id;
        let (mut session, first) = Session::begin(opened, same, &mut self.attempts);
        if self.attempts.executor.is_draining() && !said_draining {
            session.outbox().draining("the worker is draining");
        }
        let tools = self.tools.borrow();
        if said_tools.is_none_or(|said| !Arc::ptr_eq(&said, &tools)) {
            session.outbox().tools(tools.declared());
        }
        drop(tools);
        self.fence_at = Some(session.fence_at());
        self.refusal_told = None;
        self.absence_told = false;
        self.tie = Tie::Open(session);
        self.lost_at = None;
        self.shared.status.send_modify(|status| status.coordinators += 1);
        self.on_shares(false);
        self.on_frame(first);
    }

    fn on_frame(&mut self, frame: OpenSessionResponse) {
        let Tie::Open(session) = &mut self.tie else {
            return;
        };
        let mut heard = Heard::default();
        let handled = session.handle(frame, &mut self.attempts, &mut heard);
        self.on_heard(heard);
        if let Err(error) = handled {
            self.lose(error);
        }
    }

    fn on_heard(&mut self, mut heard: Heard) {
        if heard.heartbeat_answered
            && let Tie::Open(session) = &self.tie
        {
            self.fence_at = Some(session.fence_at());
            self.backoff.reset();
        }
        if heard.draining_changed {
            let drained = self.attempts.executor.operator_drains();
            tracing::info!(draining = drained, "the operator decided on draining");
            self.set_drained(drained);
        }
        if heard.slots_heard {
            self.attempts.executor.share.heard();
        }
        if let Some(coordinators) = heard.coordinators.take() {
            self.shared.told.tell(self.key, coordinators);
        }
    }

    /// The session is over: dial again, after a while.
    fn lose(&mut self, error: SessionError) {
        let asked = match &self.tie {
            Tie::Open(session) => session.reconnect_after(),
            Tie::Waiting(_) | Tie::Opening { .. } => None,
        };
        // A coordinator asks all its workers at once; the next one should not meet all of them at once.
        let asked = asked.unwrap_or_default().mul_f64(0.8 + 0.4 * fastrand::f64());
        self.parked = matches!(error, SessionError::AlreadyConnected);
        let wait = match self.parked {
            true => self.alias_wait(),
            false => self.backoff.next_wait() + asked,
        };
        let was_open = self.tie.is_open();
        self.closed(was_open);
        self.news.note_ended();
        let retry_in = humantime::format_duration(Duration::from_millis(wait.as_millis() as u64));
        self.tell_lost(&error, &retry_in);
        self.blocked = false;
        self.tie = Tie::Waiting(Instant::now() + wait);
    }

    /// Until another address of a coordinator is tried again: soon after a session that was lost is awaited no more.
    fn alias_wait(&self) -> Duration {
        let now = Instant::now();
        let awaited = self
            .attempts
            .executor
            .share
            .awaited_besides()
            .filter(|until| *until > now);
        let wait = awaited.map_or(ALIAS_WAIT, |until| until - now + ALIAS_CHECK);
        wait.mul_f64(1.0 + 0.2 * fastrand::f64())
    }

    /// There is no session, or none came about.
    fn closed(&mut self, was_open: bool) {
        self.attempts.executor.share.closed(was_open);
        if was_open {
            self.lost_at = Some(Instant::now());
            self.shared.told.forget(self.key);
            self.shared.status.send_modify(|status| status.coordinators -= 1);
        }
    }

    /// The session that a coordinator has by another address may be the one that ended.
    fn unpark(&mut self) {
        self.parked = false;
        if let Tie::Waiting(until) = &mut self.tie {
            let soon = Instant::now() + ALIAS_CHECK.mul_f64(1.0 + fastrand::f64());
            *until = soon.min(*until);
        }
    }

    /// The coordinator is told which slots are its own, where that is news.
    fn on_shares(&mut self, session_ended: bool) {
        if session_ended {
            self.unpark();
        }
        if let Tie::Open(session) = &mut self.tie
            && let Some(slots) = self.attempts.executor.share.news()
        {
            tracing::debug!(slots, "slots for this coordinator");
            session.slots(slots);
        }
    }

    fn set_drained(&mut self, drained: bool) {
        if std::mem::replace(&mut self.drained, drained) != drained {
            self.shared.status.send_modify(|status| match drained {
                true => status.drains += 1,
                false => status.drains -= 1,
            });
        }
    }

    fn tell_lost(&mut self, error: &SessionError, retry_in: &humantime::FormattedDuration) {
        let in_flight = self.attempts.executor.running();
        let coordinator = self.coordinator.to_string();
        if !error.is_refusal_of_identity() {
            self.refusal_told = None;
            let others = self.shared.status.borrow().coordinators;
            // one of several is missing: that is said once
            let known = others > 0 && std::mem::replace(&mut self.absence_told, true);
            if known || matches!(error, SessionError::AlreadyConnected) {
                return tracing::debug!(%error, %retry_in, in_flight, others, "no session");
            }
            return tracing::warn!(%error, coordinator, %retry_in, in_flight, others, "no session");
        }
        let refusal = error.to_string();
        if self.refusal_told.as_ref() == Some(&refusal) {
            return tracing::debug!(%error, %retry_in, in_flight, "refused again");
        }
        let worker = &self.settings.name;
        tracing::error!(
            %error, %worker, %retry_in, in_flight,
            "the coordinator refuses this worker; it tries on, and says nothing more until that changes"
        );
        self.refusal_told = Some(refusal);
    }

    fn check_fence(&mut self, now: Instant) {
        if self.fence_at.is_none_or(|at| at > now) {
            return;
        }
        self.fence_at = None;
        self.attempts.executor.fence();
        tracing::warn!(
            in_flight = self.attempts.executor.running(),
            "fenced: the coordinator is silent"
        );
        if let Tie::Open(session) = &self.tie {
            let silent = session.self_fence();
            self.lose(SessionError::Silent(silent));
        }
    }

    /// The coordinator hears of it on the session that is open, or with the next one.
    fn on_tools(&mut self) {
        let tools = Arc::clone(&self.tools.borrow_and_update());
        tracing::info!(tools = tools.declared().len(), "offers other tools");
        if let Tie::Open(session) = &mut self.tie {
            session.outbox().tools(tools.declared());
        }
        self.attempts.executor.offer(tools);
    }

    fn on_progress(&mut self, attempt: AttemptRef, progress: Progress) {
        if let Tie::Open(session) = &mut self.tie {
            session.progress(attempt, progress);
        }
    }
}
