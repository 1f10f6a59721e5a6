//! The dashboard over real HTTP: what it refuses, and to whom; what it says to browsers; whose calls are whose.

mod ask;
#[path = "../common/mod.rs"]
mod common;
mod refusals;
mod streams;
