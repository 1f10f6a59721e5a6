//! What the driver's observers are told: each change of state once, when it is made, in the order in which the
//! driver makes them. Observers count, keep and trace; they decide nothing, and never wait.

use std::time::Duration;

use toolwave_scheduler::{AttemptFailure, AttemptKey, ExecutionKey, Refusal, SessionKey, WorkerKey};

use super::{Driver, mailbox::Joined};
use crate::execution::prepared::EndedCall;

impl Driver {
    /// The execution was accepted; it can be looked up.
    pub(super) fn observe_accepted(&mut self, execution: ExecutionKey) {
        self.count_accepted(execution);
        self.tell_accepted(execution);
        self.trace_accepted(execution);
        if let Some(execution) = self.executions.get(execution) {
            execution.record.trace_id = execution.recorded_trace();
        }
    }

    /// It was refused by the scheduler, and is about to go.
    pub(super) fn observe_refused(&mut self, execution: ExecutionKey, _refusal: Refusal) {
        self.trace_refused(execution);
    }

    /// The attempt is on its way to the worker of this session.
    pub(super) fn observe_dispatched(&mut self, session: SessionKey, attempt: AttemptKey) {
        self.count_dispatched(attempt);
        self.tell_dispatched(session, attempt);
    }

    /// The worker said that it began.
    pub(super) fn observe_started(&mut self, attempt: AttemptKey) {
        self.count_started(attempt);
    }

    /// The attempt failed and another follows after the backoff.
    pub(super) fn observe_retried(
        &mut self,
        attempt: AttemptKey,
        failure: AttemptFailure,
        backoff: Duration,
    ) {
        self.tell_retried(attempt, failure, backoff);
    }

    /// A call ended, whose parameters were so large. Its execution can be looked up.
    pub(super) fn observe_ended(&mut self, execution: ExecutionKey, ended: &EndedCall, parameter_bytes: u64) {
        self.count_ended(execution, ended);
        self.tell_ended(execution, ended);
        self.trace_ended(execution, ended, parameter_bytes);
    }

    /// All its calls have ended; it is about to go.
    pub(super) fn observe_finished(&mut self, execution: ExecutionKey, duration: Duration) {
        self.count_finished(execution, duration);
        self.tell_finished(execution, duration);
        self.trace_finished(execution);
    }

    /// A worker opened a session.
    pub(super) fn observe_joined(&mut self, _joined: &Joined) {}

    /// A session is about to end.
    pub(super) fn observe_disconnected(&mut self, session: SessionKey, reason: &'static str) {
        self.count_disconnected(session, reason);
    }

    /// The worker is about to be forgotten.
    pub(super) fn observe_left(&mut self, _worker: WorkerKey) {}
}
