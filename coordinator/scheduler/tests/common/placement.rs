//! What must be true of a dispatch: the call may start, the worker may take it, and every limit allows it.

use toolwave_scheduler::{
    AttemptEnd, AttemptFailure, AttemptKey, CallKey, SessionKey, ToolKey, WorkerCondition, WorkerKey,
};

use super::{
    entities::{Attempt, Ending, Standing, State, Taken},
    shadow::{Shadow, Verdict, ensure},
};

impl Shadow {
    pub(crate) fn dispatched(&mut self, session: SessionKey, attempt: AttemptKey) -> Verdict {
        let now = self.now;
        let key = attempt.call;
        let Some(worker_key) = self.attached(session).map(|worker| worker.spec.worker) else {
            return Err(format!(
                "W3: {attempt} is dispatched to {session:?}, which is not open"
            ));
        };
        self.check_worker(worker_key, attempt)?;
        let execution = self
            .executions
            .get_mut(&key.execution)
            .ok_or_else(|| format!("{attempt} is not known"))?;
        ensure!(
            !execution.ended,
            "T2: {attempt} is dispatched after its execution ended"
        );
        ensure!(
            execution.unblocked(key.index),
            "D1/D4: {attempt} is dispatched before its dependencies"
        );
        let max_refusals = self.config.max_refusals;
        let max_losses = self.config.max_losses;
        let call = &mut execution.calls[key.index as usize];
        match call.state {
            State::Ready { .. } => {}
            State::Backoff { not_before } => {
                ensure!(
                    now >= not_before,
                    "R2: {attempt} is dispatched {:?} early",
                    not_before.since(now)
                );
            }
            state => {
                return Err(format!(
                    "T2/A1: {attempt} is dispatched while its call is {state:?}"
                ));
            }
        }
        let last = call.attempts.last();
        ensure!(
            last.is_none_or(|last| last.number < attempt.number),
            "A3: {attempt} after {last:?}"
        );
        let (charged, refusals) = (call.charged(), call.refusals());
        ensure!(
            charged < call.retry.max_attempts,
            "A2: {attempt} is dispatched with {charged} attempts charged"
        );
        ensure!(
            refusals <= max_refusals,
            "A2: {attempt} is dispatched after {refusals} refusals"
        );
        ensure!(
            call.losses() < max_losses,
            "A2: {attempt} is dispatched after {} losses",
            call.losses()
        );
        if let (false, Some(last)) = (call.safe, last) {
            let retryable = matches!(
                last.ending,
                Some(Ending::Reported(AttemptEnd::Failed(AttemptFailure::ToolError {
                    retryable: true,
                    ..
                })))
            );
            ensure!(
                last.not_run() || retryable,
                "P1: {attempt} repeats a call that is not safe to repeat: {last:?}"
            );
        }
        let is_suspect = call.losses() > 0;
        call.attempts.push(Attempt {
            number: attempt.number,
            worker: worker_key,
            dispatched_at: now,
            started_at: None,
            ending: None,
        });
        call.state = State::InFlight(attempt.number);
        let tool = call.tool;
        if let Some(worker) = self.workers.get_mut(&worker_key) {
            worker.dispatches += 1;
            let sequence = worker.dispatches;
            if is_suspect {
                ensure!(
                    !worker.watches(),
                    "{attempt} lost a worker before, and starts beside another such: {:?}",
                    worker.watched
                );
                worker.watched = Some((attempt, now + self.config.suspicion));
            }
            worker.taken.insert(
                attempt,
                Taken {
                    sequence,
                    aborted: None,
                    zombie: false,
                },
            );
        }
        self.check_limits(worker_key, attempt)?;
        self.check_rate(tool, attempt)
    }

    /// The worker takes this dispatch rightly.
    fn check_worker(&self, key: WorkerKey, attempt: AttemptKey) -> Verdict {
        let (Some(worker), Some(call)) = (self.workers.get(&key), self.call(attempt.call)) else {
            return Ok(());
        };
        ensure!(
            !worker.spec.draining,
            "W2: {attempt} is dispatched to {key:?}, which drains"
        );
        ensure!(
            worker.spec.tools.contains(&call.tool),
            "W1: {key:?} does not host {:?}",
            call.tool
        );
        ensure!(
            (worker.taken.len() as u32) < worker.spec.slots,
            "S4: {attempt} is the {}th on {key:?}",
            worker.taken.len() + 1
        );
        ensure!(
            self.now.since(worker.heard) < self.config.suspect_after,
            "{attempt} is dispatched to {key:?}, which is silent for {:?}",
            self.now.since(worker.heard)
        );
        match self.condition(key) {
            Some(WorkerCondition::Ready) => {}
            Some(WorkerCondition::Ejected) => {
                ensure!(worker.taken.is_empty(), "{attempt} is a second probe of {key:?}");
                let probation = matches!(worker.standing, Standing::Probation { .. });
                ensure!(
                    probation,
                    "{attempt} is dispatched to {key:?}, which is {:?}",
                    worker.standing
                );
            }
            condition => {
                return Err(format!(
                    "{attempt} is dispatched to {key:?}, which is {condition:?}"
                ));
            }
        }
        if call.failed_on(key) {
            let better = self.workers.values().find(|other| {
                !call.may_avoid(other.spec.worker) && self.healthy_for(other.spec.worker, call.tool)
            });
            ensure!(
                better.is_none(),
                "R1: {attempt} goes back to {key:?}, and {:?} is healthy",
                better.map(|worker| worker.spec.worker)
            );
        }
        Ok(())
    }

    /// The worker is healthy and hosts the tool.
    pub(crate) fn healthy_for(&self, key: WorkerKey, tool: ToolKey) -> bool {
        self.condition(key) == Some(WorkerCondition::Ready)
            && self.workers.get(&key).is_some_and(|worker| {
                worker.detached.is_none()
                    && !worker.spec.draining
                    && worker.spec.slots > 0
                    && worker.spec.tools.contains(&tool)
            })
    }

    /// Attempts that count against the limits that `of` selects. `surely`: leaves out what may count or not.
    pub(crate) fn counted(&self, surely: bool, of: impl Fn(WorkerKey, CallKey) -> bool) -> usize {
        self.workers
            .values()
            .flat_map(|worker| {
                worker
                    .taken
                    .iter()
                    .map(move |(&attempt, taken)| (worker, attempt, taken))
            })
            .filter(|(worker, attempt, taken)| {
                let certain = !taken.zombie && (self.is_current(*attempt) || worker.detached.is_none());
                (certain || !surely)
                    && self.call(attempt.call).is_some()
                    && of(worker.spec.worker, attempt.call)
            })
            .count()
    }

    fn check_limits(&self, worker: WorkerKey, attempt: AttemptKey) -> Verdict {
        for (name, used, limit) in self.limits(true, worker, attempt.call) {
            ensure!(
                used <= limit,
                "S1/S2/S5: {attempt} makes {used} in flight of {limit} for its {name}"
            );
        }
        Ok(())
    }

    /// Every limit that a call counts against on a worker, with what is used of it.
    pub(crate) fn limits(
        &self,
        surely: bool,
        worker: WorkerKey,
        key: CallKey,
    ) -> Vec<(&'static str, usize, usize)> {
        let unlimited = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        let Some(execution) = self.executions.get(&key.execution) else {
            return Vec::new();
        };
        let tenant = execution.submission.tenant;
        let tool = execution.calls[key.index as usize].tool;
        let spec = self
            .tools
            .get(&tool)
            .and_then(|tool| tool.spec.clone())
            .unwrap_or_default();
        let tool_of = |call: CallKey| self.call(call).map(|call| call.tool);
        let tenant_of = |call: CallKey| self.executions.get(&call.execution).map(|e| e.submission.tenant);
        let max = execution
            .submission
            .max_concurrency
            .map_or(usize::MAX, |max| max as usize);
        vec![
            (
                "coordinator",
                self.counted(surely, |_, _| true),
                self.config.max_in_flight,
            ),
            (
                "tenant",
                self.counted(surely, |_, call| tenant_of(call) == Some(tenant)),
                self.tenants
                    .get(&tenant)
                    .and_then(|tenant| tenant.limits.max_in_flight)
                    .map_or(usize::MAX, |limit| limit as usize),
            ),
            (
                "execution",
                self.counted(surely, |_, call| call.execution == key.execution),
                max,
            ),
            (
                "tool",
                self.counted(surely, |_, call| tool_of(call) == Some(tool)),
                unlimited(spec.max_concurrency as usize),
            ),
            (
                "worker and tool",
                self.counted(surely, |w, call| w == worker && tool_of(call) == Some(tool)),
                unlimited(spec.max_concurrency_per_worker as usize),
            ),
        ]
    }

    fn check_rate(&mut self, tool: ToolKey, attempt: AttemptKey) -> Verdict {
        let now = self.now;
        let Some(tool) = self.tools.get_mut(&tool) else {
            return Ok(());
        };
        ensure!(
            now >= tool.slowed_until,
            "S5: {attempt} starts {:?} within retry_after",
            tool.slowed_until.since(now)
        );
        tool.starts.push(now);
        let Some(spec) = tool.spec.as_ref().filter(|spec| spec.rate_per_second > 0.0) else {
            return Ok(());
        };
        for (count, &from) in (1..).zip(tool.starts.iter().rev()) {
            let most =
                f64::from(spec.rate_burst.max(1)) + spec.rate_per_second * now.since(from).as_secs_f64();
            ensure!(
                f64::from(count) <= most + 1e-6,
                "S5: {attempt} is start {count} of its tool within {:?}",
                now.since(from)
            );
        }
        Ok(())
    }
}
