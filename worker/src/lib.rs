//! Hosts tools and runs the attempts that a coordinator dispatches.
//!
//! A program of yours becomes a worker: make tools ([`Tool`], [`FunctionTool`]) and run them in a [`Worker`].
//! The binary `toolwave-worker` is this library with the built-in tools and a configuration file.

pub mod context;
mod function;
pub mod tool;
pub mod tools;

pub use context::{CallContext, CallIdentity, Progress};
pub use function::FunctionTool;
pub use tool::{Declaration, Effect, Output, Parameters, Rate, Safety, SharedTool, Tool, ToolError};
