//! What an attacker tries through the tools of a worker, on the real programs: values of parameters, parameters that
//! no tool declared, a client's credentials, and processes that want to outlive their worker.
//!
//! docs/security.md names these tests beside what they show.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what several tests do fails as they do")]

mod credentials;
mod echoing;
mod endings;
mod injection;
mod memory;
mod processes;
mod rig;
mod schemas;
