//! The conservation check: what was submitted has ended, and what has ended has run, exactly once.
//!
//! The client counts what it submits and receives; what ran is counted where it ran, by the worker or the echo
//! server, so that a coordinator that loses, invents or repeats a call cannot hide it.

use std::cell::Cell;

use anyhow::ensure;

/// The client's side of the account of one system.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    submitted: Cell<u64>,
    refused: Cell<u64>,
    received: Cell<u64>,
    never_run: Cell<u64>,
}

impl Ledger {
    /// Calls that were sent.
    pub(crate) fn submitted(&self, calls: u64) {
        self.submitted.set(self.submitted.get() + calls);
    }

    /// Calls of requests that were refused as a whole: none of them may run.
    pub(crate) fn refused(&self, calls: u64) {
        self.refused.set(self.refused.get() + calls);
    }

    /// Results that came back, of whatever outcome.
    pub(crate) fn received(&self, results: u64) {
        self.received.set(self.received.get() + results);
    }

    /// Of the received ones, those that say that the call was never dispatched.
    pub(crate) fn never_run(&self, results: u64) {
        self.never_run.set(self.never_run.get() + results);
    }

    /// # Errors
    /// When the numbers differ: what was measured is void.
    pub(crate) fn check(&self, system: &str, executed: u64) -> anyhow::Result<()> {
        let submitted = self.submitted.get() - self.refused.get().min(self.submitted.get());
        let (received, never_run) = (self.received.get(), self.never_run.get());
        ensure!(
            submitted > 0,
            "the run is void: nothing was submitted to {system}"
        );
        ensure!(
            submitted == received && received == executed + never_run,
            "the run is void: {system} got {submitted} calls, ended {received}, and executed {executed} \
             ({never_run} ended without having been dispatched, {} more were refused)",
            self.refused.get()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(submitted: u64, received: u64) -> Ledger {
        let ledger = Ledger::default();
        ledger.submitted(submitted);
        ledger.received(received);
        ledger
    }

    #[test]
    fn equal_numbers_pass() {
        ledger(7, 7).check("toolwave", 7).unwrap();
    }

    #[test]
    fn a_lost_an_invented_and_a_repeated_call_each_make_a_run_void() {
        for (submitted, received, executed) in [(7, 6, 7), (7, 7, 6), (7, 7, 8), (0, 0, 0)] {
            let error = ledger(submitted, received)
                .check("toolwave", executed)
                .unwrap_err();
            assert!(error.to_string().contains("void"), "{error}");
        }
    }

    #[test]
    fn what_was_refused_must_not_have_run() {
        let ledger = ledger(10, 7);
        ledger.refused(3);
        ledger.check("toolwave", 7).unwrap();
        assert!(ledger.check("toolwave", 10).is_err());
    }
}
