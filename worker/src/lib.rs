//! Hosts tools and runs the attempts that a coordinator dispatches.
//!
//! A program of yours becomes a worker: make tools ([`Tool`], [`FunctionTool`], [`BlockingTool`]) and run them in
//! a [`Worker`]. The binary `toolwave-worker` is this library with the built-in tools and a configuration file.

mod admin;
mod arriving;
mod attempt;
mod catalogue;
mod client;
mod convert;
mod coordinators;
pub mod error;
mod executor;
mod handle;
mod health;
mod numbers;
mod offer;
mod outbox;
mod running;
mod service;
mod session;
mod shares;
mod slots;
mod tie;
pub mod tools;
mod traced;
mod unacknowledged;
pub mod worker;

pub use error::{BuildError, RunError};
pub use handle::WorkerHandle;
pub use toolwave_config::ReloadStatus;
pub use toolwave_link::{Resolver, Tls, TlsPart, TlsProblem};
pub use toolwave_telemetry::{logs::LogControl, traces::Tracer};
pub use toolwave_tool::{
    BlockingTool, CallContext, CallIdentity, Declaration, Effect, FunctionTool, Output, Parameters, Progress,
    Rate, RetryPolicy, Safety, SharedTool, Stopping, Tool, ToolError,
};
pub use worker::{Worker, WorkerBuilder};
