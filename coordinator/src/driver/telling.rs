//! The way of executions in the log, at debug: each line with the ids by which a client, an operator and a worker know
//! what it is about, and nothing of what calls carry. Costs nothing at other levels.

use std::time::Duration;

use toolwave_scheduler::{AttemptFailure, AttemptKey, ExecutionKey, SessionKey};
use tracing::{Level, debug, enabled};

use super::Driver;
use crate::{execution::prepared::EndedCall, worker::outbox::Words};

impl Driver {
    pub(super) fn tell_accepted(&self, key: ExecutionKey) {
        if let Some(words) = self.words(key) {
            debug!(execution_id = %words.execution_id, calls = words.calls.len(), "execution accepted");
        }
    }

    pub(super) fn tell_dispatched(&mut self, session: SessionKey, attempt: AttemptKey) {
        let worker = match enabled!(Level::DEBUG) {
            true => self
                .directory
                .session(session)
                .map(|session| session.name.clone()),
            false => None,
        };
        if let (Some(worker), Some(words)) = (worker, self.words(attempt.call.execution)) {
            let call = &words.calls[attempt.call.index as usize];
            debug!(
                execution_id = %words.execution_id,
                call_id = %call.id,
                attempt = attempt.number,
                tool = %call.tool,
                %worker,
                "attempt dispatched"
            );
        }
    }

    pub(super) fn tell_retried(&self, attempt: AttemptKey, failure: AttemptFailure, backoff: Duration) {
        if let Some(words) = self.words(attempt.call.execution) {
            let call = &words.calls[attempt.call.index as usize];
            debug!(
                execution_id = %words.execution_id,
                call_id = %call.id,
                attempt = attempt.number,
                tool = %call.tool,
                ?failure,
                ?backoff,
                "attempt failed, and another follows"
            );
        }
    }

    pub(super) fn tell_ended(&self, key: ExecutionKey, ended: &EndedCall) {
        if let Some(words) = self.words(key) {
            let call = &words.calls[ended.call as usize];
            let worker = ended.attempts.last().map(|attempt| &*attempt.worker);
            debug!(
                execution_id = %words.execution_id,
                call_id = %call.id,
                tool = %call.tool,
                worker = worker.unwrap_or_default(),
                outcome = ?ended.outcome,
                attempts = ended.attempts.len(),
                queue_time = ?ended.queue_time,
                execution_time = ?ended.execution_time,
                "call ended"
            );
        }
    }

    pub(super) fn tell_finished(&self, key: ExecutionKey, duration: Duration) {
        if let Some(words) = self.words(key) {
            debug!(execution_id = %words.execution_id, ?duration, "execution ended");
        }
    }

    /// Where anybody reads it.
    fn words(&self, key: ExecutionKey) -> Option<&Words> {
        enabled!(Level::DEBUG)
            .then(|| self.executions.look(key))
            .flatten()
            .map(|execution| &*execution.words)
    }
}
