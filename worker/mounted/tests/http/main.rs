//! HTTP services as tools, called as a worker calls them, against servers on loopback.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod answers;
mod any_values;
mod egress;
mod examples;
mod faults;
mod requests;
mod secrets;
mod support;
