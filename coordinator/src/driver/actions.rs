//! Carries out what the scheduler decided: dispatches with their payloads, news for those who wait, sessions
//! closed. In order, and without waiting.

use std::{mem, sync::Arc, time::Duration};

use bytes::Bytes;
use smallvec::SmallVec;
use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, AttemptRecord, CallKey, Event, ExecutionKey,
    FinishedCall, Outcome, Refusal, SessionKey, Time,
};

use super::{Driver, auditing::evict_word, executions::Try, resolving::Job};
use crate::{
    execution::prepared::{
        CallFault, CallParameters, Detail, EndedAttempt, EndedAttemptFailure, EndedCall, ExecutionNews,
    },
    handle::SubmitError,
    worker::outbox::{Assignment, Outbound},
};

impl Driver {
    /// All that is decided.
    pub(super) fn carry_out(&mut self) {
        let mut actions = mem::take(&mut self.actions);
        for action in actions.drain(..) {
            self.act(action);
        }
        // Its room is used again; nothing was added meanwhile.
        self.actions = actions;
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Admitted(admitted) => {
                self.note_accepted(admitted.execution);
                self.observe_accepted(admitted.execution);
                if let Some(execution) = self.executions.get(admitted.execution) {
                    execution.feed.answer(Ok(()));
                }
            }
            Action::Refused { execution, refusal } => self.refuse(execution, refusal),
            Action::Resolve { call } => self.resolve(call),
            Action::Dispatch {
                session,
                attempt,
                timeout,
                safe_to_repeat,
            } => {
                self.dispatch(session, attempt, timeout, safe_to_repeat);
            }
            Action::Abort { session, attempt } => self.directory.say(session, Outbound::Abort(attempt)),
            Action::Started { attempt, .. } => self.started(attempt),
            Action::Retry {
                attempt,
                failure,
                backoff,
            } => self.retried(attempt, failure, backoff),
            Action::FinishCall(finished) => self.finish_call(finished),
            Action::FinishExecution { execution } => self.finish_execution(execution),
            Action::Late { attempt, session } => self.late(attempt, session),
            Action::EvictWorker { session, reason } => {
                if let Some(entry) = self.directory.session(session) {
                    tracing::warn!(worker = %entry.name, session = session.0, ?reason, "session closed");
                }
                self.note_disconnected(session, evict_word(reason));
                self.observe_disconnected(session, evict_word(reason));
                self.directory.close(session, reason.into());
            }
            Action::ForgetWorker { worker } => {
                self.note_left(worker);
                self.observe_left(worker);
                self.directory.forget(worker);
            }
            Action::ForgetTenant { tenant } => self.tenants.forget(tenant),
        }
    }

    fn refuse(&mut self, execution: ExecutionKey, refusal: Refusal) {
        self.observe_refused(execution, refusal);
        let Some(execution) = self.executions.remove(execution) else {
            return;
        };
        self.audit.unreserve(execution.calls.len());
        execution.feed.answer(Err(match refusal {
            Refusal::QueueFull { limit, retry_after } => SubmitError::QueueFull { limit, retry_after },
            Refusal::TenantLimit { limit, retry_after } => SubmitError::TenantQuota {
                quota: execution.caller.allowance.quota(limit),
                retry_after,
            },
        }));
    }

    /// Sends a call with what it refers to to the pool.
    fn resolve(&mut self, key: CallKey) {
        let Some(execution) = self.executions.get(key.execution) else {
            return;
        };
        let Some(call) = execution.calls.get_mut(key.index as usize) else {
            return;
        };
        let Some(parameters) = call.parameters.take() else {
            debug_assert!(false, "a call is resolved once");
            return;
        };
        let asked = call.asked.take().unwrap_or_default();
        let mut results = SmallVec::new();
        if let CallParameters::Template(template) = &parameters {
            let result = |&index: &u32| Some((index, execution.calls[index as usize].result.clone()?));
            results.extend(template.calls().iter().filter_map(result));
            execution.release(template.calls().iter().copied());
        }
        let words = &execution.words.calls[key.index as usize];
        self.resolving.push(Job {
            key,
            tool_name: words.tool.clone(),
            parameters,
            results,
            asked,
            has_key: !words.idempotency_key.is_empty(),
        });
    }

    fn dispatch(
        &mut self,
        session: SessionKey,
        attempt: AttemptKey,
        timeout: Duration,
        safe_to_repeat: bool,
    ) {
        let Some(entry) = self.directory.session(session) else {
            // Closed in this very round: its loss is on the way to the scheduler.
            return;
        };
        entry.dispatches += 1;
        let (sequence, worker, limit) = (entry.dispatches, entry.worker, entry.max_parameters);
        let worker_name = entry.name.clone();
        let Some(execution) = self.executions.get(attempt.call.execution) else {
            return;
        };
        let words = execution.words.clone();
        let Some(call) = execution.calls.get_mut(attempt.call.index as usize) else {
            return;
        };
        let parameters = match &call.parameters {
            Some(CallParameters::Text(text)) => text.clone(),
            Some(CallParameters::Template(_)) | None => {
                debug_assert!(false, "what is dispatched is resolved");
                Bytes::new()
            }
        };
        let mut this = Try {
            number: attempt.number,
            worker,
            worker_name,
            reported: false,
            result: None,
            fault: None,
            execution_time: None,
            late: false,
            beginning: Some(self.clock.now),
        };
        if parameters.len() <= limit {
            call.tries.push(this);
            self.observe_dispatched(session, attempt);
            let assignment = Assignment {
                attempt,
                words,
                parameters,
                timeout,
                safe_to_repeat,
                sequence,
            };
            self.directory.say(session, Outbound::Dispatch(assignment));
            return;
        }
        // One message over a limit would end the stream and everything on it.
        let message = format!(
            "the parameters have {} bytes; the worker takes at most {limit}",
            parameters.len()
        );
        this.fault = Some(Box::new(CallFault {
            code: "PARAMS_TOO_LARGE".into(),
            message,
            ..CallFault::default()
        }));
        this.reported = true;
        call.tries.push(this);
        let failure = AttemptFailure::ToolError {
            retryable: false,
            retry_after: None,
        };
        self.found.push_back(Event::AttemptFinished {
            session,
            attempt,
            end: AttemptEnd::Failed(failure),
        });
    }

    fn started(&mut self, key: AttemptKey) {
        self.observe_started(key);
        let at = self.clock.wall;
        let Some(execution) = self.executions.get(key.call.execution) else {
            return;
        };
        if execution.detail != Detail::Everything {
            return;
        }
        let Some(attempt) = execution.calls[key.call.index as usize].attempt(key.number) else {
            return;
        };
        let worker = attempt.worker_name.clone();
        let news = ExecutionNews::Started {
            call: key.call.index,
            attempt: key.number,
            worker,
            at,
        };
        self.executions.tell(key.call.execution, news);
    }

    fn retried(&mut self, key: AttemptKey, failure: AttemptFailure, backoff: Duration) {
        self.observe_retried(key, failure, backoff);
        let at = self.clock.wall;
        let Some(execution) = self.executions.get(key.call.execution) else {
            return;
        };
        if execution.detail != Detail::Everything {
            return;
        }
        let fault = execution.calls[key.call.index as usize]
            .attempt(key.number)
            .and_then(|attempt| attempt.fault());
        let failure = EndedAttemptFailure { failure, fault };
        let news = ExecutionNews::Retried {
            call: key.call.index,
            attempt: key.number,
            failure,
            backoff,
            at,
        };
        self.executions.tell(key.call.execution, news);
    }

    /// The call has ended: what it held goes, and its end goes to who waits.
    fn finish_call(&mut self, finished: FinishedCall) {
        let key = finished.call;
        let (at, now) = (self.clock.wall, self.clock.now);
        let parameter_bytes = self.executions.call(key).map_or(0, |call| call.parameter_bytes);
        self.executions.count_parameters(key, 0);
        let Some(execution) = self.executions.get(key.execution) else {
            return;
        };
        let Some(call) = execution.calls.get_mut(key.index as usize) else {
            return;
        };
        call.ended = true;
        let parameters = call.parameters.take();
        let mut tries = mem::take(&mut call.tries);
        let rejection = call.rejection.take();
        let mut result = None;
        if finished.outcome == Outcome::Succeeded {
            result = finished
                .attempts
                .iter()
                .rev()
                .find(|record| record.failure.is_none())
                .and_then(|record| {
                    tries
                        .iter_mut()
                        .find(|attempt| attempt.number == record.number)?
                        .result
                        .take()
                });
            debug_assert!(result.is_some(), "a call that succeeded has a result");
            if call.readers > 0 {
                call.result.clone_from(&result);
            }
        }
        execution.feed.hold(result.as_ref().map_or(0, Bytes::len));
        if let Some(CallParameters::Template(template)) = &parameters {
            execution.release(template.calls().iter().copied());
        }
        let queue_time = match (finished.ready_at, finished.attempts.last()) {
            (None, _) => Duration::ZERO,
            (Some(ready), Some(last)) => last.dispatched_at.since(ready),
            (Some(ready), None) => now.since(ready),
        };
        let execution_time = finished.attempts.last().and_then(|last| {
            let measured = tries
                .iter()
                .find(|attempt| attempt.number == last.number)?
                .execution_time;
            measured.or_else(|| Some(last.ended_at.unwrap_or(now).since(last.started_at?)))
        });
        let ended = EndedCall {
            call: key.index,
            outcome: finished.outcome,
            cause: finished.cause,
            result,
            rejection,
            attempts: finished
                .attempts
                .iter()
                .map(|record| self.ended_attempt(record, &mut tries))
                .collect(),
            queue_time,
            execution_time: execution_time.unwrap_or_default(),
            at,
        };
        self.note_ended(key.execution, &ended, parameter_bytes);
        self.observe_ended(key.execution, &ended, parameter_bytes);
        self.executions
            .tell(key.execution, ExecutionNews::Ended(Arc::new(ended)));
    }

    fn ended_attempt(&self, record: &AttemptRecord, tries: &mut [Try]) -> EndedAttempt {
        let this = tries.iter_mut().find(|attempt| attempt.number == record.number);
        let (worker, fault, late) = match this {
            Some(this) => (
                this.worker_name.clone(),
                this.fault.take().map(|fault| *fault),
                this.late,
            ),
            None => (
                self.directory
                    .name(record.worker)
                    .cloned()
                    .unwrap_or_else(|| Arc::from("")),
                None,
                false,
            ),
        };
        let now = self.clock.now;
        let date = |time: Option<Time>| self.clock.date(time.unwrap_or(now));
        EndedAttempt {
            number: record.number,
            worker,
            started_at: date(Some(record.started_at.unwrap_or(record.dispatched_at))),
            ended_at: date(record.ended_at),
            failure: record
                .failure
                .map(|failure| Box::new(EndedAttemptFailure { failure, fault })),
            late,
        }
    }

    fn finish_execution(&mut self, key: ExecutionKey) {
        let Some(execution) = self.executions.get(key) else {
            return;
        };
        let duration = self.clock.now.since(execution.accepted_at);
        self.observe_finished(key, duration);
        self.executions.end(key, ExecutionNews::Finished { duration });
    }

    /// A report that changed nothing; a result that came with it goes.
    fn late(&mut self, key: AttemptKey, session: SessionKey) {
        self.counting.late();
        let entry = self.directory.session(session);
        let worker = entry.as_ref().map_or("", |session| &session.name);
        tracing::debug!(attempt = %key, session = session.0, worker, "late report");
        let reporter = entry.map(|session| session.worker);
        if let Some(attempt) = self.executions.attempt(key)
            && Some(attempt.worker) == reporter
        {
            attempt.late = true;
            attempt.result = None;
        }
    }
}

impl Try {
    fn fault(&self) -> Option<CallFault> {
        self.fault.as_deref().cloned()
    }
}
