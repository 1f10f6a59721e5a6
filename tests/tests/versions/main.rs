//! Programs of the last release at the other end: a worker, a coordinator and what clients ask of it, written against
//! the contract that `proto/baseline` keeps, so that nothing that was added since can be used by mistake.
//! `docs/versions.md` is what they are held against.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod ahead;
mod baseline;
mod behind;
mod clients_behind;
mod command;
mod old_answers;
mod old_coordinator;
mod old_worker;
mod ranges;
