//! What is live, and what is done: each for whom it is.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use toolwave_coordinator::{Config, audit::AuditSection};

use crate::{ask::*, common::*};

#[tokio::test]
async fn a_stream_ends_when_its_token_is_withdrawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let coordinator = start(with_tokens(folder.path())).await;
    let bearer = format!("Bearer {OPERATOR}");
    let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
    let mut stream = open(&coordinator, "GET", "/api/live", &headers, "").await;
    until(&mut stream, "event: picture").await;
    std::fs::write(folder.path().join("tokens.toml"), "").expect("a file");
    let mut rest = Vec::new();
    soon("the end of the stream", stream.read_to_end(&mut rest))
        .await
        .expect("an end");
}

#[tokio::test]
async fn viewers_are_bounded_and_a_place_comes_free_when_one_goes() {
    let coordinator = start(with_dashboard()).await;
    let mut viewers = Vec::new();
    for _ in 0..32 {
        let mut viewer = open(&coordinator, "GET", "/api/live", &[("host", "localhost")], "").await;
        until(&mut viewer, "event: picture").await;
        viewers.push(viewer);
    }
    let refused = ask(&coordinator, "GET", "/api/live", &[("host", "localhost")], "").await;
    assert_eq!(
        (refused.status(), refused.reason().as_str()),
        (503, "TOO_MANY_VIEWERS")
    );
    viewers.pop();
    soon("a free place", async {
        loop {
            let mut viewer = open(&coordinator, "GET", "/api/live", &[("host", "localhost")], "").await;
            let mut line = [0; 12];
            viewer.read_exact(&mut line).await.expect("a status line");
            if line.ends_with(b"200") {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_open_execution_is_followed_call_by_call_to_its_end() {
    let coordinator = start(with_dashboard()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let mut client = client(&coordinator).await;
    let running = tokio::spawn(async move {
        client
            .execute_parallel(request(vec![call("echo", "{}"), call("echo", "{}")]))
            .await
    });
    let first = worker.dispatch().await;
    let second = worker.dispatch().await;
    let listed = ask(
        &coordinator,
        "GET",
        "/api/executions",
        &[("host", "localhost")],
        "",
    )
    .await
    .json();
    let id = listed["executions"][0]["executionId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut viewer = open(
        &coordinator,
        "GET",
        &format!("/api/live?execution={id}"),
        &[("host", "localhost")],
        "",
    )
    .await;
    let text = until(&mut viewer, r#""whole":true"#).await;
    assert!(text.contains("event: execution"), "{text}");
    worker.succeed(&first, "1").await;
    until(&mut viewer, "OUTCOME_SUCCEEDED").await;
    worker.succeed(&second, "2").await;
    until(&mut viewer, r#""endedAt""#).await;
    soon("an answer", running)
        .await
        .expect("no panic")
        .expect("an answer");
    let gone = uuid::Uuid::new_v4();
    let mut viewer = open(
        &coordinator,
        "GET",
        &format!("/api/live?execution={gone}"),
        &[("host", "localhost")],
        "",
    )
    .await;
    let text = until(&mut viewer, "EXECUTION_NOT_FOUND").await;
    assert!(text.contains("event: execution-failure"), "{text}");
}

#[tokio::test]
async fn a_call_of_the_page_is_recorded_as_the_operators() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    let coordinator = start(Config {
        audit: AuditSection {
            file: Some(file.clone()),
            ..AuditSection::default()
        },
        ..with_tokens(folder.path())
    })
    .await;
    let host = address(&coordinator).to_string();
    let (origin, bearer) = (format!("http://{host}"), format!("Bearer {OPERATOR}"));
    let headers = [
        ("host", host.as_str()),
        ("origin", origin.as_str()),
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({ "id": "call", "toolName": "unheard-of" }).to_string();
    let answer = ask(&coordinator, "POST", "/api/call", &headers, &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.0);
    assert_eq!(answer.json()["results"][0]["outcome"], "OUTCOME_REJECTED");
    let id = answer.json()["summary"]["executionId"].clone();
    coordinator.shutdown().await;
    let text = std::fs::read_to_string(&file).expect("it was written");
    let mut records = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let accepted = records
        .find(|record| record["execution_id"] == id)
        .expect("a record");
    assert_eq!(
        (&accepted["tenant"], &accepted["subject"]),
        (&json!("acme"), &json!("ops")),
        "{accepted}"
    );
}
