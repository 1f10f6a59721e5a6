//! What the tests of the scheduler share: a harness that drives it, and a shadow that checks every step.
//!
//! Nothing here looks inside the scheduler: only events, actions and its public status.
#![allow(dead_code, reason = "each test target uses its own part")]

pub(crate) mod checks;
pub(crate) mod demand;
pub(crate) mod entities;
pub(crate) mod finish;
pub(crate) mod harness;
pub(crate) mod lab;
pub(crate) mod placement;
pub(crate) mod shadow;
pub(crate) mod state;
pub(crate) mod tenants;

use std::time::Duration;

/// So many milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// So many seconds.
pub(crate) const fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}
