//! `toolwave run --from` and `toolwave tools --for`: replies of model providers in, messages and definitions out.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use serde_json::{Value, json};
use support::{Finished, Running, toolwave};
use tokio_util::sync::CancellationToken;
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_worker::{FunctionTool, Safety, SharedTool, ToolError, Worker};

/// Runs a reply on the embedded cluster.
fn from(provider: &str, reply: &str, flags: &[&str]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let mut command = toolwave(directory.path());
    command.args(["run", "--from", provider, "-"]).args(flags);
    Running::start(&mut command, Some(reply)).finish()
}

fn tool_call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

#[test]
fn the_calls_of_a_chat_completion_run_and_its_messages_come_back_in_order() {
    let calls = [
        tool_call("call_b", "sleep", r#"{"milliseconds": 50}"#),
        tool_call("call_a", "echo", r#"{"big": 18446744073709551615, "text": "é"}"#),
    ];
    let reply =
        json!({"choices": [{"message": {"role": "assistant", "content": null, "tool_calls": calls}}]});
    let finished = from("openai", &reply.to_string(), &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let messages = finished.json();
    assert_eq!(messages[0]["tool_call_id"], "call_b");
    assert_eq!(
        messages[1],
        json!({"role": "tool", "tool_call_id": "call_a", "content": r#"{"big": 18446744073709551615, "text": "é"}"#})
    );
    assert!(
        finished.stderr.contains("succeeded  call_a"),
        "{}",
        finished.stderr
    );
}

#[test]
fn the_calls_of_a_response_run() {
    let reply = json!({"object": "response", "output": [
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "calculator", "arguments": "{\"expression\":\"6*7\"}"},
        {"type": "computer_call", "call_id": "c2", "action": {}},
    ]});
    for word in ["openai", "openai-responses"] {
        let finished = from(word, &reply.to_string(), &[]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let messages = finished.json();
        assert_eq!(messages.as_array().unwrap().len(), 1);
        assert_eq!(messages[0]["type"], "function_call_output");
        assert_eq!(messages[0]["call_id"], "c1");
        assert!(messages[0]["output"].as_str().unwrap().contains("42"));
        assert!(
            finished.stderr.contains("`computer_call` is left"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn the_calls_of_a_message_of_anthropics_run_and_errors_are_flagged() {
    let reply = json!({"type": "message", "role": "assistant", "content": [
        {"type": "text", "text": "wait"},
        {"type": "tool_use", "id": "toolu_1", "name": "echo", "input": {"a": [1.50]}},
        {"type": "tool_use", "id": "toolu_2", "name": "fail", "input": {"code": "NO_PAPER", "message": "no paper"}},
    ]});
    let finished = from("anthropic", &reply.to_string(), &[]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let messages = finished.json();
    let results = messages[0]["content"].as_array().unwrap();
    assert_eq!(messages[0]["role"], "user");
    assert_eq!(results[0]["is_error"], false);
    assert_eq!(results[0]["content"][0]["text"], r#"{"a":[1.5]}"#);
    assert_eq!(
        (&results[1]["tool_use_id"], &results[1]["is_error"]),
        (&json!("toolu_2"), &json!(true))
    );
    let told: Value = serde_json::from_str(results[1]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(told["error"]["code"], "NO_PAPER");
    assert_eq!(told["error"]["message"], "no paper");
}

#[test]
fn the_calls_of_a_response_of_geminis_run_in_either_spelling() {
    let camel = json!({"candidates": [{"content": {"role": "model", "parts": [
        {"functionCall": {"id": "f1", "name": "echo", "args": {"a": 1}}}, {"functionCall": {"name": "echo"}},
    ]}}]});
    let snake = json!({"role": "model", "parts": [
        {"function_call": {"id": "f1", "name": "echo", "args": {"a": 1}}}, {"function_call": {"name": "echo"}},
    ]});
    for reply in [camel, snake] {
        let finished = from("gemini", &reply.to_string(), &[]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let expected = json!([{"role": "user", "parts": [
            {"functionResponse": {"id": "f1", "name": "echo", "response": {"output": {"a": 1}}}},
            {"functionResponse": {"name": "echo", "response": {"output": {}}}},
        ]}]);
        assert_eq!(finished.json(), expected);
    }
}

#[test]
fn what_a_model_writes_is_never_a_reference_to_another_calls_result() {
    let texts = [
        "${secret.result}",
        "a ${secret.result.value} b",
        "$${secret.result}",
        "${",
        "${nobody.result}",
    ];
    let mut calls = vec![tool_call("secret", "echo", r#"{"value": "the secret"}"#)];
    for (index, text) in texts.iter().enumerate() {
        calls.push(tool_call(
            &format!("c{index}"),
            "echo",
            &json!({"t": text}).to_string(),
        ));
    }
    calls.push(tool_call(
        "escaped",
        "echo",
        r#"{"t": "\u0024\u007bsecret.result}"}"#,
    ));
    let finished = from("openai", &json!(calls).to_string(), &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let messages = finished.json();
    for (index, text) in texts.iter().chain(["${secret.result}"].iter()).enumerate() {
        let content = messages[index + 1]["content"].as_str().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(content).unwrap(),
            json!({"t": text})
        );
    }
    assert!(
        finished.stderr.contains("7 calls in 1 wave"),
        "{}",
        finished.stderr
    );
}

#[test]
fn broken_calls_fail_alone_even_those_for_which_a_whole_request_would_be_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(90), "]".repeat(90));
    let calls = [
        tool_call("cut", "echo", r#"{"a": "#),
        tool_call("list", "echo", "[]"),
        tool_call("deep", "echo", &deep),
        tool_call("twice", "echo", r#"{"a": 1, "a": 2}"#),
        tool_call("name", "no such tool!", "{}"),
        tool_call("unknown", "ecko", "{}"),
        tool_call("schema", "calculator", r#"{"expr": "1"}"#),
        tool_call("good", "echo", r#"{"a": 1}"#),
    ];
    let finished = from("openai", &json!(calls).to_string(), &[]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let messages = finished.json();
    let codes: Vec<String> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let content: Value = serde_json::from_str(message["content"].as_str().unwrap()).unwrap();
            content["error"]["code"].as_str().unwrap_or("none").to_owned()
        })
        .collect();
    assert_eq!(
        codes,
        [
            "PARAMS_NOT_JSON",
            "PARAMS_NOT_OBJECT",
            "JSON_TOO_DEEP",
            "DUPLICATE_KEY",
            "BAD_TOOL_NAME",
            "UNKNOWN_TOOL",
            "PARAMS_SCHEMA",
            "none"
        ]
    );
    let schema: Value = serde_json::from_str(messages[6]["content"].as_str().unwrap()).unwrap();
    assert!(
        !schema["error"]["violations"].as_array().unwrap().is_empty(),
        "{schema}"
    );
    assert_eq!(messages[7]["content"], r#"{"a": 1}"#);
}

#[test]
fn what_tools_say_cannot_drive_the_terminal() {
    let text = "\u{1b}[2J\u{9b}31m\u{7f}";
    let reply = json!([
        {"functionCall": {"name": "echo", "args": {"t": text}}},
        {"functionCall": {"name": "no\u{9b}31mtool", "args": {}}},
    ]);
    let finished = from("gemini", &reply.to_string(), &[]);
    for forbidden in ['\u{1b}', '\u{9b}', '\u{7f}'] {
        assert!(!finished.stdout.contains(forbidden), "{finished:?}");
        assert!(!finished.stderr.contains(forbidden), "{finished:?}");
    }
    let answer = &finished.json()[0]["parts"][0]["functionResponse"]["response"]["output"];
    assert_eq!(answer["t"], text);
}

#[test]
fn flags_of_run_hold() {
    let calls = [
        tool_call("slow", "sleep", r#"{"milliseconds": 600000}"#),
        tool_call("good", "echo", "{}"),
    ];
    let finished = from("openai", &json!(calls).to_string(), &["--timeout", "300ms"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let messages = finished.json();
    assert!(
        messages[0]["content"]
            .as_str()
            .unwrap()
            .contains("DEADLINE_EXCEEDED"),
        "{messages}"
    );
    assert_eq!(messages[1]["content"], "{}");

    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("note.txt"), "hello").unwrap();
    let calls = json!([tool_call("read", "read_file", r#"{"path": "note.txt"}"#)]).to_string();
    let permission = format!("files={}", directory.path().display());
    assert_eq!(from("openai", &calls, &[]).code, Some(1));
    let finished = from("openai", &calls, &["--allow", &permission]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("hello"), "{finished:?}");
}

#[test]
fn a_reply_without_calls_needs_no_messages() {
    let finished = from(
        "anthropic",
        r#"{"role": "assistant", "content": [{"type": "text", "text": "hi"}]}"#,
        &[],
    );
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "[]\n"),
        "{finished:?}"
    );
}

/// A tool that answers with its own name.
fn named(name: &'static str) -> SharedTool {
    let tool = FunctionTool::new(name, "Says its name.", move |_: Value, _| async move {
        Ok::<_, ToolError>(json!({"name": name}))
    });
    std::sync::Arc::new(tool.safety(Safety::ReadOnly))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_exported_definitions_lead_back_to_their_tools_on_a_cluster() {
    const LONG: &str = "server.with_a_long_name.and_a_tool_that_has_an_even_longer_name_than_it";
    const TOOLS: [&str; 6] = ["fs.read", "fs__read", "a:b", "a_b", "1st", LONG];
    let coordinator = Coordinator::start(Config::embedded()).await.unwrap();
    let worker = Worker::builder()
        .coordinator(format!("http://{}", coordinator.address()))
        .tools(TOOLS.map(named));
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let stop = CancellationToken::new();
    let worker = tokio::spawn(worker.run_until(stop.clone()));
    assert!(handle.registered().await);
    let url = format!("http://{}", coordinator.address());
    let command = async |arguments: Vec<String>, input: Option<String>| {
        let url = url.clone();
        let run = move || {
            let directory = tempfile::tempdir().unwrap();
            let mut command = toolwave(directory.path());
            command.args(arguments).args(["--coordinator", &url]);
            Running::start(&mut command, input.as_deref()).finish()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    for provider in ["openai", "openai-responses", "anthropic", "gemini"] {
        let words = ["tools", "--for", provider].map(str::to_owned);
        let exported = command(words.to_vec(), None).await;
        assert_eq!(exported.code, Some(0), "{exported:?}");
        let definitions = exported.json();
        let names = names(&definitions);
        assert_eq!(names.len(), TOOLS.len(), "{definitions}");
        let words = ["run", "--from", provider, "-"].map(str::to_owned);
        let finished = command(words.to_vec(), Some(reply(provider, &names))).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let mut sorted = TOOLS;
        sorted.sort_unstable();
        let places: Vec<Option<usize>> = sorted
            .iter()
            .map(|tool| {
                let said = json!({"name": tool}).to_string();
                let quoted = Value::String(said.clone()).to_string();
                finished
                    .stdout
                    .find(&said)
                    .or_else(|| finished.stdout.find(quoted.trim_matches('"')))
            })
            .collect();
        assert!(places.iter().all(Option::is_some), "{finished:?}");
        assert!(places.is_sorted(), "{places:?} {finished:?}");
    }
    stop.cancel();
    worker.await.unwrap().unwrap();
    coordinator.shutdown().await;
}

/// The names in a list of definitions.
fn names(definitions: &Value) -> Vec<String> {
    let list = definitions.as_array().unwrap();
    let list = match list[0].get("functionDeclarations") {
        Some(functions) => functions.as_array().unwrap(),
        None => list,
    };
    let name = |definition: &Value| definition.get("function").unwrap_or(definition)["name"].clone();
    list.iter()
        .map(|definition| name(definition).as_str().unwrap().to_owned())
        .collect()
}

/// A reply that calls each name once.
fn reply(provider: &str, names: &[String]) -> String {
    let calls = names.iter().enumerate().map(|(index, name)| {
        let id = format!("c{index}");
        match provider {
            "openai" => tool_call(&id, name, "{}"),
            "openai-responses" => {
                json!({"type": "function_call", "call_id": id, "name": name, "arguments": "{}"})
            }
            "anthropic" => json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            _ => json!({"functionCall": {"id": id, "name": name, "args": {}}}),
        }
    });
    Value::Array(calls.collect()).to_string()
}

#[test]
fn built_in_tools_are_exported_without_a_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = toolwave(directory.path());
    command.args(["tools", "--builtin", "--for", "anthropic"]);
    let finished = Running::start(&mut command, None).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let definitions = finished.json();
    let echo = definitions
        .as_array()
        .unwrap()
        .iter()
        .find(|tool| tool["name"] == "echo")
        .unwrap();
    assert_eq!(echo["input_schema"]["type"], "object");
    assert!(echo["description"].as_str().is_some_and(|text| !text.is_empty()));
}
