//! Servers that people use, as their packages are: `tests/mcp_servers/run.sh` installs them and runs this.
//!
//! Without `TOOLWAVE_MCP_SERVERS`, the folder where they are installed, it says so and tries nothing.

#[allow(dead_code)]
#[path = "mcp/support.rs"]
mod support;

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::Command,
};

use serde_json::{Value, json};
use support::{LONG, begin, call, names, start, text, tool, until};
use toolwave_mounted::mcp::{Mounted, Standing};
use toolwave_tool::Safety;

/// `None`: they are not installed.
fn servers() -> Option<PathBuf> {
    let folder = env::var_os("TOOLWAVE_MCP_SERVERS").map(PathBuf::from);
    if folder.is_none() {
        // past what the test harness keeps back of a test that succeeds
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: no real MCP server is tried: TOOLWAVE_MCP_SERVERS is not set; run tests/mcp_servers/run.sh"
        );
    }
    folder
}

fn on_path(program: &str) -> PathBuf {
    let path = env::var_os("PATH").expect("PATH");
    let found = env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("there is no {program} in PATH"))
}

/// With what its tools are named here.
async fn npm(name: &str, arguments: &[&str], more: Value) -> Option<Mounted> {
    let main = servers()?.join(format!(
        "node_modules/@modelcontextprotocol/server-{name}/dist/index.js"
    ));
    let mut table = more;
    let mut command = vec![json!(on_path("node")), json!(main)];
    command.extend(arguments.iter().map(|argument| json!(argument)));
    table["command"] = command.into();
    Some(started(table).await)
}

async fn pypi(name: &str, arguments: &[&str], more: Value) -> Option<Mounted> {
    let program = servers()?.join(format!("venv/bin/mcp-server-{name}"));
    let mut table = more;
    let mut command = vec![json!(program)];
    command.extend(arguments.iter().map(|argument| json!(argument)));
    table["command"] = command.into();
    Some(started(table).await)
}

async fn started(table: Value) -> Mounted {
    let mounted = start(table).await;
    assert_eq!(mounted.failure(), None);
    mounted
}

fn structured(result: Result<Value, toolwave_tool::ToolError>) -> Value {
    result.expect("a result")["structuredContent"].take()
}

#[tokio::test]
async fn everything_shows_all_kinds_of_content_progress_and_a_process_that_does_not_stop() {
    let Some(mounted) = npm(
        "everything",
        &["stdio"],
        json!({"environment": {"MARK": "named"}}),
    )
    .await
    else {
        return;
    };
    assert_eq!(names(&mounted).len(), 12);
    let research = mounted
        .definitions()
        .into_iter()
        .find(|found| found.name == "simulate-research-query");
    assert!(matches!(
        research.expect("listed").standing,
        Standing::Refused { .. }
    ));
    assert_eq!(
        text(call(&tool(&mounted, "echo"), json!({"message": "é"})).await),
        "Echo: é"
    );
    assert!(text(call(&tool(&mounted, "get-sum"), json!({"a": 2, "b": 40})).await).contains("42"));
    let image = call(&tool(&mounted, "get-tiny-image"), json!({}))
        .await
        .expect("an image");
    let image = image["content"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|block| block["type"] == "image")
        .expect("an image");
    assert!(image["mimeType"] == "image/png" && image["data"].as_str().expect("base64").starts_with("iVBOR"));
    let weather = structured(
        call(
            &tool(&mounted, "get-structured-content"),
            json!({"location": "Chicago"}),
        )
        .await,
    );
    assert!(weather["temperature"].is_number(), "{weather}");
    let links = call(&tool(&mounted, "get-resource-links"), json!({"count": 3}))
        .await
        .expect("links");
    let links = links["content"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|block| block["type"] == "resource_link");
    assert_eq!(links.count(), 3);
    let reference = call(
        &tool(&mounted, "get-resource-reference"),
        json!({"resourceType": "Text", "resourceId": 1}),
    )
    .await;
    let reference = reference.expect("a reference");
    assert!(
        reference["content"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|block| block["type"] == "resource")
    );
    let environment: Value =
        serde_json::from_str(&text(call(&tool(&mounted, "get-env"), json!({})).await)).expect("JSON");
    let mut seen: Vec<&String> = environment.as_object().expect("an object").keys().collect();
    seen.retain(|name| *name != "TOOLWAVE_KEPT");
    assert_eq!(seen, ["MARK"]);

    let long = tool(&mounted, "trigger-long-running-operation");
    let mut running = begin(&long, json!({"duration": 1, "steps": 4}), LONG);
    let mut fractions = Vec::new();
    while let Some(progress) = running.progress.recv().await {
        fractions.push(progress.fraction.expect("a fraction"));
    }
    assert_eq!(fractions.last(), Some(&1.0));
    running.end.await.expect("no panic").expect("a result");
    // it goes on with what it was told to stop: its process is replaced
    let mut unwanted = begin(&long, json!({"duration": 600, "steps": 6_000}), LONG);
    unwanted.progress.recv().await.expect("it runs");
    unwanted.cancelled.cancel();
    unwanted.end.await.expect("no panic").expect_err("stopped");
    assert_eq!(
        text(call(&tool(&mounted, "echo"), json!({"message": "again"})).await),
        "Echo: again"
    );
    mounted.close().await;
}

#[tokio::test]
async fn filesystem_reads_and_writes_in_its_folder_and_its_annotations_are_trusted_where_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path");
    let more = json!({"trust_annotations": true, "pool": 2});
    let Some(mounted) = npm("filesystem", &[root.to_str().expect("UTF-8")], more).await else {
        return;
    };
    assert_eq!(names(&mounted).len(), 14);
    assert_eq!(
        tool(&mounted, "read_text_file").declaration().safety,
        Safety::ReadOnly
    );
    assert_eq!(
        tool(&mounted, "write_file").declaration().safety,
        Safety::Idempotent
    );
    assert_eq!(
        tool(&mounted, "edit_file").declaration().safety,
        Safety::NotRepeatable
    );
    let path = root.join("a.txt");
    call(
        &tool(&mounted, "write_file"),
        json!({"path": path, "content": "one\ntwo\n"}),
    )
    .await
    .expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "one\ntwo\n");
    let read = structured(
        call(
            &tool(&mounted, "read_text_file"),
            json!({"path": path, "head": 1}),
        )
        .await,
    );
    assert_eq!(read["content"], "one");
    let outside = call(&tool(&mounted, "read_text_file"), json!({"path": "/etc/passwd"}))
        .await
        .expect_err("denied");
    assert_eq!(outside.code, "MCP_TOOL_ERROR");
    assert!(outside.message.contains("denied"), "{}", outside.message);
    mounted.close().await;
}

#[tokio::test]
async fn memory_remembers_from_call_to_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = json!({"environment": {"MEMORY_FILE_PATH": folder.path().join("memory.jsonl")}});
    let Some(mounted) = npm("memory", &[], more).await else {
        return;
    };
    assert_eq!(names(&mounted).len(), 9);
    let entity =
        json!({"entities": [{"name": "toolwave", "entityType": "program", "observations": ["runs tools"]}]});
    call(&tool(&mounted, "create_entities"), entity)
        .await
        .expect("created");
    let found = structured(call(&tool(&mounted, "search_nodes"), json!({"query": "runs"})).await);
    assert_eq!(found["entities"][0]["name"], "toolwave");
    mounted.close().await;
}

#[tokio::test]
async fn time_of_pypi_speaks_the_newer_protocol() {
    for protocol in ["2026-07-28", "2025-11-25", "auto"] {
        let Some(mounted) = pypi(
            "time",
            &["--local-timezone", "UTC"],
            json!({"protocol": protocol}),
        )
        .await
        else {
            return;
        };
        assert_eq!(names(&mounted), ["m.convert_time", "m.get_current_time"]);
        let parameters =
            json!({"source_timezone": "Asia/Kolkata", "time": "12:30", "target_timezone": "UTC"});
        let converted = structured(call(&tool(&mounted, "convert_time"), parameters).await);
        assert!(
            converted["target"]["datetime"]
                .as_str()
                .expect("a time")
                .contains("T07:00"),
            "{converted}"
        );
        let error = call(
            &tool(&mounted, "get_current_time"),
            json!({"timezone": "Mars/Olympus"}),
        )
        .await
        .expect_err("no zone");
        assert!(error.code.starts_with("MCP_"), "{error:?}");
        mounted.close().await;
    }
}

#[tokio::test]
async fn git_of_pypi_commits_in_a_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("UTF-8");
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", root])
            .args(arguments)
            .output()
            .expect("git");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(folder.path().join("a.txt"), "text").expect("written");
    let environment = json!({
        "PATH": env::var("PATH").expect("PATH"), "HOME": root,
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    });
    let Some(mounted) = pypi(
        "git",
        &["--repository", root],
        json!({"environment": environment}),
    )
    .await
    else {
        return;
    };
    assert_eq!(names(&mounted).len(), 12);
    call(
        &tool(&mounted, "git_add"),
        json!({"repo_path": root, "files": ["a.txt"]}),
    )
    .await
    .expect("added");
    let message = "quotes \" and $(id) and ; stay as they are";
    call(
        &tool(&mounted, "git_commit"),
        json!({"repo_path": root, "message": message}),
    )
    .await
    .expect("committed");
    assert_eq!(git(&["log", "--format=%s"]).trim(), message);
    let error = call(&tool(&mounted, "git_log"), json!({"repo_path": "/"}))
        .await
        .expect_err("outside");
    assert!(error.code.starts_with("MCP_"), "{error:?}");
    mounted.close().await;
}

#[tokio::test]
async fn a_pool_of_a_real_server_ends_with_it() {
    let mark = format!("pool-of-{}", std::process::id());
    let more = json!({"pool": 3, "concurrency": 1, "environment": {"MARK": mark}});
    let Some(mounted) = npm("everything", &["stdio"], more).await else {
        return;
    };
    let processes = || {
        let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let marked = |entry: &std::fs::DirEntry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        };
        all.filter(marked).count()
    };
    until("all three run", || processes() >= 3).await;
    let running = begin(
        &tool(&mounted, "trigger-long-running-operation"),
        json!({"duration": 600, "steps": 6_000}),
        LONG,
    );
    mounted.close().await;
    running.end.await.expect("no panic").expect_err("lost");
    assert_eq!(processes(), 0);
}
