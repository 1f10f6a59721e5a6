//! Skeleton.
use crate::{Action, Config, Event, Time};

/// The state machine.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
}

impl Scheduler {
    /// With nothing in it.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Applies one input at `now` and appends what the driver must do.
    pub fn handle(&mut self, _now: Time, _event: Event, _out: &mut Vec<Action>) {
        let _ = &self.config;
    }

    /// Gives ready calls to free slots; the driver calls it once per drained batch of events.
    pub fn dispatch(&mut self, _now: Time, _out: &mut Vec<Action>) {}

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, _now: Time, _out: &mut Vec<Action>) {}

    /// When `handle_timeout` is next needed; `None` exactly when nothing is scheduled.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// Every worker that is not lost, in no order.
    #[must_use]
    pub fn workers(&self) -> Vec<crate::WorkerStatus> {
        Vec::new()
    }

    /// Every tool that was declared or called, in no order.
    #[must_use]
    pub fn tools(&self) -> Vec<crate::ToolStatus> {
        Vec::new()
    }

    /// Sizes of the state.
    #[must_use]
    pub fn totals(&self) -> crate::Totals {
        crate::Totals::default()
    }
}
