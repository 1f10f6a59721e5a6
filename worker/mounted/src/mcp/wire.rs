//! What is known of requests on their way to a process: written, and not answered yet.
//!
//! rmcp forgets a request once it is cancelled; here it stands until the server answers it or the call lets go of
//! it, so that a call knows whether it was ever sent and whether the work has stopped.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The requests of one process.
#[derive(Debug, Default)]
pub(super) struct Wire {
    open: Mutex<HashMap<i64, Progress>>,
    answered: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Queued,
    Written,
}

impl Wire {
    /// A request is to be written.
    pub(super) fn queued(&self, id: i64) {
        self.open().insert(id, Progress::Queued);
    }

    /// All of it has been written.
    pub(super) fn written(&self, id: i64) {
        if let Some(progress) = self.open().get_mut(&id) {
            *progress = Progress::Written;
        }
    }

    /// Its answer has come. True where one was awaited.
    pub(super) fn answer(&self, id: i64) -> bool {
        let awaited = self.open().remove(&id).is_some();
        if awaited {
            self.answered.notify_waiters();
        }
        awaited
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&self, id: i64) {
        self.open().remove(&id);
    }

    /// The server may have read it.
    pub(super) fn was_written(&self, id: i64) -> bool {
        self.open().get(&id) == Some(&Progress::Written)
    }

    /// An answer is awaited.
    pub(super) fn is_open(&self, id: i64) -> bool {
        self.open().contains_key(&id)
    }

    /// Ends when the request has been answered.
    pub(super) async fn answered(&self, id: i64) {
        loop {
            let answered = self.answered.notified();
            if !self.is_open(id) {
                return;
            }
            answered.await;
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<i64, Progress>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
