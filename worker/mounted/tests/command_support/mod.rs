//! Builds tools of the example `commanded`, and calls them.
#![allow(dead_code, reason = "each test takes some of it")]

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolwave_keeper::Keeper;
use toolwave_mounted::command::Command;
use toolwave_tool::{CallContext, CallIdentity, Declaration, Parameters, SharedTool, ToolError};

/// The example, which is built with the tests.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let folder = test.ancestors().nth(2).expect("the folder of builds");
    let program = folder.join("examples/commanded");
    let hint = "build it with: cargo build -p toolwave-mounted --examples";
    assert!(program.exists(), "{} is not there; {hint}", program.display());
    program
}

pub(crate) fn keeper() -> Keeper {
    Keeper::at(program())
}

pub(crate) fn declaration() -> Declaration {
    let mut declaration = Declaration::new("tool", "A tool");
    declaration.input_schema = json!({"type": "object", "properties": {
        "v": {}, "w": {}, "code": {"type": "integer"}, "path": {"type": "string", "format": "path"},
        "list": {"type": "array"}, "maybe": {"type": ["object", "null"]},
    }});
    declaration
}

pub(crate) fn command(table: Value) -> Command {
    serde_json::from_value(table).expect("a command")
}

pub(crate) fn tool(table: Value) -> SharedTool {
    command(table)
        .tool(declaration(), &keeper())
        .map_err(|faults| format!("{faults:#?}"))
        .expect("a tool")
}

pub(crate) fn context() -> CallContext {
    let deadline = Instant::now() + Duration::from_secs(60);
    CallContext::new(CallIdentity::default(), deadline, CancellationToken::new(), None)
}

async fn outcome(tool: &SharedTool, parameters: Value) -> Result<Value, ToolError> {
    let parameters = Parameters::from_json(parameters.to_string().into());
    let output = tool.call(parameters, context()).await?;
    Ok(serde_json::from_slice(output.as_json()).expect("JSON"))
}

pub(crate) async fn call(tool: &SharedTool, parameters: Value) -> Value {
    outcome(tool, parameters).await.expect("a result")
}

pub(crate) async fn failure(tool: &SharedTool, parameters: Value) -> ToolError {
    outcome(tool, parameters).await.expect_err("a failure")
}

/// What the role `report` says.
pub(crate) async fn report(tool: &SharedTool, parameters: Value) -> Value {
    call(tool, parameters).await
}

/// An argument that no other process has.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "mark-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// How many processes have the mark.
pub(crate) fn survivors(mark: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(mark))
        .count()
}

/// Until so many have it: a process that has just begun a program shows no command line for a moment.
pub(crate) async fn until_there_are(count: usize, mark: &str) {
    for _ in 0..2000 {
        if survivors(mark) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("there are {}", survivors(mark));
}
