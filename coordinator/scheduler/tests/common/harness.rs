//! One scheduler under test: gives it inputs, has the shadow check each step, and keeps a readable log.

use std::{fmt::Write as _, time::Duration};

use toolwave_scheduler::{Action, Config, Event, Scheduler, Time};

use super::shadow::{Input, Shadow};

/// Timers that may be due at one instant before the harness calls it a livelock.
const MOST_TIMERS_AT_ONCE: usize = 3;

/// A scheduler, its shadow and its clock.
pub(crate) struct Harness {
    pub(crate) scheduler: Scheduler,
    pub(crate) shadow: Shadow,
    pub(crate) now: Time,
    pub(crate) log: Vec<String>,
}

impl Harness {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            scheduler: Scheduler::new(config.clone()),
            shadow: Shadow::new(config),
            now: Time::ZERO,
            log: Vec::new(),
        }
    }

    /// Gives one event to the scheduler.
    pub(crate) fn event(&mut self, event: Event) -> Result<Vec<Action>, String> {
        self.log
            .push(format!("{:>10} {}", self.now.to_string(), brief(&event)));
        let before = self.scheduler.workers(self.now);
        self.shadow.begin(self.now, &Input::Event(&event), before);
        let mut actions = Vec::new();
        self.scheduler.handle(self.now, event.clone(), &mut actions);
        self.end(&Input::Event(&event), &actions)?;
        Ok(actions)
    }

    /// Has the scheduler fill free slots.
    pub(crate) fn dispatch(&mut self) -> Result<Vec<Action>, String> {
        let before = self.scheduler.workers(self.now);
        self.shadow.begin(self.now, &Input::Dispatch, before);
        let mut actions = Vec::new();
        self.scheduler.dispatch(self.now, &mut actions);
        if !actions.is_empty() {
            self.log.push(format!("{:>10} dispatch", self.now.to_string()));
        }
        self.end(&Input::Dispatch, &actions)?;
        Ok(actions)
    }

    /// Fires what is due now.
    pub(crate) fn fire(&mut self) -> Result<Vec<Action>, String> {
        let before = self.scheduler.workers(self.now);
        self.shadow.begin(self.now, &Input::Timeout, before);
        let mut actions = Vec::new();
        self.scheduler.handle_timeout(self.now, &mut actions);
        if !actions.is_empty() {
            self.log.push(format!("{:>10} timers", self.now.to_string()));
        }
        self.end(&Input::Timeout, &actions)?;
        Ok(actions)
    }

    /// Goes to the next timer, or to `until` when that comes first, and fires what is due.
    /// Returns what the scheduler wants, or `None` once `until` is reached with nothing more due.
    pub(crate) fn step_towards(&mut self, until: Time) -> Result<Option<Vec<Action>>, String> {
        let Some(due) = self.scheduler.next_timeout().filter(|&due| due <= until) else {
            self.now = self.now.max(until);
            return Ok(None);
        };
        self.now = self.now.max(due);
        let mut actions = self.fire()?;
        let mut again = 0;
        while self.scheduler.next_timeout().is_some_and(|due| due <= self.now) {
            again += 1;
            if again > MOST_TIMERS_AT_ONCE {
                return Err(format!(
                    "timers: still due at {} after firing {again} times",
                    self.now
                ));
            }
            actions.extend(self.fire()?);
        }
        Ok(Some(actions))
    }

    fn end(&mut self, input: &Input<'_>, actions: &[Action]) -> Result<(), String> {
        for action in actions {
            self.log.push(format!("{:>10}   -> {}", "", brief(action)));
        }
        for worker in self.scheduler.workers(self.now) {
            let before = self.shadow.condition(worker.worker);
            if before.is_some_and(|before| before != worker.condition) {
                self.log.push(format!(
                    "{:>10}   {} is {:?}",
                    "",
                    brief(&worker.worker),
                    worker.condition
                ));
            }
        }
        self.shadow.finish(input, actions, &self.scheduler)
    }

    /// The last `lines` lines of the log, to print with a failure.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let from = self.log.len().saturating_sub(lines);
        let mut text = String::new();
        for line in &self.log[from..] {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// `Debug`, less the noise of nested newtypes.
fn brief(what: &impl std::fmt::Debug) -> String {
    let text = format!("{what:?}");
    let mut short = text;
    for (long, abbreviated) in [
        ("ExecutionKey", "E"),
        ("SessionKey", "S"),
        ("WorkerKey", "W"),
        ("ToolKey", "T"),
        ("TenantKey", "tenant"),
        ("CallKey { execution: ", "call { "),
        ("AttemptKey { call: ", "{ "),
    ] {
        short = short.replace(long, abbreviated);
    }
    if short.len() > 700 {
        let mut end = 700;
        while !short.is_char_boundary(end) {
            end -= 1;
        }
        short.truncate(end);
        short.push('…');
    }
    short
}

/// The instant so long after the origin.
pub(crate) fn at(since_origin: Duration) -> Time {
    Time::from_duration(since_origin)
}
