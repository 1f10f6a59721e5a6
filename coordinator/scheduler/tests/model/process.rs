//! A worker process as it really is: what runs there, what it has said, what it has heard. It follows the
//! worker protocol, and some of its tools cannot be stopped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use toolwave_scheduler::{
    AttemptEnd, AttemptFailure, AttemptKey, Event, SessionKey, Time, ToolKey, WorkerKey, WorkerSpec,
};

/// What the coordinator sends, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down {
    Dispatch(AttemptKey),
    Abort(AttemptKey),
    Acknowledge(AttemptKey),
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: SessionKey,
    pub(crate) down: VecDeque<Down>,
    pub(crate) up: VecDeque<Event>,
    /// Dispatches that the worker has read on it.
    pub(crate) read: u64,
    /// What the worker says is lost.
    pub(crate) half_open: bool,
}

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) key: WorkerKey,
    pub(crate) slots: u32,
    pub(crate) tools: Vec<ToolKey>,
    pub(crate) draining: bool,
    pub(crate) hung: bool,
    /// Refuses so many dispatches.
    pub(crate) refuses: u8,
    pub(crate) link: Option<Link>,
    /// What really runs; true: told to stop, and does not.
    pub(crate) running: BTreeMap<AttemptKey, bool>,
    pub(crate) unacknowledged: Vec<(AttemptKey, AttemptEnd)>,
    /// Attempts that ended or were aborted here; a dispatch of one would not start.
    pub(crate) tombstones: BTreeSet<AttemptKey>,
    pub(crate) next_heartbeat: Time,
}

// === impl Process ===

impl Process {
    pub(crate) fn new(key: WorkerKey, slots: u32, tools: Vec<ToolKey>, now: Time) -> Self {
        Self {
            key,
            slots,
            tools,
            draining: false,
            hung: false,
            refuses: 0,
            link: None,
            running: BTreeMap::new(),
            unacknowledged: Vec::new(),
            tombstones: BTreeSet::new(),
            next_heartbeat: now,
        }
    }

    /// Opens a session: registers with all that it has, and says its results again.
    pub(crate) fn connect(&mut self, session: SessionKey) -> Event {
        let mut in_flight: Vec<AttemptKey> = self.running.keys().copied().collect();
        in_flight.extend(self.unacknowledged.iter().map(|(attempt, _)| *attempt));
        let up = self
            .unacknowledged
            .iter()
            .map(|&(attempt, end)| Event::AttemptFinished {
                session,
                attempt,
                end,
            })
            .collect();
        self.link = Some(Link {
            session,
            down: VecDeque::new(),
            up,
            read: 0,
            half_open: false,
        });
        Event::WorkerJoined {
            session,
            worker: WorkerSpec {
                worker: self.key,
                slots: self.slots,
                tools: self.tools.clone(),
                draining: self.draining,
            },
            in_flight,
        }
    }

    /// Reads one message. True: the attempt that it starts is to be looked at.
    pub(crate) fn read(&mut self, stubborn: impl Fn(AttemptKey) -> bool) -> Option<AttemptKey> {
        let link = self.link.as_mut()?;
        match link.down.pop_front()? {
            Down::Dispatch(attempt) => {
                link.read += 1;
                if self.tombstones.contains(&attempt) {
                    return None;
                }
                if self.refuses > 0 || self.draining {
                    self.refuses = self.refuses.saturating_sub(1);
                    self.report(attempt, AttemptEnd::Failed(AttemptFailure::Refused));
                    return None;
                }
                self.running.insert(attempt, false);
                self.say(|session| Event::AttemptStarted { session, attempt });
                return Some(attempt);
            }
            Down::Abort(attempt) => {
                if let Some(told) = self.running.get_mut(&attempt) {
                    *told = true;
                    if !stubborn(attempt) {
                        self.end(attempt, AttemptEnd::Failed(AttemptFailure::Aborted));
                    }
                }
                self.tombstones.insert(attempt);
            }
            Down::Acknowledge(attempt) => self.unacknowledged.retain(|(other, _)| *other != attempt),
        }
        None
    }

    /// A running attempt really ends.
    pub(crate) fn end(&mut self, attempt: AttemptKey, end: AttemptEnd) {
        if self.running.remove(&attempt).is_some() {
            self.tombstones.insert(attempt);
            self.report(attempt, end);
        }
    }

    /// A running attempt is lost without a word.
    pub(crate) fn lose(&mut self, which: usize) -> Option<AttemptKey> {
        let attempt = self.running.keys().nth(which % self.running.len()).copied()?;
        self.running.remove(&attempt).map(|_| attempt)
    }

    fn report(&mut self, attempt: AttemptKey, end: AttemptEnd) {
        self.unacknowledged.push((attempt, end));
        self.say(|session| Event::AttemptFinished {
            session,
            attempt,
            end,
        });
    }

    /// Attempts and results that the present stream does not carry yet.
    pub(crate) fn beat(&mut self) {
        let in_flight: Vec<AttemptKey> = self.running.keys().copied().collect();
        let read = self.link.as_ref().map_or(0, |link| link.read);
        self.say(|session| Event::WorkerSeen {
            session,
            in_flight,
            dispatches_read: read,
        });
    }

    pub(crate) fn say(&mut self, what: impl FnOnce(SessionKey) -> Event) {
        if let Some(link) = &mut self.link
            && !link.half_open
        {
            let event = what(link.session);
            link.up.push_back(event);
        }
    }
}
