//! The course of a run: messages that arrive, time that passes, and the calm at the end, in which everything must end.

use std::time::Duration;

use toolwave_scheduler::{AttemptEnd, Event, ToolKey, Totals};

use crate::{
    common::s,
    process::{Link, Process},
    script::TOOLS,
    world::{HEARTBEAT, Verdict, World},
};

/// Rounds of messages and answers before a quiet state counts as never coming.
const MOST_ROUNDS: usize = 200;

/// Seconds after the faults stop in which everything must end.
const MOST_SECONDS: usize = 400;

impl World {
    /// Everything that is on its way arrives.
    pub(crate) fn pump(&mut self) -> Verdict {
        for _ in 0..MOST_ROUNDS {
            let mut quiet = true;
            while let Some(event) = self.pending.pop_front() {
                quiet = false;
                self.give(event)?;
            }
            while !self.resolves.is_empty() {
                quiet = false;
                self.resolve(0, false)?;
            }
            for host in 0..self.hosts.len() {
                while self.waiting(host, |link| !link.down.is_empty()) {
                    quiet = false;
                    self.read(host)?;
                }
                while self.waiting(host, |link| !link.up.is_empty()) {
                    quiet = false;
                    self.hear(host)?;
                }
            }
            self.turn()?;
            if quiet {
                return Ok(());
            }
        }
        Err("the world never comes to rest: messages beget messages".into())
    }

    pub(crate) fn waiting(&self, host: usize, what: impl Fn(&Link) -> bool) -> bool {
        self.hosts[host]
            .as_ref()
            .is_some_and(|process| !process.hung && process.link.as_ref().is_some_and(&what))
    }

    /// Time passes: timers fire and heartbeats are sent, each at its time.
    pub(crate) fn advance(&mut self, by: Duration) -> Verdict {
        let until = self.harness.now + by;
        loop {
            let speaks = |process: &&Process| !process.hung && process.link.is_some();
            let beat = self
                .hosts
                .iter()
                .flatten()
                .filter(speaks)
                .map(|process| process.next_heartbeat)
                .min();
            let next = beat.map_or(until, |beat| beat.min(until)).max(self.harness.now);
            if let Some(actions) = self.harness.step_towards(next)? {
                self.carry_out(actions);
                self.turn()?;
                continue;
            }
            for host in 0..self.hosts.len() {
                let now = self.harness.now;
                let beats = self.process(host, |process| {
                    let due = !process.hung && process.link.is_some() && process.next_heartbeat <= now;
                    if due {
                        process.next_heartbeat = now + HEARTBEAT;
                        process.beat();
                    }
                    due
                });
                while beats == Some(true) && self.waiting(host, |link| !link.up.is_empty()) {
                    self.hear(host)?;
                }
            }
            self.turn()?;
            if self.harness.now >= until {
                return Ok(());
            }
        }
    }

    /// The faults stop: everything must end, and nothing be left.
    pub(crate) fn calm(&mut self) -> Verdict {
        for host in 0..self.hosts.len() {
            if self.hosts[host].is_none() {
                self.restart(host, host)?;
            }
            self.process(host, |process| {
                process.hung = false;
                process.refuses = 0;
                process.draining = false;
                process.slots = process.slots.max(1);
                process.tools = (0..TOOLS).map(ToolKey).collect();
            });
            let worker = self.hosts[host].as_ref().map(|process| process.key);
            self.connect(host)?;
            if let Some(worker) = worker {
                self.give(Event::WorkerDraining {
                    worker,
                    draining: false,
                })?;
            }
        }
        for _ in 0..MOST_SECONDS {
            for host in 0..self.hosts.len() {
                if self.hosts[host].is_none() {
                    self.restart(host, host)?;
                }
                // What the last pump wrote while this process was not there, it reconnects for.
                if self.hosts[host]
                    .as_ref()
                    .is_some_and(|process| process.link.is_none())
                {
                    self.connect(host)?;
                }
            }
            self.pump()?;
            let open = self
                .harness
                .shadow
                .executions
                .values()
                .any(|execution| !execution.ended);
            let running = self
                .hosts
                .iter()
                .flatten()
                .any(|process| !process.running.is_empty());
            if !open && !running {
                return self.leave();
            }
            for host in 0..self.hosts.len() {
                while self.process(host, |process| !process.running.is_empty()) == Some(true) {
                    self.end(host, 0, AttemptEnd::Succeeded);
                }
            }
            self.pump()?;
            self.advance(s(1))?;
        }
        Err("L1: executions go on although nothing is in their way".into())
    }

    /// Every worker leaves, and nothing may be left of anything.
    pub(crate) fn leave(&mut self) -> Verdict {
        for host in 0..self.hosts.len() {
            self.pump()?;
            self.goodbye(host)?;
        }
        self.advance(s(40))?;
        self.pump()?;
        let totals = self.harness.scheduler.totals();
        let empty = Totals::default();
        if totals != empty {
            return Err(format!("M1: left over: {totals:?}"));
        }
        if let Some(next) = self.harness.scheduler.next_timeout() {
            return Err(format!("a timer at {next} with nothing left to happen"));
        }
        let open = self
            .harness
            .shadow
            .executions
            .values()
            .flat_map(|e| &e.calls)
            .filter(|call| !call.done())
            .count();
        if open > 0 {
            return Err(format!("T1: {open} calls never ended"));
        }
        for tool in self.harness.scheduler.tools() {
            if (tool.queued, tool.in_flight, tool.workers) != (0, 0, 0) {
                return Err(format!("M1: left over at a tool: {tool:?}"));
            }
        }
        Ok(())
    }
}
