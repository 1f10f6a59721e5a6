//! What is true of executions and workers, kept a second time from events and actions alone.
//!
//! `begin` takes in an event before the scheduler sees it; `finish` goes through the actions that came of
//! it (in `checks` and `finish`) and then looks at the whole state.

use std::collections::{BTreeMap, BTreeSet};

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, Config, Event, ExecutionKey, OnFailure, Outcome,
    Preparation, Resolution, RetryPolicy, Schedule, Scheduler, SessionEnd, SessionKey, Submission, Time, ToolKey,
    ToolSpec, WorkerCondition, WorkerKey, WorkerSpec, WorkerStatus,
    plan::Need,
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
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    Waiting,
    Resolving,
    Ready { since: Time },
    InFlight(u32),
    /// Its attempt (or its resolution) ended in this step; an action must say what comes of it.
    Ending(Ending),
    Backoff { not_before: Time },
    Done(Outcome),
}

/// How the last thing that a call was doing ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    Reported(AttemptEnd),
    /// The worker came back without it: proof that it never read the dispatch.
    NotRead,
    Lost,
    TimedOut,
    Rejected,
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) worker: WorkerKey,
    pub(crate) dispatched_at: Time,
    pub(crate) started_at: Option<Time>,
    pub(crate) ending: Option<Ending>,
}

impl Attempt {
    /// It has provably not run.
    pub(crate) fn not_run(&self) -> bool {
        matches!(
            self.ending,
            Some(Ending::NotRead | Ending::Reported(AttemptEnd::Failed(AttemptFailure::Refused)))
        )
    }

    pub(crate) fn lost(&self) -> bool {
        matches!(
            self.ending,
            Some(Ending::Lost | Ending::Reported(AttemptEnd::Failed(AttemptFailure::WorkerLost)))
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) tool: ToolKey,
    pub(crate) safe: bool,
    pub(crate) timeout: std::time::Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) ready_at: Option<Time>,
    pub(crate) root: Option<CallKey>,
    pub(crate) attempts: Vec<Attempt>,
}

impl Call {
    /// Attempts that count against `max_attempts`: those that may have run.
    pub(crate) fn charged(&self) -> u32 {
        self.attempts.iter().filter(|attempt| !attempt.not_run()).count() as u32
    }

    /// Attempts that provably did not run.
    pub(crate) fn refusals(&self) -> u32 {
        self.attempts.len() as u32 - self.charged()
    }

    pub(crate) fn losses(&self) -> u32 {
        self.attempts.iter().filter(|attempt| attempt.lost()).count() as u32
    }

    /// Workers on which an attempt of it failed.
    pub(crate) fn failed_on(&self, worker: WorkerKey) -> bool {
        self.attempts.iter().any(|attempt| {
            attempt.worker == worker
                && !matches!(attempt.ending, None | Some(Ending::NotRead | Ending::Reported(AttemptEnd::Succeeded)))
        })
    }

    /// Workers that its next attempt may leave out: those on which one failed, or that never read one.
    pub(crate) fn may_avoid(&self, worker: WorkerKey) -> bool {
        self.failed_on(worker) || self.attempts.iter().any(|a| a.worker == worker && a.ending == Some(Ending::NotRead))
    }

    pub(crate) fn done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }
}

#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) submission: Submission,
    /// For each call: what it waits for.
    pub(crate) needs: Vec<Vec<(u32, Need)>>,
    pub(crate) calls: Vec<Call>,
    pub(crate) ended: bool,
}

impl Execution {
    pub(crate) fn new(submission: Submission) -> Self {
        let mut needs = vec![Vec::new(); submission.calls.len()];
        for from in 0..submission.plan.len() {
            for dependent in submission.plan.dependents(from) {
                needs[dependent.call as usize].push((from, dependent.need));
            }
        }
        let calls = submission
            .calls
            .iter()
            .map(|call| Call {
                state: State::Waiting,
                tool: call.tool,
                safe: call.safe_to_repeat,
                timeout: call.timeout,
                retry: call.retry,
                ready_at: None,
                root: None,
                attempts: Vec::new(),
            })
            .collect();
        Self { submission, needs, calls, ended: false }
    }

    pub(crate) fn key(&self, index: u32) -> CallKey {
        CallKey { execution: self.submission.execution, index }
    }

    /// Everything that the call waits for has come.
    pub(crate) fn unblocked(&self, index: u32) -> bool {
        let needs_met = self.needs[index as usize].iter().all(|&(from, need)| match self.calls[from as usize].state {
            State::Done(outcome) => need == Need::End || outcome == Outcome::Succeeded,
            _ => false,
        });
        let wave = self.submission.plan.wave(index);
        needs_met
            && (self.submission.schedule == Schedule::Pipelined
                || (0..self.calls.len() as u32)
                    .all(|other| self.submission.plan.wave(other) >= wave || self.calls[other as usize].done()))
    }

    /// A dependency that must succeed has ended otherwise.
    pub(crate) fn doomed(&self, index: u32) -> bool {
        self.needs[index as usize].iter().any(|&(from, need)| {
            need == Need::Success
                && matches!(self.calls[from as usize].state, State::Done(outcome) if outcome != Outcome::Succeeded)
        })
    }

    pub(crate) fn fail_fast(&self) -> bool {
        self.submission.on_failure == OnFailure::FailFast
    }
}

/// An attempt that takes a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Its place among the session's dispatches; 0 when it came with the session.
    pub(crate) sequence: u64,
    pub(crate) aborted: Option<Time>,
    /// Given up while its worker was away: it takes the slot and counts against nothing else.
    pub(crate) zombie: bool,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) spec: WorkerSpec,
    /// The newest session, open or not.
    pub(crate) last_session: SessionKey,
    pub(crate) detached: Option<Time>,
    /// Last registration or heartbeat.
    pub(crate) heartbeat: Time,
    /// Last word of any kind.
    pub(crate) heard: Time,
    pub(crate) dispatches: u64,
    pub(crate) taken: BTreeMap<AttemptKey, Taken>,
    /// Ends that were reported on this session.
    pub(crate) reported: BTreeSet<AttemptKey>,
}

impl Worker {
    pub(crate) fn session(&self) -> Option<SessionKey> {
        self.detached.is_none().then_some(self.last_session)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tool {
    pub(crate) spec: Option<ToolSpec>,
    /// Under the present spec.
    pub(crate) starts: Vec<Time>,
    pub(crate) slowed_until: Time,
}

/// What a step must do, by its event alone.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) submitted: Option<Submission>,
    pub(crate) cancelled: Option<ExecutionKey>,
    pub(crate) late: Option<(SessionKey, AttemptKey)>,
    pub(crate) superseded: Option<SessionKey>,
    pub(crate) forgotten: Option<WorkerKey>,
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
                    tool.spec = Some(spec.clone());
                    tool.starts.clear();
                }
            }
            Event::WorkerJoined { session, worker, in_flight } => self.joined(*session, worker, in_flight),
            Event::WorkerSeen { session, in_flight, dispatches_read } => {
                self.seen(*session, in_flight, *dispatches_read);
            }
            Event::ToolsChanged { session, tools } => {
                if let Some(worker) = self.attached(*session) {
                    worker.heard = now;
                    worker.spec.tools.clone_from(tools);
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
            Event::AttemptStarted { session, attempt } => {
                if let Some(worker) = self.attached(*session) {
                    worker.heard = now;
                    let known = worker.taken.contains_key(attempt);
                    if known && let Some(record) = self.current(*attempt) {
                        record.started_at.get_or_insert(now);
                    }
                }
            }
            Event::AttemptFinished { session, attempt, end } => self.reported(*session, *attempt, *end),
        }
    }

    /// Judges what the scheduler did.
    pub(crate) fn finish(&mut self, input: &Input<'_>, actions: &[Action], scheduler: &Scheduler) -> Verdict {
        self.lose_forgotten(actions)?;
        for action in actions {
            self.action(input, action)?;
        }
        self.settle(matches!(input, Input::Timeout))?;
        self.check_expected(actions)?;
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
        self.executions.get_mut(&key.execution)?.calls.get_mut(key.index as usize)
    }

    /// The record of an attempt that its call counts on.
    pub(crate) fn current(&mut self, attempt: AttemptKey) -> Option<&mut Attempt> {
        let call = self.call_mut(attempt.call)?;
        (call.state == State::InFlight(attempt.number)).then(|| call.attempts.last_mut())?
    }

    pub(crate) fn is_current(&self, attempt: AttemptKey) -> bool {
        self.call(attempt.call).is_some_and(|call| call.state == State::InFlight(attempt.number))
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
        let Some(call) = self.call_mut(key).filter(|call| call.state == State::Resolving) else { return };
        match resolution {
            Resolution::Ready { safe_to_repeat, timeout, retry } => {
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
        let mut taken = BTreeMap::new();
        for &attempt in &listed {
            let zombie = !self.is_current(attempt)
                || !old.as_ref().is_some_and(|worker| worker.taken.contains_key(&attempt));
            taken.insert(attempt, Taken { sequence: 0, aborted: None, zombie });
        }
        let mut spec = spec.clone();
        spec.draining |= old.as_ref().is_some_and(|worker| worker.spec.draining);
        for (attempt, _) in old.iter_mut().flat_map(|worker| std::mem::take(&mut worker.taken)) {
            if !listed.contains(&attempt) {
                self.end_attempt(attempt, Ending::NotRead);
            }
        }
        self.workers.insert(
            spec.worker,
            Worker {
                spec,
                last_session: session,
                detached: None,
                heartbeat: now,
                heard: now,
                dispatches: 0,
                taken,
                reported: BTreeSet::new(),
            },
        );
    }

    fn seen(&mut self, session: SessionKey, in_flight: &[AttemptKey], read: u64) {
        let now = self.now;
        let Some(worker) = self.attached(session) else { return };
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
        for &attempt in in_flight {
            if !worker.reported.contains(&attempt) {
                worker.taken.entry(attempt).or_insert(Taken { sequence: 0, aborted: None, zombie: true });
            }
        }
        for attempt in gone {
            self.end_attempt(attempt, Ending::Lost);
        }
    }

    fn lost(&mut self, session: SessionKey, end: SessionEnd) {
        let now = self.now;
        let Some(key) = self.sessions.get(&session).copied() else { return };
        let Some(worker) = self.workers.get_mut(&key).filter(|worker| worker.last_session == session) else { return };
        match end {
            SessionEnd::Broken => {
                worker.detached.get_or_insert(now);
            }
            SessionEnd::Goodbye => {
                self.expected.forgotten = Some(key);
                self.forget(key);
            }
        }
    }

    /// The worker is gone, and its attempts with it.
    pub(crate) fn forget(&mut self, key: WorkerKey) {
        let Some(worker) = self.workers.remove(&key) else { return };
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
                late = !self.is_current(attempt) && !confirms;
                if let AttemptEnd::Failed(AttemptFailure::ToolError { retryable: true, retry_after: Some(wait) }) = end
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
                    State::Ending(Ending::NotRead | Ending::Reported(AttemptEnd::Failed(AttemptFailure::Refused))) => {
                        call.state = State::Ready { since: now };
                    }
                    State::Ending(ending) => {
                        return Err(format!("T1: {key} ended ({ending:?}) and nothing came of it in the same step"));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The condition that the scheduler itself gave a worker before this step.
    pub(crate) fn condition(&self, worker: WorkerKey) -> Option<WorkerCondition> {
        self.status.iter().find(|status| status.worker == worker).map(|status| status.condition)
    }
}
