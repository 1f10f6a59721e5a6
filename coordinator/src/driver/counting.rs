//! What the driver counts, as it happens: by place, not by name, and without a step that is shared with anybody.

use std::{sync::Arc, time::Duration};

use rustc_hash::FxHashMap;
use toolwave_scheduler::{AttemptKey, Cause, ExecutionKey, SessionKey, Time, ToolKey, WorkerCondition};

use super::{Driver, executions::Try};
use crate::{
    execution::prepared::EndedCall,
    observe::{
        load::{LimitLoad, Load, ToolLoad},
        numbers::{Numbers, ToolNumbers},
    },
};

/// Where a tool's numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Series(u32);

/// What is counted, and which tools have numbers of their own.
pub(super) struct Counting {
    numbers: Arc<Numbers>,
    /// Those of tools without any come first.
    tools: Vec<Arc<ToolNumbers>>,
    of: FxHashMap<ToolKey, Series>,
}

// === impl Counting ===

impl Counting {
    pub(super) fn new(numbers: Arc<Numbers>) -> Self {
        Self {
            tools: vec![numbers.other_tools()],
            of: FxHashMap::default(),
            numbers,
        }
    }

    /// A worker declared a tool, for the first time or again.
    pub(super) fn declare(&mut self, tool: ToolKey, name: &Arc<str>) {
        if !self.of.contains_key(&tool)
            && let Some(numbers) = self.numbers.declare(name)
        {
            self.of.insert(tool, Series(self.tools.len() as u32));
            self.tools.push(numbers);
        }
    }

    /// Where calls of a tool are counted. `None`: of one that nobody declared.
    pub(super) fn series(&self, tool: Option<ToolKey>) -> Series {
        tool.and_then(|tool| self.of.get(&tool).copied())
            .unwrap_or_default()
    }

    pub(super) fn late(&self) {
        self.numbers.late_reports.add_alone(1);
    }

    /// An attempt ended, maybe before it was known to have begun.
    pub(super) fn reported(&self, attempt: &mut Try, now: Time) {
        if let (Some(dispatched), Some(tool)) = (attempt.beginning.take(), attempt.execution_time) {
            let latency = now.since(dispatched).saturating_sub(tool);
            self.numbers.dispatch_latency.observe_duration_alone(latency);
        }
    }

    fn tool(&self, series: Series) -> &ToolNumbers {
        &self.tools[series.0 as usize]
    }

    fn name(&self, tool: ToolKey) -> Option<Arc<str>> {
        self.of.get(&tool).map(|series| self.tool(*series).name.clone())
    }
}

impl Driver {
    pub(super) fn count_accepted(&mut self, key: ExecutionKey) {
        let Some(execution) = self.executions.look(key) else {
            return;
        };
        self.counting.numbers.accepted.add_alone(1);
        self.counting
            .numbers
            .calls
            .observe_alone(execution.calls.len() as u64);
        for call in &execution.calls {
            self.counting.tool(call.series).submitted.add_alone(1);
        }
    }

    pub(super) fn count_dispatched(&mut self, attempt: AttemptKey) {
        let Some(call) = self.executions.call(attempt.call) else {
            return;
        };
        let tool = self.counting.tool(call.series);
        match attempt.number {
            1 => tool.first_attempts.add_alone(1),
            _ => tool.retries.add_alone(1),
        }
    }

    pub(super) fn count_started(&mut self, attempt: AttemptKey) {
        let dispatched = self.executions.attempt(attempt);
        if let Some(dispatched) = dispatched.and_then(|attempt| attempt.beginning.take()) {
            let latency = self.clock.now.since(dispatched);
            self.counting
                .numbers
                .dispatch_latency
                .observe_duration_alone(latency);
        }
    }

    pub(super) fn count_ended(&mut self, key: ExecutionKey, ended: &EndedCall) {
        let Some(execution) = self.executions.get(key) else {
            return;
        };
        execution.ending = execution.ending.after(ended.outcome, &ended.cause);
        let Some(call) = execution.calls.get(ended.call as usize) else {
            return;
        };
        let tool = self.counting.tool(call.series);
        tool.completed(ended.outcome);
        if matches!(ended.cause, Cause::UnknownTool | Cause::NoWorker { .. }) {
            tool.unroutable.add_alone(1);
        }
        if !ended.attempts.is_empty() {
            tool.duration.observe_duration_alone(ended.execution_time);
            let wait = &self.counting.numbers.queue_wait;
            wait.observe_duration_alone(ended.queue_time);
        }
    }

    pub(super) fn count_finished(&mut self, key: ExecutionKey, duration: Duration) {
        let Some(execution) = self.executions.look(key) else {
            return;
        };
        let numbers = &self.counting.numbers;
        numbers.completed[execution.ending as usize].add_alone(1);
        numbers.duration.observe_duration_alone(duration);
    }

    /// One that was closed from here before is counted already.
    pub(super) fn count_disconnected(&mut self, session: SessionKey, reason: &'static str) {
        if self.directory.session(session).is_some() {
            self.counting.numbers.disconnected(reason);
        }
    }

    /// For a scrape.
    pub(super) fn load(&self) -> Load {
        let now = self.clock.now;
        let totals = self.scheduler.totals();
        let mut load = Load {
            executions: totals.executions,
            queued_calls: totals.queued_calls,
            ..Load::default()
        };
        for worker in self.scheduler.workers(now) {
            load.workers += u32::from(worker.condition != WorkerCondition::Detached);
            if worker.condition == WorkerCondition::Ready && !worker.draining {
                load.slots += u64::from(worker.slots);
                load.slots_free += u64::from(worker.slots.saturating_sub(worker.in_flight));
            }
        }
        let oldest: FxHashMap<ToolKey, Time> = self.scheduler.waiting_since().into_iter().collect();
        let startable = self.scheduler.startable();
        let tools = self.scheduler.tools().into_iter();
        let tools = tools.map(|tool| ToolLoad {
            name: self.counting.name(tool.tool),
            workers: tool.workers,
            queued: tool.queued,
            running: tool.in_flight,
            startable: startable.get(&tool.tool).copied().unwrap_or(0.0),
            oldest: oldest
                .get(&tool.tool)
                .map_or(Duration::ZERO, |since| now.since(*since)),
        });
        load.tools = tools.collect();
        let limits = self.scheduler.limits(now).into_iter();
        let limits = limits.filter_map(|limit| {
            let tool = match limit.tool {
                Some(tool) => Some(self.counting.name(tool)?),
                None => None,
            };
            Some(LimitLoad {
                tool,
                limit: limit.limit,
                in_use: limit.in_use,
                limited: limit.limited,
            })
        });
        load.limits = limits.collect();
        load
    }
}
