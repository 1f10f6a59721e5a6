//! What is true of executions and workers, kept a second time from events and actions alone.
//!
//! `begin` takes in an event before the scheduler sees it; `finish` goes through the actions that came of
//! it (in `checks` and `finish`) and then looks at the whole state.

use std::collections::{BTreeMap, BTreeSet};

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, Config, Event, ExecutionKey, Preparation,
    Resolution, Scheduler, SessionEnd, SessionKey, Submission, TenantKey, Time, ToolKey, WorkerCondition,
    WorkerKey, WorkerSpec, WorkerStatus,
};

use super::{
    entities::{Attempt, Call, Ending, Execution, Standing, State, Taken, Tool, Worker},
    tenants::Tenant,
};

/// One input of the scheduler.
pub(crate) enum Input<'a> {
    Event(&'a Event),
    Dispatch,
    Timeout,
}

pub(crate) type Verdict = Result<(), String>;

/// Returns the message as an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// What a step must do, by its event alone.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) submitted: Option<Submission>,
    pub(crate) cancelled: Option<ExecutionKey>,
    pub(crate) late: Option<(SessionKey, AttemptKey)>,
    pub(crate) superseded: Option<SessionKey>,
    pub(crate) forgotten: Option<WorkerKey>,
    /// Sessions of workers that are forgotten in this step; what is sent to them first, is sent for nothing.
    pub(crate) left: Vec<SessionKey>,
    /// Aborted in this step: by its end no call may count on them.
    pub(crate) not_current: Vec<AttemptKey>,
}

#[derive(Debug)]
pub(crate) struct Shadow {
    pub(crate) config: Config,
    pub(crate) now: Time,
    pub(crate) executions: BTreeMap<ExecutionKey, Execution>,
    pub(crate) workers: BTreeMap<WorkerKey, Worker>,
    pub(crate) sessions: BTreeMap<SessionKey, WorkerKey>,
    pub(crate) tools: BTreeMap<ToolKey, Tool>,
    pub(crate) tenants: BTreeMap<TenantKey, Tenant>,
    pub(crate) status: Vec<WorkerStatus>,
    pub(crate) expected: Expected,
}

// === impl Shadow ===

impl Shadow {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            now: Time::ZERO,
            executions: BTreeMap::new(),
            workers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tools: BTreeMap::new(),
            tenants: BTreeMap::new(),
            status: Vec::new(),
            expected: Expected::default(),
        }
    }

    /// Takes in an input, before the scheduler does.
    pub(crate) fn begin(&mut self, now: Time, input: &Input<'_>, status: Vec<WorkerStatus>) {
        self.now = now;
        self.status = status;
        self.expected = Expected::default();
        let Input::Event(event) = input else { return };
        match event {
            Event::Submit(submission) => self.expected.submitted = Some(submission.clone()),
            Event::Cancel { execution, .. } => self.expected.cancelled = Some(*execution),
            Event::Resolved { call, resolution } => self.resolved(*call, *resolution),
            Event::ToolDeclared { tool, spec } => {
                let tool = self.tools.entry(*tool).or_default();
                if tool.spec.as_ref() != Some(spec) {
                    tool.redeclared = tool.spec.is_some();
                    tool.spec = Some(spec.clone());
                    tool.starts.clear();
                }
            }
            Event::WorkerJoined {
                session,
                worker,
                in_flight,
            } => self.joined(*session, worker, in_flight),
            Event::WorkerSeen {
                session,
                in_flight,
                dispatches_read,
            } => {
                self.seen(*session, in_flight, *dispatches_read);
            }
            Event::ToolsChanged { session, tools } => {
                if let Some(worker) = self.attached(*session) {
                    worker.heard = now;
                    worker.spec.tools.clone_from(tools);
                }
            }
            Event::WorkerSlots { session, slots } => {
                if let Some(worker) = self.attached(*session) {
                    worker.heard = now;
                    worker.spec.slots = *slots;
                }
            }
            Event::WorkerDraining { worker, draining } => {
                if let Some(worker) = self.workers.get_mut(worker) {
                    worker.spec.draining = *draining;
                }
            }
            Event::WorkerLost { session, end } => self.lost(*session, *end),
            Event::WorkerGone { worker } => {
                if self.workers.contains_key(worker) {
                    self.expected.forgotten = Some(*worker);
                    self.forget(*worker);
                }
            }
            Event::LimitsChanged {
                max_in_flight,
                max_queued_calls,
            } => {
                self.config.max_in_flight = *max_in_flight;
                self.config.max_queued_calls = *max_queued_calls;
            }
            Event::AttemptStarted { session, attempt } => {
                if let Some(worker) = self.attached(*session) {
                    worker.heard = now;
                    let known = worker
                        .taken
                        .get_mut(attempt)
                        .map(|taken| taken.sequence = 0)
                        .is_some();
                    if known && let Some(record) = self.current(*attempt) {
                        record.started_at.get_or_insert(now);
                    }
                }
            }
            Event::AttemptFinished {
                session,
                attempt,
                end,
            } => self.reported(*session, *attempt, *end),
        }
    }

    /// Judges what the scheduler did.
    pub(crate) fn finish(&mut self, input: &Input<'_>, actions: &[Action], scheduler: &Scheduler) -> Verdict {
        self.lose_forgotten(actions)?;
        for action in actions {
            self.action(input, action)?;
        }
        let fired = matches!(input, Input::Timeout);
        for worker in self.workers.values_mut().filter(|_| fired) {
            if let Standing::Ejected { until, times } = worker.standing
                && until <= self.now
            {
                worker.standing = Standing::Probation { times };
            }
            worker.watched = worker.watched.filter(|(_, until)| *until > self.now);
        }
        self.settle(fired)?;
        self.check_expected(actions)?;
        self.check_tenants(scheduler)?;
        self.check_state(input, scheduler)
    }

    /// The worker of an open session.
    pub(crate) fn attached(&mut self, session: SessionKey) -> Option<&mut Worker> {
        let worker = self.workers.get_mut(self.sessions.get(&session)?)?;
        (worker.session() == Some(session)).then_some(worker)
    }

    pub(crate) fn call(&self, key: CallKey) -> Option<&Call> {
        self.executions.get(&key.execution)?.calls.get(key.index as usize)
    }

    pub(crate) fn call_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        self.executions
            .get_mut(&key.execution)?
            .calls
            .get_mut(key.index as usize)
    }

    /// The record of an attempt that its call counts on.
    pub(crate) fn current(&mut self, attempt: AttemptKey) -> Option<&mut Attempt> {
        let call = self.call_mut(attempt.call)?;
        (call.state == State::InFlight(attempt.number)).then(|| call.attempts.last_mut())?
    }

    pub(crate) fn is_current(&self, attempt: AttemptKey) -> bool {
        self.call(attempt.call)
            .is_some_and(|call| call.state == State::InFlight(attempt.number))
    }

    /// The attempt has ended; the step's actions must say what follows.
    pub(crate) fn end_attempt(&mut self, attempt: AttemptKey, ending: Ending) {
        if let Some(record) = self.current(attempt) {
            record.ending = Some(ending);
            if let Some(call) = self.call_mut(attempt.call) {
                call.state = State::Ending(ending);
            }
        }
    }

    fn resolved(&mut self, key: CallKey, resolution: Resolution) {
        let now = self.now;
        let Some(call) = self.call_mut(key).filter(|call| call.state == State::Resolving) else {
            return;
        };
        match resolution {
            Resolution::Ready {
                safe_to_repeat,
                timeout,
                retry,
            } => {
                call.safe = safe_to_repeat;
                call.timeout = timeout;
                call.retry = retry;
                call.state = State::Ready { since: now };
            }
            Resolution::Rejected => call.state = State::Ending(Ending::Rejected),
        }
    }

    fn joined(&mut self, session: SessionKey, spec: &WorkerSpec, in_flight: &[AttemptKey]) {
        let now = self.now;
        let listed: BTreeSet<AttemptKey> = in_flight.iter().copied().collect();
        self.sessions.insert(session, spec.worker);
        let mut old = self.workers.remove(&spec.worker);
        self.expected.superseded = old.as_ref().and_then(Worker::session);
        if let Some(old) = &mut old {
            old.breaks(now, &self.config);
        }
        let mut taken = BTreeMap::new();
        for &attempt in &listed {
            let zombie = !self.is_current(attempt)
                || !old
                    .as_ref()
                    .is_some_and(|worker| worker.taken.contains_key(&attempt));
            taken.insert(
                attempt,
                Taken {
                    sequence: 0,
                    aborted: None,
                    zombie,
                },
            );
        }
        let mut spec = spec.clone();
        spec.draining |= old.as_ref().is_some_and(|worker| worker.spec.draining);
        let before = old
            .as_mut()
            .map(|worker| std::mem::take(&mut worker.taken))
            .unwrap_or_default();
        self.workers.insert(
            spec.worker,
            Worker {
                spec,
                last_session: session,
                detached: None,
                joined: now,
                heartbeat: old.as_ref().map_or(now, |worker| worker.heartbeat),
                // to come back is not to be heard: the worker may not hear the answer
                heard: old.as_ref().map_or(now, |worker| worker.heard),
                dispatches: 0,
                taken,
                reported: BTreeSet::new(),
                watched: old.as_ref().and_then(|worker| worker.watched),
                standing: old.map_or(Standing::Good { faults: 0 }, |worker| worker.standing),
            },
        );
        for (attempt, taken) in before
            .into_iter()
            .filter(|(attempt, _)| !listed.contains(attempt))
        {
            // Proof only where the worker never showed a sign of it.
            if taken.sequence > 0 {
                self.end_attempt(attempt, Ending::NotRead);
                continue;
            }
            if self.is_current(attempt) {
                self.judge(session, AttemptEnd::Failed(AttemptFailure::WorkerLost));
            }
            self.end_attempt(attempt, Ending::Lost);
        }
    }

    fn seen(&mut self, session: SessionKey, in_flight: &[AttemptKey], read: u64) {
        let now = self.now;
        let Some(worker) = self.attached(session) else {
            return;
        };
        worker.heartbeat = now;
        worker.heard = now;
        let gone: Vec<AttemptKey> = worker
            .taken
            .iter()
            .filter(|(attempt, taken)| taken.sequence <= read && !in_flight.contains(attempt))
            .map(|(&attempt, _)| attempt)
            .collect();
        for attempt in &gone {
            worker.taken.remove(attempt);
        }
        for taken in worker.taken.values_mut().filter(|taken| taken.sequence <= read) {
            taken.sequence = 0;
        }
        for &attempt in in_flight {
            if !worker.reported.contains(&attempt) {
                worker.taken.entry(attempt).or_insert(Taken {
                    sequence: 0,
                    aborted: None,
                    zombie: true,
                });
            }
        }
        for attempt in gone {
            if self.is_current(attempt) {
                self.judge(session, AttemptEnd::Failed(AttemptFailure::WorkerLost));
            }
            self.end_attempt(attempt, Ending::Lost);
        }
    }

    fn judge(&mut self, session: SessionKey, end: AttemptEnd) {
        let (now, config) = (self.now, self.config.clone());
        if let Some(worker) = self.attached(session) {
            worker.judge(now, end, &config);
        }
    }

    fn lost(&mut self, session: SessionKey, end: SessionEnd) {
        let (now, config) = (self.now, self.config.clone());
        let Some(key) = self.sessions.get(&session).copied() else {
            return;
        };
        let Some(worker) = self
            .workers
            .get_mut(&key)
            .filter(|worker| worker.last_session == session)
        else {
            return;
        };
        match end {
            SessionEnd::Broken => {
                worker.breaks(now, &config);
                worker.detached.get_or_insert(now);
            }
            SessionEnd::Goodbye => {
                self.expected.forgotten = Some(key);
                let taken = self.workers.remove(&key).map(|worker| worker.taken);
                for (attempt, taken) in taken.unwrap_or_default() {
                    // one that showed a sign and was not reported is lost; the others crossed the goodbye
                    let ending = if taken.sequence > 0 {
                        Ending::NotRead
                    } else {
                        Ending::Lost
                    };
                    self.end_attempt(attempt, ending);
                }
            }
        }
    }

    /// The worker is gone, and its attempts with it.
    pub(crate) fn forget(&mut self, key: WorkerKey) {
        let Some(worker) = self.workers.remove(&key) else {
            return;
        };
        for attempt in worker.taken.into_keys() {
            self.end_attempt(attempt, Ending::Lost);
        }
    }

    fn reported(&mut self, session: SessionKey, attempt: AttemptKey, end: AttemptEnd) {
        let now = self.now;
        let mut late = true;
        // What was told to stop and says that it has, is not late.
        let confirms = end == AttemptEnd::Failed(AttemptFailure::Aborted);
        if let Some(worker) = self.attached(session) {
            worker.heard = now;
            if worker.taken.remove(&attempt).is_some() {
                worker.reported.insert(attempt);
                self.judge(session, end);
                late = !self.is_current(attempt) && !confirms;
                if let AttemptEnd::Failed(AttemptFailure::ToolError {
                    retryable: true,
                    retry_after: Some(wait),
                }) = end
                    && !late
                    && let Some(tool) = self.call(attempt.call).map(|call| call.tool)
                {
                    let tool = self.tools.entry(tool).or_default();
                    tool.slowed_until = tool.slowed_until.max(now + wait);
                }
                self.end_attempt(attempt, Ending::Reported(end));
            }
        }
        if late {
            self.expected.late = Some((session, attempt));
        }
    }

    /// Calls whose dependencies are done become ready by themselves, when nothing is to be prepared.
    fn settle(&mut self, fired: bool) -> Verdict {
        let now = self.now;
        for execution in self.executions.values_mut().filter(|execution| !execution.ended) {
            for index in 0..execution.calls.len() as u32 {
                let key = execution.key(index);
                let unblocked = execution.unblocked(index);
                let preparation = execution.submission.calls[index as usize].preparation;
                let call = &mut execution.calls[index as usize];
                match call.state {
                    State::Waiting if unblocked => {
                        call.ready_at.get_or_insert(now);
                        if preparation == Preparation::Ready {
                            call.state = State::Ready { since: now };
                        }
                    }
                    State::Backoff { not_before } if fired && not_before <= now => {
                        call.state = State::Ready { since: now };
                    }
                    State::Ending(
                        Ending::NotRead | Ending::Reported(AttemptEnd::Failed(AttemptFailure::Refused)),
                    ) => {
                        call.state = State::Ready { since: now };
                    }
                    State::Ending(ending) => {
                        return Err(format!(
                            "T1: {key} ended ({ending:?}) and nothing came of it in the same step"
                        ));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The condition that the scheduler itself gave a worker before this step.
    pub(crate) fn condition(&self, worker: WorkerKey) -> Option<WorkerCondition> {
        self.status
            .iter()
            .find(|status| status.worker == worker)
            .map(|status| status.condition)
    }
}
