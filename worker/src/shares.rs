//! How a worker's slots are divided among the coordinators that it is connected to. Pure: events in, numbers out.
//!
//! What always holds: the attempts that a coordinator has here are at most what it holds, and what all hold together is
//! at most the worker's slots. A share that shrinks is held until its coordinator has heard of it and enough attempts
//! have ended; only what is held by nobody makes another share grow.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant};

/// A coordinator that was lost so short a while ago may come back by the address that it was lost at.
const AWAITED: Duration = Duration::from_secs(10);

/// Names the tie to one address of a coordinator, for the life of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TieKey(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Shares {
    slots: u32,
    ties: BTreeMap<TieKey, Tie>,
}

#[derive(Debug, Default)]
struct Tie {
    stage: Stage,
    /// Attempts that it may have here; never less than it has.
    held: u32,
    /// Attempts that it has here.
    taken: u32,
    /// What its coordinator was, or is about to be, told.
    told: u32,
    /// Its coordinator has heard that.
    heard: bool,
    /// It is to be told.
    news: bool,
    coordinator: String,
}

/// ```text
/// New ──► Opening ──► Open
///             ▲ │       │
///             │ ▼       │
///            Away ◄─────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Not tried yet: expected to open.
    #[default]
    New,
    Opening {
        /// It was new.
        first: bool,
    },
    /// A session is open; of two coordinators the one of the lower rank has what does not divide evenly. The rank
    /// differs from worker to worker.
    Open { rank: u64 },
    /// The last try failed, or the session was lost then.
    Away { lost: Option<Instant> },
}

impl Shares {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            slots,
            ties: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, key: TieKey) {
        self.ties.insert(key, Tie::default());
    }

    /// It has no attempt here any more.
    pub(crate) fn remove(&mut self, key: TieKey) {
        self.ties.remove(&key);
        self.divide();
    }

    /// It is about to register: with so many slots. They are its own until it opens or closes.
    pub(crate) fn opening(&mut self, key: TieKey) -> u32 {
        if let Some(tie) = self.ties.get_mut(&key) {
            let first = tie.stage == Stage::New;
            tie.stage = Stage::Opening { first };
        }
        let expected = self
            .ties
            .iter()
            .filter(|(other, tie)| **other == key || tie.is_expected());
        let share = self.slots / u32::try_from(expected.count()).unwrap_or(u32::MAX).max(1);
        let free = self.free();
        let Some(tie) = self.ties.get_mut(&key) else {
            return 0;
        };
        tie.held += share.saturating_sub(tie.held).min(free);
        tie.told = tie.held.min(share.max(1));
        (tie.heard, tie.news) = (true, false);
        tie.told
    }

    /// It has a session with this coordinator.
    pub(crate) fn opened(&mut self, key: TieKey, coordinator: &str, rank: u64) {
        if let Some(tie) = self.ties.get_mut(&key) {
            tie.stage = Stage::Open { rank };
            coordinator.clone_into(&mut tie.coordinator);
        }
        self.divide();
    }

    /// It has no session, and will have none without `opening`: no attempt comes.
    pub(crate) fn closed(&mut self, key: TieKey, now: Instant) {
        let Some(tie) = self.ties.get_mut(&key) else {
            return;
        };
        let lost = match tie.stage {
            Stage::Open { .. } => Some(now),
            Stage::Away { lost } => lost,
            Stage::New | Stage::Opening { .. } => None,
        };
        tie.stage = Stage::Away { lost };
        tie.held = tie.taken;
        tie.news = false;
        self.divide();
    }

    /// An attempt begins; false: all that it holds is taken.
    pub(crate) fn take(&mut self, key: TieKey) -> bool {
        let Some(tie) = self.ties.get_mut(&key).filter(|tie| tie.taken < tie.held) else {
            return false;
        };
        tie.taken += 1;
        true
    }

    /// An attempt has ended. True: a share may have grown.
    pub(crate) fn give_back(&mut self, key: TieKey) -> bool {
        let Some(tie) = self.ties.get_mut(&key) else {
            return false;
        };
        tie.taken = tie.taken.saturating_sub(1);
        if tie.settled() {
            return false;
        }
        self.divide();
        true
    }

    /// Its coordinator has heard what it was told last.
    pub(crate) fn heard(&mut self, key: TieKey) {
        if let Some(tie) = self.ties.get_mut(&key).filter(|tie| !tie.news) {
            tie.heard = true;
        }
        self.divide();
    }

    /// What its coordinator is to be told, once.
    pub(crate) fn news(&mut self, key: TieKey) -> Option<u32> {
        let tie = self.ties.get_mut(&key)?;
        std::mem::take(&mut tie.news).then_some(tie.told)
    }

    /// What it holds.
    pub(crate) fn held(&self, key: TieKey) -> u32 {
        self.ties.get(&key).map_or(0, |tie| tie.held)
    }

    /// Coordinators that other ties have sessions with, or had just now.
    pub(crate) fn connected_besides(&self, key: TieKey, now: Instant) -> Vec<String> {
        let others = self.ties.iter().filter(|(other, _)| **other != key);
        let connected = others.filter(|(_, tie)| match tie.stage {
            Stage::Open { .. } => true,
            Stage::Away { lost } => lost.is_some_and(|lost| now < lost + AWAITED),
            Stage::New | Stage::Opening { .. } => false,
        });
        connected.map(|(_, tie)| tie.coordinator.clone()).collect()
    }

    /// Until when another tie is awaited that has lost its session.
    pub(crate) fn awaited_besides(&self, key: TieKey) -> Option<Instant> {
        let others = self.ties.iter().filter(|(other, _)| **other != key);
        let lost = others.filter_map(|(_, tie)| match tie.stage {
            Stage::Away { lost } => lost,
            Stage::New | Stage::Opening { .. } | Stage::Open { .. } => None,
        });
        lost.max().map(|lost| lost + AWAITED)
    }

    /// Another tie has a session with this coordinator.
    pub(crate) fn is_open_besides(&self, key: TieKey, coordinator: &str) -> bool {
        let mut others = self.ties.iter().filter(|(other, _)| **other != key);
        others.any(|(_, tie)| matches!(tie.stage, Stage::Open { .. }) && tie.coordinator == coordinator)
    }

    fn free(&self) -> u32 {
        let held: u32 = self.ties.values().map(|tie| tie.held).sum();
        debug_assert!(held <= self.slots, "{held} of {} slots are held", self.slots);
        self.slots.saturating_sub(held)
    }

    /// Brings what those that are open hold and what is to be told as near to even shares as can be now.
    fn divide(&mut self) {
        let targets = self.targets();
        for tie in self.ties.values_mut() {
            tie.settle();
        }
        for (key, target) in &targets {
            if let Some(tie) = self
                .ties
                .get_mut(key)
                .filter(|tie| tie.is_open() && tie.told > *target)
            {
                tie.told = *target;
                (tie.heard, tie.news) = (false, true);
            }
        }
        let mut free = self.free();
        for (key, target) in targets {
            if let Some(tie) = self
                .ties
                .get_mut(&key)
                .filter(|tie| tie.is_open() && tie.told < target)
            {
                let grown = target.saturating_sub(tie.held).min(free);
                free -= grown;
                tie.held += grown;
                let told = tie.held.min(target);
                if told > tie.told {
                    tie.told = told;
                    (tie.heard, tie.news) = (false, true);
                }
            }
        }
    }

    /// Even shares of all slots, also for those that have not been tried yet; what does not divide goes to the lower
    /// ranks.
    fn targets(&self) -> Vec<(TieKey, u32)> {
        let ranked = |(key, tie): (&TieKey, &Tie)| match tie.stage {
            Stage::Open { rank } => (rank, *key),
            Stage::New | Stage::Opening { .. } | Stage::Away { .. } => (u64::MAX, *key),
        };
        let expected = self.ties.iter().filter(|(_, tie)| tie.is_expected());
        let mut expected: Vec<(u64, TieKey)> = expected.map(ranked).collect();
        expected.sort_unstable();
        let count = u32::try_from(expected.len()).unwrap_or(u32::MAX).max(1);
        let (share, rest) = (self.slots / count, self.slots % count);
        let of = |(at, (_, key)): (u32, (u64, TieKey))| (key, share + u32::from(at < rest));
        (0..).zip(expected).map(of).collect()
    }
}

impl Tie {
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// It has a share, or is about to have one for the first time: one that failed before gets what is free, and its
    /// share when it has opened.
    fn is_expected(&self) -> bool {
        match self.stage {
            Stage::New | Stage::Open { .. } => true,
            Stage::Opening { first } => first,
            Stage::Away { .. } => false,
        }
    }

    /// It holds what its coordinator was told, or what it holds is not to be given back yet.
    fn settled(&self) -> bool {
        match self.stage {
            Stage::Away { .. } => self.held == self.taken,
            Stage::Open { .. } => self.held == self.told,
            Stage::New | Stage::Opening { .. } => true,
        }
    }

    fn settle(&mut self) {
        match self.stage {
            Stage::Away { .. } => self.held = self.taken,
            Stage::Open { .. } if self.heard => self.held = self.held.min(self.told.max(self.taken)),
            Stage::New | Stage::Opening { .. } | Stage::Open { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
