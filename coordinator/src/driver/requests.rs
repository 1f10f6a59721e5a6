//! What the edge asks becomes events and answers. Every question is answered in the round that takes it,
//! except the two that wait for executions to end.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::oneshot;
use toolwave_scheduler::{CallSpec, CancelReason, Event, Preparation, Submission};

use super::{
    Driver,
    executions::{Call, Execution},
    mailbox::{DrainedWorker, ListedWorker, Request, Submitted},
    resolving::{Asked, Settled},
};
use crate::{
    audit,
    execution::prepared::{CallParameters, CallState, PreparedCall},
    handle::{Cancelled, RETRY_AFTER, SubmitError, UnknownExecution},
    observe::history::Record,
    tenants::{Caller, Quota},
    worker::{
        fault::SessionFault,
        outbox::{CallWords, Outbound, Words},
    },
};

impl Driver {
    pub(super) fn request(&mut self, request: Request) {
        match request {
            Request::Submit(submitted) => self.submit(*submitted),
            Request::Cancel { id, caller, reply } => answer(reply, self.cancel(id, &caller)),
            Request::CancelAny { id, caller, reply } => answer(reply, self.cancel_any(id, &caller)),
            Request::Running { wanted, reply } => answer(reply, self.running(&wanted)),
            Request::Live { id, reply } => answer(reply, self.live(id).map(Box::new)),
            Request::ClusterState(reply) => answer(reply, self.cluster_state()),
            Request::ToolStatuses(reply) => {
                let catalogue = self.declarations.current();
                let statuses = self.scheduler.tools().into_iter();
                let named = statuses.filter_map(|status| Some((catalogue.name(status.tool)?, status)));
                answer(reply, named.collect());
            }
            Request::ToolDemand(reply) => {
                let catalogue = self.declarations.current();
                let startable = self.scheduler.startable();
                let statuses = self.scheduler.tools().into_iter();
                let named = statuses.filter_map(|status| {
                    let startable = startable.get(&status.tool).copied().unwrap_or(0.0);
                    Some((catalogue.name(status.tool)?, status, startable))
                });
                answer(reply, named.collect());
            }
            Request::ListWorkers(reply) => answer(reply, self.list_workers()),
            Request::Load(reply) => answer(reply, self.load()),
            Request::DrainWorker {
                worker,
                resume,
                caller,
                reply,
            } => answer(reply, self.drain_worker(&worker, resume, &caller)),
            Request::SetLimits { limits, reply } => {
                self.terms.max_payload_bytes = limits.max_payload_bytes;
                self.handle(Event::LimitsChanged {
                    max_in_flight: limits.max_in_flight,
                    max_queued_calls: limits.max_queued_calls,
                });
                answer(reply, ());
            }
            Request::Drain {
                reconnect_after,
                reply,
            } => {
                tracing::info!(executions = self.executions.len(), "draining");
                self.note(|_| Some(audit::Event::CoordinatorDraining));
                self.admission.draining = Some(reconnect_after);
                self.directory.say_all(|| Outbound::Shutdown { reconnect_after });
                self.admission.drained.push(reply);
            }
            Request::CancelAll(reply) => self.cancel_all(reply),
            Request::Stop(reply) => {
                self.directory.close_all(&SessionFault::CoordinatorGone);
                self.stopping = true;
                answer(reply, ());
            }
        }
    }

    fn submit(&mut self, submitted: Submitted) {
        let Submitted {
            key,
            uuid,
            id,
            execution: prepared,
            shape,
            caller,
            feed,
        } = submitted;
        if feed.is_left() {
            return;
        }
        if let Some(retry_after) = self.admission.draining {
            feed.answer(Err(SubmitError::Draining { retry_after }));
            return;
        }
        let limit = self.terms.max_payload_bytes;
        let bytes: u64 = prepared.calls.iter().map(|call| size(&call.parameters)).sum();
        if self
            .executions
            .payload_bytes
            .load(Ordering::Relaxed)
            .saturating_add(bytes)
            > limit
        {
            feed.answer(Err(SubmitError::PayloadsFull {
                limit,
                retry_after: RETRY_AFTER,
            }));
            return;
        }
        let allowance = caller.allowance.clone();
        let most = allowance.max_payload_bytes;
        let submitter = self.tenants.submits(&caller.client.tenant, most.is_some());
        if let (Some(most), Some(held)) = (most, &submitter.payload_bytes)
            && held.load(Ordering::Relaxed).saturating_add(bytes) > most
        {
            feed.answer(Err(SubmitError::TenantQuota {
                quota: Quota::PayloadBytes(most),
                retry_after: (bytes <= most).then_some(RETRY_AFTER),
            }));
            return;
        }
        if let Err(retry_after) = self.audit.reserve(prepared.calls.len()) {
            feed.answer(Err(SubmitError::AuditUnavailable { retry_after }));
            return;
        }
        let catalogue = self.declarations.current().seen_by(&caller);
        let count = prepared.calls.len();
        let (mut specs, mut words, mut calls) = (
            Vec::with_capacity(count),
            Vec::with_capacity(count),
            Vec::with_capacity(count),
        );
        let mut last = None;
        for call in prepared.calls {
            // Most calls name the tool of the one before.
            let (tool, series) = match &last {
                Some((name, found)) if Arc::ptr_eq(name, &call.tool_name) => *found,
                _ => {
                    let tool = catalogue.tool(&call.tool_name).map(AsRef::as_ref);
                    let series = self.counting.series(tool.map(|tool| tool.key));
                    last = Some((call.tool_name.clone(), (tool, series)));
                    (tool, series)
                }
            };
            let has_key = !call.idempotency_key.is_empty();
            let asked = Asked {
                timeout: call.timeout,
                retry: call.retry,
            };
            let settled = Settled::new(tool, has_key, asked, self.terms.attempt_timeout);
            let tool = tool.map_or_else(|| catalogue.key(&call.tool_name), |tool| tool.key);
            let PreparedCall {
                id,
                tool_name,
                parameters,
                priority,
                queue_timeout,
                ..
            } = call;
            let (preparation, rejection) = match call.state {
                CallState::Validated => (Preparation::Ready, None),
                CallState::Unresolved => (Preparation::Resolve, None),
                CallState::Rejected(fault) => (Preparation::Rejected, Some(Box::new(fault))),
            };
            specs.push(CallSpec {
                tool,
                priority,
                timeout: settled.timeout,
                queue_timeout,
                retry: settled.retry,
                safe_to_repeat: settled.safe_to_repeat,
                preparation,
            });
            words.push(CallWords {
                id,
                tool: tool_name,
                idempotency_key: call.idempotency_key,
            });
            calls.push(Call {
                parameter_bytes: size(&parameters),
                parameters: Some(parameters),
                asked: (preparation == Preparation::Resolve).then(|| Box::new(asked)),
                rejection,
                tries: Vec::new(),
                result: None,
                readers: 0,
                ended: false,
                series,
            });
        }
        count_readers(&mut calls);
        let words = Words {
            execution_id: id,
            calls: words,
        };
        let now = self.clock.now;
        self.tenants.submitted(submitter.key);
        let record = Record::new(shape, self.clock.wall);
        let mut execution = Execution::new(uuid, words, calls, feed, prepared.detail, now, (caller, record));
        execution.count_for(submitter.payload_bytes);
        self.trace(&mut execution);
        self.executions.insert(key, execution);
        self.handle(Event::Submit(Submission {
            execution: key,
            tenant: submitter.key,
            limits: allowance.limits,
            plan: prepared.plan,
            calls: specs,
            max_concurrency: prepared.max_concurrency,
            schedule: prepared.schedule,
            on_failure: prepared.on_failure,
            deadline: now + prepared.timeout,
        }));
    }

    fn cancel(&mut self, id: u128, caller: &Caller) -> Result<Cancelled, UnknownExecution> {
        match self.executions.by_id(id, &caller.client.tenant) {
            Some(Some(execution)) => {
                self.note(|this| {
                    Some(audit::Event::ExecutionCancelled {
                        caller: caller.into(),
                        execution_id: this.executions.look(execution)?.words.execution_id.clone(),
                    })
                });
                self.handle(Event::Cancel {
                    execution,
                    reason: CancelReason::Requested,
                });
                Ok(Cancelled::Now)
            }
            Some(None) => Ok(Cancelled::AlreadyEnded),
            None => Err(UnknownExecution),
        }
    }

    fn list_workers(&self) -> Vec<ListedWorker> {
        let catalogue = self.declarations.current();
        let statuses = self.scheduler.workers(self.clock.now);
        let listed = statuses.into_iter().filter_map(|status| {
            let tools = status
                .tools
                .iter()
                .filter_map(|&tool| catalogue.name(tool))
                .collect();
            self.directory.listed(status, tools)
        });
        let mut listed: Vec<ListedWorker> = listed.collect();
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        listed
    }

    fn drain_worker(&mut self, name: &str, resume: bool, caller: &Caller) -> Option<DrainedWorker> {
        let (worker, draining) = self.directory.drain(name, resume)?;
        tracing::info!(
            worker = name,
            draining,
            "worker drained or resumed by an operator"
        );
        self.note(|_| {
            Some(audit::Event::WorkerDrained {
                caller: caller.into(),
                worker: name.into(),
                draining: !resume,
            })
        });
        self.handle(Event::WorkerDraining { worker, draining });
        let status = self
            .scheduler
            .workers(self.clock.now)
            .into_iter()
            .find(|status| status.worker == worker);
        Some(DrainedWorker {
            in_flight: status.map_or(0, |status| status.in_flight),
        })
    }

    /// What runs ends now; those that waited for it have their answers first.
    fn cancel_all(&mut self, reply: oneshot::Sender<usize>) {
        let running = self.executions.keys();
        let count = running.len();
        for execution in running {
            self.handle(Event::Cancel {
                execution,
                reason: CancelReason::Shutdown,
            });
        }
        self.admission.cut.push((count, reply));
    }

    /// At the end of a round: those who wait for the last execution.
    pub(super) fn answer_drained(&mut self) {
        if !self.executions.is_empty() {
            return;
        }
        for reply in mem::take(&mut self.admission.drained) {
            answer(reply, ());
        }
        for (count, reply) in mem::take(&mut self.admission.cut) {
            answer(reply, count);
        }
    }
}

/// Who asked may have gone away; that is all that can go wrong.
fn answer<T>(reply: oneshot::Sender<T>, with: T) {
    let _ = reply.send(with);
}

fn size(parameters: &CallParameters) -> u64 {
    match parameters {
        CallParameters::Text(text) => text.len() as u64,
        CallParameters::Template(template) => template.text().len() as u64,
    }
}

/// Each call counts who refers to its result.
fn count_readers(calls: &mut [Call]) {
    for index in 0..calls.len() {
        let Some(CallParameters::Template(template)) = &calls[index].parameters else {
            continue;
        };
        let referred: smallvec::SmallVec<[u32; 8]> = template.calls().iter().copied().collect();
        for call in referred {
            calls[call as usize].readers += 1;
        }
    }
}
