//! What the driver has recorded: each change of state once, when it is made. Handed over once a round.

use std::{mem, sync::Arc};

use toolwave_scheduler::{EvictReason, ExecutionKey, SessionKey, WorkerKey};

use super::{Driver, mailbox::Joined};
use crate::{
    audit::{AttemptEnd, CallEnd, CallerFacts, Event, Record},
    execution::{attempt_reason, call_reason, prepared::EndedCall},
};

impl Driver {
    /// Records what `event` makes, where anything is recorded.
    pub(super) fn note(&mut self, event: impl FnOnce(&Self) -> Option<Event>) {
        if self.audit.is_on()
            && let Some(event) = event(self)
        {
            self.records.push(Record {
                at: self.clock.wall,
                event,
            });
        }
    }

    /// At the end of a round.
    pub(super) fn hand_over_records(&mut self) {
        if !self.records.is_empty() {
            let mut records = mem::take(&mut self.records);
            self.audit.take(&mut records);
            // Its room is used again.
            self.records = records;
        }
    }

    pub(super) fn note_accepted(&mut self, key: ExecutionKey) {
        self.note(|this| {
            let execution = this.executions.look(key)?;
            Some(Event::ExecutionAccepted {
                caller: CallerFacts::from(&execution.caller),
                execution_id: execution.words.execution_id.clone(),
                calls: execution.calls.len(),
                parameter_bytes: execution.calls.iter().map(|call| call.parameter_bytes).sum(),
            })
        });
    }

    /// The end of a call, whose parameters were so large.
    pub(super) fn note_ended(&mut self, key: ExecutionKey, ended: &EndedCall, parameter_bytes: u64) {
        self.note(|this| {
            let execution = this.executions.look(key)?;
            let words = execution.words.calls.get(ended.call as usize)?;
            let attempts = ended.attempts.iter().map(|attempt| {
                let failure = attempt.failure.as_ref();
                let failure = failure.map(|failure| attempt_reason(failure.failure).word());
                AttemptEnd {
                    number: attempt.number,
                    worker: attempt.worker.clone(),
                    failure,
                }
            });
            Some(Event::CallEnded(Box::new(CallEnd {
                caller: CallerFacts::from(&execution.caller),
                execution_id: execution.words.execution_id.clone(),
                call_id: words.id.clone(),
                tool: words.tool.clone(),
                outcome: ended.outcome,
                reason: call_reason(ended),
                attempts: attempts.collect(),
                queue_time: ended.queue_time,
                execution_time: ended.execution_time,
                parameter_bytes,
                result_bytes: ended.result.as_ref().map(|result| result.len() as u64),
            })))
        });
    }

    pub(super) fn note_joined(
        &mut self,
        joined: &Joined,
        instance_id: &str,
        peer: Option<std::net::SocketAddr>,
    ) {
        self.note(|_| {
            Some(Event::WorkerRegistered {
                worker: joined.name.clone(),
                instance_id: instance_id.to_owned(),
                peer,
                identity: joined.identity.clone(),
                session: joined.session.0,
                slots: joined.slots,
                tools: joined.tools.clone(),
            })
        });
    }

    /// The session is about to end: while it is known.
    pub(super) fn note_disconnected(&mut self, session: SessionKey, reason: &'static str) {
        let worker = self.directory.session(session).map(|entry| entry.name.clone());
        self.note(|_| {
            Some(Event::WorkerDisconnected {
                worker: worker?,
                session: session.0,
                reason,
            })
        });
    }

    pub(super) fn note_tools(&mut self, session: SessionKey, tools: &[Arc<str>]) {
        let worker = self.directory.session(session).map(|entry| entry.name.clone());
        self.note(|_| {
            Some(Event::WorkerToolsChanged {
                worker: worker?,
                session: session.0,
                tools: tools.to_vec(),
            })
        });
    }

    /// The worker is about to be forgotten.
    pub(super) fn note_left(&mut self, worker: WorkerKey) {
        self.note(|this| {
            Some(Event::WorkerLeft {
                worker: this.directory.name(worker)?.clone(),
            })
        });
    }
}

/// For the record of a session that is closed from here.
pub(super) fn evict_word(reason: EvictReason) -> &'static str {
    match reason {
        EvictReason::Superseded => "SUPERSEDED",
        EvictReason::LeaseExpired => "LEASE_EXPIRED",
        EvictReason::AbortUnconfirmed => "ABORT_UNCONFIRMED",
    }
}
