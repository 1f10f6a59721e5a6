//! Mounted MCP servers, against a server that misbehaves as it is told.

mod approval;
mod calls;
mod http;
#[allow(unreachable_pub, dead_code)]
#[path = "../mutable/mod.rs"]
mod mutable;
mod processes;
mod support;
