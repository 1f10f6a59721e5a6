//! Log lines of a tool, which carry the ids of what it runs for. By itself: what is logged on other threads decides
//! which spans there are on this one.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use toolwave_client::{call, v1};
use toolwave_tests::Cluster;
use toolwave_worker::{CallContext, FunctionTool, SharedTool, ToolError};
use tracing_subscriber::fmt::MakeWriter;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// All lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn talking() -> SharedTool {
    Arc::new(FunctionTool::new(
        "talk",
        "Talks.",
        |_: BTreeMap<String, Value>, _: CallContext| async {
            tracing::info!(marker = "from a tool", "hello");
            Ok::<_, ToolError>(())
        },
    ))
}

// One thread: the subscriber is the thread's.
#[tokio::test]
async fn a_tools_log_lines_carry_execution_call_and_trace() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(lines.clone())
        .finish();
    let _default = tracing::subscriber::set_default(subscriber);
    let mut cluster = Cluster::start().await.expect("it starts");
    cluster.add_worker("w", 4, [talking()]).await.expect("a worker");
    let client = cluster.client().await.expect("a client");
    let traced = client.in_trace(&format!("00-{TRACE}-00f067aa0ba902b7-01"), "");
    let traced = traced.expect("well formed");
    let mut ids = Vec::new();
    for client in [traced, client] {
        let request = v1::ExecuteParallelRequest {
            calls: vec![call("talk", json!({}))],
            ..Default::default()
        };
        let answer = client.execute_parallel(request).await;
        let summary = answer.expect("an answer").summary.expect("a summary");
        ids.push(summary.execution_id);
    }
    cluster.stop().await.expect("it stops");
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
    let said: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .filter(|line: &Value| line["fields"]["marker"] == "from a tool")
        .collect();
    assert_eq!(said.len(), 2, "{text}");
    for (line, id) in said.iter().zip(&ids) {
        assert_eq!(line["span"]["execution_id"], json!(id), "{line}");
        assert_eq!(line["span"]["call_id"], "0");
    }
    assert_eq!(said[0]["span"]["trace_id"], TRACE);
    assert_eq!(said[1]["span"].get("trace_id"), None);
}
