//! What must be true of the whole state after every step: nothing leaks, nothing is stuck, no timer is missing.

use std::time::Duration;

use toolwave_scheduler::{
    Action, CallKey, Preparation, Scheduler, Time, ToolKey, WorkerCondition, WorkerStatus,
};

use super::{
    entities::{Execution, Standing, State},
    shadow::{Input, Shadow, Verdict, ensure},
};

impl Shadow {
    /// What the event alone asks for was done.
    pub(crate) fn check_expected(&mut self, actions: &[Action]) -> Verdict {
        let expected = std::mem::take(&mut self.expected);
        ensure!(
            expected.submitted.is_none(),
            "an execution was neither admitted nor refused"
        );
        ensure!(
            expected.late.is_none(),
            "A4: a late report is not called so: {:?}",
            expected.late
        );
        ensure!(
            expected.superseded.is_none(),
            "W3: {:?} was superseded and not evicted",
            expected.superseded
        );
        if let Some(execution) = expected
            .cancelled
            .and_then(|execution| self.executions.get(&execution))
        {
            ensure!(execution.ended, "C1: a cancelled execution goes on");
        }
        for attempt in expected.not_current {
            ensure!(
                !self.is_current(attempt),
                "{attempt} is aborted, and its call counts on it"
            );
        }
        for action in actions {
            if let Action::FinishCall(finished) = action
                && let Some(execution) = self.executions.get(&finished.call.execution)
            {
                let failed = finished.outcome != toolwave_scheduler::Outcome::Succeeded;
                ensure!(
                    !(failed && execution.fail_fast()) || execution.ended,
                    "C1: fail-fast, and it goes on"
                );
            }
        }
        Ok(())
    }

    pub(crate) fn check_state(&self, input: &Input<'_>, scheduler: &Scheduler) -> Verdict {
        let status = scheduler.workers(self.now);
        self.check_workers(&status)?;
        for execution in self.executions.values().filter(|execution| !execution.ended) {
            self.check_execution(execution)?;
        }
        self.check_slots()?;
        self.check_totals(scheduler)?;
        self.check_timers(scheduler, &status)?;
        self.check_demand(scheduler)?;
        match input {
            Input::Timeout => self.check_fired(scheduler),
            Input::Dispatch => self.check_work_conserved(&status, scheduler),
            Input::Event(_) => Ok(()),
        }
    }

    /// The scheduler's view of its workers is the true one.
    fn check_workers(&self, status: &[WorkerStatus]) -> Verdict {
        ensure!(
            status.len() == self.workers.len(),
            "{} workers are known, not {}: {status:?}",
            self.workers.len(),
            status.len()
        );
        for told in status {
            let key = told.worker;
            let Some(worker) = self.workers.get(&key) else {
                return Err(format!("{key:?} is known, and left"));
            };
            ensure!(
                told.in_flight as usize == worker.taken.len(),
                "K5: {key:?} says {} slots taken; taken are {:?}",
                told.in_flight,
                worker.taken
            );
            ensure!(
                told.slots == worker.spec.slots,
                "{key:?} has {} slots",
                worker.spec.slots
            );
            ensure!(
                told.draining == worker.spec.draining,
                "W2: {key:?} draining is {}",
                worker.spec.draining
            );
            let mut tools: (Vec<ToolKey>, Vec<ToolKey>) = (told.tools.clone(), worker.spec.tools.clone());
            tools.0.sort_unstable();
            tools.1.sort_unstable();
            tools.1.dedup();
            ensure!(
                tools.0 == tools.1,
                "W1: {key:?} hosts {:?}, not {:?}",
                tools.1,
                tools.0
            );
            let detached = worker.detached.is_some();
            ensure!(
                detached == (told.condition == WorkerCondition::Detached),
                "{key:?}: detached is {detached}, condition {:?}",
                told.condition
            );
            let good = matches!(worker.standing, Standing::Good { .. });
            ensure!(
                good || told.condition != WorkerCondition::Ready,
                "{key:?} is ready, and is {:?}",
                worker.standing
            );
            ensure!(
                !good || told.condition != WorkerCondition::Ejected,
                "{key:?} is ejected, and is {:?}",
                worker.standing
            );
            if told.condition == WorkerCondition::Suspect {
                let silence = self.now.since(worker.heartbeat);
                ensure!(
                    silence >= self.config.suspect_after,
                    "{key:?} is suspect after {silence:?}"
                );
            }
        }
        Ok(())
    }

    fn check_execution(&self, execution: &Execution) -> Verdict {
        ensure!(
            execution.calls.iter().any(|call| !call.done()),
            "T3: all calls of {:?} have ended, and it has not",
            execution.submission.execution
        );
        for index in 0..execution.calls.len() as u32 {
            let key = execution.key(index);
            let call = &execution.calls[index as usize];
            ensure!(
                call.done() || !execution.doomed(index),
                "D2: {key} goes on after a dependency failed"
            );
            let preparation = execution.submission.calls[index as usize].preparation;
            if call.state == State::Waiting {
                let declared = self.tools.get(&call.tool).is_some_and(|tool| tool.spec.is_some());
                ensure!(
                    preparation != Preparation::Rejected,
                    "{key} is rejected as it stands, and waits"
                );
                ensure!(
                    !(execution.unblocked(index) && declared),
                    "D3: {key} has nothing to wait for, and waits"
                );
            }
            if let State::InFlight(number) = call.state {
                let attempt = toolwave_scheduler::AttemptKey { call: key, number };
                ensure!(
                    self.workers
                        .values()
                        .any(|worker| worker.taken.contains_key(&attempt)),
                    "K2: {attempt} is in flight nowhere"
                );
            }
        }
        Ok(())
    }

    /// A taken slot has a reason: its call counts on it, or it is being stopped.
    fn check_slots(&self) -> Verdict {
        for worker in self.workers.values().filter(|worker| worker.detached.is_none()) {
            for (attempt, taken) in &worker.taken {
                ensure!(
                    taken.aborted.is_some() || self.is_current(*attempt),
                    "K1/C1: nobody waits for {attempt} on {:?}, and it is not aborted",
                    worker.spec.worker
                );
            }
        }
        Ok(())
    }

    fn check_totals(&self, scheduler: &Scheduler) -> Verdict {
        let totals = scheduler.totals();
        let open = self
            .executions
            .values()
            .filter(|execution| !execution.ended)
            .count();
        let taken: usize = self.workers.values().map(|worker| worker.taken.len()).sum();
        ensure!(
            totals.executions == open,
            "M1: {open} executions are open, not {}",
            totals.executions
        );
        ensure!(
            totals.queued_calls == self.queued(),
            "M1: {} calls are queued, not {}",
            self.queued(),
            totals.queued_calls
        );
        ensure!(
            totals.workers == self.workers.len(),
            "M1: {} workers, not {}",
            self.workers.len(),
            totals.workers
        );
        let least = self.counted(true, |_, _| true);
        ensure!(
            (least..=taken).contains(&totals.in_flight),
            "K4: {least} to {taken} are in flight, not {}",
            totals.in_flight
        );
        ensure!(
            scheduler.next_timeout().is_none() == (totals.timers == 0),
            "next_timeout is {:?} with {} timers",
            scheduler.next_timeout(),
            totals.timers
        );
        let mut limits = 0;
        for tool in scheduler.tools() {
            let used = |surely| {
                self.counted(surely, |_, call| {
                    self.call(call).map(|call| call.tool) == Some(tool.tool)
                })
            };
            ensure!(
                (used(true)..=used(false)).contains(&(tool.in_flight as usize)),
                "K5: {} to {} of {:?} are in flight, not {}",
                used(true),
                used(false),
                tool.tool,
                tool.in_flight
            );
            limits += tool.in_flight as usize;
        }
        ensure!(
            limits <= taken,
            "K5: tools count {limits} in flight, workers {taken}"
        );
        Ok(())
    }

    /// Whatever must happen by itself has a timer that is early enough.
    fn check_timers(&self, scheduler: &Scheduler, status: &[WorkerStatus]) -> Verdict {
        let next = scheduler.next_timeout().unwrap_or(Time::MAX);
        let by = |due: Time, what: &str| -> Verdict {
            ensure!(
                due == Time::MAX || next <= due,
                "L2: {what} is due at {due}, the next timer at {next}"
            );
            Ok(())
        };
        for execution in self.executions.values().filter(|execution| !execution.ended) {
            by(execution.submission.deadline, "a deadline")?;
            for (index, call) in (0..).zip(&execution.calls) {
                match call.state {
                    State::Backoff { not_before } => by(not_before, "the end of a backoff")?,
                    State::Ready { since } => {
                        let timeout = execution.submission.calls[index as usize].queue_timeout;
                        by(
                            timeout.map_or(Time::MAX, |timeout| since + timeout),
                            "the end of a queue timeout",
                        )?;
                        if !self.hosted(call.tool) {
                            let grace = Time::ZERO + self.config.startup_grace;
                            by(
                                (self.now + self.config.worker_wait).max(grace),
                                "the end of the wait for a host",
                            )?;
                        }
                    }
                    State::InFlight(number) => {
                        let attempt = toolwave_scheduler::AttemptKey {
                            call: execution.key(index),
                            number,
                        };
                        by(
                            self.due(attempt).unwrap_or(Time::MAX),
                            "the end of an attempt's timeout",
                        )?;
                    }
                    _ => {}
                }
            }
        }
        for worker in self.workers.values() {
            by(worker.heard + self.config.lease, "the end of a lease")?;
            for taken in worker.taken.values().filter(|_| worker.detached.is_none()) {
                let confirmed = taken
                    .aborted
                    .map_or(Time::MAX, |since| since + self.config.abort_confirmation);
                by(confirmed, "the confirmation of an abort")?;
            }
            let key = worker.spec.worker;
            let ready = status
                .iter()
                .any(|told| told.worker == key && told.condition == WorkerCondition::Ready);
            by(
                if ready {
                    worker.heard + self.config.suspect_after
                } else {
                    Time::MAX
                },
                "suspicion",
            )?;
            if let Some(since) = worker.detached {
                let waits = worker.taken.keys().any(|attempt| {
                    self.is_current(*attempt) && self.call(attempt.call).is_some_and(|call| call.safe)
                });
                by(
                    if waits {
                        since + self.config.reconnect_grace
                    } else {
                        Time::MAX
                    },
                    "the end of a grace",
                )?;
            }
        }
        Ok(())
    }

    /// A worker hosts the tool that may take calls some time soon.
    fn hosted(&self, tool: ToolKey) -> bool {
        self.workers.values().any(|worker| {
            let spec = &worker.spec;
            worker.detached.is_none() && !spec.draining && spec.slots > 0 && spec.tools.contains(&tool)
        })
    }

    /// After the timers fired, nothing is overdue.
    fn check_fired(&self, scheduler: &Scheduler) -> Verdict {
        let now = self.now;
        for execution in self.executions.values().filter(|execution| !execution.ended) {
            ensure!(
                now < execution.submission.deadline,
                "L2: {:?} is past its deadline",
                execution.submission.execution
            );
            for (index, call) in (0..).zip(&execution.calls) {
                if let State::InFlight(number) = call.state {
                    let attempt = toolwave_scheduler::AttemptKey {
                        call: execution.key(index),
                        number,
                    };
                    ensure!(
                        self.due(attempt).is_none_or(|due| now < due),
                        "L2: {attempt} is past its timeout"
                    );
                }
                if let (State::Ready { since }, Some(timeout)) = (
                    call.state,
                    execution.submission.calls[index as usize].queue_timeout,
                ) {
                    ensure!(
                        now.since(since) < timeout,
                        "L2: {} waits beyond its queue timeout",
                        execution.key(index)
                    );
                }
            }
        }
        for worker in self.workers.values() {
            let key = worker.spec.worker;
            ensure!(
                now.since(worker.heard) < self.config.lease,
                "L2: the lease of {key:?} is over"
            );
            for (attempt, taken) in &worker.taken {
                let safe = self.call(attempt.call).is_some_and(|call| call.safe);
                if let Some(since) = worker.detached {
                    ensure!(
                        !(safe && self.is_current(*attempt))
                            || now.since(since) < self.config.reconnect_grace,
                        "L2: {attempt} waits beyond the grace of {key:?}"
                    );
                } else if let Some(since) = taken.aborted {
                    ensure!(
                        now.since(since) < self.config.abort_confirmation,
                        "K6: the abort of {attempt} on {key:?} is not confirmed for {:?}",
                        now.since(since)
                    );
                }
            }
        }
        for status in scheduler.workers(self.now) {
            ensure!(
                status.condition != WorkerCondition::Ready || status.silence < self.config.suspect_after,
                "{:?} is ready and silent for {:?}",
                status.worker,
                status.silence
            );
        }
        Ok(())
    }

    /// L3: no ready call is left where every limit allows it and a fit worker has a free slot.
    fn check_work_conserved(&self, status: &[WorkerStatus], scheduler: &Scheduler) -> Verdict {
        let next = scheduler.next_timeout().unwrap_or(Time::MAX);
        for execution in self.executions.values().filter(|execution| !execution.ended) {
            for (index, call) in (0..).zip(&execution.calls) {
                if !matches!(call.state, State::Ready { .. }) {
                    continue;
                }
                let key = execution.key(index);
                let Some(tool) = self.tools.get(&call.tool) else {
                    continue;
                };
                let Some(spec) = &tool.spec else { continue };
                let interval = if spec.rate_per_second > 0.0 {
                    1.0 / spec.rate_per_second
                } else {
                    0.0
                };
                let last = tool
                    .starts
                    .last()
                    .map_or(Time::ZERO, |last| *last + Duration::from_secs_f64(interval));
                let opens = tool
                    .slowed_until
                    .max(if interval > 0.0 { last } else { Time::ZERO });
                if let Some(worker) = self.place_for(key, status) {
                    if opens > self.now || (interval > 0.0 && tool.redeclared) {
                        ensure!(
                            next <= opens || tool.redeclared,
                            "L3: {:?} opens at {opens}, the next timer is at {next}",
                            call.tool
                        );
                        continue;
                    }
                    return Err(format!(
                        "L3: {key} is ready, {worker:?} has a free slot, every limit allows it"
                    ));
                }
            }
        }
        Ok(())
    }

    /// A worker that could take the call now.
    fn place_for(&self, key: CallKey, status: &[WorkerStatus]) -> Option<toolwave_scheduler::WorkerKey> {
        let call = self.call(key)?;
        let fit = |worker: &&WorkerStatus| {
            worker.condition == WorkerCondition::Ready
                && !worker.draining
                && worker.slots > 0
                && worker.tools.contains(&call.tool)
        };
        let others = status
            .iter()
            .filter(fit)
            .any(|worker| !call.may_avoid(worker.worker));
        status
            .iter()
            .filter(fit)
            .filter(|worker| !others || !call.may_avoid(worker.worker))
            .filter(|worker| worker.in_flight < worker.slots)
            .filter(|worker| call.losses() == 0 || !self.workers[&worker.worker].watches())
            .find(|worker| {
                self.limits(false, worker.worker, key)
                    .iter()
                    .all(|(_, used, limit)| used < limit)
            })
            .map(|worker| worker.worker)
    }
}
