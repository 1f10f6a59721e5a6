//! What operators see of a cluster through the real `toolwave`: of real ones, and of coordinators that answer oddly.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]
#![cfg(unix)]

mod cluster;
mod fake;
mod odd;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod watch;
