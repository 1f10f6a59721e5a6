//! What is known of a worker from outside its loop, and what can be asked of one that runs.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use toolwave_tool::SharedTool;

use crate::{error::BuildError, offer::Offer};

/// What is known of a worker from outside its loop.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    /// Coordinators that it has a session with.
    pub(crate) coordinators: u32,
    /// It was asked to end.
    pub(crate) ending: bool,
    /// Coordinators whose operators drain it.
    pub(crate) drains: u32,
    pub(crate) health: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
}

impl Status {
    pub(crate) fn is_registered(self) -> bool {
        self.coordinators > 0
    }

    /// No coordinator gives it anything.
    pub(crate) fn is_draining(self) -> bool {
        self.ending || (self.drains > 0 && self.drains >= self.coordinators)
    }
}

/// Watches and drains a worker that runs, and changes its tools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) offer: Arc<Offer>,
    pub(crate) drain: CancellationToken,
}

impl WorkerHandle {
    /// Waits until the worker has a session with some coordinator. False: it has ended and will have none.
    pub async fn registered(&self) -> bool {
        self.status
            .clone()
            .wait_for(|status| status.is_registered())
            .await
            .is_ok()
    }

    /// Begins to drain; the worker's `run` returns when that is done.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Offers these tools from now on, instead of those before: the coordinator is told on the session that is open.
    /// Calls that run go on to their end, also those of a tool that is gone; calls of it that come nevertheless are
    /// refused and go elsewhere.
    ///
    /// # Errors
    /// Says what is wrong, of which tool; then nothing has changed.
    pub fn replace_tools(&self, tools: impl IntoIterator<Item = SharedTool>) -> Result<(), BuildError> {
        self.offer.replace(tools.into_iter().collect())
    }

    /// It has a session with some coordinator.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.status.borrow().is_registered()
    }

    /// How many coordinators it has a session with.
    #[must_use]
    pub fn coordinators_connected(&self) -> u32 {
        self.status.borrow().coordinators
    }

    /// Waits until it has a session with so many coordinators. False: it has ended first.
    pub async fn connected_to(&self, coordinators: u32) -> bool {
        let mut status = self.status.clone();
        let connected = status
            .wait_for(|status| status.coordinators == coordinators)
            .await;
        connected.is_ok()
    }

    /// It takes no attempts: it ends, or the operators of all its coordinators want it so.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.status.borrow().is_draining()
    }

    /// Where probes and metrics are served, once they are.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.status.borrow().admin
    }

    /// Where health checks are served, once they are.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.status.borrow().health
    }
}
