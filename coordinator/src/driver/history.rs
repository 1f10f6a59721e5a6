//! What is kept of executions, and what operators ask of those that run: handed over as it is kept, or as numbers;
//! nothing is put into words here.

use std::{cmp::Reverse, mem, sync::Arc, time::SystemTime};

use bytes::Bytes;
use toolwave_scheduler::{
    AttemptRecord, CallPhase, ExecutionKey, TenantStatus, Time, ToolStatus, Totals, WaitReason, Waiting,
    WorkerCondition,
};

use super::{Driver, executions::Execution};
use crate::{
    audit,
    execution::prepared::{CallParameters, EndedAttempt, EndedAttemptFailure, EndedCall},
    handle::{Cancelled, UnknownExecution},
    observe::history::{Calls, Contents, KeptCall, Status},
    tenants::Caller,
};

/// Which executions an operator wants to see.
pub(crate) struct Wanted {
    /// Those accepted before this one, which runs.
    pub(crate) before: Option<u128>,
    /// The same, by its key.
    pub(crate) before_key: Option<ExecutionKey>,
    /// Of this tenant only.
    pub(crate) tenant: Option<Box<str>>,
    /// At most so many.
    pub(crate) most: usize,
}

/// The newest of those that run.
pub(crate) struct Running {
    pub(crate) executions: Vec<Status>,
    /// The key of the one before which they were accepted.
    pub(crate) before: Option<ExecutionKey>,
}

/// An execution that runs.
pub(crate) struct LiveExecution {
    pub(crate) status: Status,
    pub(crate) ends: Calls,
    pub(crate) open: Vec<OpenCall>,
    /// Of each call.
    pub(crate) parameters_bytes: Vec<u64>,
}

/// A call of it that is beyond its dependencies and has not ended.
pub(crate) struct OpenCall {
    pub(crate) index: u32,
    pub(crate) phase: CallPhase,
    pub(crate) ready_at: Option<SystemTime>,
    pub(crate) waits_for: Option<WaitReason>,
    pub(crate) attempts: Vec<OpenAttempt>,
}

/// An attempt of such a call.
pub(crate) struct OpenAttempt {
    pub(crate) attempt: EndedAttempt,
    /// Its worker said that it began, or it has ended.
    pub(crate) has_started: bool,
    /// It is over, and another follows.
    pub(crate) has_ended: bool,
}

/// The coordinator as a whole.
pub(crate) struct ClusterState {
    pub(crate) totals: Totals,
    pub(crate) draining: bool,
    pub(crate) slots: u32,
    /// By name.
    pub(crate) tools: Vec<ToolState>,
    /// By name; those that the scheduler knows.
    pub(crate) tenants: Vec<TenantState>,
    /// Ready calls by what they wait for.
    pub(crate) waiting: Vec<Waiting>,
    /// Calls that executions at their limit may have in flight, and those that are.
    pub(crate) at_their_limit: (u64, u64),
    pub(crate) max_in_flight: usize,
    pub(crate) max_queued_calls: usize,
    pub(crate) max_payload_bytes: u64,
    /// Slots taken on workers that are ready.
    pub(crate) slots_taken: u32,
    /// Calls that ended of executions that run.
    pub(crate) calls_ended: u64,
}

/// A tool of it.
pub(crate) struct ToolState {
    pub(crate) name: Arc<str>,
    pub(crate) status: ToolStatus,
    /// `None`: no rate, and it is not left alone.
    pub(crate) rate_used: Option<f64>,
}

/// A tenant of it.
pub(crate) struct TenantState {
    pub(crate) name: Arc<str>,
    pub(crate) status: TenantStatus,
    /// Parameters and results held, where they are counted.
    pub(crate) payload_bytes: Option<u64>,
}

impl Driver {
    /// The end of a call, which is kept; `parameters` and result where contents are.
    pub(super) fn keep_end(
        &mut self,
        key: ExecutionKey,
        ended: &EndedCall,
        parameter_bytes: u64,
        parameters: Option<&CallParameters>,
    ) {
        let Some(execution) = self.executions.get(key) else {
            return;
        };
        let contents = self.history.contents_bytes().map(|most| {
            let parameters: Option<&Bytes> = parameters.map(|parameters| match parameters {
                CallParameters::Text(text) => text,
                CallParameters::Template(template) => template.text(),
            });
            Contents::new(parameters, ended.result.as_ref(), most)
        });
        execution
            .record
            .end(KeptCall::new(ended, parameter_bytes, contents));
    }

    /// All calls of the execution have ended.
    pub(super) fn keep_execution(&mut self, key: ExecutionKey) {
        let (now, wall) = (self.clock.now, self.clock.wall);
        let Some(execution) = self.executions.get(key) else {
            return;
        };
        let mut status = status_of(key, execution, now);
        status.ended_at = Some(wall);
        let shape = execution.record.shape.clone();
        let accepted_at = execution.record.accepted_at;
        let record = mem::replace(
            &mut execution.record,
            crate::observe::history::Record::new(shape, accepted_at),
        );
        self.history.push(status, record.into_calls());
    }

    /// The newest of those that run, accepted before one of them or a key.
    pub(super) fn running(&self, wanted: &Wanted) -> Running {
        let before = wanted
            .before_key
            .or_else(|| self.executions.by_any_id(wanted.before?));
        if wanted.before.is_some() && before.is_none() {
            return Running {
                executions: Vec::new(),
                before,
            };
        }
        let is_wanted = |(key, execution): &(ExecutionKey, &Execution)| {
            before.is_none_or(|before| *key < before)
                && wanted
                    .tenant
                    .as_ref()
                    .is_none_or(|tenant| **tenant == *execution.caller.client.tenant)
        };
        let mut keys: Vec<Reverse<ExecutionKey>> = self
            .executions
            .all()
            .filter(is_wanted)
            .map(|(key, _)| Reverse(key))
            .collect();
        if keys.len() > wanted.most {
            keys.select_nth_unstable(wanted.most);
            keys.truncate(wanted.most);
        }
        keys.sort_unstable();
        let found = keys
            .iter()
            .filter_map(|Reverse(key)| Some(self.live_status(*key, self.executions.look(*key)?)));
        Running {
            executions: found.collect(),
            before,
        }
    }

    fn live_status(&self, key: ExecutionKey, execution: &Execution) -> Status {
        let mut status = status_of(key, execution, self.clock.now);
        status.in_flight = self.scheduler.execution(key).unwrap_or_default().in_flight;
        status
    }

    /// One that runs, of any tenant, with its calls.
    pub(super) fn live(&self, id: u128) -> Option<LiveExecution> {
        let key = self.executions.by_any_id(id)?;
        let execution = self.executions.look(key)?;
        let calls = self.scheduler.calls(key).into_iter();
        let open = calls.map(|call| OpenCall {
            attempts: call
                .attempts
                .iter()
                .map(|record| self.open_attempt(execution, call.index, record))
                .collect(),
            index: call.index,
            phase: call.phase,
            waits_for: call.waits_for,
            ready_at: call.ready_at.map(|at| self.clock.date(at)),
        });
        Some(LiveExecution {
            status: self.live_status(key, execution),
            ends: execution.record.calls(),
            open: open.collect(),
            parameters_bytes: execution.calls.iter().map(|call| call.parameter_bytes).collect(),
        })
    }

    fn open_attempt(&self, execution: &Execution, call: u32, record: &AttemptRecord) -> OpenAttempt {
        let tries = execution.calls.get(call as usize);
        let this = tries.and_then(|call| call.tries.iter().find(|this| this.number == record.number));
        let date = |at: Option<Time>| self.clock.date(at.unwrap_or(record.dispatched_at));
        OpenAttempt {
            has_started: record.started_at.is_some(),
            has_ended: record.ended_at.is_some(),
            attempt: EndedAttempt {
                number: record.number,
                worker: this.map_or_else(|| "".into(), |this| this.worker_name.clone()),
                waits: record.waits,
                dispatched_at: date(None),
                started_at: date(record.started_at),
                ended_at: date(record.ended_at),
                failure: record.failure.map(|failure| {
                    Box::new(EndedAttemptFailure {
                        failure,
                        fault: this.and_then(|this| this.fault.as_deref().cloned()),
                    })
                }),
                late: this.is_some_and(|this| this.late),
            },
        }
    }

    /// Ends an execution of any tenant.
    pub(super) fn cancel_any(&mut self, id: u128, caller: &Caller) -> Result<Cancelled, UnknownExecution> {
        let Some(key) = self.executions.by_any_id(id) else {
            let has_ended = self.executions.has_ended(id) || self.history.find(id).is_some();
            return if has_ended {
                Ok(Cancelled::AlreadyEnded)
            } else {
                Err(UnknownExecution)
            };
        };
        tracing::info!(execution_id = %uuid::Uuid::from_u128(id), "execution cancelled by an operator");
        self.note(|this| {
            Some(audit::Event::ExecutionCancelled {
                caller: caller.into(),
                execution_id: this.executions.look(key)?.words.execution_id.clone(),
            })
        });
        self.handle(toolwave_scheduler::Event::Cancel {
            execution: key,
            reason: toolwave_scheduler::CancelReason::Requested,
        });
        Ok(Cancelled::Now)
    }

    /// The coordinator as a whole.
    pub(super) fn cluster_state(&self) -> ClusterState {
        let now = self.clock.now;
        let catalogue = self.declarations.current();
        let statuses = self.scheduler.tools().into_iter();
        let mut tools: Vec<ToolState> = statuses
            .filter_map(|status| {
                Some(ToolState {
                    name: catalogue.name(status.tool)?,
                    status,
                    rate_used: self.scheduler.rate_used(status.tool, now),
                })
            })
            .collect();
        tools.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let statuses = self.scheduler.tenants(now).into_iter();
        let mut tenants: Vec<TenantState> = statuses
            .filter_map(|status| {
                let (name, payload_bytes) = self.tenants.known(status.tenant)?;
                Some(TenantState {
                    name,
                    status,
                    payload_bytes,
                })
            })
            .collect();
        tenants.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut ready = self.scheduler.workers(now);
        ready.retain(|worker| worker.condition == WorkerCondition::Ready);
        let (max_in_flight, max_queued_calls) = self.scheduler.bounds();
        ClusterState {
            totals: self.scheduler.totals(),
            draining: self.admission.draining.is_some(),
            slots: ready.iter().map(|worker| worker.slots).sum(),
            slots_taken: ready.iter().map(|worker| worker.in_flight).sum(),
            tools,
            tenants,
            waiting: self.scheduler.waiting(),
            at_their_limit: self.scheduler.at_their_limit(),
            max_in_flight,
            max_queued_calls,
            max_payload_bytes: self.terms.max_payload_bytes,
            calls_ended: self
                .executions
                .all()
                .map(|(_, execution)| u64::from(execution.record.ended()))
                .sum(),
        }
    }
}

fn status_of(key: ExecutionKey, execution: &Execution, now: Time) -> Status {
    execution.record.status(
        (key, execution.uuid),
        (
            execution.words.execution_id.clone(),
            execution.caller.client.tenant.clone(),
        ),
        now.since(execution.accepted_at),
    )
}
