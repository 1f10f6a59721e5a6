//! What must be true of each action, and of the whole state after each step. Letters and numbers in the
//! messages name the invariant.

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, EvictReason, Event, Preparation, Refusal,
    SessionKey, Time, WorkerCondition, WorkerKey,
};

use super::shadow::{Attempt, Ending, Execution, Input, Shadow, State, Taken, Verdict, ensure};

impl Shadow {
    /// Workers that the scheduler forgets in this step lose their attempts, whatever the order of the actions.
    pub(crate) fn lose_forgotten(&mut self, actions: &[Action]) -> Verdict {
        for action in actions {
            let Action::ForgetWorker { worker } = action else { continue };
            if self.expected.forgotten.take_if(|expected| expected == worker).is_some() {
                continue;
            }
            let Some(known) = self.workers.get(worker) else {
                return Err(format!("ForgetWorker {worker:?}, which is not known"));
            };
            ensure!(
                self.now.since(known.heartbeat) >= self.config.lease,
                "{worker:?} is forgotten {:?} after its last heartbeat",
                self.now.since(known.heartbeat)
            );
            self.forget(*worker);
        }
        ensure!(self.expected.forgotten.is_none(), "{:?} left and is not forgotten", self.expected.forgotten);
        Ok(())
    }

    /// Judges one action, and takes it in.
    pub(crate) fn action(&mut self, input: &Input<'_>, action: &Action) -> Verdict {
        match action {
            Action::Admitted(admitted) => self.admitted(admitted.execution),
            Action::Refused { execution, refusal } => self.refused(*execution, *refusal),
            Action::Resolve { call } => self.resolve(*call),
            Action::Dispatch { session, attempt, timeout, safe_to_repeat } => {
                ensure!(matches!(input, Input::Dispatch), "{attempt} is dispatched outside dispatch()");
                if let Some(call) = self.call(attempt.call) {
                    ensure!(call.safe == *safe_to_repeat, "{attempt}: safe_to_repeat is {}", call.safe);
                    ensure!(call.timeout == *timeout, "{attempt}: its timeout is {:?}", call.timeout);
                }
                self.dispatched(*session, *attempt)
            }
            Action::Abort { session, attempt } => self.aborted(*session, *attempt),
            Action::Started { attempt, worker } => {
                let known = self.call(attempt.call).and_then(|call| call.attempts.last()).map(|a| (a.number, a.worker));
                ensure!(known == Some((attempt.number, *worker)), "{attempt} started, but it is not current");
                Ok(())
            }
            Action::Retry { attempt, failure, backoff } => self.retried(input, *attempt, *failure, self.now + *backoff),
            Action::FinishCall(finished) => self.finish_call(input, finished),
            Action::FinishExecution { execution } => {
                let Some(execution) = self.executions.get_mut(execution) else {
                    return Err(format!("T3: {execution:?} ends and is not known"));
                };
                ensure!(!execution.ended, "T3: {:?} ends twice", execution.submission.execution);
                ensure!(execution.calls.iter().all(|call| call.done()), "T3: an execution ends before its calls");
                execution.ended = true;
                Ok(())
            }
            Action::Late { attempt, session } => {
                if self.expected.late.take_if(|late| *late == (*session, *attempt)).is_some() {
                    return Ok(());
                }
                let started_late = matches!(input, Input::Event(Event::AttemptStarted { session: s, attempt: a })
                    if s == session && a == attempt);
                ensure!(started_late && !self.is_current(*attempt), "A4: {attempt} is called late, and is not");
                Ok(())
            }
            Action::EvictWorker { session, reason } => self.evicted(*session, *reason),
            Action::ForgetWorker { .. } => Ok(()),
        }
    }

    fn admitted(&mut self, execution: toolwave_scheduler::ExecutionKey) -> Verdict {
        let Some(submission) = self.expected.submitted.take_if(|submission| submission.execution == execution) else {
            return Err(format!("{execution:?} is admitted, and nobody submitted it"));
        };
        self.executions.insert(execution, Execution::new(submission));
        let queued = self.queued();
        // Rejected calls end at once and need no room.
        let rejected = self.executions[&execution]
            .submission
            .calls
            .iter()
            .filter(|call| call.preparation == Preparation::Rejected)
            .count();
        ensure!(queued - rejected <= self.config.max_queued_calls, "admission: {queued} calls are queued");
        Ok(())
    }

    fn refused(&mut self, execution: toolwave_scheduler::ExecutionKey, refusal: Refusal) -> Verdict {
        let Some(submission) = self.expected.submitted.take_if(|submission| submission.execution == execution) else {
            return Err(format!("{execution:?} is refused, and nobody submitted it"));
        };
        let Refusal::QueueFull { limit, .. } = refusal;
        ensure!(limit == self.config.max_queued_calls, "the bound is not {limit}");
        ensure!(self.queued() + submission.calls.len() > limit, "{execution:?} is refused, and there was room");
        Ok(())
    }

    /// Calls accepted and not in flight.
    pub(crate) fn queued(&self) -> usize {
        self.executions
            .values()
            .filter(|execution| !execution.ended)
            .flat_map(|execution| &execution.calls)
            .filter(|call| !matches!(call.state, State::Done(_) | State::InFlight(_)))
            .count()
    }

    fn resolve(&mut self, key: CallKey) -> Verdict {
        let now = self.now;
        let Some(execution) = self.executions.get_mut(&key.execution) else {
            return Err(format!("Resolve for {key}, which is not known"));
        };
        ensure!(execution.unblocked(key.index), "D1: {key} is resolved before its dependencies have ended");
        let preparation = execution.submission.calls[key.index as usize].preparation;
        ensure!(preparation == Preparation::Resolve, "{key} needs no resolution ({preparation:?})");
        let call = &mut execution.calls[key.index as usize];
        ensure!(call.state == State::Waiting, "{key} is resolved while {:?}", call.state);
        call.state = State::Resolving;
        call.ready_at.get_or_insert(now);
        Ok(())
    }

    fn dispatched(&mut self, session: SessionKey, attempt: AttemptKey) -> Verdict {
        let now = self.now;
        let key = attempt.call;
        let Some(worker_key) = self.attached(session).map(|worker| worker.spec.worker) else {
            return Err(format!("W3: {attempt} is dispatched to {session:?}, which is not open"));
        };
        self.check_worker(worker_key, attempt)?;
        let execution = self.executions.get_mut(&key.execution).ok_or_else(|| format!("{attempt} is not known"))?;
        ensure!(!execution.ended, "T2: {attempt} is dispatched after its execution ended");
        ensure!(execution.unblocked(key.index), "D1/D4: {attempt} is dispatched before its dependencies");
        let max_refusals = self.config.max_refusals;
        let max_losses = self.config.max_losses;
        let call = &mut execution.calls[key.index as usize];
        match call.state {
            State::Ready { .. } => {}
            State::Backoff { not_before } => {
                ensure!(now >= not_before, "R2: {attempt} is dispatched {:?} early", not_before.since(now));
            }
            state => return Err(format!("T2/A1: {attempt} is dispatched while its call is {state:?}")),
        }
        let last = call.attempts.last();
        ensure!(last.is_none_or(|last| last.number < attempt.number), "A3: {attempt} after {last:?}");
        let (charged, refusals) = (call.charged(), call.refusals());
        ensure!(charged < call.retry.max_attempts, "A2: {attempt} is dispatched with {charged} attempts charged");
        ensure!(refusals <= max_refusals, "A2: {attempt} is dispatched after {refusals} refusals");
        ensure!(call.losses() < max_losses, "A2: {attempt} is dispatched after {} losses", call.losses());
        if let (false, Some(last)) = (call.safe, last) {
            let retryable = matches!(
                last.ending,
                Some(Ending::Reported(AttemptEnd::Failed(AttemptFailure::ToolError { retryable: true, .. })))
            );
            ensure!(last.not_run() || retryable, "P1: {attempt} repeats a call that is not safe to repeat: {last:?}");
        }
        call.attempts.push(Attempt {
            number: attempt.number,
            worker: worker_key,
            dispatched_at: now,
            started_at: None,
            ending: None,
        });
        call.state = State::InFlight(attempt.number);
        let tool = call.tool;
        if let Some(worker) = self.workers.get_mut(&worker_key) {
            worker.dispatches += 1;
            let sequence = worker.dispatches;
            worker.taken.insert(attempt, Taken { sequence, aborted: None, zombie: false });
        }
        self.check_limits(worker_key, attempt)?;
        self.check_rate(tool, attempt)
    }

    /// The worker takes this dispatch rightly.
    fn check_worker(&self, key: WorkerKey, attempt: AttemptKey) -> Verdict {
        let (Some(worker), Some(call)) = (self.workers.get(&key), self.call(attempt.call)) else { return Ok(()) };
        ensure!(!worker.spec.draining, "W2: {attempt} is dispatched to {key:?}, which drains");
        ensure!(worker.spec.tools.contains(&call.tool), "W1: {key:?} does not host {:?}", call.tool);
        ensure!(
            (worker.taken.len() as u32) < worker.spec.slots,
            "S4: {attempt} is the {}th on {key:?}",
            worker.taken.len() + 1
        );
        ensure!(
            self.now.since(worker.heard) < self.config.suspect_after,
            "{attempt} is dispatched to {key:?}, which is silent for {:?}",
            self.now.since(worker.heard)
        );
        match self.condition(key) {
            Some(WorkerCondition::Ready) => {}
            Some(WorkerCondition::Ejected) => {
                ensure!(worker.taken.is_empty(), "{attempt} is a second probe of {key:?}");
            }
            condition => return Err(format!("{attempt} is dispatched to {key:?}, which is {condition:?}")),
        }
        if call.failed_on(key) {
            let better = self.workers.values().find(|other| {
                !call.failed_on(other.spec.worker) && self.healthy_for(other.spec.worker, call.tool)
            });
            ensure!(
                better.is_none(),
                "R1: {attempt} goes back to {key:?}, and {:?} is healthy",
                better.map(|worker| worker.spec.worker)
            );
        }
        Ok(())
    }

    /// The worker is healthy and hosts the tool.
    pub(crate) fn healthy_for(&self, key: WorkerKey, tool: toolwave_scheduler::ToolKey) -> bool {
        self.condition(key) == Some(WorkerCondition::Ready)
            && self.workers.get(&key).is_some_and(|worker| {
                worker.detached.is_none()
                    && !worker.spec.draining
                    && worker.spec.slots > 0
                    && worker.spec.tools.contains(&tool)
            })
    }

    /// Attempts that count against the limits that `of` selects. `surely`: leaves out what may count or not.
    pub(crate) fn counted(&self, surely: bool, of: impl Fn(WorkerKey, CallKey) -> bool) -> usize {
        self.workers
            .values()
            .flat_map(|worker| worker.taken.iter().map(move |(&attempt, taken)| (worker, attempt, taken)))
            .filter(|(worker, attempt, taken)| {
                let certain = !taken.zombie && (self.is_current(*attempt) || worker.detached.is_none());
                (certain || !surely) && self.call(attempt.call).is_some() && of(worker.spec.worker, attempt.call)
            })
            .count()
    }

    fn check_limits(&self, worker: WorkerKey, attempt: AttemptKey) -> Verdict {
        for (name, used, limit) in self.limits(true, worker, attempt.call) {
            ensure!(used <= limit, "S1/S2/S5: {attempt} makes {used} in flight of {limit} for its {name}");
        }
        Ok(())
    }

    /// Every limit that a call counts against on a worker, with what is used of it.
    pub(crate) fn limits(&self, surely: bool, worker: WorkerKey, key: CallKey) -> Vec<(&'static str, usize, usize)> {
        let unlimited = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        let Some(execution) = self.executions.get(&key.execution) else { return Vec::new() };
        let tenant = execution.submission.tenant;
        let tool = execution.calls[key.index as usize].tool;
        let spec = self.tools.get(&tool).and_then(|tool| tool.spec.clone()).unwrap_or_default();
        let tool_of = |call: CallKey| self.call(call).map(|call| call.tool);
        let tenant_of = |call: CallKey| self.executions.get(&call.execution).map(|e| e.submission.tenant);
        let max = execution.submission.max_concurrency.map_or(usize::MAX, |max| max as usize);
        vec![
            ("coordinator", self.counted(surely, |_, _| true), self.config.max_in_flight),
            (
                "tenant",
                self.counted(surely, |_, call| tenant_of(call) == Some(tenant)),
                unlimited(self.config.max_in_flight_per_tenant),
            ),
            ("execution", self.counted(surely, |_, call| call.execution == key.execution), max),
            (
                "tool",
                self.counted(surely, |_, call| tool_of(call) == Some(tool)),
                unlimited(spec.max_concurrency as usize),
            ),
            (
                "worker and tool",
                self.counted(surely, |w, call| w == worker && tool_of(call) == Some(tool)),
                unlimited(spec.max_concurrency_per_worker as usize),
            ),
        ]
    }

    fn check_rate(&mut self, tool: toolwave_scheduler::ToolKey, attempt: AttemptKey) -> Verdict {
        let now = self.now;
        let Some(tool) = self.tools.get_mut(&tool) else { return Ok(()) };
        ensure!(now >= tool.slowed_until, "S5: {attempt} starts {:?} within retry_after", tool.slowed_until.since(now));
        tool.starts.push(now);
        let Some(spec) = tool.spec.as_ref().filter(|spec| spec.rate_per_second > 0.0) else { return Ok(()) };
        for (count, &from) in (1..).zip(tool.starts.iter().rev()) {
            let most = f64::from(spec.rate_burst.max(1)) + spec.rate_per_second * now.since(from).as_secs_f64();
            ensure!(
                f64::from(count) <= most + 1e-6,
                "S5: {attempt} is start {count} of its tool within {:?}",
                now.since(from)
            );
        }
        Ok(())
    }

    fn aborted(&mut self, session: SessionKey, attempt: AttemptKey) -> Verdict {
        let now = self.now;
        self.expected.not_current.push(attempt);
        let Some(worker) = self.attached(session) else {
            return Err(format!("W3: Abort of {attempt} to {session:?}, which is not open"));
        };
        let Some(taken) = worker.taken.get_mut(&attempt) else {
            return Err(format!("Abort of {attempt}, which {session:?} does not have"));
        };
        taken.aborted.get_or_insert(now);
        Ok(())
    }

    /// When the coordinator gives up on an attempt that its worker does not report.
    pub(crate) fn due(&self, attempt: AttemptKey) -> Option<Time> {
        let call = self.call(attempt.call)?;
        let record = call.attempts.iter().find(|record| record.number == attempt.number)?;
        let from = record.started_at.unwrap_or(record.dispatched_at);
        Some(from + call.timeout + self.config.timeout_slack)
    }

    /// An attempt in flight fails without a report: says how, or that there is no reason.
    pub(crate) fn ending_by_timer(
        &self,
        input: &Input<'_>,
        key: CallKey,
        number: u32,
        failure: AttemptFailure,
    ) -> Result<Ending, String> {
        let attempt = AttemptKey { call: key, number };
        ensure!(matches!(input, Input::Timeout), "A4: {attempt} fails ({failure:?}) and nothing happened to it");
        match failure {
            AttemptFailure::TimedOut => {
                ensure!(self.due(attempt).is_some_and(|due| self.now >= due), "{attempt} times out too early");
                Ok(Ending::TimedOut)
            }
            AttemptFailure::WorkerLost => {
                let worker = self.workers.values().find(|worker| worker.taken.contains_key(&attempt));
                let safe = self.call(key).is_some_and(|call| call.safe);
                let lost = worker.is_none_or(|worker| {
                    safe && worker.detached.is_some_and(|since| self.now.since(since) >= self.config.reconnect_grace)
                });
                ensure!(lost, "{attempt} is given up while its worker may come back with it");
                Ok(Ending::Lost)
            }
            failure => Err(format!("{attempt} fails by a timer with {failure:?}")),
        }
    }

    fn retried(&mut self, input: &Input<'_>, attempt: AttemptKey, failure: AttemptFailure, not_before: Time) -> Verdict {
        let now = self.now;
        let Some(call) = self.call(attempt.call) else { return Err(format!("Retry of {attempt}, not known")) };
        ensure!(
            call.attempts.last().map(|last| last.number) == Some(attempt.number),
            "A4: Retry of {attempt}, which is not the current attempt"
        );
        match call.state {
            State::InFlight(number) => {
                let ending = self.ending_by_timer(input, attempt.call, number, failure)?;
                self.end_attempt(attempt, ending);
            }
            State::Ending(Ending::Lost) => {
                ensure!(failure == AttemptFailure::WorkerLost, "{attempt} was lost, not {failure:?}");
            }
            State::Ending(Ending::NotRead) => {
                ensure!(failure == AttemptFailure::Refused, "{attempt} was not read: {failure:?}");
            }
            State::Ending(Ending::Reported(AttemptEnd::Failed(AttemptFailure::Aborted))) => {}
            State::Ending(Ending::Reported(AttemptEnd::Failed(reported))) => {
                ensure!(failure == reported, "{attempt} ended with {reported:?}, not {failure:?}");
            }
            state => return Err(format!("Retry of {attempt} while its call is {state:?}")),
        }
        for worker in self.workers.values_mut().filter(|worker| worker.detached.is_some()) {
            if let Some(taken) = worker.taken.get_mut(&attempt) {
                taken.zombie = true;
            }
        }
        if let Some(call) = self.call_mut(attempt.call) {
            call.state = if not_before > now { State::Backoff { not_before } } else { State::Ready { since: now } };
        }
        Ok(())
    }

    fn evicted(&mut self, session: SessionKey, reason: EvictReason) -> Verdict {
        let now = self.now;
        match reason {
            EvictReason::Superseded => {
                let expected = self.expected.superseded.take();
                ensure!(expected == Some(session), "{session:?} is not superseded");
            }
            EvictReason::LeaseExpired => {
                let worker = self.sessions.get(&session);
                ensure!(
                    worker.is_some_and(|worker| !self.workers.contains_key(worker)),
                    "{session:?} is evicted for its lease, and its worker is not forgotten"
                );
            }
            EvictReason::AbortUnconfirmed => {
                let confirmation = self.config.abort_confirmation;
                let Some(worker) = self.attached(session) else {
                    return Err(format!("{session:?} is evicted and not open"));
                };
                let overdue = worker
                    .taken
                    .values()
                    .any(|taken| taken.aborted.is_some_and(|since| now.since(since) >= confirmation));
                ensure!(overdue, "K6: {session:?} is evicted, and no abort is overdue");
                worker.detached = Some(now);
            }
        }
        Ok(())
    }
}
