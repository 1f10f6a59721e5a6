//! What comes of calls: results, errors, progress, the end of those that nobody wants any more.

use std::time::Duration;

use serde_json::{Value, json};
use toolwave_tool::{Effect, Safety};

use crate::{
    mutable,
    support::{LONG, begin, call, names, pid, start, text, tool},
};

#[tokio::test]
async fn all_tools_of_all_pages_appear_with_their_schemas_and_can_be_called() {
    let mounted = start(json!({})).await;
    let names = names(&mounted);
    assert_eq!(names.len(), 17);
    assert!(names.iter().all(|name| name.starts_with("m.")), "{names:?}");
    let echo = tool(&mounted, "echo");
    let declaration = echo.declaration();
    assert_eq!(declaration.description, "echo");
    assert_eq!(declaration.input_schema["properties"]["text"]["type"], "string");
    let output = declaration.output_schema.expect("a schema of the result");
    assert_eq!(
        output["properties"]["structuredContent"]["required"],
        json!(["text"])
    );
    let result = call(&echo, json!({"text": "é\u{1f600}"})).await;
    let expected = json!({"content": [{"type": "text", "text": "é\u{1f600}"}], "structuredContent": {"text": "é\u{1f600}"}});
    assert_eq!(result, Ok(expected));
    mounted.close().await;
}

#[tokio::test]
async fn text_images_audio_and_resources_pass_unchanged() {
    let mounted = start(json!({})).await;
    assert_eq!(
        call(&tool(&mounted, "content"), json!({})).await,
        Ok(mutable::content())
    );
    mounted.close().await;
}

#[tokio::test]
async fn both_generations_of_the_protocol_are_spoken_and_a_silent_server_costs_only_the_bound() {
    for (mode, protocol, discover) in [
        ("", "auto", "10s"),
        ("", "2026-07-28", "10s"),
        ("", "2025-11-25", "10s"),
        ("old", "auto", "10s"),
        ("old", "2025-11-25", "10s"),
        ("silent", "auto", "150ms"),
    ] {
        let more = json!({"environment": {"MUTABLE_MODE": mode}, "protocol": protocol, "discover_timeout": discover});
        let mounted = start(more).await;
        let meta: Value =
            serde_json::from_str(&text(call(&tool(&mounted, "meta"), json!({})).await)).expect("JSON");
        let newer = mode.is_empty() && protocol != "2025-11-25";
        let version = meta.get("io.modelcontextprotocol/protocolVersion");
        assert_eq!(
            version.is_some_and(|version| version == "2026-07-28"),
            newer,
            "{mode} {protocol}: {meta}"
        );
        assert_eq!(
            meta["io.toolwave/idempotencyKey"], "key-of-the-call",
            "{mode} {protocol}"
        );
        mounted.close().await;
    }
    let refused = start(json!({"environment": {"MUTABLE_MODE": "old"}, "protocol": "2026-07-28"})).await;
    assert!(refused.tools().is_empty());
    let why = refused.failure().expect("a reason");
    assert!(why.contains("version") || why.contains("refused"), "{why}");
    refused.close().await;
}

#[tokio::test]
async fn errors_of_the_tool_the_protocol_and_the_content_have_codes_of_their_own() {
    let mounted = start(json!({"max_result": "100kB"})).await;
    for (name, parameters, code, message) in [
        ("fail", json!({}), "MCP_TOOL_ERROR", "it failed"),
        ("refuse", json!({}), "MCP_INVALID_PARAMS", "no such thing"),
        ("ask", json!({}), "INPUT_REQUIRED", "asks for input"),
        ("mismatch", json!({}), "MCP_OUTPUT_MISMATCH", "/text"),
        ("huge", json!({"bytes": 300_000}), "RESULT_TOO_LARGE", "more than"),
    ] {
        let error = call(&tool(&mounted, name), parameters).await.expect_err(name);
        assert_eq!(error.code, code);
        assert!(error.message.contains(message), "{name}: {}", error.message);
        assert!(!error.retryable, "{name} may have had an effect");
        if name == "refuse" {
            assert_eq!(
                error.details.as_deref(),
                Some(&json!({"code": -32602, "data": {"thing": 1}}))
            );
        }
    }
    // and none of it harmed the connection
    assert_eq!(
        text(call(&tool(&mounted, "echo"), json!({"text": "a"})).await),
        "a"
    );
    mounted.close().await;
}

#[tokio::test]
async fn garbage_on_standard_output_disturbs_no_call() {
    let mounted = start(json!({})).await;
    let echo = tool(&mounted, "echo");
    let flood = begin(&tool(&mounted, "flood"), json!({"lines": 50_000}), LONG);
    for turn in 0..20 {
        assert_eq!(
            text(call(&echo, json!({"text": turn.to_string()})).await),
            turn.to_string()
        );
    }
    assert_eq!(text(flood.end.await.expect("no panic")), "flooded");
    mounted.close().await;
}

#[tokio::test]
async fn progress_reaches_the_call_as_fractions_with_messages() {
    let mounted = start(json!({})).await;
    let mut running = begin(&tool(&mounted, "sleep"), json!({"ms": 60, "steps": 3}), LONG);
    let mut told = Vec::new();
    while let Some(progress) = running.progress.recv().await {
        told.push((progress.fraction, progress.message));
    }
    running.end.await.expect("no panic").expect("a result");
    told.sort_by(|left, right| left.partial_cmp(right).expect("numbers"));
    let expected: Vec<_> = (0..=3)
        .map(|step| (Some(f64::from(step) / 3.0), format!("step {step}")))
        .collect();
    assert_eq!(told, expected);
    mounted.close().await;
}

#[tokio::test]
async fn tasks_are_followed_to_their_result_and_stopped_when_nobody_wants_them() {
    let mounted = start(json!({})).await;
    let task = tool(&mounted, "task");
    assert_eq!(text(call(&task, json!({"ms": 50})).await), "the task is done");
    let before = pid(&mounted).await;
    let running = begin(&task, json!({"ms": 3_600_000}), LONG);
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.cancelled.cancel();
    running.end.await.expect("no panic").expect_err("stopped");
    assert_eq!(pid(&mounted).await, before, "the task said that it stopped");
    mounted.close().await;
}

#[tokio::test]
async fn what_the_operator_says_of_tools_has_the_last_word_and_annotations_count_only_where_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tools.json");
    let listed = json!([
        {"name": "reader", "description": "r", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
        {"name": "writer", "description": "w", "inputSchema": {"type": "object"}, "annotations": {"idempotentHint": true}},
    ]);
    std::fs::write(&path, listed.to_string()).expect("written");
    let more = |trust: bool| {
        json!({
            "environment": {"MUTABLE_TOOLS": path}, "trust_annotations": trust, "timeout": "7s", "concurrency": 3, "pool": 2,
            "include": ["reader", "writer", "echo", "fail"], "labels": {"a": "b"}, "max_result": "1MiB",
            "tools": {
                "fail": {"hidden": true},
                "writer": {
                    "honours_idempotency_key": true, "timeout": "3s", "writes": ["x:{a}"], "max_concurrency": 9,
                    "max_concurrency_per_worker": 2, "rate": {"per_second": 5.0, "burst": 2}, "labels": {"c": "d"},
                    "description": "mine",
                },
            },
        })
    };
    let trusted = start(more(true)).await;
    assert_eq!(names(&trusted), ["m.echo", "m.reader", "m.writer"]);
    assert_eq!(tool(&trusted, "reader").declaration().safety, Safety::ReadOnly);
    let writer = tool(&trusted, "writer").declaration();
    assert_eq!(writer.safety, Safety::HonoursIdempotencyKey);
    assert_eq!(writer.effects, [Effect::Writes("x:{a}".to_owned())]);
    assert_eq!(
        (writer.timeout, writer.max_concurrency),
        (Some(Duration::from_secs(3)), Some(9))
    );
    assert_eq!(writer.max_concurrency_per_worker, Some(2));
    assert_eq!((writer.description.as_str(), writer.labels.len()), ("mine", 2));
    trusted.close().await;
    let untrusted = start(more(false)).await;
    let reader = tool(&untrusted, "reader").declaration();
    assert_eq!(reader.safety, Safety::NotRepeatable);
    assert_eq!(
        (reader.timeout, reader.max_concurrency_per_worker),
        (Some(Duration::from_secs(7)), Some(6))
    );
    assert_eq!(reader.max_result_bytes, Some(1 << 20));
    untrusted.close().await;
}
