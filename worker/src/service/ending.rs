//! How the tie to a coordinator ends: by a drain, or because its address is named no more.

use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use crate::tie::Tie;

/// After the drain's time: for attempts to stop, and for their ends to be acknowledged.
const CUT_GRACE: Duration = Duration::from_secs(2);
/// For the coordinator to close the stream after goodbye.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// For how long after its session a worker that ends keeps results for a coordinator that may come back: its lease.
pub(super) const RESULTS_KEPT: Duration = Duration::from_secs(10);
/// An address that is named no more is dialled so long for what it has here, then that is given up.
pub(super) const UNWANTED_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Drain {
    No,
    /// What runs may end until then.
    Finishing(Instant),
    /// What ran was stopped; its end is told until then.
    Cutting(Instant),
}

impl Service {
    pub(super) fn begin_drain(&mut self) {
        tracing::info!(in_flight = self.attempts.executor.running(), "draining");
        self.drain = Drain::Finishing(Instant::now() + self.settings.drain_timeout);
        self.attempts.executor.end();
        self.shared.status.send_modify(|status| status.ending = true);
        if let Tie::Open(session) = &mut self.tie {
            session.outbox().draining("the worker ends");
        }
    }

    pub(super) fn check_drain(&mut self, now: Instant) {
        match self.drain {
            Drain::Finishing(deadline) if deadline <= now => {
                let running = self.attempts.executor.running();
                if running > 0 {
                    tracing::warn!(running, "the drain's time is over: attempts are stopped");
                }
                self.attempts.executor.stop_all();
                self.drain = Drain::Cutting(now + CUT_GRACE);
            }
            Drain::No | Drain::Finishing(_) | Drain::Cutting(_) => {}
        }
        // the last results would else be acknowledged with the next heartbeat
        if self.drain != Drain::No
            && self.attempts.executor.is_idle()
            && !self.attempts.results.is_empty()
            && let Tie::Open(session) = &mut self.tie
        {
            session.ask_for_acknowledgement();
        }
    }

    /// Nobody is to be found at an address that is named no more: what it has here is given up after a while.
    pub(super) fn check_wanted(&mut self, now: Instant) {
        if *self.wanted.borrow_and_update() || self.tie.is_open() {
            self.unwanted_since = None;
            return;
        }
        let since = *self.unwanted_since.get_or_insert(now);
        if since + UNWANTED_PATIENCE <= now {
            self.attempts.results.forget_all();
            self.attempts.executor.orphan_all();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let idle = self.attempts.executor.is_idle();
        let ended = idle && self.attempts.results.is_empty();
        match self.drain {
            Drain::No => ended && self.unwanted_since.is_some(),
            // a coordinator that has not come back for so long has given up what it would hear
            Drain::Finishing(_) => ended || (idle && self.lost_for(RESULTS_KEPT)),
            Drain::Cutting(deadline) => ended || deadline <= Instant::now(),
        }
    }

    /// The last session ended so long ago.
    fn lost_for(&self, time: Duration) -> bool {
        self.lost_at.is_some_and(|at| at + time <= Instant::now())
    }

    pub(super) async fn leave(mut self) {
        let lost = self.attempts.executor.running() + self.attempts.results.attempts().count();
        let was_open = self.tie.is_open();
        self.closed(was_open);
        self.set_drained(false);
        let tie = std::mem::replace(&mut self.tie, Tie::Waiting(Instant::now()));
        match tie {
            // without goodbye the coordinator knows that something is missing
            Tie::Open(session) if lost == 0 => {
                let left = session.leave(&mut self.attempts, "drained");
                if tokio::time::timeout(LEAVE_TIMEOUT, left).await.is_err() {
                    tracing::warn!("the coordinator did not close the stream after goodbye");
                }
            }
            _ => {}
        }
        let executed = self.attempts.executor.executed();
        match self.drain {
            Drain::No => tracing::info!(executed, "a coordinator that is named no more is gone"),
            Drain::Finishing(_) | Drain::Cutting(_) => tracing::info!(lost, executed, "drained"),
        }
    }
}
