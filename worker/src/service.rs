//! The one loop of a worker: the session that is open or to be opened, the attempts, the fence, the drain.
//!
//! Heartbeats come from this loop and from no other task: a worker whose runtime is stuck falls silent.
//! A stream that ends never ends the loop; it dials again, and what runs goes on meanwhile.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use toolwave_proto::v1::{AttemptRef, OpenSessionRequest, OpenSessionResponse, Register};
use toolwave_tool::Progress;

use crate::{
    catalogue::Catalogue,
    client::{self, Backoff, MAX_MESSAGE, Opened},
    error::SessionError,
    executor::Executor,
    numbers::Numbers,
    session::{Attempts, Heard, Session},
    unacknowledged::Unacknowledged,
    worker::{Settings, Status},
};

/// Progress of all attempts that waits for the loop; what does not fit is dropped.
const PROGRESS: usize = 64;
/// After the drain's time: for attempts to stop, and for their ends to be acknowledged.
const CUT_GRACE: Duration = Duration::from_secs(2);
/// For the coordinator to close the stream after goodbye.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct Service {
    settings: Settings,
    coordinator: toolwave_link::Link,
    tools: watch::Receiver<Arc<Catalogue>>,
    instance_id: String,
    status: watch::Sender<Status>,
    numbers: Arc<Numbers>,
    attempts: Attempts,
    progress: mpsc::Receiver<(AttemptRef, Progress)>,
    link: Link,
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
}

/// ```text
/// Waiting ──► Opening ──► Open
///    ▲           │          │
///    └───────────┴──────────┘ refused, unreachable, ended, silent
/// ```
enum Link {
    Waiting(Instant),
    Opening {
        opening: BoxFuture<'static, Result<Opened, SessionError>>,
        said_draining: bool,
        said_tools: Arc<Catalogue>,
    },
    Open(Session),
}

/// What came of waiting for the link.
enum Event {
    WaitIsOver,
    Opened(Box<Opened>),
    Frame(OpenSessionResponse),
    Lost(SessionError),
}

#[derive(Clone, Copy, PartialEq)]
enum Drain {
    No,
    /// What runs may end until then.
    Finishing(Instant),
    /// What ran was stopped; its end is told until then.
    Cutting(Instant),
}

impl Service {
    pub(crate) fn new(
        settings: Settings,
        coordinator: toolwave_link::Link,
        mut tools: watch::Receiver<Arc<Catalogue>>,
        status: watch::Sender<Status>,
        numbers: Arc<Numbers>,
    ) -> Self {
        let (sender, progress) = mpsc::channel(PROGRESS);
        let executor = Executor::new(
            Arc::clone(&tools.borrow_and_update()),
            settings.slots,
            settings.max_parameters_bytes,
            sender,
            numbers.clone(),
        );
        Self {
            settings,
            coordinator,
            tools,
            instance_id: uuid::Uuid::new_v4().to_string(),
            status,
            numbers,
            attempts: Attempts {
                executor,
                results: Unacknowledged::default(),
            },
            progress,
            link: Link::Waiting(Instant::now()),
            backoff: Backoff::default(),
            coordinator_id: String::new(),
            fence_at: None,
            drain: Drain::No,
            blocked: false,
            refusal_told: None,
        }
    }

    /// Serves until `stop` fires and what runs has ended, or the drain's time is over.
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
                event = self.link.next() => self.on_link(event),
                ended = self.attempts.executor.next_ended() => self.attempts.results.push(ended),
                Ok(()) = self.tools.changed() => self.on_tools(),
                Some((attempt, progress)) = self.progress.recv() => self.on_progress(attempt, progress),
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
        if let Link::Open(session) = &mut self.link {
            let mut heard = Heard::default();
            let read = session.drain_ready(&mut self.attempts, &mut heard);
            self.on_heard(&heard);
            if let Err(error) = read {
                self.lose(error);
            }
        }
        self.check_fence(now);
        self.check_drain(now);
        if let Link::Open(session) = &mut self.link {
            match session.write(&mut self.attempts) {
                Ok(blocked) => self.blocked = blocked,
                Err(error) => self.lose(error),
            }
        }
        self.numbers.outbox.set(self.attempts.results.len() as i64);
    }

    fn next_due(&self) -> Instant {
        let mut due = match &self.link {
            Link::Open(session) => session.next_due(self.blocked),
            Link::Waiting(_) | Link::Opening { .. } => Instant::now() + Duration::from_secs(3600),
        };
        if let Some(fence) = self.fence_at {
            due = due.min(fence);
        }
        match self.drain {
            Drain::No => due,
            Drain::Finishing(deadline) | Drain::Cutting(deadline) => due.min(deadline),
        }
    }

    fn blocked_outgoing(&self) -> Option<mpsc::Sender<OpenSessionRequest>> {
        match &self.link {
            Link::Open(session) if self.blocked => Some(session.outgoing()),
            _ => None,
        }
    }

    // === the link ===

    fn on_link(&mut self, event: Event) {
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
        let opening = Box::pin(client::open(self.coordinator.clone(), register));
        self.link = Link::Opening {
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
            instance_id: self.instance_id.clone(),
            min_protocol: *versions.start(),
            max_protocol: *versions.end(),
            ..registration(&self.settings, catalogue)
        }
    }

    fn begin_session(&mut self, opened: Opened) {
        let (said_draining, said_tools) = match &self.link {
            Link::Opening {
                said_draining,
                said_tools,
                ..
            } => (*said_draining, Some(Arc::clone(said_tools))),
            Link::Waiting(_) | Link::Open(_) => (false, None),
        };
        let registered = &opened.registered;
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
        self.link = Link::Open(session);
        self.status.send_modify(|status| status.registered = true);
        self.on_frame(first);
    }

    fn on_frame(&mut self, frame: OpenSessionResponse) {
        let Link::Open(session) = &mut self.link else {
            return;
        };
        let mut heard = Heard::default();
        let handled = session.handle(frame, &mut self.attempts, &mut heard);
        self.on_heard(&heard);
        if let Err(error) = handled {
            self.lose(error);
        }
    }

    fn on_heard(&mut self, heard: &Heard) {
        if heard.heartbeat_answered
            && let Link::Open(session) = &self.link
        {
            self.fence_at = Some(session.fence_at());
            self.backoff.reset();
        }
        if heard.draining_changed {
            let draining = self.attempts.executor.is_draining();
            tracing::info!(draining, "the operator decided on draining");
            self.status.send_modify(|status| status.draining = draining);
        }
    }

    /// The session is over: dial again, after a while.
    fn lose(&mut self, error: SessionError) {
        let asked = match &self.link {
            Link::Open(session) => session.reconnect_after(),
            Link::Waiting(_) | Link::Opening { .. } => None,
        };
        // A coordinator asks all its workers at once; the next one should not meet all of them at once.
        let asked = asked.unwrap_or_default().mul_f64(0.8 + 0.4 * fastrand::f64());
        let wait = self.backoff.next_wait() + asked;
        self.status
            .send_if_modified(|status| std::mem::take(&mut status.registered));
        let retry_in = humantime::format_duration(Duration::from_millis(wait.as_millis() as u64));
        self.tell_lost(&error, &retry_in);
        self.blocked = false;
        self.link = Link::Waiting(Instant::now() + wait);
    }

    fn tell_lost(&mut self, error: &SessionError, retry_in: &humantime::FormattedDuration) {
        let in_flight = self.attempts.executor.running();
        if !error.is_refusal_of_identity() {
            self.refusal_told = None;
            return tracing::warn!(%error, %retry_in, in_flight, "no session");
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
        if let Link::Open(session) = &self.link {
            let silent = session.self_fence();
            self.lose(SessionError::Silent(silent));
        }
    }

    /// The coordinator hears of it on the session that is open, or with the next one.
    fn on_tools(&mut self) {
        let tools = Arc::clone(&self.tools.borrow_and_update());
        tracing::info!(tools = tools.declared().len(), "offers other tools");
        if let Link::Open(session) = &mut self.link {
            session.outbox().tools(tools.declared());
        }
        self.attempts.executor.offer(tools);
    }

    fn on_progress(&mut self, attempt: AttemptRef, progress: Progress) {
        if let Link::Open(session) = &mut self.link {
            session.progress(attempt, progress);
        }
    }

    // === the drain ===

    fn begin_drain(&mut self) {
        tracing::info!(in_flight = self.attempts.executor.running(), "draining");
        self.drain = Drain::Finishing(Instant::now() + self.settings.drain_timeout);
        self.attempts.executor.end();
        self.status.send_modify(|status| status.draining = true);
        if let Link::Open(session) = &mut self.link {
            session.outbox().draining("the worker ends");
        }
    }

    fn check_drain(&mut self, now: Instant) {
        match self.drain {
            Drain::Finishing(deadline) if deadline <= now => {
                let running = self.attempts.executor.running();
                if running > 0 {
                    tracing::warn!(running, "the drain's time is over: attempts are stopped");
                }
                self.attempts.executor.stop_all();
                self.drain = Drain::Cutting(now + CUT_GRACE);
            }
            Drain::No | Drain::Finishing(_) | Drain::Cutting(_) => {}
        }
        // the last results would else be acknowledged with the next heartbeat
        if self.drain != Drain::No
            && self.attempts.executor.is_idle()
            && !self.attempts.results.is_empty()
            && let Link::Open(session) = &mut self.link
        {
            session.ask_for_acknowledgement();
        }
    }

    fn is_over(&self) -> bool {
        let ended = self.attempts.executor.is_idle() && self.attempts.results.is_empty();
        match self.drain {
            Drain::No => false,
            Drain::Finishing(_) => ended,
            Drain::Cutting(deadline) => ended || deadline <= Instant::now(),
        }
    }

    async fn leave(mut self) {
        let lost = self.attempts.executor.running() + self.attempts.results.attempts().count();
        self.status.send_modify(|status| status.registered = false);
        let link = std::mem::replace(&mut self.link, Link::Waiting(Instant::now()));
        match link {
            // without goodbye the coordinator knows that something is missing
            Link::Open(session) if lost == 0 => {
                let left = session.leave(&mut self.attempts, "drained");
                if tokio::time::timeout(LEAVE_TIMEOUT, left).await.is_err() {
                    tracing::warn!("the coordinator did not close the stream after goodbye");
                }
            }
            _ => {}
        }
        tracing::info!(lost, executed = self.attempts.executor.executed(), "drained");
    }
}

impl Link {
    /// Cancel safe: what is half done stays in `self`.
    async fn next(&mut self) -> Event {
        match self {
            Self::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                Event::WaitIsOver
            }
            Self::Opening { opening, .. } => match opening.await {
                Ok(opened) => Event::Opened(Box::new(opened)),
                Err(error) => Event::Lost(error),
            },
            Self::Open(session) => match session.next_frame().await {
                Ok(frame) => Event::Frame(frame),
                Err(error) => Event::Lost(error),
            },
        }
    }
}

/// Waits until the connection takes another frame, or has ended. Cancel safe.
async fn writable(outgoing: Option<&mpsc::Sender<OpenSessionRequest>>) {
    if let Some(outgoing) = outgoing {
        let _ = outgoing.reserve().await;
    }
}

/// What the worker says of itself in every session.
pub(crate) fn registration(settings: &Settings, catalogue: &Catalogue) -> Register {
    Register {
        worker: settings.name.clone(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        slots: settings.slots,
        labels: settings.labels.clone().into_iter().collect(),
        tools: catalogue.declared().to_vec(),
        max_message_bytes: MAX_MESSAGE as u32,
        max_parameters_bytes: settings.max_parameters_bytes,
        ..Register::default()
    }
}
