//! A file of tools on a real worker: what becomes of its session and its calls when the file changes.

#![cfg(unix)]

use std::{fs, path::PathBuf, time::Instant};

use serde_json::json;
use tempfile::TempDir;
use toolwave_client::{CallResultExt as _, Client, call, v1};
use toolwave_tests::{Binaries, PATIENCE, Processes, Profile};

const WORKER: &str = "w";

/// A coordinator, and a worker with a file of tools.
struct Cluster {
    folder: TempDir,
    processes: Processes,
    client: Client,
}

impl Cluster {
    async fn start(tools: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("server.sh"), SERVER).expect("written");
        fs::write(folder.path().join("tools.toml"), tools).expect("written");
        let binaries = Binaries::built(Profile::Dev).expect("they build");
        let mut processes = Processes::start(binaries, &["--startup-grace", "0s"]).expect("a coordinator");
        let path = folder.path().join("tools.toml").display().to_string();
        processes
            .add_worker(WORKER, 4, &["--tools", &path])
            .await
            .expect("a worker");
        let client = processes.client().await.expect("a client");
        Self {
            folder,
            processes,
            client,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the file as editors do.
    fn replace(&self, tools: &str) {
        fs::write(self.path("tools.toml.new"), tools).expect("written");
        fs::rename(self.path("tools.toml.new"), self.path("tools.toml")).expect("renamed");
    }

    fn ask_to_read_again(&mut self) {
        self.processes.workers()[0].signal("HUP").expect("a signal");
    }

    async fn worker(&self) -> v1::WorkerStatus {
        let workers = self.client.list_workers().await.expect("workers");
        workers
            .into_iter()
            .find(|status| status.worker == WORKER)
            .expect("the worker")
    }

    /// The worker, once it has the one tool and not the other.
    async fn with_and_without(&self, with: &str, without: &str) -> v1::WorkerStatus {
        let start = Instant::now();
        loop {
            let worker = self.worker().await;
            let has = |name: &str| worker.tools.iter().any(|tool| tool == name);
            if has(with) && !has(without) {
                return worker;
            }
            assert!(start.elapsed() < PATIENCE, "{:?}", worker.tools);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits until something is so.
    async fn until(&self, what: &str, so: impl Fn() -> bool) {
        let start = Instant::now();
        while !so() {
            assert!(start.elapsed() < PATIENCE, "never: {what}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn call(&self, tool: &str, parameters: serde_json::Value) -> v1::CallResult {
        let request = v1::ExecuteParallelRequest {
            calls: vec![call(tool, parameters)],
            ..Default::default()
        };
        let answer = self.client.execute_parallel(request).await.expect("an answer");
        answer.results.into_iter().next().expect("a result")
    }
}

/// A server that says when it starts, and whose one tool answers when it is told to.
const SERVER: &str = r#"
echo started >> starts
echo $$ > pid
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
    *'"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"wait","description":"waits","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"tools/call"'*)
      touch called
      while [ ! -e release ]; do sleep 0.05; done
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"hello"}]}}\n' "$id" ;;
  esac
done
"#;

/// The table of that server.
fn serving() -> &'static str {
    "[servers.s]\ncommand = [\"/bin/sh\", \"server.sh\"]\ndirectory = \".\"\nprotocol = \"2025-11-25\"\n"
}

/// A tool that answers with its parameters.
fn echoing(name: &str) -> String {
    format!(
        "[tools.{name}]\ndescription = \"answers with its parameters\"\n\
         input_schema = {{ type = \"object\", properties = {{ a = {{}} }}, additionalProperties = false }}\n\
         command = {{ argv = [\"/bin/cat\"], stdin = \"json\", output = \"json\" }}\n"
    )
}

#[tokio::test]
async fn a_changed_file_adds_and_removes_tools_on_the_session_that_is_open() {
    let mut cluster = Cluster::start(&echoing("first")).await;
    let before = cluster.with_and_without("first", "second").await;
    let result = cluster.call("first", json!({"a": 1})).await;
    assert_eq!(result.json().expect("JSON"), Some(json!({"a": 1})), "{result:?}");

    cluster.replace(&echoing("second"));
    let after = cluster.with_and_without("second", "first").await;
    // The connection is the same: its port at the worker's end is.
    assert_eq!(
        (after.address, after.instance_id),
        (before.address.clone(), before.instance_id.clone())
    );
    let result = cluster.call("second", json!({"a": 2})).await;
    assert_eq!(result.json().expect("JSON"), Some(json!({"a": 2})), "{result:?}");
    let result = cluster.call("first", json!({})).await;
    assert!(!result.success, "{result:?}");

    cluster.replace(&echoing("third"));
    cluster.ask_to_read_again();
    let after = cluster.with_and_without("third", "second").await;
    assert_eq!(
        (after.address, after.instance_id),
        (before.address, before.instance_id)
    );
    let worker = &mut cluster.processes.workers()[0];
    worker
        .wait_for(|log| log.contains("asked to read the tools file again").then_some(()))
        .expect("it was asked");
}

#[tokio::test]
async fn a_bad_file_keeps_the_tools_and_says_why() {
    let mut cluster = Cluster::start(&echoing("good")).await;
    let before = cluster.with_and_without("good", "bad").await;
    cluster.replace("[tools.bad]\ndescription = 1\ntimeout = \"0s\"\n");
    cluster.ask_to_read_again();
    let worker = &mut cluster.processes.workers()[0];
    let told = "tools.toml:2:15: tools.bad.description: is integer `1`; expected a string";
    worker
        .wait_for(|log| (log.contains(told) && log.contains("is not used")).then_some(()))
        .expect("it says why");
    let after = cluster.worker().await;
    assert_eq!((after.tools, after.address), (before.tools, before.address));
    let result = cluster.call("good", json!({"a": "b"})).await;
    assert!(result.success, "{result:?}");
}

#[tokio::test]
async fn a_call_of_a_tool_that_is_removed_goes_on_to_its_end() {
    let slow = "[tools.slow]\ndescription = \"waits\"\ncommand = { argv = [\"/bin/sh\", \"slow.sh\"], directory = \".\", \
                output = \"json\" }\n";
    let mut cluster = Cluster::start(slow).await;
    cluster.with_and_without("slow", "other").await;
    let script = "touch started\nwhile [ ! -e release ]; do sleep 0.05; done\necho '\"done\"'\n";
    fs::write(cluster.path("slow.sh"), script).expect("written");
    let client = cluster.processes.client().await.expect("a client");
    let running = tokio::spawn(async move {
        let request = v1::ExecuteParallelRequest {
            calls: vec![call("slow", json!({}))],
            ..Default::default()
        };
        client.execute_parallel(request).await
    });
    cluster
        .until("the call starts", || cluster.path("started").exists())
        .await;
    cluster.replace(&echoing("other"));
    cluster.with_and_without("other", "slow").await;
    fs::write(cluster.path("release"), "").expect("written");
    let answer = running.await.expect("no panic").expect("an answer");
    assert_eq!(
        answer.results[0].json().expect("JSON"),
        Some(json!("done")),
        "{answer:?}"
    );
    let worker = &mut cluster.processes.workers()[0];
    worker.signal("TERM").expect("a signal");
    assert_eq!(worker.wait().expect("it ends"), Some(0));
}

#[tokio::test]
async fn a_server_goes_on_untouched_while_it_is_declared_and_ends_after_its_last_call() {
    let with = |tool: &str| format!("{}{}", serving(), echoing(tool));
    let cluster = Cluster::start(&with("a")).await;
    cluster.with_and_without("s.wait", "b").await;
    cluster.replace(&with("b"));
    cluster.with_and_without("b", "a").await;
    let starts = fs::read_to_string(cluster.path("starts")).expect("it started");
    assert_eq!(starts, "started\n");

    let client = cluster.processes.client().await.expect("a client");
    let running = tokio::spawn(async move {
        let request = v1::ExecuteParallelRequest {
            calls: vec![call("s.wait", json!({}))],
            ..Default::default()
        };
        client.execute_parallel(request).await
    });
    cluster
        .until("the call starts", || cluster.path("called").exists())
        .await;
    cluster.replace(&echoing("b"));
    cluster.with_and_without("b", "s.wait").await;
    let process = fs::read_to_string(cluster.path("pid")).expect("its number");
    let process = PathBuf::from("/proc").join(process.trim());
    assert!(process.exists(), "a call of it runs still");
    fs::write(cluster.path("release"), "").expect("written");
    let answer = running.await.expect("no panic").expect("an answer");
    assert!(answer.results[0].success, "{answer:?}");
    cluster.until("the server ends", || !process.exists()).await;
}

#[tokio::test]
async fn what_is_approved_or_not_while_the_worker_runs_counts_at_once() {
    let cluster = Cluster::start(serving()).await;
    cluster.with_and_without("s.wait", "none").await;
    fs::write(cluster.path("release"), "").expect("written");
    assert!(cluster.call("s.wait", json!({})).await.success);

    let other = format!("[servers.s.wait]\nhash = \"sha256:{}\"\n", "0".repeat(64));
    fs::write(cluster.path("tools.lock"), other).expect("written");
    let start = Instant::now();
    let refused = loop {
        let result = cluster.call("s.wait", json!({})).await;
        if !result.success {
            break result;
        }
        assert!(start.elapsed() < PATIENCE, "it is called still");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let error = refused.error.expect("an error");
    assert!(error.message.contains("toolwave approve"), "{error:?}");

    fs::remove_file(cluster.path("tools.lock")).expect("removed");
    let start = Instant::now();
    while !cluster.call("s.wait", json!({})).await.success {
        assert!(start.elapsed() < PATIENCE, "it is refused still");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let starts = fs::read_to_string(cluster.path("starts")).expect("it started");
    assert_eq!(starts, "started\n");
}
