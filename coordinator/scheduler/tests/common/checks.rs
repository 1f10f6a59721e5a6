//! What must be true of each action, and of the whole state after each step. Letters and numbers in the
//! messages name the invariant.

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, Event, EvictReason, ExecutionKey, Preparation,
    Refusal, SessionKey, Time,
};

use super::{
    entities::{Ending, Execution, State},
    shadow::{Input, Shadow, Verdict, ensure},
};

impl Shadow {
    /// Workers that the scheduler forgets in this step lose their attempts, whatever the order of the actions.
    pub(crate) fn lose_forgotten(&mut self, actions: &[Action]) -> Verdict {
        for action in actions {
            let Action::ForgetWorker { worker } = action else {
                continue;
            };
            if self
                .expected
                .forgotten
                .take_if(|expected| expected == worker)
                .is_some()
            {
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
            let session = known.session();
            self.expected.left.extend(session);
            self.forget(*worker);
        }
        ensure!(
            self.expected.forgotten.is_none(),
            "{:?} left and is not forgotten",
            self.expected.forgotten
        );
        Ok(())
    }

    /// Judges one action, and takes it in.
    pub(crate) fn action(&mut self, input: &Input<'_>, action: &Action) -> Verdict {
        match action {
            Action::Admitted(admitted) => self.admitted(admitted.execution),
            Action::Refused { execution, refusal } => self.refused(*execution, *refusal),
            Action::Resolve { call } => self.resolve(*call),
            Action::Dispatch {
                session,
                attempt,
                timeout,
                safe_to_repeat,
            } => {
                ensure!(
                    matches!(input, Input::Dispatch),
                    "{attempt} is dispatched outside dispatch()"
                );
                if let Some(call) = self.call(attempt.call) {
                    ensure!(
                        call.safe == *safe_to_repeat,
                        "{attempt}: safe_to_repeat is {}",
                        call.safe
                    );
                    ensure!(
                        call.timeout == *timeout,
                        "{attempt}: its timeout is {:?}",
                        call.timeout
                    );
                }
                self.dispatched(*session, *attempt)
            }
            Action::Abort { session, attempt } => self.aborted(*session, *attempt),
            Action::Started { attempt, worker } => {
                let known = self
                    .call(attempt.call)
                    .and_then(|call| call.attempts.last())
                    .map(|a| (a.number, a.worker));
                ensure!(
                    known == Some((attempt.number, *worker)),
                    "{attempt} started, but it is not current"
                );
                Ok(())
            }
            Action::Retry {
                attempt,
                failure,
                backoff,
            } => self.retried(input, *attempt, *failure, self.now + *backoff),
            Action::FinishCall(finished) => self.finish_call(input, finished),
            Action::FinishExecution { execution } => {
                let Some(execution) = self.executions.get_mut(execution) else {
                    return Err(format!("T3: {execution:?} ends and is not known"));
                };
                ensure!(
                    !execution.ended,
                    "T3: {:?} ends twice",
                    execution.submission.execution
                );
                ensure!(
                    execution.calls.iter().all(|call| call.done()),
                    "T3: an execution ends before its calls"
                );
                execution.ended = true;
                Ok(())
            }
            Action::Late { attempt, session } => {
                if self
                    .expected
                    .late
                    .take_if(|late| *late == (*session, *attempt))
                    .is_some()
                {
                    return Ok(());
                }
                let started_late = matches!(input, Input::Event(Event::AttemptStarted { session: s, attempt: a })
                    if s == session && a == attempt);
                ensure!(
                    started_late && !self.is_current(*attempt),
                    "A4: {attempt} is called late, and is not"
                );
                Ok(())
            }
            Action::EvictWorker { session, reason } => self.evicted(*session, *reason),
            Action::ForgetWorker { .. } => Ok(()),
            Action::ForgetTenant { tenant } => self.forgotten(*tenant),
        }
    }

    fn admitted(&mut self, execution: ExecutionKey) -> Verdict {
        let Some(submission) = self
            .expected
            .submitted
            .take_if(|submission| submission.execution == execution)
        else {
            return Err(format!("{execution:?} is admitted, and nobody submitted it"));
        };
        self.check_admission(&submission)?;
        self.executions.insert(execution, Execution::new(submission));
        let queued = self.queued();
        // Rejected calls end at once and need no room.
        let rejected = self.executions[&execution]
            .submission
            .calls
            .iter()
            .filter(|call| call.preparation == Preparation::Rejected)
            .count();
        ensure!(
            queued - rejected <= self.config.max_queued_calls,
            "admission: {queued} calls are queued"
        );
        Ok(())
    }

    fn refused(&mut self, execution: ExecutionKey, refusal: Refusal) -> Verdict {
        let Some(submission) = self
            .expected
            .submitted
            .take_if(|submission| submission.execution == execution)
        else {
            return Err(format!("{execution:?} is refused, and nobody submitted it"));
        };
        let own = self.refusal_of(&submission);
        let limit = match (refusal, own) {
            (Refusal::QueueFull { limit, .. }, None) => limit,
            (Refusal::TenantLimit { limit, retry_after }, Some(own)) => {
                return own.check(execution, limit, retry_after);
            }
            (refusal, own) => return Err(format!("S2: {execution:?}: {refusal:?}, expected {own:?}")),
        };
        ensure!(limit == self.config.max_queued_calls, "the bound is not {limit}");
        ensure!(
            self.queued() + submission.calls.len() > limit,
            "{execution:?} is refused, and there was room"
        );
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
        ensure!(
            execution.unblocked(key.index),
            "D1: {key} is resolved before its dependencies have ended"
        );
        let preparation = execution.submission.calls[key.index as usize].preparation;
        ensure!(
            preparation == Preparation::Resolve,
            "{key} needs no resolution ({preparation:?})"
        );
        let call = &mut execution.calls[key.index as usize];
        ensure!(
            call.state == State::Waiting,
            "{key} is resolved while {:?}",
            call.state
        );
        call.state = State::Resolving;
        call.ready_at.get_or_insert(now);
        Ok(())
    }

    fn aborted(&mut self, session: SessionKey, attempt: AttemptKey) -> Verdict {
        let now = self.now;
        self.expected.not_current.push(attempt);
        if self.expected.left.contains(&session) {
            return Ok(());
        }
        let Some(worker) = self.attached(session) else {
            return Err(format!(
                "W3: Abort of {attempt} to {session:?}, which is not open"
            ));
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
        let record = call
            .attempts
            .iter()
            .find(|record| record.number == attempt.number)?;
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
        ensure!(
            matches!(input, Input::Timeout),
            "A4: {attempt} fails ({failure:?}) and nothing happened to it"
        );
        match failure {
            AttemptFailure::TimedOut => {
                ensure!(
                    self.due(attempt).is_some_and(|due| self.now >= due),
                    "{attempt} times out too early"
                );
                Ok(Ending::TimedOut)
            }
            AttemptFailure::WorkerLost => {
                let worker = self
                    .workers
                    .values()
                    .find(|worker| worker.taken.contains_key(&attempt));
                let safe = self.call(key).is_some_and(|call| call.safe);
                let lost = worker.is_none_or(|worker| {
                    safe && worker
                        .detached
                        .is_some_and(|since| self.now.since(since) >= self.config.reconnect_grace)
                });
                ensure!(
                    lost,
                    "{attempt} is given up while its worker may come back with it"
                );
                Ok(Ending::Lost)
            }
            failure => Err(format!("{attempt} fails by a timer with {failure:?}")),
        }
    }

    fn retried(
        &mut self,
        input: &Input<'_>,
        attempt: AttemptKey,
        failure: AttemptFailure,
        not_before: Time,
    ) -> Verdict {
        let now = self.now;
        let Some(call) = self.call(attempt.call) else {
            return Err(format!("Retry of {attempt}, not known"));
        };
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
                // Late timers: its timeout and its worker's lease were both over.
                let timed_out =
                    failure == AttemptFailure::TimedOut && self.due(attempt).is_some_and(|due| now >= due);
                ensure!(
                    timed_out || failure == AttemptFailure::WorkerLost,
                    "{attempt} was lost, not {failure:?}"
                );
                if timed_out
                    && let Some(last) = self
                        .call_mut(attempt.call)
                        .and_then(|call| call.attempts.last_mut())
                {
                    last.ending = Some(Ending::TimedOut);
                }
            }
            State::Ending(Ending::NotRead) => {
                ensure!(
                    failure == AttemptFailure::Refused,
                    "{attempt} was not read: {failure:?}"
                );
            }
            State::Ending(Ending::Reported(AttemptEnd::Failed(AttemptFailure::Aborted))) => {}
            State::Ending(Ending::Reported(AttemptEnd::Failed(reported))) => {
                ensure!(
                    failure == reported,
                    "{attempt} ended with {reported:?}, not {failure:?}"
                );
            }
            state => return Err(format!("Retry of {attempt} while its call is {state:?}")),
        }
        for worker in self
            .workers
            .values_mut()
            .filter(|worker| worker.detached.is_some())
        {
            if let Some(taken) = worker.taken.get_mut(&attempt) {
                taken.zombie = true;
            }
        }
        if let Some(call) = self.call_mut(attempt.call) {
            call.state = if not_before > now {
                State::Backoff { not_before }
            } else {
                State::Ready { since: now }
            };
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
                let (confirmation, config) = (self.config.abort_confirmation, self.config.clone());
                let Some(worker) = self.attached(session) else {
                    return Err(format!("{session:?} is evicted and not open"));
                };
                let overdue = worker.taken.values().any(|taken| {
                    taken
                        .aborted
                        .is_some_and(|since| now.since(since) >= confirmation)
                });
                ensure!(overdue, "K6: {session:?} is evicted, and no abort is overdue");
                worker.breaks(now, &config);
                worker.detached = Some(now);
            }
        }
        Ok(())
    }
}
