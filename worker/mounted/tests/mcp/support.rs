//! A mounted server, and calls as a worker makes them.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use toolwave_keeper::Keeper;
use toolwave_mounted::mcp::{Approved, Mounted, Server};
use toolwave_tool::{CallContext, CallIdentity, Parameters, Progress, SharedTool, ToolError};

/// Nothing here takes as long.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// The server's program, which is the program that keeps it as well.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test's path");
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("the folder of the build");
    let program = folder.join("examples/mcp-mutable");
    assert!(
        program.is_file(),
        "there is no {}: build it with `cargo build -p toolwave-mounted --examples`",
        program.display()
    );
    program
}

pub(crate) fn keeper() -> Keeper {
    Keeper::at(program())
}

/// The table of a server, with what differs from the usual one.
pub(crate) fn table(more: Value) -> Server {
    let mut table = json!({"command": [program()], "grace": "300ms", "start_timeout": "15s"});
    for (key, value) in more.as_object().expect("a table") {
        table[key] = value.clone();
    }
    serde_json::from_value(table).expect("a table")
}

pub(crate) async fn start(more: Value) -> Mounted {
    start_approved(more, Approved::default()).await
}

pub(crate) async fn start_approved(more: Value, approved: Approved) -> Mounted {
    table(more).start("m", &keeper(), approved).await
}

pub(crate) fn names(mounted: &Mounted) -> Vec<String> {
    mounted
        .tools()
        .iter()
        .map(|tool| tool.declaration().name)
        .collect()
}

pub(crate) fn tool(mounted: &Mounted, name: &str) -> SharedTool {
    let found = mounted
        .tools()
        .into_iter()
        .find(|tool| tool.declaration().name == format!("m.{name}"));
    found.unwrap_or_else(|| panic!("no tool `{name}` among {:?}", names(mounted)))
}

/// A call that somebody may stop wanting.
pub(crate) struct Running {
    pub(crate) cancelled: CancellationToken,
    pub(crate) progress: mpsc::Receiver<Progress>,
    pub(crate) end: tokio::task::JoinHandle<Result<Value, ToolError>>,
}

pub(crate) fn begin(tool: &SharedTool, parameters: Value, timeout: Duration) -> Running {
    let cancelled = CancellationToken::new();
    let (sender, progress) = mpsc::channel(64);
    let identity = CallIdentity {
        execution_id: "e".to_owned(),
        call_id: "c".to_owned(),
        attempt: 1,
        idempotency_key: "key-of-the-call".to_owned(),
    };
    let context = CallContext::new(
        identity,
        Instant::now() + timeout,
        cancelled.clone(),
        Some(sender),
    );
    let tool = SharedTool::clone(tool);
    let end = tokio::spawn(async move {
        let parameters = Parameters::from_json(parameters.to_string().into());
        let output = tool.call(parameters, context).await?;
        Ok(serde_json::from_slice(output.as_json()).expect("JSON"))
    });
    Running {
        cancelled,
        progress,
        end,
    }
}

pub(crate) async fn call(tool: &SharedTool, parameters: Value) -> Result<Value, ToolError> {
    let running = begin(tool, parameters, LONG);
    tokio::time::timeout(LONG, running.end)
        .await
        .expect("an end in time")
        .expect("no panic")
}

/// The text of a result.
pub(crate) fn text(result: Result<Value, ToolError>) -> String {
    result.expect("a result")["content"][0]["text"]
        .as_str()
        .expect("text")
        .to_owned()
}

/// The id of the process that takes the next call.
pub(crate) async fn pid(mounted: &Mounted) -> u64 {
    let told = text(call(&tool(mounted, "whoami"), json!({})).await);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    told["pid"].as_u64().expect("an id")
}

/// Waits until a condition holds, for a bounded time; tests wait so only for what nothing tells.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn is_alive(pid: u64) -> bool {
    // a zombie is not
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}
