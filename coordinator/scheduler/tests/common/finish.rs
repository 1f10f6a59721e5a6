//! What must be true when a call ends: the outcome fits the cause, and the cause is real.

use std::time::Duration;

use toolwave_scheduler::{
    AttemptEnd, AttemptFailure, AttemptKey, CallKey, Cause, Event, FinishedCall, Outcome, Preparation,
    WorkerCondition,
};

use super::{
    entities::{Ending, State},
    shadow::{Input, Shadow, Verdict, ensure},
};

impl Shadow {
    /// Judges one `FinishCall`, and takes it in.
    pub(crate) fn finish_call(&mut self, input: &Input<'_>, finished: &FinishedCall) -> Verdict {
        let key = finished.call;
        let Some(call) = self.call(key) else {
            return Err(format!("T1: FinishCall for {key}, which is not known"));
        };
        ensure!(
            !call.done(),
            "T1: a second FinishCall for {key}: was {:?}, now {:?}",
            call.state,
            finished.outcome
        );
        let failure = match finished.cause {
            Cause::Attempt { failure } => Some(failure),
            Cause::Poison { .. } => Some(AttemptFailure::WorkerLost),
            _ => None,
        };
        if let (State::InFlight(number), Some(failure)) = (call.state, failure) {
            let ending = self.ending_by_timer(input, key, number, failure)?;
            self.end_attempt(AttemptKey { call: key, number }, ending);
        }
        self.check_cause(input, finished)?;
        self.check_records(finished)?;
        let root = match finished.cause {
            Cause::Dependency { root } => Some(root),
            _ => None,
        };
        if let Some(call) = self.call_mut(key) {
            call.state = State::Done(finished.outcome);
            call.root = root;
        }
        Ok(())
    }

    fn check_cause(&self, input: &Input<'_>, finished: &FinishedCall) -> Verdict {
        let key = finished.call;
        let (Some(execution), Some(call)) = (self.executions.get(&key.execution), self.call(key)) else {
            return Ok(());
        };
        let spec = &execution.submission.calls[key.index as usize];
        let outcome = finished.outcome;
        // Proof that it did not run may come in the very step in which it ends.
        let proven_now = call.state == State::Ending(Ending::NotRead);
        let started_once = |says: bool| says == (call.charged() > 0) || (says && proven_now);
        let outcomes: &[Outcome] = match finished.cause {
            Cause::None => {
                ensure!(
                    call.state == State::Ending(Ending::Reported(AttemptEnd::Succeeded)),
                    "T4: {key} succeeded without a success of its current attempt ({:?})",
                    call.state
                );
                &[Outcome::Succeeded]
            }
            Cause::Attempt { failure } => return self.check_last_failure(finished, failure),
            Cause::Rejected => {
                ensure!(
                    spec.preparation == Preparation::Rejected
                        || call.state == State::Ending(Ending::Rejected),
                    "{key} is rejected for nothing"
                );
                &[Outcome::Rejected]
            }
            Cause::UnknownTool => {
                let declared = self.tools.get(&call.tool).is_some_and(|tool| tool.spec.is_some());
                ensure!(!declared && call.attempts.is_empty(), "{key}: its tool is known");
                ensure!(
                    self.now.since_origin() >= self.config.startup_grace,
                    "{key}: unknown tool within the startup grace"
                );
                &[Outcome::Rejected]
            }
            Cause::NoWorker { .. } => {
                ensure!(matches!(input, Input::Timeout), "{key}: no worker, out of time");
                ensure!(
                    self.now.since_origin() >= self.config.startup_grace,
                    "{key}: no worker within the startup grace"
                );
                let host = self.workers.values().find(|worker| {
                    worker.detached.is_none()
                        && !worker.spec.draining
                        && worker.spec.slots > 0
                        && worker.spec.tools.contains(&call.tool)
                        && self.condition(worker.spec.worker) == Some(WorkerCondition::Ready)
                });
                ensure!(
                    host.is_none(),
                    "{key}: no worker, but {:?} is healthy and hosts the tool",
                    host.map(|w| &w.spec)
                );
                &[Outcome::Unavailable]
            }
            Cause::QueueTimeout { timeout } => {
                ensure!(
                    spec.queue_timeout == Some(timeout),
                    "{key}: not its queue timeout"
                );
                ensure!(
                    call.ready_at
                        .is_some_and(|ready| self.now.since(ready) >= timeout),
                    "{key}: queue timeout after {:?}",
                    call.ready_at.map(|ready| self.now.since(ready))
                );
                ensure!(
                    !matches!(call.state, State::InFlight(_)),
                    "{key}: queue timeout while in flight"
                );
                &[Outcome::Unavailable, Outcome::TimedOut]
            }
            Cause::Poison { losses } => {
                ensure!(
                    losses == call.losses() && losses >= self.config.max_losses,
                    "A2: {key} is poison after {losses} losses; {} were seen",
                    call.losses()
                );
                &[Outcome::Failed]
            }
            Cause::Deadline { started } => {
                ensure!(
                    self.now >= execution.submission.deadline,
                    "{key}: deadline before {}",
                    execution.submission.deadline
                );
                ensure!(started_once(started), "{key}: says started = {started}");
                &[Outcome::DeadlineExceeded]
            }
            Cause::Cancelled { reason, started } => {
                let asked = matches!(input, Input::Event(Event::Cancel { execution, reason: why })
                    if *execution == key.execution && *why == reason);
                ensure!(asked, "{key} is cancelled, and nobody asked");
                ensure!(started_once(started), "{key}: says started = {started}");
                &[Outcome::Cancelled]
            }
            Cause::FailFast { root, started } => {
                ensure!(execution.fail_fast(), "{key}: the execution is not fail-fast");
                ensure!(
                    matches!(self.call(root).map(|root| root.state), Some(State::Done(outcome)) if outcome != Outcome::Succeeded),
                    "{key}: {root} has not failed"
                );
                ensure!(started_once(started), "{key}: says started = {started}");
                &[Outcome::Cancelled]
            }
            Cause::Dependency { root } => {
                ensure!(
                    execution.doomed(key.index),
                    "{key} is skipped, and no dependency of it failed"
                );
                ensure!(
                    self.roots(key).contains(&root),
                    "D2: {root} is not the root of {key}'s failure: {:?}",
                    self.roots(key)
                );
                ensure!(call.attempts.is_empty(), "{key} is skipped and was dispatched");
                &[Outcome::Skipped]
            }
        };
        ensure!(
            outcomes.contains(&outcome),
            "{key}: {:?} is no outcome for {:?}",
            outcome,
            finished.cause
        );
        Ok(())
    }

    /// The calls at the root of a skipped call's failure.
    fn roots(&self, key: CallKey) -> Vec<CallKey> {
        let Some(execution) = self.executions.get(&key.execution) else {
            return Vec::new();
        };
        execution.needs[key.index as usize]
            .iter()
            .filter(|(_, need)| *need == toolwave_scheduler::plan::Need::Success)
            .filter_map(|&(from, _)| {
                let dependency = &execution.calls[from as usize];
                match dependency.state {
                    State::Done(Outcome::Succeeded) => None,
                    State::Done(Outcome::Skipped) => dependency.root,
                    State::Done(_) => Some(execution.key(from)),
                    _ => None,
                }
            })
            .collect()
    }

    /// `Cause::Attempt`: the failure is the last attempt's, and really the last word.
    fn check_last_failure(&self, finished: &FinishedCall, failure: AttemptFailure) -> Verdict {
        let key = finished.call;
        let (Some(execution), Some(call)) = (self.executions.get(&key.execution), self.call(key)) else {
            return Ok(());
        };
        let ending = match call.state {
            State::Ending(ending) => Some(ending),
            // A refused or lost attempt may be given up on later, when no backoff fits before the deadline.
            _ => call.attempts.last().and_then(|attempt| attempt.ending),
        };
        let real = match ending {
            Some(Ending::Reported(AttemptEnd::Failed(reported))) => {
                reported == failure
                    || (reported == AttemptFailure::Aborted && failure == AttemptFailure::WorkerLost)
            }
            // Late timers: its timeout and its worker's lease were both over.
            Some(Ending::Lost) => {
                let attempt = AttemptKey {
                    call: key,
                    number: call.attempts.len() as u32,
                };
                failure == AttemptFailure::WorkerLost
                    || (failure == AttemptFailure::TimedOut
                        && self.due(attempt).is_some_and(|due| self.now >= due))
            }
            Some(Ending::TimedOut) => failure == AttemptFailure::TimedOut,
            Some(Ending::NotRead) => failure == AttemptFailure::Refused,
            _ => false,
        };
        ensure!(
            real,
            "{key}: its last attempt ended with {ending:?}, not {failure:?}"
        );
        let (outcome, repeats) = match failure {
            AttemptFailure::ToolError { retryable, .. } => (Outcome::Failed, retryable),
            AttemptFailure::BrokenContract | AttemptFailure::ResultTooLarge => (Outcome::Failed, false),
            AttemptFailure::TimedOut => (Outcome::TimedOut, call.safe),
            AttemptFailure::WorkerLost | AttemptFailure::Aborted if call.safe => (Outcome::Unavailable, true),
            AttemptFailure::WorkerLost | AttemptFailure::Aborted => (Outcome::Unknown, false),
            AttemptFailure::Refused => (Outcome::Unavailable, true),
        };
        ensure!(
            finished.outcome == outcome,
            "P2: {key} ended {:?} after {failure:?}",
            finished.outcome
        );
        let charged = call.charged();
        let bounded = call.losses() < self.config.max_losses && call.refusals() <= self.config.max_refusals;
        let room = execution.submission.deadline.since(self.now) > call.retry.max_backoff + call.timeout;
        ensure!(
            !(repeats && charged < call.retry.max_attempts && room && bounded),
            "{key} ended after {failure:?} with {charged} of {} attempts charged and time left",
            call.retry.max_attempts
        );
        Ok(())
    }

    /// The list of attempts is the list of dispatches.
    fn check_records(&self, finished: &FinishedCall) -> Verdict {
        let key = finished.call;
        let Some(call) = self.call(key) else { return Ok(()) };
        let told: Vec<_> = finished
            .attempts
            .iter()
            .map(|a| (a.number, a.worker, a.dispatched_at))
            .collect();
        let seen: Vec<_> = call
            .attempts
            .iter()
            .map(|a| (a.number, a.worker, a.dispatched_at))
            .collect();
        ensure!(
            told == seen,
            "{key}: the record of attempts says {told:?}, the dispatches were {seen:?}"
        );
        for (record, attempt) in finished.attempts.iter().zip(&call.attempts) {
            let last = record.number == finished.attempts.last().map_or(0, |last| last.number);
            let succeeded = last && finished.outcome == Outcome::Succeeded;
            ensure!(
                record.failure.is_none() == succeeded,
                "{key}#{}: failure {:?} in a call that {:?}",
                record.number,
                record.failure,
                finished.outcome
            );
            ensure!(
                attempt.started_at.is_none() || record.started_at == attempt.started_at,
                "{key}#{}: started at {:?}, not {:?}",
                record.number,
                attempt.started_at,
                record.started_at
            );
            ensure!(
                record.ended_at.is_some(),
                "{key}#{}: no end in the record of an ended call",
                record.number
            );
        }
        self.check_waits(finished)?;
        // What became ready in the step that ended it has not been seen ready.
        let ready_now = call.ready_at.is_none() && finished.ready_at == Some(self.now);
        ensure!(
            finished.ready_at == call.ready_at || ready_now || finished.outcome == Outcome::Rejected,
            "{key}: ready at {:?}, not {:?}",
            call.ready_at,
            finished.ready_at
        );
        Ok(())
    }

    /// What a call waited for sums up to the time in which it was ready and not in flight.
    fn check_waits(&self, finished: &FinishedCall) -> Verdict {
        let key = finished.call;
        let mut from = finished.ready_at;
        for record in &finished.attempts {
            let ready = from.map_or(Duration::ZERO, |from| record.dispatched_at.since(from));
            let waited = record.waits.total();
            ensure!(
                waited == ready,
                "{key}#{}: waited {waited:?} of {ready:?}: {:?}",
                record.number,
                record.waits
            );
            from = record.ended_at;
        }
        let ready = from.map_or(Duration::ZERO, |from| self.now.since(from));
        let waited = finished.waits.total();
        ensure!(
            waited == ready,
            "{key}: waited {waited:?} of {ready:?} at last: {:?}",
            finished.waits
        );
        Ok(())
    }
}
