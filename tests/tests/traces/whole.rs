//! The real programs, with tools that are an HTTP service, an MCP server and a command.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use toolwave_client::{Client, call};
use toolwave_tests::{Binaries, Processes, Profile};

use crate::{
    CLIENT, TRACE,
    receiver::{Received, Receiver},
    recorded, request, service,
};

/// Two programs tell the time each for itself.
const CLOCKS: u64 = 1_000_000_000;

/// Keeps what it is told.
const SERVER: &str = r#"
while read -r line; do
  printf '%s\n' "$line" >> server.lines
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
    *'"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"say","description":"says","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"tools/call"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"RESULT"}]}}\n' "$id" ;;
  esac
done
"#;

/// The programs, and what their tools were told.
struct Whole {
    folder: TempDir,
    processes: Processes,
    client: Client,
    heads: Arc<Mutex<Vec<String>>>,
    parameter: String,
    result: String,
}

impl Whole {
    async fn start(receiver: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let canary = |what: &str| format!("CANARY_{what}_{}", uuid::Uuid::new_v4().simple());
        let (parameter, result) = (canary("PARAMETER"), canary("RESULT"));
        let (address, heads) = service::serve(result.clone());
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("server.sh", &SERVER.replace("RESULT", &result));
        write(
            "fail.sh",
            &format!("echo '{result}' >&2\nprintf '%s' \"$TRACEPARENT $TRACESTATE\" > command.env\nexit 3\n"),
        );
        let code = result.to_ascii_uppercase();
        write(
            "tools.toml",
            &format!(
                "[tools.ask]\ndescription = \"asks\"\nread_only = true\ninput_schema = {{ type = \"object\", properties = {{ text = {{ type = \"string\" }} }} }}\n[tools.ask.http]\n\
                 url = \"http://{address}/ask\"\nallow_http = true\nallow_private = [\"127.0.0.1/32\"]\n\
                 [tools.do]\ndescription = \"fails\"\ninput_schema = {{ type = \"object\", properties = {{ text = {{ type = \"string\" }} }} }}\n[tools.do.command]\nargv = [\"/bin/sh\", \"fail.sh\"]\n\
                 directory = \".\"\nexit_codes = {{ 3 = {{ code = \"{code}\", message = \"{result}\" }} }}\n\
                 [servers.s]\ncommand = [\"/bin/sh\", \"server.sh\"]\ndirectory = \".\"\nprotocol = \"2025-11-25\"\n",
            ),
        );
        let binaries = Binaries::built(Profile::Dev).expect("they build");
        let flags = [
            "--startup-grace",
            "0s",
            "--traces-endpoint",
            receiver,
            "--traces-sample",
            "0",
        ];
        let mut processes = Processes::start(binaries, &flags).expect("a coordinator");
        let tools = folder.path().join("tools.toml").display().to_string();
        let flags = ["--tools", &tools, "--traces-endpoint", receiver];
        processes.add_worker("w", 8, &flags).await.expect("a worker");
        let client = processes.client().await.expect("a client");
        Self {
            folder,
            processes,
            client,
            heads,
            parameter,
            result,
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(Path::new(self.folder.path()).join(name)).unwrap_or_default()
    }

    /// Asks coordinator and workers to end, and waits.
    fn end(mut self) {
        for worker in self.processes.workers() {
            worker.signal("TERM").expect("a signal");
            assert_eq!(worker.wait().expect("it ends"), Some(0), "{}", worker.output());
        }
        let coordinator = self.processes.coordinator();
        coordinator.signal("TERM").expect("a signal");
        assert_eq!(
            coordinator.wait().expect("it ends"),
            Some(0),
            "{}",
            coordinator.output()
        );
    }
}

fn named<'s>(spans: &'s [Received], name: &str) -> Vec<&'s Received> {
    spans.iter().filter(|each| each.span.name == name).collect()
}

fn of_call<'s>(spans: &'s [Received], name: &str, tool: &str) -> &'s Received {
    let mut found = named(spans, name)
        .into_iter()
        .filter(|each| each.text("toolwave.tool").as_deref() == Some(tool));
    found.next().expect("a span of the tool")
}

/// Within the other, with so many nanoseconds between clocks.
fn assert_within(inner: &Received, outer: &Received, clocks: u64) {
    let (inner_span, outer_span) = (&inner.span, &outer.span);
    let what = format!("{inner:#?} within {outer:#?}");
    assert!(
        inner_span.start_time_unix_nano <= inner_span.end_time_unix_nano,
        "{what}"
    );
    assert!(
        inner_span.start_time_unix_nano + clocks >= outer_span.start_time_unix_nano,
        "{what}"
    );
    assert!(
        inner_span.end_time_unix_nano <= outer_span.end_time_unix_nano + clocks,
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_client_to_what_its_tools_call() {
    let receiver = Receiver::start().await;
    let whole = Whole::start(&receiver.url()).await;
    let traced = whole
        .client
        .in_trace(&recorded(), "vendor=value")
        .expect("well formed");
    let parameters = json!({"text": whole.parameter});
    let calls = ["ask", "s.say", "do"].map(|tool| call(tool, parameters.clone()));
    let answer = traced
        .execute_parallel(request(calls.into()))
        .await
        .expect("an answer");
    assert!(answer.results[0].success, "{:?}", answer.results[0]);
    assert!(answer.results[1].success, "{:?}", answer.results[1]);
    assert!(!answer.results[2].success);
    let spans = receiver
        .until("all spans", |spans| {
            named(spans, "execution").len() == 1 && named(spans, "tool").len() == 4
        })
        .await;

    assert!(spans.iter().all(|each| each.trace() == TRACE));
    assert!(spans.iter().all(|each| each.span.trace_state == "vendor=value"));
    let execution = named(&spans, "execution")[0];
    assert_eq!(execution.parent(), CLIENT);
    assert_eq!(execution.service, "toolwave-coordinator");
    let summary = answer.summary.expect("a summary");
    assert_eq!(
        execution.text("toolwave.execution_id"),
        Some(summary.execution_id)
    );
    assert_eq!(execution.number("toolwave.calls"), Some(3));
    assert_eq!(execution.number("toolwave.calls_not_succeeded"), Some(1));
    assert_eq!(execution.number("toolwave.spans_left_out"), Some(0));

    let (calls, queues, attempts) = (
        named(&spans, "call"),
        named(&spans, "queue"),
        named(&spans, "attempt"),
    );
    assert_eq!((calls.len(), queues.len(), attempts.len()), (3, 3, 4));
    for call in &calls {
        assert_eq!(call.parent(), execution.id());
        assert_within(call, execution, 0);
        let queue = queues.iter().find(|queue| queue.parent() == call.id());
        let queue = queue.expect("a queue");
        assert_eq!(queue.span.start_time_unix_nano, call.span.start_time_unix_nano);
        let mut sent: Vec<_> = attempts
            .iter()
            .filter(|attempt| attempt.parent() == call.id())
            .collect();
        sent.sort_by_key(|attempt| attempt.number("toolwave.attempt"));
        assert_eq!(sent[0].span.start_time_unix_nano, queue.span.end_time_unix_nano);
        for attempt in sent {
            assert_within(attempt, call, 0);
            assert_eq!(attempt.text("toolwave.worker").as_deref(), Some("w"));
        }
    }
    for tool in named(&spans, "tool") {
        let attempt = attempts.iter().find(|attempt| attempt.id() == tool.parent());
        assert_within(tool, attempt.expect("its attempt"), CLOCKS);
        assert_eq!(tool.service, "toolwave-worker");
    }
    retried(&spans, &whole);
    told(&spans, &whole);
    let bytes = receiver.bytes();
    let code = whole.result.to_ascii_uppercase();
    for canary in [&whole.parameter, &whole.result, &code] {
        let found = bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes());
        assert!(!found, "{canary} is in a span");
    }
    assert!(
        whole.read("server.lines").contains(&whole.parameter),
        "it went where it belongs"
    );
    whole.end();
}

/// The service refused the first attempt.
fn retried(spans: &[Received], whole: &Whole) {
    let call = of_call(spans, "call", "ask");
    assert_eq!(call.number("toolwave.attempts"), Some(2));
    assert_eq!(call.text("toolwave.outcome").as_deref(), Some("SUCCEEDED"));
    assert_eq!(call.span.events.len(), 1);
    assert_eq!(call.span.events[0].name, "retry");
    let mut attempts: Vec<_> = named(spans, "attempt")
        .into_iter()
        .filter(|attempt| attempt.parent() == call.id())
        .collect();
    attempts.sort_by_key(|attempt| attempt.number("toolwave.attempt"));
    assert_eq!(attempts[0].text("toolwave.reason").as_deref(), Some("TOOL_ERROR"));
    assert_eq!(
        attempts[0].span.status.as_ref().map(|status| status.code),
        Some(2)
    );
    assert_eq!(attempts[1].text("toolwave.reason"), None);
    assert_eq!(attempts[1].span.status, None);
    assert!(attempts[0].span.end_time_unix_nano <= attempts[1].span.start_time_unix_nano);
    // Each attempt asked with its own tool span.
    let heads = whole.heads.lock().expect("no panic").clone();
    assert_eq!(heads.len(), 2);
    for (attempt, head) in attempts.iter().zip(&heads) {
        let tool = spans.iter().find(|each| each.parent() == attempt.id());
        let tool = tool.expect("a tool span");
        let expected = format!("00-{TRACE}-{}-01", tool.id());
        assert_eq!(service::header(head, "traceparent"), Some(expected));
        assert_eq!(
            service::header(head, "tracestate").as_deref(),
            Some("vendor=value")
        );
    }
}

/// What a server and a command were told.
fn told(spans: &[Received], whole: &Whole) {
    let expected = |tool: &str| format!("00-{TRACE}-{}-01", of_call(spans, "tool", tool).id());
    let lines = whole.read("server.lines");
    let line = lines.lines().find(|line| line.contains("\"tools/call\""));
    let line: Value = serde_json::from_str(line.expect("it was called")).expect("JSON");
    let meta = &line["params"]["_meta"];
    assert_eq!(meta["traceparent"], json!(expected("s.say")));
    assert_eq!(meta["tracestate"], "vendor=value");
    assert_eq!(
        whole.read("command.env"),
        format!("{} vendor=value", expected("do"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_or_silent_costs_no_call_and_holds_up_no_end() {
    let silent = Receiver::silent().await;
    for receiver in ["http://127.0.0.1:9".to_owned(), silent.url()] {
        let whole = Whole::start(&receiver).await;
        let traced = whole.client.in_trace(&recorded(), "").expect("well formed");
        for _ in 0..3 {
            let calls = vec![call("echo", json!({"value": 1}))];
            let answer = traced.execute_parallel(request(calls)).await.expect("an answer");
            assert!(answer.results[0].success);
        }
        whole.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_goes_on_with_the_trace_of_its_caller() {
    let receiver = Receiver::start().await;
    let whole = Whole::start(&receiver.url()).await;
    let plan = whole.folder.path().join("plan.json");
    fs::write(
        &plan,
        r#"{"calls": [{"tool": "echo", "parameters": {"value": 1}}]}"#,
    )
    .expect("written");
    let command = || {
        let mut command = tokio::process::Command::new(whole.processes.binaries().path("toolwave"));
        command.arg("run").arg(&plan);
        command.args(["--coordinator", &whole.processes.url()]);
        command.env_remove("TRACEPARENT").env_remove("TRACESTATE");
        command
    };
    let output = command()
        .env("TRACEPARENT", recorded())
        .output()
        .await
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(receiver.execution(TRACE).await[0].trace(), TRACE);
    let other = TRACE.replace('4', "5");
    let flag = format!("00-{other}-{CLIENT}-01");
    let output = command()
        .args(["--traceparent", &flag])
        .output()
        .await
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(receiver.execution(&other).await[0].trace(), other);
    // A flag is the caller's slip; an environment may hold anything.
    let output = command()
        .args(["--traceparent", "x"])
        .output()
        .await
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = command().env("TRACEPARENT", "x").output().await.expect("it runs");
    assert!(output.status.success(), "{output:?}");
}
