//! The built-in tools, and what an operator allows of them.
//!
//! [`Builtin`] says what is allowed, [`builtin_tools`] makes the tools of it. Tools that only compute are always
//! there; those that touch files, a database or the network exist only where a root, a file or hosts are named.

use std::sync::Arc;

use schemars::JsonSchema;
use toolwave_tool::{Declaration, SharedTool, Tool};

mod allow;
mod calculator;
mod echo;
mod fail;
mod files;
mod hash;
mod http;
mod json_query;
mod sleep;
mod sql;
mod stop;
mod text_search;

pub use allow::{Allow, Builtin, BuiltinError, FileAccess, HttpAccess, SqlAccess};

/// Every name that a built-in tool has, whatever is allowed: no other tool should be called so.
pub const BUILTIN_NAMES: [&str; 12] = [
    "calculator",
    "json_query",
    "echo",
    "sleep",
    "fail",
    "hash",
    "text_search",
    "read_file",
    "write_file",
    "sql_query",
    "http_request",
    "http_get",
];

/// The tools that `allow` permits.
///
/// # Errors
/// When a root, a database or a host that is named cannot be used as it is said to be: nothing is left out silently.
pub fn builtin_tools(allow: &Builtin) -> Result<Vec<SharedTool>, BuiltinError> {
    let mut tools = vec![
        shared(calculator::tool()),
        shared(json_query::tool()),
        shared(echo::Echo),
        shared(sleep::tool()),
        shared(fail::tool()),
    ];
    if let Some(access) = &allow.files {
        let root = files::Root::open(access)?;
        tools.push(shared(hash::tool_with_files(root.clone())));
        tools.push(shared(text_search::tool(root.clone())));
        tools.push(shared(files::read::tool(root.clone())));
        if access.write {
            tools.push(shared(files::write::tool(root)));
        }
    } else {
        tools.push(shared(hash::tool()));
    }
    if let Some(access) = &allow.sql {
        tools.push(shared(sql::tool(access)?));
    }
    if let Some(access) = &allow.http {
        tools.extend(http::tools(access, toolwave_egress::system_lookup())?);
    }
    Ok(tools)
}

fn shared(tool: impl Tool) -> SharedTool {
    Arc::new(tool)
}

/// Declares that a tool answers with an `R`.
fn answers<R: JsonSchema>(declaration: &mut Declaration) {
    declaration.output_schema = Some(schemars::schema_for!(R).to_value());
}
