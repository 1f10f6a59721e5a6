//! The things that the shadow keeps: executions, calls, attempts, workers, tools. Facts only; `shadow` changes them.

use std::collections::{BTreeMap, BTreeSet};

use toolwave_scheduler::{
    AttemptEnd, AttemptFailure, AttemptKey, CallKey, Config, OnFailure, Outcome, RetryPolicy, Schedule,
    SessionKey, Submission, Time, ToolKey, ToolSpec, WorkerKey, WorkerSpec, plan::Need,
};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    Waiting,
    Resolving,
    Ready {
        since: Time,
    },
    InFlight(u32),
    /// Its attempt (or its resolution) ended in this step; an action must say what comes of it.
    Ending(Ending),
    Backoff {
        not_before: Time,
    },
    Done(Outcome),
}

/// How the last thing that a call was doing ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    Reported(AttemptEnd),
    /// The worker came back without it: proof that it never read the dispatch.
    NotRead,
    Lost,
    TimedOut,
    Rejected,
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) worker: WorkerKey,
    pub(crate) dispatched_at: Time,
    pub(crate) started_at: Option<Time>,
    pub(crate) ending: Option<Ending>,
}

impl Attempt {
    /// It has provably not run.
    pub(crate) fn not_run(&self) -> bool {
        matches!(
            self.ending,
            Some(Ending::NotRead | Ending::Reported(AttemptEnd::Failed(AttemptFailure::Refused)))
        )
    }

    pub(crate) fn lost(&self) -> bool {
        matches!(
            self.ending,
            Some(Ending::Lost | Ending::Reported(AttemptEnd::Failed(AttemptFailure::WorkerLost)))
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) tool: ToolKey,
    pub(crate) safe: bool,
    pub(crate) timeout: std::time::Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) ready_at: Option<Time>,
    pub(crate) root: Option<CallKey>,
    pub(crate) attempts: Vec<Attempt>,
}

impl Call {
    /// Attempts that count against `max_attempts`: those that may have run.
    pub(crate) fn charged(&self) -> u32 {
        self.attempts.iter().filter(|attempt| !attempt.not_run()).count() as u32
    }

    /// Attempts that provably did not run.
    pub(crate) fn refusals(&self) -> u32 {
        self.attempts.len() as u32 - self.charged()
    }

    pub(crate) fn losses(&self) -> u32 {
        self.attempts.iter().filter(|attempt| attempt.lost()).count() as u32
    }

    /// Workers on which an attempt of it failed.
    pub(crate) fn failed_on(&self, worker: WorkerKey) -> bool {
        self.attempts.iter().any(|attempt| {
            attempt.worker == worker
                && !matches!(
                    attempt.ending,
                    None | Some(Ending::NotRead | Ending::Reported(AttemptEnd::Succeeded))
                )
        })
    }

    /// Workers that its next attempt may leave out: those on which one failed, or that never read one.
    pub(crate) fn may_avoid(&self, worker: WorkerKey) -> bool {
        self.failed_on(worker)
            || self
                .attempts
                .iter()
                .any(|a| a.worker == worker && a.ending == Some(Ending::NotRead))
    }

    pub(crate) fn done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }
}

#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) submission: Submission,
    /// For each call: what it waits for.
    pub(crate) needs: Vec<Vec<(u32, Need)>>,
    pub(crate) calls: Vec<Call>,
    pub(crate) ended: bool,
}

impl Execution {
    pub(crate) fn new(submission: Submission) -> Self {
        let mut needs = vec![Vec::new(); submission.calls.len()];
        for from in 0..submission.plan.len() {
            for dependent in submission.plan.dependents(from) {
                needs[dependent.call as usize].push((from, dependent.need));
            }
        }
        let calls = submission
            .calls
            .iter()
            .map(|call| Call {
                state: State::Waiting,
                tool: call.tool,
                safe: call.safe_to_repeat,
                timeout: call.timeout,
                retry: call.retry,
                ready_at: None,
                root: None,
                attempts: Vec::new(),
            })
            .collect();
        Self {
            submission,
            needs,
            calls,
            ended: false,
        }
    }

    pub(crate) fn key(&self, index: u32) -> CallKey {
        CallKey {
            execution: self.submission.execution,
            index,
        }
    }

    /// Everything that the call waits for has come.
    pub(crate) fn unblocked(&self, index: u32) -> bool {
        let needs_met =
            self.needs[index as usize]
                .iter()
                .all(|&(from, need)| match self.calls[from as usize].state {
                    State::Done(outcome) => need == Need::End || outcome == Outcome::Succeeded,
                    _ => false,
                });
        let wave = self.submission.plan.wave(index);
        needs_met
            && (self.submission.schedule == Schedule::Pipelined
                || (0..self.calls.len() as u32).all(|other| {
                    self.submission.plan.wave(other) >= wave || self.calls[other as usize].done()
                }))
    }

    /// A dependency that must succeed has ended otherwise.
    pub(crate) fn doomed(&self, index: u32) -> bool {
        self.needs[index as usize].iter().any(|&(from, need)| {
            need == Need::Success
                && matches!(self.calls[from as usize].state, State::Done(outcome) if outcome != Outcome::Succeeded)
        })
    }

    pub(crate) fn fail_fast(&self) -> bool {
        self.submission.on_failure == OnFailure::FailFast
    }
}

/// An attempt that takes a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Its place among the session's dispatches; 0 when it came with the session.
    pub(crate) sequence: u64,
    pub(crate) aborted: Option<Time>,
    /// Given up while its worker was away: it takes the slot and counts against nothing else.
    pub(crate) zombie: bool,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) spec: WorkerSpec,
    /// The newest session, open or not.
    pub(crate) last_session: SessionKey,
    pub(crate) detached: Option<Time>,
    /// When its newest session began.
    pub(crate) joined: Time,
    /// Last registration or heartbeat.
    pub(crate) heartbeat: Time,
    /// Last word of any kind.
    pub(crate) heard: Time,
    pub(crate) dispatches: u64,
    pub(crate) taken: BTreeMap<AttemptKey, Taken>,
    /// Ends that were reported on this session.
    pub(crate) reported: BTreeSet<AttemptKey>,
    pub(crate) standing: Standing,
    /// The attempt of a call that lost a worker before, and until when no other such starts here.
    pub(crate) watched: Option<(AttemptKey, Time)>,
}

/// Whether a worker's attempts fail for its own reasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Standing {
    Good { faults: u32 },
    Ejected { until: Time, times: u32 },
    Probation { times: u32 },
}

impl Worker {
    /// Counts what the end of an attempt says of the worker.
    pub(crate) fn judge(&mut self, now: Time, end: AttemptEnd, config: &Config) {
        use AttemptFailure::{BrokenContract, Refused, ToolError, WorkerLost};
        let fault = matches!(end, AttemptEnd::Failed(BrokenContract | Refused | WorkerLost));
        let good = matches!(end, AttemptEnd::Succeeded | AttemptEnd::Failed(ToolError { .. }));
        self.count(now, fault, good, config);
    }

    /// Counts the end of a session that was open: one that was short is a fault.
    pub(crate) fn breaks(&mut self, now: Time, config: &Config) {
        if self.detached.is_none() {
            self.count(now, now < self.joined + config.lease, false, config);
        }
    }

    fn count(&mut self, now: Time, fault: bool, good: bool, config: &Config) {
        let out = |times: u32| Standing::Ejected {
            until: now
                + config
                    .ejection_base
                    .saturating_mul(1 << times)
                    .min(config.ejection_max),
            times: times + 1,
        };
        self.standing = match self.standing {
            Standing::Good { faults } if fault && faults + 1 >= config.ejection_threshold => out(0),
            Standing::Good { faults } if fault => Standing::Good { faults: faults + 1 },
            Standing::Probation { times } if fault => out(times),
            Standing::Good { .. } | Standing::Probation { .. } if good => Standing::Good { faults: 0 },
            unchanged => unchanged,
        };
    }

    /// Another call that lost a worker does not start here.
    pub(crate) fn watches(&self) -> bool {
        self.watched
            .is_some_and(|(attempt, _)| self.taken.contains_key(&attempt))
    }

    pub(crate) fn session(&self) -> Option<SessionKey> {
        self.detached.is_none().then_some(self.last_session)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tool {
    pub(crate) spec: Option<ToolSpec>,
    /// Under the present spec.
    pub(crate) starts: Vec<Time>,
    pub(crate) slowed_until: Time,
    /// Its rate changed on the way: when it opens next is not known here.
    pub(crate) redeclared: bool,
}
