//! Tools by declaration: commands, HTTP services and MCP servers, as one file names them.
//!
//! Each kind has a folder of its own, which says what may be declared of it and turns a declaration into a
//! [`Tool`](toolwave_tool::Tool). None of them knows of the file, of another kind or of sessions.

mod approval;
pub mod command;
pub mod fault;
pub mod file;
pub mod http;
mod log;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(not(feature = "mcp"))]
#[path = "no_mcp.rs"]
pub mod mcp;
pub mod mounts;
mod optional;
pub mod pins;
pub mod template;
pub mod value;

pub use file::{Pinning, ToolsFile};
pub use log::may_be_logged;
pub use mounts::Mounts;
pub use pins::{Pins, PinsError};
