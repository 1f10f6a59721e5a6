//! More than one coordinator, with nothing shared between them: the workers of all, clients that carry on with another,
//! and restarts one after the other under load. `docs/coordinators.md` is what they are held against.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod clients;
mod names;
mod rig;
mod rolling;
mod slots;
