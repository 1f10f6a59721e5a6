//! The promises of the execution semantics, one readable script each. The shadow checks every invariant along
//! the way, so a scenario only says what it is about.

#[path = "../common/mod.rs"]
mod common;
mod demand;
mod ends;
mod flapping;
mod limits;
mod order;
mod reports;
mod retries;
mod slots;
mod suspects;
mod tenants;
mod waits;
mod watched;
mod workers;
