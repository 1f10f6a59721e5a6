//! Hosts tools and runs the attempts that a coordinator dispatches.
//!
//! A program of yours becomes a worker: make tools ([`Tool`], [`FunctionTool`], [`BlockingTool`]) and run them in
//! a [`Worker`]. The binary `toolwave-worker` is this library with the built-in tools and a configuration file.

mod arriving;
mod attempt;
mod catalogue;
mod client;
pub mod context;
mod convert;
pub mod error;
mod executor;
mod function;
mod health;
mod outbox;
mod running;
mod service;
mod session;
pub mod tool;
pub mod tools;
mod unacknowledged;
pub mod worker;

pub use context::{CallContext, CallIdentity, Progress};
pub use error::{BuildError, RunError};
pub use function::{BlockingTool, FunctionTool};
pub use tool::{
    Declaration, Effect, Output, Parameters, Rate, Safety, SharedTool, Stopping, Tool, ToolError,
};
pub use toolwave_link::{Tls, TlsPart, TlsProblem};
pub use worker::{Worker, WorkerBuilder, WorkerHandle};
