//! The scheduler itself: events to the parts that handle them, timers to those that set them.

use crate::{
    Action, CallPhase, CallStatus, Config, Event, ExecutionKey, ExecutionStatus, TenantStatus, Time,
    ToolStatus, Totals, Waiting, WorkerStatus, attempt,
    cluster::Cluster,
    execution::{CallState, Executions},
    fleet, lifecycle, placement,
    timers::Timer,
    waiting,
};

/// The state machine. One instance, one owner.
#[derive(Debug)]
pub struct Scheduler {
    cluster: Cluster,
    executions: Executions,
}

impl Scheduler {
    /// With nothing in it.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            cluster: Cluster::new(config),
            executions: Executions::default(),
        }
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn executions(&self) -> &Executions {
        &self.executions
    }

    /// Applies one input at `now` and appends what the driver must do. `now` never goes back.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Action>) {
        let Self { cluster, executions } = self;
        cluster.now = now;
        match event {
            Event::Submit(submission) => lifecycle::submit(cluster, executions, now, submission, out),
            Event::Cancel { execution, reason } => {
                lifecycle::end_all(cluster, executions, now, execution, Some(reason), out);
            }
            Event::Resolved { call, resolution } => {
                lifecycle::resolved(cluster, executions, now, call, resolution, out);
            }
            Event::ToolDeclared { tool, spec } => {
                lifecycle::declared(cluster, executions, now, tool, spec, out);
            }
            Event::WorkerJoined {
                session,
                worker,
                in_flight,
            } => {
                fleet::joined(cluster, executions, now, (session, worker, in_flight), out);
            }
            Event::WorkerSeen {
                session,
                in_flight,
                dispatches_read,
            } => {
                fleet::seen(
                    cluster,
                    executions,
                    now,
                    (session, in_flight, dispatches_read),
                    out,
                );
            }
            Event::ToolsChanged { session, tools } => fleet::tools_changed(cluster, now, session, tools),
            Event::WorkerSlots { session, slots } => fleet::slots_changed(cluster, now, session, slots),
            Event::WorkerDraining { worker, draining } => fleet::draining(cluster, now, worker, draining),
            Event::WorkerLost { session, end } => fleet::lost(cluster, executions, now, (session, end), out),
            Event::WorkerGone { worker } => fleet::gone(cluster, executions, now, worker, out),
            Event::LimitsChanged {
                max_in_flight,
                max_queued_calls,
            } => cluster.limit(max_in_flight, max_queued_calls),
            Event::AttemptStarted { session, attempt } => {
                attempt::started(cluster, executions, now, session, attempt, out);
            }
            Event::AttemptFinished {
                session,
                attempt,
                end,
            } => {
                attempt::finished(cluster, executions, now, (session, attempt, end), out);
            }
        }
        cluster.settle_tenants(now, out);
    }

    /// Gives ready calls to free slots; the driver calls it once per drained batch of events and timeouts.
    pub fn dispatch(&mut self, now: Time, out: &mut Vec<Action>) {
        self.cluster.now = now;
        placement::dispatch(&mut self.cluster, &mut self.executions, now, out);
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<Action>) {
        let Self { cluster, executions } = self;
        cluster.now = now;
        while let Some(timer) = cluster.timers.pop_due(now) {
            match timer {
                Timer::Startup => {
                    cluster.startup_timer = None;
                    lifecycle::startup_is_over(cluster, executions, now, out);
                }
                Timer::Execution(key) => {
                    if let Some(execution) = executions.get_mut(&key) {
                        execution.timer = None;
                    }
                    lifecycle::end_all(cluster, executions, now, key, None, out);
                }
                Timer::Call(key) => attempt::call_timer(cluster, executions, now, key, out),
                Timer::Worker(key) => fleet::worker_timer(cluster, executions, now, key, out),
                Timer::Tool(key) => attempt::tool_timer(cluster, executions, now, key, out),
                Timer::Tenant(key) => cluster.tenants.rested(key),
            }
        }
        cluster.settle_tenants(now, out);
    }

    /// When `handle_timeout` is next needed; `None` exactly when nothing is scheduled.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.cluster.timers.next()
    }

    /// Every worker that is not lost, in no order.
    #[must_use]
    pub fn workers(&self, now: Time) -> Vec<WorkerStatus> {
        let status = |worker: &crate::worker::Worker| WorkerStatus {
            worker: worker.key,
            condition: worker.condition(),
            draining: worker.draining,
            slots: worker.slots,
            in_flight: worker.in_flight(),
            silence: now.since(worker.seen_at),
            tools: self.cluster.pools.tools_of(worker.pool).to_vec(),
        };
        self.cluster.workers.values().map(status).collect()
    }

    /// Every tool that is known, in no order.
    #[must_use]
    pub fn tools(&self) -> Vec<ToolStatus> {
        let status = |(key, tool): (&crate::ToolKey, &crate::tool::ToolState)| {
            let pools = tool
                .pools
                .iter()
                .filter_map(|pool| self.cluster.pools.pool(*pool));
            let workers = pools.map(|pool| pool.members.len() as u32).sum();
            ToolStatus {
                tool: *key,
                workers,
                queued: tool.queued,
                undeclared: tool.undeclared.len() as u32,
                in_flight: tool.in_flight,
            }
        };
        self.cluster.tools.iter().map(status).collect()
    }

    /// An execution; `None` once it has ended.
    #[must_use]
    pub fn execution(&self, key: ExecutionKey) -> Option<ExecutionStatus> {
        let execution = self.executions.get(&key)?;
        Some(ExecutionStatus {
            open: execution.open,
            in_flight: execution.running,
        })
    }

    /// The calls of an execution that are beyond their dependencies and have not ended, in request order.
    #[must_use]
    pub fn calls(&self, key: ExecutionKey) -> Vec<CallStatus> {
        let Some(execution) = self.executions.get(&key) else {
            return Vec::new();
        };
        let calls = (0..).zip(&execution.calls).filter_map(|(index, call)| {
            let phase = match call.state {
                CallState::Waiting | CallState::Ended => return None,
                CallState::Undeclared | CallState::Resolving | CallState::Ready { .. } => CallPhase::Ready,
                CallState::InFlight { .. } => CallPhase::InFlight,
                CallState::Backoff => CallPhase::Backoff,
            };
            Some(CallStatus {
                index,
                phase,
                ready_at: call.ready_at,
                waits_for: waiting::now(&self.cluster, execution, call),
                attempts: call.attempts.clone(),
            })
        });
        calls.collect()
    }

    /// Ready calls by what they wait for now, those of most calls first: a look at each execution with ready calls.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        waiting::all(&self.cluster, &self.executions)
    }

    /// Every tenant that is known, in no order.
    #[must_use]
    pub fn tenants(&self, now: Time) -> Vec<TenantStatus> {
        self.cluster.tenants.statuses(now).collect()
    }

    /// Attempts in flight, and calls that wait, at most.
    #[must_use]
    pub fn bounds(&self) -> (usize, usize) {
        (
            self.cluster.config.max_in_flight,
            self.cluster.config.max_queued_calls,
        )
    }

    /// Executions at their `max_concurrency`: how many calls these allow together, and attempts in flight.
    #[must_use]
    pub fn at_their_limit(&self) -> (u64, u64) {
        let limited = self
            .executions
            .values()
            .filter(|execution| execution.in_flight >= execution.max_concurrency);
        limited.fold((0, 0), |(limit, in_flight), execution| {
            (
                limit + u64::from(execution.max_concurrency),
                in_flight + u64::from(execution.in_flight),
            )
        })
    }

    /// How much of its rate a tool has used: 0 is none, from 1 on its calls wait. `None`: it has none, and is not
    /// left alone.
    #[must_use]
    pub fn rate_used(&self, tool: crate::ToolKey, now: Time) -> Option<f64> {
        self.cluster.tools.get(&tool)?.rate_used(now)
    }

    /// Sizes of the state.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let tools = || self.cluster.tools.values();
        Totals {
            executions: self.executions.len(),
            queued_calls: self.cluster.queued_calls,
            in_flight: self.cluster.in_flight,
            workers: self.cluster.workers.len(),
            timers: self.cluster.timers.len(),
            queues: self.cluster.queues.len() + tools().map(|tool| tool.queues.len()).sum::<usize>(),
            tenants: self.cluster.tenants.len(),
            undeclared_tools: tools().filter(|tool| tool.spec.is_none()).count(),
        }
    }
}
