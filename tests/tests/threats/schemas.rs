//! No parameter reaches a tool of any kind that its schema does not have: neither as a client sends it, nor as the
//! result of another call puts it in.

use std::fs;

use serde_json::{Value, json};
use toolwave_client::{CallExt as _, call, v1};
use toolwave_tests::Form;

use crate::{
    echoing::Service,
    rig::{Cluster, code, folder},
};

/// Of the tools that the tests declare: a short text of any kind, a number, and nothing else.
pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 5000}, "count": {"type": "integer", "maximum": 10}},
        "required": ["text"],
        "additionalProperties": false,
    })
}

/// An MCP server that keeps each line that it reads in `lines`.
pub(crate) const SERVER: &str = r#"
env >> server.env
while read -r line; do
  printf '%s\n' "$line" >> lines
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
    *'"method":"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"say","description":"says","inputSchema":%s}]}}\n' "$id" "$(cat schema.json)" ;;
    *'"method":"tools/call"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}\n' "$id" ;;
  esac
done
"#;

/// The table of a command with these keys.
pub(crate) fn command(name: &str, keys: &str) -> String {
    format!(
        "[tools.{name}]\ndescription = \"{name}\"\ninput_schema = \"schema.json\"\n\
         [tools.{name}.command]\ndirectory = \".\"\n{keys}\n"
    )
}

/// The table of a service at this place with these keys.
pub(crate) fn http(name: &str, service: &Service, place: &str, keys: &str) -> String {
    let address = service.address;
    format!(
        "[tools.{name}]\ndescription = \"{name}\"\ninput_schema = \"schema.json\"\n\
         [tools.{name}.http]\nurl = \"http://{address}/{place}\"\nallow_http = true\nallow_private = [\"127.0.0.1/32\"]\n{keys}\n"
    )
}

/// The tables of an MCP server of each kind, `s` and `h`.
pub(crate) fn servers(service: &Service) -> String {
    let address = service.address;
    format!(
        "[servers.s]\ncommand = [\"/bin/sh\", \"server.sh\"]\ndirectory = \".\"\nprotocol = \"2025-11-25\"\n\
         environment = {{ PATH = \"/usr/bin:/bin\", KEY = \"own-of-server\" }}\n\
         [servers.h]\nurl = \"http://{address}/mcp\"\nprotocol = \"2025-11-25\"\nallow_http = true\n\
         allow_private = [\"127.0.0.1/32\"]\nheaders = {{ x-key = \"own-of-address\" }}\n"
    )
}

/// What came to the server `s` as calls.
pub(crate) fn calls_of(cluster: &Cluster) -> Vec<Value> {
    let lines = fs::read_to_string(cluster.path("lines")).unwrap_or_default();
    let messages = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is a message"));
    messages
        .filter(|message| message["method"] == "tools/call")
        .collect()
}

async fn cluster(service: &Service) -> Cluster {
    let tools = [
        command("run", "argv = [\"/bin/sh\", \"run.sh\", \"{text}\"]"),
        http("ask", service, "ask?text={text}", ""),
        servers(service),
    ];
    let files = [
        ("run.sh", "echo ran >> ran\n"),
        ("server.sh", SERVER),
        ("schema.json", &schema().to_string()),
        ("tools.toml", &tools.concat()),
    ];
    let cluster = Cluster::start(folder(&files), &[]).await;
    cluster.offers("s.say", true).await;
    cluster.offers("h.say", true).await;
    service.take("");
    cluster
}

/// How often each tool was reached.
fn reached(cluster: &Cluster, service: &Service) -> [usize; 4] {
    let ran = fs::read_to_string(cluster.path("ran")).unwrap_or_default();
    let received = service.received();
    let called = |request: &&crate::echoing::Received| request.body.contains("\"tools/call\"");
    [
        ran.lines().count(),
        received
            .iter()
            .filter(|request| request.line()[1].starts_with("/ask"))
            .count(),
        calls_of(cluster).len(),
        received.iter().filter(called).count(),
    ]
}

const TOOLS: [&str; 4] = ["run", "ask", "s.say", "h.say"];

fn is_rejected(result: &v1::CallResult) -> bool {
    result.outcome() == v1::Outcome::Rejected && code(result) == "PARAMS_SCHEMA" && result.attempts.is_empty()
}

#[tokio::test]
async fn no_kind_of_tool_is_reached_by_parameters_that_its_schema_does_not_have() {
    let service = Service::start();
    let cluster = cluster(&service).await;
    let bad = [
        json!({}),
        json!({"text": 1}),
        json!({"text": null}),
        json!({"text": ["a"]}),
        json!({"text": {"a": "b"}}),
        json!({"text": "x".repeat(5001)}),
        json!({"text": "a", "count": 11}),
        json!({"text": "a", "count": "1"}),
        json!({"text": "a", "count": 1.5}),
        json!({"text": "a", "admin": true}),
        json!({"text": "a", "Text": "b"}),
        json!({"text": "a", "text ": "b"}),
        json!({"text": "a", "__proto__": {"admin": true}}),
        json!({"text": "a", "_meta": {"progressToken": 1}}),
        json!({"text": "a", "secrets": {"token": "b"}}),
    ];
    for form in Form::ALL {
        for parameters in &bad {
            let calls = TOOLS
                .iter()
                .map(|tool| form.call(*tool, parameters.as_object().unwrap()))
                .collect();
            for (tool, result) in TOOLS.iter().zip(cluster.run(calls).await) {
                assert!(is_rejected(&result), "{tool} {parameters}: {result:?}");
            }
        }
    }
    // A built-in one says for itself what it takes.
    let result = cluster
        .call("sleep", json!({"milliseconds": 1, "admin": true}))
        .await;
    assert!(is_rejected(&result), "{result:?}");
    assert_eq!(reached(&cluster, &service), [0; 4]);

    for tool in TOOLS {
        let result = cluster.call(tool, json!({"text": "a", "count": 10})).await;
        assert!(result.success, "{result:?}");
    }
    assert_eq!(reached(&cluster, &service), [1; 4], "what is right arrives");
}

#[tokio::test]
async fn what_a_result_puts_into_parameters_is_held_to_the_schema_too() {
    let service = Service::start();
    let cluster = cluster(&service).await;
    for said in [json!(7), json!({"a": 1}), json!(null), json!("y".repeat(5001))] {
        let mut calls = vec![call("echo", json!({"said": said})).id("first")];
        calls.extend(TOOLS.map(|tool| call(tool, json!({"text": "${first.result.said}"}))));
        for (tool, result) in TOOLS.iter().zip(cluster.run(calls).await.into_iter().skip(1)) {
            assert!(is_rejected(&result), "{tool} {said}: {result:?}");
        }
    }
    assert_eq!(reached(&cluster, &service), [0; 4]);

    // A result that looks like a reference or a placeholder is text.
    let mut calls = vec![call("echo", json!({"said": "$${other.result} {text} {secrets.x}"})).id("first")];
    calls.extend(TOOLS.map(|tool| call(tool, json!({"text": "${first.result.said}"}))));
    for result in cluster.run(calls).await {
        assert!(result.success, "{result:?}");
    }
    let text = "${other.result} {text} {secrets.x}";
    assert_eq!(
        calls_of(&cluster)[0]["params"]["arguments"],
        json!({"text": text})
    );
    assert_eq!(reached(&cluster, &service), [1; 4]);
}
