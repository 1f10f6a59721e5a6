//! What the audit says of those who were refused: one record each, with the reason and whom it was of; never a
//! token, and no more records than an operator can read.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use toolwave_coordinator::{Config, audit::AuditSection};

use crate::{
    ask::{Answer, CLIENT_METHODS, OPERATOR_METHODS, WORKER_METHOD, ask_once},
    common::{channel, register, soon, start, tool},
    tokens::{asking, entry, file},
    workers::{Cluster, identity, patterns},
};

const GOOD: &str = "canary-good-5e7a20d9";
const BAD: &str = "canary-bad-c91f04b6";

fn audited() -> (TempDir, PathBuf, AuditSection) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let section = AuditSection {
        file: Some(path.clone()),
        ..AuditSection::default()
    };
    (folder, path, section)
}

/// All of an event, without when they were.
fn records(path: &Path, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("it was written");
    assert!(!text.contains("canary"), "a token is recorded:\n{text}");
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    records.filter(|record| record["event"] == event).collect()
}

/// Refusals that records tell of.
fn told(records: &[Value]) -> u64 {
    let more = |record: &Value| record["more"].as_u64().unwrap_or_default();
    records.iter().map(|record| 1 + more(record)).sum()
}

fn text<'r>(record: &'r Value, key: &str) -> &'r str {
    record[key].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_refused_request_is_recorded_with_its_reason_and_its_peer_and_without_its_token() {
    for (method, headers, answer, reason) in [
        (CLIENT_METHODS[0], vec![], Answer::NoCredentials, "NO_CREDENTIALS"),
        (
            CLIENT_METHODS[1],
            vec![format!("Bearer {BAD}")],
            Answer::BadToken,
            "BAD_TOKEN",
        ),
        (
            CLIENT_METHODS[4],
            vec![BAD.to_owned()],
            Answer::BadToken,
            "BAD_TOKEN",
        ),
        (
            OPERATOR_METHODS[0],
            vec![format!("Bearer {GOOD}")],
            Answer::NotPermitted,
            "NOT_PERMITTED",
        ),
        (
            WORKER_METHOD,
            vec![format!("Bearer {GOOD}")],
            Answer::NotPermitted,
            "NOT_PERMITTED",
        ),
    ] {
        let (_folder, tokens) = file(&entry(GOOD, ""));
        let (_audit, path, audit) = audited();
        let coordinator = start(Config {
            audit,
            ..asking(tokens)
        })
        .await;
        let channel = channel(&coordinator).await;
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(ask_once(&channel, method, &headers).await.0, answer, "{method}");
        drop(channel);
        coordinator.shutdown().await;
        let records = records(&path, "credentials_refused");
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(text(&records[0], "reason"), reason);
        assert_eq!(told(&records), 1);
        assert!(
            text(&records[0], "peer").starts_with("127.0.0.1:"),
            "{records:#?}"
        );
    }
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_few_records_that_count_all_of_it() {
    const FLOOD: u64 = 1000;
    let (_folder, tokens) = file(&entry(GOOD, ""));
    let (_audit, path, audit) = audited();
    let coordinator = start(Config {
        audit,
        ..asking(tokens)
    })
    .await;
    let channel = channel(&coordinator).await;
    let begun = std::time::Instant::now();
    let token = format!("Bearer {BAD}");
    for _ in 0..FLOOD {
        let (answer, _) = ask_once(&channel, CLIENT_METHODS[4], &[&token]).await;
        assert_eq!(answer, Answer::BadToken);
    }
    drop(channel);
    coordinator.shutdown().await;
    let seconds = begun.elapsed().as_secs();
    let records = records(&path, "credentials_refused");
    // One for each second that it touched, and what was left at the end.
    assert!(records.len() as u64 <= seconds + 3, "{} records", records.len());
    assert_eq!(told(&records), FLOOD, "{records:#?}");
}

#[tokio::test]
async fn a_flood_that_stops_is_counted_while_the_coordinator_goes_on() {
    let (_folder, tokens) = file(&entry(GOOD, ""));
    let (_audit, path, audit) = audited();
    let coordinator = start(Config {
        audit,
        ..asking(tokens)
    })
    .await;
    let channel = channel(&coordinator).await;
    for _ in 0..10 {
        ask_once(&channel, CLIENT_METHODS[4], &[BAD]).await;
    }
    soon("the rest of it", async {
        while told(&records(&path, "credentials_refused")) < 10 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(told(&records(&path, "credentials_refused")), 10);
    coordinator.shutdown().await;
    assert_eq!(told(&records(&path, "credentials_refused")), 10, "nothing twice");
}

#[tokio::test]
async fn a_worker_that_is_refused_is_recorded_once_with_its_identity() {
    let (_audit, path, audit) = audited();
    let mut other = identity("other", &["*"]);
    other.names = Some(patterns(&["gpu"]));
    let mut strict = identity("strict", &["echo"]);
    strict.strict = true;
    let identities = vec![identity("gpu", &["*"]), other, strict];
    let cluster = Cluster::audited(identities, audit).await;
    let worker = cluster.join("gpu", register("gpu", vec![])).await;
    cluster.refused("gpu", register("cpu", vec![])).await;
    cluster.refused("other", register("gpu", vec![])).await;
    cluster
        .refused("strict", register("strict", vec![tool("shell")]))
        .await;
    drop(worker);
    cluster.coordinator.shutdown().await;
    let records = records(&path, "worker_refused");
    let refused: Vec<_> = records
        .iter()
        .map(|record| (text(record, "identity"), text(record, "reason")))
        .collect();
    assert_eq!(
        refused,
        [
            ("spiffe://t/worker/gpu", "IDENTITY_MISMATCH"),
            ("spiffe://t/worker/other", "WORKER_ID_TAKEN"),
            ("spiffe://t/worker/strict", "TOOLS_NOT_PERMITTED"),
        ]
    );
    for record in &records {
        assert!(text(record, "peer").starts_with("127.0.0.1:"), "{record}");
    }
}

#[tokio::test]
async fn tools_that_are_left_out_are_recorded_once_however_often_they_are_offered() {
    let (_audit, path, audit) = audited();
    let cluster = Cluster::audited(vec![identity("gpu", &["echo"])], audit).await;
    let offered = vec![tool("echo"), tool("shell"), tool("rm")];
    let worker = cluster.join("gpu", register("gpu", offered.clone())).await;
    worker
        .say(toolwave_proto::v1::OpenSessionRequest {
            tools_changed: Some(toolwave_proto::v1::ToolsChanged { tools: offered }),
            ..Default::default()
        })
        .await;
    worker.goodbye().await;
    crate::common::workers_until(&cluster.coordinator, <[_]>::is_empty).await;
    cluster.coordinator.shutdown().await;
    let records = records(&path, "worker_tools_left_out");
    assert_eq!(records.len(), 1, "{records:#?}");
    let record = &records[0];
    assert_eq!(text(record, "worker"), "gpu");
    assert_eq!(text(record, "identity"), "spiffe://t/worker/gpu");
    assert_eq!(record["tool_count"], 2);
    assert_eq!(record["tools"], serde_json::json!(["shell", "rm"]));
}
