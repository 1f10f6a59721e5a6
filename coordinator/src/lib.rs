//! Accepts executions, decides through the pure scheduler, and dispatches calls to the workers that dial in.
//!
//! [`Coordinator::start`] runs all of it in tasks that it owns. Requests are checked in [`execution`], state is
//! kept by one driver task behind [`handle::Handle`], workers come in through sessions.

#[cfg(test)]
extern crate self as toolwave_coordinator;

mod admin;
pub mod audit;
pub mod catalogue;
pub mod config;
mod coordinator;
mod dashboard;
mod driver;
pub mod error;
pub mod execution;
mod files;
#[doc(hidden)]
pub mod fuzzed;
pub mod handle;
pub mod identity;
mod observe;
mod parts;
mod scaler;
mod server;
pub mod tenants;
mod wire;
mod worker;

/// What every dispatch goes through, for those who count its instructions; no part of the interface.
#[doc(hidden)]
pub mod counted {
    pub use crate::worker::{
        frame::Frame,
        outbox::{Assignment, CallWords, Words},
    };
}

pub use config::Config;
pub use coordinator::{Coordinator, DrainReport, Failure, StartError};
