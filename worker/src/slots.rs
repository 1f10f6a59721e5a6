//! The slots of a worker as its ties share them: whoever starts an attempt takes one, and gives it back by dropping it.
//!
//! Decides nothing about the division; `shares` does.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, time::Instant};

use crate::shares::{Shares, TieKey};

/// Of one worker. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shares: Mutex<Shares>,
    /// New with each process: which coordinator has the odd slot differs from worker to worker.
    seed: u64,
    /// Counts changes of shares.
    changed: watch::Sender<u64>,
    /// Counts sessions that ended.
    ended: watch::Sender<u64>,
}

/// What one tie has of them.
#[derive(Debug)]
pub(crate) struct Share {
    slots: Slots,
    key: TieKey,
}

/// When a tie has to look again.
#[derive(Debug)]
pub(crate) struct News {
    changed: watch::Receiver<u64>,
    ended: watch::Receiver<u64>,
}

/// One slot, taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    slots: Slots,
    key: TieKey,
}

impl Slots {
    pub(crate) fn new(slots: u32) -> Self {
        Self(Arc::new(Inner {
            shares: Mutex::new(Shares::new(slots)),
            seed: fastrand::u64(..),
            changed: watch::Sender::new(0),
            ended: watch::Sender::new(0),
        }))
    }

    /// For a tie that is about to be made.
    pub(crate) fn share(&self, key: TieKey) -> (Share, News) {
        self.shares().add(key);
        let share = Share {
            slots: self.clone(),
            key,
        };
        let news = News {
            changed: self.0.changed.subscribe(),
            ended: self.0.ended.subscribe(),
        };
        (share, news)
    }

    /// What the tie is to say in `register`: slots, and coordinators that have a session by another address.
    pub(crate) fn opening(&self, key: TieKey) -> (u32, Vec<String>) {
        let mut shares = self.shares();
        let connected = shares.connected_besides(key, Instant::now());
        (shares.opening(key), connected)
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.0.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.0.changed.send_modify(|changes| *changes += 1);
    }
}

impl Share {
    /// Another tie has a session with this coordinator.
    pub(crate) fn is_open_besides(&self, coordinator: &str) -> bool {
        self.slots.shares().is_open_besides(self.key, coordinator)
    }

    /// Until when another tie is awaited that has lost its session.
    pub(crate) fn awaited_besides(&self) -> Option<Instant> {
        self.slots.shares().awaited_besides(self.key)
    }

    pub(crate) fn opened(&self, coordinator: &str) {
        let mut hasher = DefaultHasher::new();
        (self.slots.0.seed, coordinator).hash(&mut hasher);
        self.slots.shares().opened(self.key, coordinator, hasher.finish());
        self.slots.tell();
    }

    /// `ended`: there was a session.
    pub(crate) fn closed(&self, ended: bool) {
        self.slots.shares().closed(self.key, Instant::now());
        self.slots.tell();
        if ended {
            self.slots.0.ended.send_modify(|sessions| *sessions += 1);
        }
    }

    /// One, if any is left of this share.
    pub(crate) fn take(&self) -> Option<Taken> {
        let taken = self.slots.shares().take(self.key);
        taken.then(|| Taken {
            slots: self.slots.clone(),
            key: self.key,
        })
    }

    /// How many attempts the coordinator may have here.
    pub(crate) fn held(&self) -> u32 {
        self.slots.shares().held(self.key)
    }

    /// The coordinator has heard what it was told.
    pub(crate) fn heard(&self) {
        self.slots.shares().heard(self.key);
        self.slots.tell();
    }

    /// What the coordinator is to be told, once.
    pub(crate) fn news(&self) -> Option<u32> {
        self.slots.shares().news(self.key)
    }
}

impl News {
    /// A share may have changed; true: what ended is a session of the worker, whose ever, which counts only if `ends`
    /// do. Cancel safe.
    pub(crate) async fn changed(&mut self, ends: bool) -> bool {
        tokio::select! {
            Ok(()) = self.changed.changed() => false,
            Ok(()) = self.ended.changed(), if ends => true,
            // the worker has ended
            else => std::future::pending().await,
        }
    }

    /// Forgets the sessions that have ended by now.
    pub(crate) fn note_ended(&mut self) {
        self.ended.mark_unchanged();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.slots.shares().remove(self.key);
        self.slots.tell();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.slots.shares().give_back(self.key) {
            self.slots.tell();
        }
    }
}
