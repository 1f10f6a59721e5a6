//! A scheduler that is always busy: workers whose slots are all taken, and the same number of calls queued, however
//! many have ended. The worker's side and the driver's are played as briefly as possible, so that what is measured
//! is the scheduler.

use std::{collections::VecDeque, time::Duration};

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptKey, CallSpec, Config, Event, ExecutionKey, OnFailure, Outcome, Preparation,
    RetryPolicy, Schedule, Scheduler, SessionKey, Submission, TenantKey, TenantLimits, Time, ToolKey,
    ToolSpec, WorkerKey, WorkerSpec, plan::Plan,
};

const TOOL: ToolKey = ToolKey(0);
/// By how much a frame moves the time: a call takes a microsecond or so.
const FRAME: Duration = Duration::from_micros(64);
/// Longer than any treadmill runs on its own clock.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How a treadmill is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls that wait for a slot, at all times.
    pub queued: usize,
    /// Calls of an execution.
    pub execution: usize,
    /// Workers; each has `slots`.
    pub workers: u64,
    /// Slots of a worker.
    pub slots: u32,
    /// Attempts whose beginning, and whose end, a worker's frame reports.
    pub frame: usize,
}

/// The scheduler and what is in its hands.
pub struct Treadmill {
    load: Load,
    scheduler: Scheduler,
    now: Time,
    actions: Vec<Action>,
    /// Executions that are ready to be submitted.
    stock: VecDeque<Submission>,
    next_execution: u64,
    queued: usize,
    /// Dispatched, and their beginning not yet reported.
    sent: VecDeque<(SessionKey, AttemptKey)>,
    running: VecDeque<(SessionKey, AttemptKey)>,
    submitted: u64,
    ended: u64,
}

// === impl Treadmill ===

impl Treadmill {
    /// Starts one: all slots are taken, and `load.queued` calls wait.
    #[must_use]
    pub fn new(load: Load) -> Self {
        let config = Config {
            suspect_after: FOREVER,
            lease: FOREVER,
            max_queued_calls: usize::MAX,
            ..Config::default()
        };
        let mut treadmill = Self {
            load,
            scheduler: Scheduler::new(config),
            now: Time::ZERO,
            actions: Vec::new(),
            stock: VecDeque::new(),
            next_execution: 0,
            queued: 0,
            sent: VecDeque::new(),
            running: VecDeque::new(),
            submitted: 0,
            ended: 0,
        };
        treadmill.handle(Event::ToolDeclared {
            tool: TOOL,
            spec: ToolSpec::default(),
        });
        for worker in 0..load.workers {
            treadmill.handle(Event::WorkerJoined {
                session: SessionKey(worker),
                worker: WorkerSpec {
                    worker: WorkerKey(worker),
                    slots: load.slots,
                    tools: vec![TOOL],
                    draining: false,
                },
                in_flight: Vec::new(),
            });
        }
        let slots = load.workers as usize * load.slots as usize;
        treadmill.prepare(slots + load.queued);
        while treadmill.running.len() < slots || treadmill.wants_more() {
            treadmill.submit();
            treadmill.dispatch();
            treadmill.report_starts();
        }
        treadmill
    }

    /// Makes the executions that the next `calls` calls come from, so that submitting them later makes nothing.
    pub fn prepare(&mut self, calls: usize) {
        while self.stock.len() * self.load.execution < calls {
            let execution = ExecutionKey(self.next_execution);
            self.next_execution += 1;
            self.stock.push_back(execution_of(execution, self.load.execution));
        }
    }

    /// There is room for another execution among the calls that wait.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.queued + self.load.execution <= self.load.queued
    }

    /// Submits an execution.
    pub fn submit(&mut self) {
        if self.stock.is_empty() {
            self.prepare(1);
        }
        if let Some(submission) = self.stock.pop_front() {
            self.queued += submission.calls.len();
            self.submitted += submission.calls.len() as u64;
            self.handle(Event::Submit(submission));
        }
    }

    /// A worker's frame comes: attempts began, others ended, and what waited takes their slots.
    pub fn frame(&mut self) {
        self.now = self.now + FRAME;
        self.report_starts();
        for _ in 0..self.load.frame {
            let Some((session, attempt)) = self.running.pop_front() else {
                break;
            };
            self.handle(Event::AttemptFinished {
                session,
                attempt,
                end: AttemptEnd::Succeeded,
            });
        }
        self.dispatch();
    }

    /// Calls that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Lets everything end. True: what was submitted has ended, and nothing is left.
    #[must_use]
    pub fn drain(mut self) -> bool {
        while self.running.len() + self.sent.len() > 0 {
            self.frame();
        }
        let totals = self.scheduler.totals();
        self.ended == self.submitted && totals.executions == 0 && totals.queued_calls == 0
    }

    fn report_starts(&mut self) {
        while let Some((session, attempt)) = self.sent.pop_front() {
            self.handle(Event::AttemptStarted { session, attempt });
            self.running.push_back((session, attempt));
        }
    }

    fn handle(&mut self, event: Event) {
        self.scheduler.handle(self.now, event, &mut self.actions);
    }

    /// As the driver does once a round: decides, carries out, looks when a timer is due.
    fn dispatch(&mut self) {
        self.scheduler.dispatch(self.now, &mut self.actions);
        for action in self.actions.drain(..) {
            match action {
                Action::Dispatch { session, attempt, .. } => {
                    self.queued -= 1;
                    self.sent.push_back((session, attempt));
                }
                Action::FinishCall(call) => {
                    assert_eq!(call.outcome, Outcome::Succeeded, "{call:?}");
                    self.ended += 1;
                }
                Action::Admitted(_)
                | Action::Started { .. }
                | Action::FinishExecution { .. }
                | Action::ForgetTenant { .. } => {}
                other => panic!("nothing goes wrong on a treadmill: {other:?}"),
            }
        }
        let due = self.scheduler.next_timeout();
        assert!(
            due.is_none_or(|due| due > self.now),
            "no timer fires on a treadmill"
        );
    }
}

/// An execution of calls that depend on nothing.
fn execution_of(execution: ExecutionKey, calls: usize) -> Submission {
    let call = CallSpec {
        tool: TOOL,
        priority: 1,
        timeout: Duration::from_secs(30),
        queue_timeout: None,
        retry: RetryPolicy::default(),
        safe_to_repeat: true,
        preparation: Preparation::Ready,
    };
    Submission {
        execution,
        tenant: TenantKey(0),
        limits: TenantLimits::default(),
        plan: Plan::new(calls as u32, &[]).expect("without edges there is no cycle"),
        calls: vec![call; calls],
        max_concurrency: None,
        schedule: Schedule::Pipelined,
        on_failure: OnFailure::Continue,
        deadline: Time::ZERO + FOREVER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_calls_are_queued_after_many_frames_as_at_the_start() {
        let load = Load {
            queued: 100,
            execution: 10,
            workers: 2,
            slots: 8,
            frame: 8,
        };
        let mut treadmill = Treadmill::new(load);
        for _ in 0..1000 {
            treadmill.frame();
            while treadmill.wants_more() {
                treadmill.submit();
            }
            let queued = treadmill.scheduler.totals().queued_calls;
            assert!((90..=100).contains(&queued), "{queued} queued");
            assert_eq!(treadmill.scheduler.totals().in_flight, 16);
        }
        assert_eq!(treadmill.ended(), 8000);
        assert!(treadmill.drain(), "everything that was submitted ends");
    }
}
