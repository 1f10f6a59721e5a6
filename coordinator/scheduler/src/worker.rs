//! A worker as the scheduler sees it: its session, its slots, its health.
//!
//! ```text
//!   joined ──► Ready ──2 beats missed──► Suspect ──lease over──► (forgotten)
//!               ▲ │ ▲                      │ │
//!               │ │ └──────heard───────────┘ │
//!      rejoined │ └──stream broke──┐         │ stream broke
//!               │                  ▼         ▼
//!               └───────────────  Detached ──────lease over──► (forgotten)
//! ```
//! Ejection and draining lie across these: an ejected or draining worker is heard and counted like another.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{
    AttemptEnd, AttemptFailure, AttemptKey, Config, SessionKey, TenantKey, Time, ToolKey, WorkerCondition,
    WorkerKey, pool::PoolKey, timers::Armed,
};

/// One worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) key: WorkerKey,
    pub(crate) link: Link,
    pub(crate) slots: u32,
    pub(crate) draining: bool,
    pub(crate) pool: PoolKey,
    /// It stands in its pool's list of the free.
    pub(crate) listed_free: bool,
    /// It is counted among the hosts of its tools.
    pub(crate) listed_host: bool,
    /// What takes its slots.
    pub(crate) occupied: FxHashMap<AttemptKey, Occupancy>,
    /// Attempts under abort, by when their confirmation is due. May hold some that were confirmed.
    pub(crate) aborts: VecDeque<(Time, AttemptKey)>,
    /// The attempt of a call that lost a worker before, and until when it is watched here.
    pub(crate) watched: Option<(AttemptKey, Time)>,
    /// Attempts that count against limits, by tool; also of tools without a limit, which may come to have one.
    pub(crate) by_tool: FxHashMap<ToolKey, u32>,
    /// Dispatches on the present session.
    pub(crate) dispatches: u64,
    /// When its present session began, or its last one.
    pub(crate) joined_at: Time,
    /// When it was last heard.
    pub(crate) seen_at: Time,
    pub(crate) standing: Standing,
    pub(crate) timer: Option<Armed>,
}

/// The tie to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A session is open; `suspect`: two heartbeats were missed.
    Attached { session: SessionKey, suspect: bool },
    /// The stream broke; `graced`: calls safe to repeat still wait for it, until the grace that began at `since` is over.
    Detached { since: Time, graced: bool },
}

/// Whether its attempts fail for its own reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Good, but for so many faults in a row.
    Good { faults: u32 },
    /// Out until then.
    Ejected { until: Time, ejections: u32 },
    /// Tried with one call at a time.
    Probation { ejections: u32 },
}

/// What one slot is taken by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occupancy {
    pub(crate) state: OccupancyState,
    /// Its place among the dispatches of the session, from 1; 0: from an earlier session, known to be there.
    pub(crate) sequence: u64,
    /// The limits that it counts against; `None`: the slot only.
    pub(crate) counted: Option<Counted>,
}

/// Whether anybody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OccupancyState {
    /// It is the current attempt of its call.
    Live,
    /// It is to be stopped; the slot is free when that is confirmed.
    Aborting,
}

/// Limits that an attempt counts against, beside that of its execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) tenant: TenantKey,
    pub(crate) tool: ToolKey,
}

impl Worker {
    /// The session that is open.
    pub(crate) fn session(&self) -> Option<SessionKey> {
        match self.link {
            Link::Attached { session, .. } => Some(session),
            Link::Detached { .. } => None,
        }
    }

    /// An attempt is dispatched to it.
    pub(crate) fn occupy(&mut self, attempt: AttemptKey, counted: Counted) {
        self.dispatches += 1;
        *self.by_tool.entry(counted.tool).or_default() += 1;
        let occupancy = Occupancy {
            state: OccupancyState::Live,
            sequence: self.dispatches,
            counted: Some(counted),
        };
        self.occupied.insert(attempt, occupancy);
    }

    /// The slot of an attempt is free again; `None`: the attempt was not there.
    pub(crate) fn vacate(&mut self, attempt: AttemptKey) -> Option<Occupancy> {
        let occupancy = self.occupied.remove(&attempt)?;
        if self.watched.is_some_and(|(watched, _)| watched == attempt) {
            self.watched = None;
        }
        if let Some(counted) = occupancy.counted {
            self.uncount(counted.tool);
        }
        Some(occupancy)
    }

    /// An attempt does not count against the limits of its tool any more.
    pub(crate) fn uncount(&mut self, tool: ToolKey) {
        if let Some(count) = self.by_tool.get_mut(&tool) {
            *count -= 1;
            if *count == 0 {
                self.by_tool.remove(&tool);
            }
        }
    }

    /// Slots taken.
    pub(crate) fn in_flight(&self) -> u32 {
        self.occupied.len() as u32
    }

    /// Heard, in good standing, not draining: what retries look for before they go back to a worker that failed them.
    pub(crate) fn is_healthy(&self) -> bool {
        matches!(self.link, Link::Attached { suspect: false, .. })
            && matches!(self.standing, Standing::Good { .. })
            && !self.draining
            && self.slots > 0
    }

    /// It takes a dispatch now.
    pub(crate) fn is_free(&self) -> bool {
        let room = match self.standing {
            Standing::Good { .. } => self.in_flight() < self.slots,
            Standing::Ejected { .. } => false,
            Standing::Probation { .. } => self.occupied.is_empty() && self.slots > 0,
        };
        room && !self.draining && matches!(self.link, Link::Attached { suspect: false, .. })
    }

    /// It may take calls some time soon.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self.link, Link::Attached { .. }) && !self.draining && self.slots > 0
    }

    /// For operators.
    pub(crate) fn condition(&self) -> WorkerCondition {
        match (self.link, self.standing) {
            (Link::Detached { .. }, _) => WorkerCondition::Detached,
            (Link::Attached { suspect: true, .. }, _) => WorkerCondition::Suspect,
            (_, Standing::Ejected { .. } | Standing::Probation { .. }) => WorkerCondition::Ejected,
            (_, Standing::Good { .. }) => WorkerCondition::Ready,
        }
    }

    /// When something about it is due next.
    pub(crate) fn next_deadline(&self, config: &Config) -> Time {
        let mut next = match self.link {
            Link::Attached { suspect: false, .. } => self.seen_at + config.suspect_after.min(config.lease),
            Link::Attached { suspect: true, .. } | Link::Detached { graced: false, .. } => {
                self.seen_at + config.lease
            }
            Link::Detached { since, graced: true } => {
                (since + config.reconnect_grace).min(self.seen_at + config.lease)
            }
        };
        if let Some(&(due, _)) = self.aborts.front()
            && self.session().is_some()
        {
            next = next.min(due);
        }
        if let Standing::Ejected { until, .. } = self.standing {
            next = next.min(until);
        }
        if let Some((_, until)) = self.watched {
            next = next.min(until);
        }
        next
    }

    /// Its session ended without goodbye. One that had lasted for less than a lease is the worker's fault: a worker
    /// that comes and goes all the time holds up whatever is given to it.
    pub(crate) fn count_break(&mut self, now: Time, config: &Config) {
        if now < self.joined_at + config.lease {
            self.count_fault(now, config);
        }
    }

    /// An attempt failed for the worker's own reasons; true: it is out.
    pub(crate) fn count_fault(&mut self, now: Time, config: &Config) -> bool {
        let ejections = match self.standing {
            Standing::Good { faults } if faults + 1 < config.ejection_threshold => {
                self.standing = Standing::Good { faults: faults + 1 };
                return false;
            }
            Standing::Ejected { .. } => return false,
            Standing::Good { .. } => 0,
            Standing::Probation { ejections } => ejections,
        };
        let time_out = config
            .ejection_base
            .saturating_mul(1 << ejections.min(16))
            .min(config.ejection_max);
        self.standing = Standing::Ejected {
            until: now + time_out,
            ejections: ejections + 1,
        };
        true
    }

    /// Counts what the end of an attempt says of it: never a tool's own error. True: it is out.
    pub(crate) fn count_end(&mut self, now: Time, end: AttemptEnd, config: &Config) -> bool {
        match end {
            AttemptEnd::Failed(
                AttemptFailure::BrokenContract | AttemptFailure::Refused | AttemptFailure::WorkerLost,
            ) => return self.count_fault(now, config),
            AttemptEnd::Succeeded | AttemptEnd::Failed(AttemptFailure::ToolError { .. }) => {
                // It ended as its tool decided: the worker does its part.
                if !matches!(self.standing, Standing::Ejected { .. }) {
                    self.standing = Standing::Good { faults: 0 };
                }
            }
            AttemptEnd::Failed(
                AttemptFailure::Aborted | AttemptFailure::TimedOut | AttemptFailure::ResultTooLarge,
            ) => {}
        }
        false
    }
}
