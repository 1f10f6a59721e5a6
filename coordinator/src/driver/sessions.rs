//! What sessions and the pool say becomes events. A payload is put where its call can find it before the
//! scheduler hears of it; a report that does not belong to its reporter is heard and not kept.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use toolwave_scheduler::{
    AttemptEnd, AttemptKey, Event, Resolution, SessionEnd, SessionKey, ToolKey, WorkerSpec,
};

use super::{
    Driver,
    mailbox::{Frame, Input, Joined, Progress, Report, ReportedEnd},
    resolving::{Resolved, Settled},
};
use crate::{
    audit,
    execution::prepared::{CallParameters, Detail, ExecutionNews},
    worker::{fault::SessionFault, outbox::Outbound},
};

impl Driver {
    pub(super) fn input(&mut self, input: Input) {
        match input {
            Input::Frame(frame) => self.frame(*frame),
            Input::Resolved(resolved) => self.resolved(resolved),
            Input::Joined(joined) => self.joined(*joined),
            Input::Broken(session) => {
                self.note_disconnected(session, "BROKEN");
                self.observe_disconnected(session, "BROKEN");
                if self.directory.ended(session) {
                    self.handle(Event::WorkerLost {
                        session,
                        end: SessionEnd::Broken,
                    });
                }
            }
        }
    }

    fn joined(&mut self, mut joined: Joined) {
        let (instance_id, peer) = (joined.instance_id.clone(), joined.description.address);
        let Some(arrival) = self.directory.join(&mut joined) else {
            self.note(|_| {
                Some(audit::Event::WorkerRefused {
                    peer,
                    identity: joined.identity.clone(),
                    reason: SessionFault::WorkerIdTaken.reason(),
                })
            });
            return;
        };
        tracing::info!(
            worker = %joined.name,
            identity = joined.identity.as_deref().unwrap_or_default(),
            session = joined.session.0,
            slots = joined.slots,
            tools = joined.tools.len(),
            in_flight = joined.in_flight.len(),
            draining = joined.draining,
            "worker registered"
        );
        self.note_joined(&joined, &instance_id, peer);
        self.observe_joined(&joined);
        if let Some(replaced) = arrival.replaced {
            self.handle(replaced);
        }
        let tools = self.declared(&joined.tools);
        let worker = WorkerSpec {
            worker: arrival.worker,
            slots: joined.slots,
            tools,
            draining: arrival.draining,
        };
        self.handle(Event::WorkerJoined {
            session: joined.session,
            worker,
            in_flight: joined.in_flight,
        });
        self.withdraw(arrival.dropped);
        if !joined.peers.is_empty() {
            self.directory
                .say(joined.session, Outbound::Coordinators(joined.peers));
        }
        if let Some(reconnect_after) = self.admission.draining {
            self.directory
                .say(joined.session, Outbound::Shutdown { reconnect_after });
        }
    }

    /// Tells the scheduler what tools declare, where that is news.
    fn declared(&mut self, names: &[Arc<str>]) -> Vec<ToolKey> {
        let catalogue = self.declarations.offered(names);
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let Some(tool) = catalogue.tool(name) else {
                continue;
            };
            keys.push(tool.key);
            if self.tools.is_news(tool.key, &tool.spec) {
                self.counting.declare(tool.key, name);
                self.handle(Event::ToolDeclared {
                    tool: tool.key,
                    spec: tool.spec.clone(),
                });
            }
        }
        keys
    }

    fn frame(&mut self, frame: Frame) {
        let session = frame.session;
        if self.directory.session(session).is_none() {
            return;
        }
        for attempt in frame.started {
            self.handle(Event::AttemptStarted { session, attempt });
        }
        for progress in frame.progress {
            self.progress(session, progress);
        }
        for report in frame.ended {
            if !self.was_dispatched(report.attempt) {
                return self.cut_off(session, SessionFault::NeverDispatched(report.attempt));
            }
            self.report(session, report);
        }
        if let Some(heartbeat) = frame.heartbeat {
            let (in_flight, dispatches_read) = (heartbeat.in_flight, heartbeat.dispatches_read);
            let sent = self
                .directory
                .session(session)
                .map_or(0, |entry| entry.dispatches);
            // what waits to be sent would count as read, and its slots as free
            if dispatches_read > sent {
                let what = format!("heartbeat.dispatches_read is {dispatches_read}; {sent} were sent");
                return self.cut_off(session, SessionFault::BadFrame(what));
            }
            self.handle(Event::WorkerSeen {
                session,
                in_flight,
                dispatches_read,
            });
        }
        if let Some(names) = frame.tools {
            self.note_tools(session, &names);
            let tools = self.declared(&names);
            self.handle(Event::ToolsChanged { session, tools });
            let dropped = self.directory.offers(session, &names);
            self.withdraw(dropped);
        }
        if let Some(slots) = frame.slots {
            self.handle(Event::WorkerSlots { session, slots });
        }
        if frame.draining
            && let Some(worker) = self.directory.drains_itself(session)
        {
            self.handle(Event::WorkerDraining {
                worker,
                draining: true,
            });
        }
        if frame.goodbye {
            self.note_disconnected(session, "GOODBYE");
            self.observe_disconnected(session, "GOODBYE");
        }
        if frame.goodbye && self.directory.ended(session) {
            self.handle(Event::WorkerLost {
                session,
                end: SessionEnd::Goodbye,
            });
        }
    }

    /// Of tools that an operator took from a worker, those that no other worker has are offered to nobody any more.
    /// A worker that is lost, or leaves, takes none away: it is expected back.
    fn withdraw(&mut self, mut names: Vec<Arc<str>>) {
        if names.is_empty() {
            return;
        }
        let catalogue = self.declarations.current();
        let statuses = self.scheduler.tools();
        let hosted: FxHashSet<ToolKey> = statuses
            .iter()
            .filter(|status| status.workers > 0)
            .map(|status| status.tool)
            .collect();
        names.retain(|name| {
            catalogue
                .tool(name)
                .is_some_and(|tool| !hosted.contains(&tool.key))
        });
        for tool in &names {
            tracing::info!(%tool, "tool withdrawn: its last worker offers it no more");
        }
        self.declarations.withdraw(names);
    }

    /// For watchers of an attempt that runs where the report comes from.
    fn progress(&mut self, session: SessionKey, progress: Progress) {
        let at = self.clock.wall;
        let key = progress.attempt;
        let reporter = self.directory.session(session).map(|session| session.worker);
        let Some(execution) = self.executions.get(key.call.execution) else {
            return;
        };
        if execution.detail != Detail::Everything {
            return;
        }
        let Some(call) = execution.calls.get_mut(key.call.index as usize) else {
            return;
        };
        if call
            .attempt(key.number)
            .is_none_or(|attempt| Some(attempt.worker) != reporter || attempt.reported)
        {
            return;
        }
        let Progress {
            fraction, message, ..
        } = progress;
        let news = ExecutionNews::Progress {
            call: key.call.index,
            attempt: key.number,
            fraction,
            message,
            at,
        };
        self.executions.tell(key.call.execution, news);
    }

    /// False when the call is known and has had no such attempt: whoever reports its end makes it up.
    fn was_dispatched(&mut self, attempt: AttemptKey) -> bool {
        self.executions
            .call(attempt.call)
            .filter(|call| !call.ended)
            .is_none_or(|call| {
                let last = call.tries.last().map_or(0, |last| last.number);
                (1..=last).contains(&attempt.number)
            })
    }

    /// Ends a session whose worker breaks the rules; what it runs is waited for as after a broken stream.
    fn cut_off(&mut self, session: SessionKey, fault: SessionFault) {
        if let Some(entry) = self.directory.session(session) {
            tracing::warn!(worker = %entry.name, session = session.0, error = %fault, "session closed");
        }
        self.observe_disconnected(session, "FAULT");
        if self.directory.close(session, fault) {
            self.handle(Event::WorkerLost {
                session,
                end: SessionEnd::Broken,
            });
        }
    }

    /// The end of an attempt. The first report of the worker it was sent to counts; the scheduler says of the
    /// others that they are late.
    fn report(&mut self, session: SessionKey, report: Report) {
        let Report {
            attempt: key,
            end,
            execution_time,
        } = report;
        let reporter = self.directory.session(session).map(|session| session.worker);
        let this = self
            .executions
            .attempt(key)
            .filter(|attempt| Some(attempt.worker) == reporter);
        let this = this.filter(|attempt| !attempt.reported);
        let end = match end {
            ReportedEnd::Result(payload) => {
                if let Some(this) = this {
                    this.reported = true;
                    this.result = Some(payload);
                    this.execution_time = execution_time;
                    self.counting.reported(this, self.clock.now);
                }
                AttemptEnd::Succeeded
            }
            ReportedEnd::Failure(failure, fault) => {
                if let Some(this) = this {
                    this.reported = true;
                    this.fault = fault;
                    this.execution_time = execution_time;
                    self.counting.reported(this, self.clock.now);
                }
                AttemptEnd::Failed(failure)
            }
        };
        self.handle(Event::AttemptFinished {
            session,
            attempt: key,
            end,
        });
    }

    /// The pool's answer; the call may have ended meanwhile.
    fn resolved(&mut self, resolved: Resolved) {
        let key = resolved.call;
        let Some(call) = self.executions.call(key).filter(|call| !call.ended) else {
            return;
        };
        let resolution = match resolved.outcome {
            Ok(ready) => {
                let bytes = ready.parameters.len() as u64;
                call.parameters = Some(CallParameters::Text(ready.parameters));
                self.executions.count_parameters(key, bytes);
                let Settled {
                    safe_to_repeat,
                    timeout,
                    retry,
                } = ready.settled;
                Resolution::Ready {
                    safe_to_repeat,
                    timeout,
                    retry,
                }
            }
            Err(fault) => {
                call.rejection = Some(Box::new(fault));
                Resolution::Rejected
            }
        };
        self.handle(Event::Resolved {
            call: key,
            resolution,
        });
    }
}
