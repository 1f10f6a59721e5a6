//! The world around the scheduler: processes, streams and a coordinator's driver, all of them simulated.
//! It knows what really runs where, and checks that against what the scheduler believes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, Event, ExecutionKey, Resolution, SessionEnd,
    SessionKey, TenantLimits, ToolKey, WorkerKey,
};

use crate::{
    common::{harness::Harness, s},
    process::{Down, Link, Process},
    script::{Script, Step, some_tools, submission},
};

pub(crate) const HEARTBEAT: Duration = s(2);

pub(crate) struct World {
    pub(crate) harness: Harness,
    /// By the host that they run on; `None`: nothing runs there.
    pub(crate) hosts: Vec<Option<Process>>,
    /// The last process of each host that registered.
    pub(crate) known: Vec<Option<WorkerKey>>,
    /// What they may use.
    pub(crate) tenants: Vec<TenantLimits>,
    pub(crate) resolves: Vec<CallKey>,
    /// What the driver has yet to tell the scheduler.
    pub(crate) pending: VecDeque<Event>,
    /// Words of sessions that ended before these were read.
    pub(crate) ghosts: Vec<Event>,
    /// Reports and answers that were given, to be given again.
    pub(crate) given: Vec<Event>,
    pub(crate) executions: u64,
    pub(crate) sessions: u64,
    pub(crate) workers: u64,
    /// How attempts really ended, for calls that must not run twice.
    pub(crate) ends: BTreeMap<CallKey, Vec<(AttemptKey, Option<AttemptEnd>)>>,
}

pub(crate) type Verdict = Result<(), String>;

/// Draws a trait of a call from its key: one in `of` has it.
fn one_in(of: u64, call: CallKey, salt: u64) -> bool {
    let mixed = (call.execution.0 * 7919 + u64::from(call.index) * 104_729 + salt)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 33).is_multiple_of(of)
}

/// Its tool brings down the process.
fn poison(call: CallKey) -> bool {
    one_in(30, call, 1)
}

/// Its tool does not stop when told to.
fn stubborn(call: CallKey) -> bool {
    one_in(8, call, 2)
}

// === impl World ===

impl World {
    pub(crate) fn new(script: &Script) -> Self {
        Self {
            harness: Harness::new(script.config.clone()),
            hosts: Vec::new(),
            known: vec![None; script.processes.len()],
            tenants: script.tenants.clone(),
            resolves: Vec::new(),
            pending: VecDeque::new(),
            ghosts: Vec::new(),
            given: Vec::new(),
            executions: 0,
            sessions: 0,
            workers: 0,
            ends: BTreeMap::new(),
        }
    }

    pub(crate) fn run(&mut self, script: &Script) -> Verdict {
        for (tool, spec) in (0..).zip(&script.tools) {
            self.give(Event::ToolDeclared {
                tool: ToolKey(tool),
                spec: spec.clone(),
            })?;
        }
        for host in &script.processes {
            self.workers += 1;
            let key = WorkerKey(self.workers);
            self.hosts.push(Some(Process::new(
                key,
                host.slots,
                host.tools.clone(),
                self.harness.now,
            )));
            self.connect(self.hosts.len() - 1)?;
        }
        for step in &script.steps {
            self.harness.log.push(format!("=== {step:?}"));
            self.step(step)?;
            self.turn()?;
        }
        self.harness.log.push("=== calm".into());
        self.calm()
    }

    pub(crate) fn step(&mut self, step: &Step) -> Verdict {
        match step {
            Step::Pump => self.pump(),
            Step::Submit { shape, calls } => {
                self.executions += 1;
                let submission = submission(
                    ExecutionKey(self.executions),
                    *shape,
                    *calls,
                    self.harness.now,
                    &self.tenants,
                );
                self.give(Event::Submit(submission))
            }
            Step::End { at, end } => {
                if let Some(host) = self.pick(*at, |process| !process.hung && !process.running.is_empty()) {
                    self.end(host, usize::from(*at / 7), *end);
                }
                Ok(())
            }
            Step::Advance(by) => self.advance(*by),
            Step::Deliver { at, down, up } => {
                let Some(host) = self.pick(*at, |process| !process.hung && process.link.is_some()) else {
                    return Ok(());
                };
                for _ in 0..*down {
                    self.read(host)?;
                }
                for _ in 0..*up {
                    self.hear(host)?;
                }
                Ok(())
            }
            Step::Resolve { at, reject } => self.resolve(usize::from(*at), *reject),
            Step::Break { at } => match self.pick(*at, |process| process.link.is_some()) {
                Some(host) => self.break_link(host),
                None => Ok(()),
            },
            Step::Crash { at } => match self.pick(*at, |_| true) {
                Some(host) => self.crash(host, at.is_multiple_of(3)),
                None => Ok(()),
            },
            Step::Restart { at } => self.restart(usize::from(*at) % self.hosts.len(), usize::from(*at)),
            Step::Reconnect { at } => match self.pick(*at, |process| !process.hung) {
                Some(host) => self.connect(host),
                None => Ok(()),
            },
            Step::HalfOpen { at } => {
                if let Some(host) = self.pick(*at, |process| process.link.is_some()) {
                    self.process(host, |process| {
                        if let Some(link) = &mut process.link {
                            link.half_open = true;
                        }
                    });
                }
                Ok(())
            }
            Step::Hang { at } => {
                if let Some(host) = self.pick(*at, |_| true) {
                    self.process(host, |process| process.hung = !process.hung);
                }
                Ok(())
            }
            Step::Drain { at, draining } => self.drain(*at, *draining),
            Step::Goodbye { at } => {
                let idle = |process: &Process| {
                    process.link.is_some() && process.running.is_empty() && process.unacknowledged.is_empty()
                };
                match self.pick(*at, idle) {
                    Some(host) => self.goodbye(host),
                    None => Ok(()),
                }
            }
            Step::Cancel { at, reason } => {
                let execution = ExecutionKey(u64::from(*at) % (self.executions + 1));
                self.give(Event::Cancel {
                    execution,
                    reason: *reason,
                })
            }
            Step::ToolsChanged { at, tools } => {
                if let Some(host) = self.pick(*at, |process| !process.hung && process.link.is_some()) {
                    let tools = some_tools(*tools);
                    self.process(host, |process| {
                        process.tools.clone_from(&tools);
                        process.say(|session| Event::ToolsChanged { session, tools });
                    });
                }
                Ok(())
            }
            Step::SlotsChanged { at, slots } => {
                if let Some(host) = self.pick(*at, |process| !process.hung && process.link.is_some()) {
                    let slots = *slots;
                    self.process(host, |process| {
                        // some of them: a worker takes what was on its way as long as nobody else has the slot
                        let slots = slots.min(process.slots);
                        process.say(|session| Event::WorkerSlots { session, slots });
                    });
                }
                Ok(())
            }
            Step::Redeclare { tool, spec } => self.give(Event::ToolDeclared {
                tool: ToolKey(*tool),
                spec: spec.clone(),
            }),
            Step::Duplicate { at } => match nth(&self.given, usize::from(*at)).cloned() {
                Some(event) => self.give(event),
                None => Ok(()),
            },
            Step::Stale { at } => {
                if self.ghosts.is_empty() {
                    return Ok(());
                }
                let event = self.ghosts.remove(usize::from(*at) % self.ghosts.len());
                self.give(event)
            }
            Step::Heartbeat { at } => {
                if let Some(host) = self.pick(*at, |process| !process.hung) {
                    self.process(host, Process::beat);
                }
                Ok(())
            }
            Step::Refuse { at, count } => {
                if let Some(host) = self.pick(*at, |_| true) {
                    self.process(host, |process| process.refuses = *count);
                }
                Ok(())
            }
            Step::Lose { at } => {
                let lost = self
                    .pick(*at, |process| !process.running.is_empty())
                    .and_then(|host| self.process(host, |process| process.lose(usize::from(*at / 7))))
                    .flatten();
                // Whether it ran is not for this worker to say any more.
                if let Some(attempt) = lost {
                    self.ends.remove(&attempt.call);
                }
                Ok(())
            }
            Step::LimitsChanged {
                max_in_flight,
                max_queued_calls,
            } => self.give(Event::LimitsChanged {
                max_in_flight: *max_in_flight,
                max_queued_calls: *max_queued_calls,
            }),
            Step::Lag(by) => {
                self.harness.now = self.harness.now + *by;
                Ok(())
            }
        }
    }

    /// A host with a process for which the condition holds.
    pub(crate) fn pick(&self, at: u16, fit: impl Fn(&Process) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.hosts.len())
            .filter(|&host| self.hosts[host].as_ref().is_some_and(&fit))
            .collect();
        nth(&fitting, usize::from(at)).copied()
    }

    pub(crate) fn process<T>(&mut self, host: usize, what: impl FnOnce(&mut Process) -> T) -> Option<T> {
        self.hosts.get_mut(host)?.as_mut().map(what)
    }

    /// The driver tells the scheduler, and carries out what it says.
    pub(crate) fn give(&mut self, event: Event) -> Verdict {
        if let Event::AttemptFinished { session, attempt, .. } = &event
            && let Some(link) = self.link(*session)
        {
            link.down.push_back(Down::Acknowledge(*attempt));
        }
        if matches!(
            event,
            Event::AttemptStarted { .. } | Event::AttemptFinished { .. } | Event::Resolved { .. }
        ) {
            self.given.push(event.clone());
        }
        let actions = self.harness.event(event)?;
        self.carry_out(actions);
        Ok(())
    }

    /// Due timers fire, and free slots are filled.
    pub(crate) fn turn(&mut self) -> Verdict {
        if self
            .harness
            .scheduler
            .next_timeout()
            .is_some_and(|due| due <= self.harness.now)
        {
            let actions = self.harness.fire()?;
            self.carry_out(actions);
        }
        let actions = self.harness.dispatch()?;
        self.carry_out(actions);
        Ok(())
    }

    pub(crate) fn link(&mut self, session: SessionKey) -> Option<&mut Link> {
        self.hosts
            .iter_mut()
            .flatten()
            .filter_map(|process| process.link.as_mut())
            .find(|link| link.session == session)
    }

    pub(crate) fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Dispatch { session, attempt, .. } => {
                    if let Some(link) = self.link(session) {
                        link.down.push_back(Down::Dispatch(attempt));
                    }
                }
                Action::Abort { session, attempt } => {
                    if let Some(link) = self.link(session) {
                        link.down.push_back(Down::Abort(attempt));
                    }
                }
                Action::EvictWorker { session, .. } => {
                    for process in self.hosts.iter_mut().flatten() {
                        if let Some(link) = process.link.take_if(|link| link.session == session) {
                            self.ghosts.extend(link.up);
                        }
                    }
                    self.pending.push_back(Event::WorkerLost {
                        session,
                        end: SessionEnd::Broken,
                    });
                }
                Action::Resolve { call } => self.resolves.push(call),
                _ => {}
            }
        }
    }

    /// The worker reads one message.
    pub(crate) fn read(&mut self, host: usize) -> Verdict {
        let next = self.process(host, |process| {
            process.link.as_ref().and_then(|link| link.down.front().copied())
        });
        if let Some(Some(Down::Dispatch(attempt))) = next {
            let tool = self.harness.shadow.call(attempt.call).map(|call| call.tool);
            self.process(host, |process| {
                if !tool.is_some_and(|tool| process.tools.contains(&tool)) {
                    process.refuses = process.refuses.max(1);
                }
            });
        }
        let started = self
            .process(host, |process| process.read(|attempt| stubborn(attempt.call)))
            .flatten();
        let Some(attempt) = started else { return Ok(()) };
        let Some((running, slots)) =
            self.process(host, |process| (process.running.len(), process.slots as usize))
        else {
            return Ok(());
        };
        if running > slots {
            return Err(format!(
                "S3: {attempt} is the {running}th that really runs on a worker of {slots} slots"
            ));
        }
        self.started(attempt)?;
        if poison(attempt.call) {
            return self.crash(host, false);
        }
        Ok(())
    }

    /// An attempt really starts: a call that is not safe to repeat only after proof.
    pub(crate) fn started(&mut self, attempt: AttemptKey) -> Verdict {
        let safe = self
            .harness
            .shadow
            .call(attempt.call)
            .is_some_and(|call| call.safe);
        let before = self.ends.entry(attempt.call).or_default();
        for (earlier, end) in before.iter() {
            let retryable = matches!(
                end,
                Some(AttemptEnd::Failed(AttemptFailure::ToolError {
                    retryable: true,
                    ..
                }))
            );
            if *earlier == attempt || (!safe && !retryable) {
                return Err(format!(
                    "P1: {attempt} really runs after {earlier}, which ended {end:?}"
                ));
            }
        }
        before.push((attempt, None));
        Ok(())
    }

    /// The coordinator reads one message of the worker.
    pub(crate) fn hear(&mut self, host: usize) -> Verdict {
        let event = self
            .process(host, |process| {
                process.link.as_mut().and_then(|link| link.up.pop_front())
            })
            .flatten();
        match event {
            Some(event) => self.give(event),
            None => Ok(()),
        }
    }

    pub(crate) fn end(&mut self, host: usize, which: usize, end: AttemptEnd) {
        let ended = self.process(host, |process| {
            let running: Vec<(AttemptKey, bool)> =
                process.running.iter().map(|(&key, &told)| (key, told)).collect();
            let &(attempt, told) = nth(&running, which)?;
            let end = if told && which.is_multiple_of(2) {
                AttemptEnd::Failed(AttemptFailure::Aborted)
            } else {
                end
            };
            process.end(attempt, end);
            Some((attempt, end))
        });
        if let Some((attempt, end)) = ended.flatten()
            && let Some(runs) = self.ends.get_mut(&attempt.call)
            && let Some(run) = runs.iter_mut().find(|(key, _)| *key == attempt)
        {
            run.1 = Some(end);
        }
    }

    pub(crate) fn resolve(&mut self, at: usize, reject: bool) -> Verdict {
        if self.resolves.is_empty() {
            return Ok(());
        }
        let call = self.resolves.remove(at % self.resolves.len());
        let Some(known) = self.harness.shadow.call(call) else {
            return Ok(());
        };
        let resolution = if reject {
            Resolution::Rejected
        } else {
            Resolution::Ready {
                safe_to_repeat: known.safe,
                timeout: known.timeout,
                retry: known.retry,
            }
        };
        self.give(Event::Resolved { call, resolution })
    }
}

/// The element that a number picks.
fn nth<T>(from: &[T], at: usize) -> Option<&T> {
    if from.is_empty() {
        None
    } else {
        from.get(at % from.len())
    }
}
