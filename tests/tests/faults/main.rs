//! Faults of real processes: what is killed, frozen, told to end or badly behaved, and what the promise says of it.
//!
//! Each test names the row of the fault matrix that it stands for; `tests/data/faults.json` lists which row has
//! which tests, of this binary and of others, and `index` keeps that list and `docs/faults.md` true.

#![allow(clippy::unwrap_used, reason = "what several tests do fails as they do")]

mod clients;
mod clock;
mod coordinator_lost;
mod frames;
mod frozen;
mod index;
mod killed;
mod raw;
mod references;
mod rig;
mod signals;
mod slow;
mod standstill;
mod tools;
mod versions;
