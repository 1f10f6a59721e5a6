//! A small language for scenarios: workers that beat by themselves, calls that end when told to, and questions
//! about what came of it. Every step is checked by the shadow; a broken invariant fails the scenario.

use std::{collections::BTreeMap, time::Duration};

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, CallSpec, CancelReason, Config, Event,
    ExecutionKey, FinishedCall, OnFailure, Outcome, Preparation, Resolution, RetryPolicy, Schedule,
    SessionEnd, SessionKey, Submission, TenantKey, TenantLimits, Time, ToolKey, ToolSpec, WorkerCondition,
    WorkerKey, WorkerSpec,
    plan::{Edge, Need, Plan},
};

use super::{harness::Harness, s};

/// The tool that calls use unless they say otherwise.
pub(crate) const TOOL: ToolKey = ToolKey(0);
pub(crate) const OTHER_TOOL: ToolKey = ToolKey(1);

const BEAT: Duration = s(2);

pub(crate) struct Lab {
    pub(crate) harness: Harness,
    /// Everything that the scheduler wanted so far.
    pub(crate) actions: Vec<Action>,
    /// Workers that beat, and when next.
    beats: BTreeMap<WorkerKey, Time>,
    next: u64,
}

/// An execution to be submitted: `plan(calls)`, then what differs from the usual.
pub(crate) struct Batch {
    calls: Vec<CallSpec>,
    edges: Vec<Edge>,
    submission: Submission,
    within: Duration,
}

/// A call as most scenarios want it: not safe to repeat, 30 s, three attempts, no backoff.
pub(crate) fn call() -> CallSpec {
    CallSpec {
        tool: TOOL,
        priority: 0,
        timeout: s(30),
        queue_timeout: None,
        retry: RetryPolicy {
            initial_backoff: Duration::ZERO,
            max_backoff: Duration::ZERO,
            ..RetryPolicy::default()
        },
        safe_to_repeat: false,
        preparation: Preparation::Ready,
    }
}

/// The same, safe to repeat.
pub(crate) fn safe_call() -> CallSpec {
    CallSpec {
        safe_to_repeat: true,
        ..call()
    }
}

/// A call that starts before others.
pub(crate) fn urgent(priority: u8) -> CallSpec {
    CallSpec { priority, ..call() }
}

pub(crate) fn batch(calls: Vec<CallSpec>) -> Batch {
    Batch {
        submission: Submission {
            execution: ExecutionKey(0),
            tenant: TenantKey(0),
            limits: TenantLimits::default(),
            plan: Plan::default(),
            calls: Vec::new(),
            max_concurrency: None,
            schedule: Schedule::Pipelined,
            on_failure: OnFailure::Continue,
            deadline: Time::MAX,
        },
        calls,
        edges: Vec::new(),
        within: s(3600),
    }
}

// === impl Batch ===

impl Batch {
    /// `to` needs the success of `from`.
    pub(crate) fn after(mut self, from: u32, to: u32) -> Self {
        self.edges.push(Edge {
            from,
            to,
            need: Need::Success,
        });
        self
    }

    /// `to` waits for the end of `from`.
    pub(crate) fn after_end(mut self, from: u32, to: u32) -> Self {
        self.edges.push(Edge {
            from,
            to,
            need: Need::End,
        });
        self
    }

    pub(crate) fn tenant(mut self, tenant: u32) -> Self {
        self.submission.tenant = TenantKey(tenant);
        self
    }

    /// What its tenant may use.
    pub(crate) fn limits(mut self, limits: TenantLimits) -> Self {
        self.submission.limits = limits;
        self
    }

    pub(crate) fn at_once(mut self, limit: u32) -> Self {
        self.submission.max_concurrency = Some(limit);
        self
    }

    pub(crate) fn barrier(mut self) -> Self {
        self.submission.schedule = Schedule::Barrier;
        self
    }

    pub(crate) fn fail_fast(mut self) -> Self {
        self.submission.on_failure = OnFailure::FailFast;
        self
    }

    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.within = timeout;
        self
    }
}

// === impl Lab ===

impl Lab {
    /// A coordinator that has been up for long, with both tools declared and no worker.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            startup_grace: Duration::ZERO,
            seed: 1,
            ..Config::default()
        };
        change(&mut config);
        let mut lab = Self {
            harness: Harness::new(config),
            actions: Vec::new(),
            beats: BTreeMap::new(),
            next: 0,
        };
        lab.declare(TOOL, ToolSpec::default());
        lab.declare(OTHER_TOOL, ToolSpec::default());
        lab
    }

    #[track_caller]
    pub(crate) fn event(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self
            .harness
            .event(event)
            .unwrap_or_else(|broken| self.broke(&broken));
        actions.extend(
            self.harness
                .dispatch()
                .unwrap_or_else(|broken| self.broke(&broken)),
        );
        self.actions.extend(actions.iter().cloned());
        actions
    }

    #[track_caller]
    fn broke(&self, broken: &str) -> ! {
        panic!("{}\nbroken: {broken}", self.harness.tail(60))
    }

    pub(crate) fn declare(&mut self, tool: ToolKey, spec: ToolSpec) -> Vec<Action> {
        self.event(Event::ToolDeclared { tool, spec })
    }

    /// A new worker that hosts both tools and beats.
    #[track_caller]
    pub(crate) fn worker(&mut self, slots: u32) -> WorkerKey {
        self.worker_with(slots, &[TOOL, OTHER_TOOL])
    }

    #[track_caller]
    pub(crate) fn worker_with(&mut self, slots: u32, tools: &[ToolKey]) -> WorkerKey {
        self.next += 1;
        let worker = WorkerKey(self.next);
        self.join(
            WorkerSpec {
                worker,
                slots,
                tools: tools.to_vec(),
                draining: false,
            },
            &[],
        );
        worker
    }

    /// Opens a session of a worker.
    #[track_caller]
    pub(crate) fn join(&mut self, spec: WorkerSpec, in_flight: &[AttemptKey]) -> SessionKey {
        self.next += 1;
        let session = SessionKey(self.next);
        self.beats.insert(spec.worker, self.harness.now + BEAT);
        self.event(Event::WorkerJoined {
            session,
            worker: spec,
            in_flight: in_flight.to_vec(),
        });
        session
    }

    /// The worker comes back with these attempts.
    #[track_caller]
    pub(crate) fn rejoin(&mut self, worker: WorkerKey, in_flight: &[AttemptKey]) -> SessionKey {
        let spec = self.harness.shadow.workers[&worker].spec.clone();
        self.join(
            WorkerSpec {
                draining: false,
                ..spec
            },
            in_flight,
        )
    }

    /// The worker's stream breaks.
    #[track_caller]
    pub(crate) fn breaks(&mut self, worker: WorkerKey) -> Vec<Action> {
        self.beats.remove(&worker);
        let session = self.session(worker);
        self.event(Event::WorkerLost {
            session,
            end: SessionEnd::Broken,
        })
    }

    /// The worker beats no more.
    pub(crate) fn falls_silent(&mut self, worker: WorkerKey) {
        self.beats.remove(&worker);
    }

    #[track_caller]
    pub(crate) fn drains(&mut self, worker: WorkerKey, draining: bool) -> Vec<Action> {
        self.event(Event::WorkerDraining { worker, draining })
    }

    /// The last session of a worker.
    pub(crate) fn session(&self, worker: WorkerKey) -> SessionKey {
        self.harness.shadow.workers[&worker].last_session
    }

    #[track_caller]
    pub(crate) fn beat(
        &mut self,
        worker: WorkerKey,
        in_flight: &[AttemptKey],
        dispatches_read: u64,
    ) -> Vec<Action> {
        let session = self.session(worker);
        self.event(Event::WorkerSeen {
            session,
            in_flight: in_flight.to_vec(),
            dispatches_read,
        })
    }

    /// Time passes; workers beat, timers fire.
    #[track_caller]
    pub(crate) fn pass(&mut self, by: Duration) -> Vec<Action> {
        let until = self.harness.now + by;
        let mut all = Vec::new();
        loop {
            let beat = self
                .beats
                .iter()
                .map(|(&worker, &at)| (at, worker))
                .min()
                .filter(|&(at, _)| at <= until);
            let next = beat.map_or(until, |(at, _)| at);
            let step = self
                .harness
                .step_towards(next)
                .unwrap_or_else(|broken| self.broke(&broken));
            if let Some(mut actions) = step {
                actions.extend(
                    self.harness
                        .dispatch()
                        .unwrap_or_else(|broken| self.broke(&broken)),
                );
                self.actions.extend(actions.iter().cloned());
                all.extend(actions);
                continue;
            }
            let Some((_, worker)) = beat else { return all };
            self.beats.insert(worker, self.harness.now + BEAT);
            if let Some(known) = self.harness.shadow.workers.get(&worker) {
                let has: Vec<AttemptKey> = known.taken.keys().copied().collect();
                let read = known.dispatches;
                all.extend(self.beat(worker, &has, read));
            } else {
                self.beats.remove(&worker);
            }
        }
    }

    #[track_caller]
    pub(crate) fn submit(&mut self, batch: Batch) -> ExecutionKey {
        self.next += 1;
        let plan = Plan::new(batch.calls.len() as u32, &batch.edges).expect("a scenario has no cycle");
        let execution = ExecutionKey(self.next);
        let deadline = self.harness.now + batch.within;
        self.event(Event::Submit(Submission {
            execution,
            plan,
            calls: batch.calls,
            deadline,
            ..batch.submission
        }));
        execution
    }

    #[track_caller]
    pub(crate) fn cancel(&mut self, execution: ExecutionKey) -> Vec<Action> {
        self.event(Event::Cancel {
            execution,
            reason: CancelReason::Requested,
        })
    }

    #[track_caller]
    pub(crate) fn resolve(&mut self, call: CallKey, resolution: Resolution) -> Vec<Action> {
        self.event(Event::Resolved { call, resolution })
    }

    /// The attempt that a call has in flight, and where.
    pub(crate) fn flight(&self, call: CallKey) -> Option<(AttemptKey, WorkerKey)> {
        let known = self.harness.shadow.call(call)?;
        let last = known.attempts.last()?;
        let attempt = AttemptKey {
            call,
            number: last.number,
        };
        self.harness
            .shadow
            .is_current(attempt)
            .then_some((attempt, last.worker))
    }

    #[track_caller]
    pub(crate) fn attempt(&self, call: CallKey) -> AttemptKey {
        self.flight(call)
            .unwrap_or_else(|| panic!("{}\n{call} is not in flight", self.harness.tail(60)))
            .0
    }

    #[track_caller]
    pub(crate) fn place(&self, call: CallKey) -> WorkerKey {
        self.flight(call)
            .unwrap_or_else(|| panic!("{}\n{call} is not in flight", self.harness.tail(60)))
            .1
    }

    /// The worker of the call's current attempt reports its end.
    #[track_caller]
    pub(crate) fn ends(&mut self, call: CallKey, end: AttemptEnd) -> Vec<Action> {
        let (attempt, worker) = (self.attempt(call), self.place(call));
        self.reports(worker, attempt, end)
    }

    #[track_caller]
    pub(crate) fn succeeds(&mut self, call: CallKey) -> Vec<Action> {
        self.ends(call, AttemptEnd::Succeeded)
    }

    #[track_caller]
    pub(crate) fn fails(&mut self, call: CallKey, failure: AttemptFailure) -> Vec<Action> {
        self.ends(call, AttemptEnd::Failed(failure))
    }

    #[track_caller]
    pub(crate) fn reports(&mut self, worker: WorkerKey, attempt: AttemptKey, end: AttemptEnd) -> Vec<Action> {
        let session = self.session(worker);
        self.event(Event::AttemptFinished {
            session,
            attempt,
            end,
        })
    }

    #[track_caller]
    pub(crate) fn starts(&mut self, call: CallKey) -> Vec<Action> {
        let (attempt, worker) = (self.attempt(call), self.place(call));
        let session = self.session(worker);
        self.event(Event::AttemptStarted { session, attempt })
    }

    /// How a call ended.
    pub(crate) fn finished(&self, call: CallKey) -> Option<&FinishedCall> {
        self.actions.iter().find_map(|action| match action {
            Action::FinishCall(finished) if finished.call == call => Some(finished),
            _ => None,
        })
    }

    pub(crate) fn outcome(&self, call: CallKey) -> Option<Outcome> {
        self.finished(call).map(|finished| finished.outcome)
    }

    pub(crate) fn condition(&self, worker: WorkerKey) -> Option<WorkerCondition> {
        let status = self.harness.scheduler.workers(self.harness.now);
        status
            .iter()
            .find(|status| status.worker == worker)
            .map(|status| status.condition)
    }

    /// Slots taken at a worker.
    pub(crate) fn taken(&self, worker: WorkerKey) -> u32 {
        let status = self.harness.scheduler.workers(self.harness.now);
        status
            .iter()
            .find(|status| status.worker == worker)
            .map_or(0, |status| status.in_flight)
    }

    /// Calls in flight, in the order of their dispatch.
    pub(crate) fn started_order(&self) -> Vec<CallKey> {
        dispatches(&self.actions)
            .into_iter()
            .map(|attempt| attempt.call)
            .collect()
    }
}

/// What is dispatched among some actions.
pub(crate) fn dispatches(actions: &[Action]) -> Vec<AttemptKey> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Dispatch { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect()
}

/// What is aborted among some actions.
pub(crate) fn aborts(actions: &[Action]) -> Vec<AttemptKey> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Abort { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect()
}

/// The call of this index.
pub(crate) fn nth(execution: ExecutionKey, index: u32) -> CallKey {
    CallKey { execution, index }
}
