//! The audit of a coordinator: each change of state has one record, and none holds contents.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use common::*;
use serde_json::Value;
use toolwave_coordinator::{Config, audit::AuditSection};
use toolwave_proto::v1::{self, AttemptFailureKind, attempt_report::End};

/// In everything that clients and tools send.
const CANARY: &str = "CANARY7d1f";

fn audited(file: &Path) -> Config {
    Config {
        audit: AuditSection {
            file: Some(file.to_owned()),
            ..AuditSection::default()
        },
        ..config()
    }
}

fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("it was written");
    assert!(!text.contains(CANARY), "contents are recorded:\n{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

fn of<'r>(records: &'r [Value], event: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

fn secret() -> String {
    format!(r#"{{"secret":"{CANARY}"}}"#)
}

/// A tool's error with contents in every field.
fn telling() -> End {
    End::Failure(v1::AttemptFailure {
        kind: AttemptFailureKind::ToolError.into(),
        code: CANARY.into(),
        message: CANARY.into(),
        details_json: secret().into(),
        ..v1::AttemptFailure::default()
    })
}

#[tokio::test]
async fn every_call_of_every_accepted_execution_has_one_record_of_its_end_and_no_contents() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    let coordinator = start(audited(&file)).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![once("echo")])).await;
    let mut rng = fastrand::Rng::with_seed(7);
    let mut told: BTreeMap<(String, String), String> = BTreeMap::new();
    for round in 0..25 {
        let calls: Vec<v1::Call> = (0..rng.u32(1..7))
            .map(|index| {
                let name = if rng.u8(..6) == 0 { "unheard-of" } else { "echo" };
                let mut call = call(name, &secret());
                if index > 0 && rng.bool() {
                    call.depends_on = vec![rng.u32(..index).to_string()];
                }
                call
            })
            .collect();
        let mut client = client(&coordinator).await;
        let execution = tokio::spawn(async move { client.execute_parallel(request(calls)).await });
        // Each dispatch ends at random until the execution has.
        tokio::pin!(execution);
        let answer = loop {
            tokio::select! {
                answer = &mut execution => break answer.expect("no panic").expect("an answer").into_inner(),
                dispatch = worker.dispatch() => match rng.u8(..4) {
                    0 => {
                        let attempt = dispatch.attempt.expect("named");
                        worker.report(&attempt, telling()).await;
                    }
                    1 => {
                        let id = dispatch.execution_id.clone();
                        let target = Some(v1::cancel_execution_request::Target::ExecutionId(id));
                        let mut client = common::client(&coordinator).await;
                        client.cancel_execution(v1::CancelExecutionRequest { target }).await.expect("it runs");
                        worker.fail(&dispatch.attempt.expect("named"), AttemptFailureKind::Aborted).await;
                    }
                    _ => worker.succeed(&dispatch, &secret()).await,
                },
            }
        };
        let id = answer.summary.expect("a summary").execution_id;
        for result in answer.results {
            let outcome = result.outcome().as_str_name().replace("OUTCOME_", "");
            let twice = told.insert((id.clone(), result.id), outcome);
            assert_eq!(twice, None, "round {round}");
        }
    }
    coordinator.shutdown().await;
    let records = records(&file);
    let mut recorded = BTreeMap::new();
    for record in of(&records, "call_ended") {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let twice = recorded.insert((text("execution_id"), text("call_id")), text("outcome"));
        assert_eq!(twice, None, "two records of one end: {record}");
        assert_eq!(text("tenant"), "default");
        assert_eq!(
            record["reason"].is_null(),
            text("outcome") == "SUCCEEDED",
            "{record}"
        );
        assert_eq!(
            record["result_bytes"].is_null(),
            text("outcome") != "SUCCEEDED",
            "{record}"
        );
        assert_eq!(record["parameter_bytes"], secret().len(), "{record}");
        for attempt in record["attempts"].as_array().expect("a list") {
            assert_eq!(attempt["worker"], "w");
        }
    }
    assert_eq!(recorded, told);
    let outcomes: BTreeSet<&str> = recorded.values().map(String::as_str).collect();
    for reached in ["SUCCEEDED", "FAILED", "REJECTED", "SKIPPED", "CANCELLED"] {
        assert!(outcomes.contains(reached), "{outcomes:?}");
    }
    let accepted: BTreeSet<&str> = of(&records, "execution_accepted")
        .iter()
        .filter_map(|record| record["execution_id"].as_str())
        .collect();
    let executions: BTreeSet<&str> = told.keys().map(|(id, _)| id.as_str()).collect();
    assert_eq!(accepted, executions);
    assert_eq!(of(&records, "execution_accepted").len(), 25);
    let times: Vec<&str> = records
        .iter()
        .filter_map(|record| record["time"].as_str())
        .collect();
    assert_eq!(times.len(), records.len());
    assert!(
        times
            .iter()
            .all(|time| time.len() == "2026-01-01T00:00:00.000000Z".len() && time.ends_with('Z'))
    );
}

#[tokio::test]
async fn what_is_refused_joined_cancelled_and_done_by_operators_is_recorded_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    let coordinator = start(audited(&file)).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let mut refused = FakeWorker::open(&coordinator).await;
    let bad = v1::OpenSessionRequest {
        register: Some(register("not a name", Vec::new())),
        ..Default::default()
    };
    refused.say(bad).await;
    assert!(refused.end().await.is_some());
    let mut client = client(&coordinator).await;
    let empty = client.execute_parallel(request(Vec::new())).await;
    assert!(empty.is_err());
    // Begun once, joined once.
    let mut keyed = request(vec![call("echo", "{}")]);
    keyed.idempotency_key = CANARY.into();
    let mut other = client.clone();
    let (message, again) = (keyed.clone(), keyed);
    let first = tokio::spawn(async move { other.execute_parallel(message).await });
    let dispatch = worker.dispatch().await;
    worker.succeed(&dispatch, "1").await;
    soon("its end", first)
        .await
        .expect("no panic")
        .expect("an answer");
    client.execute_parallel(again).await.expect("the kept answer");
    let target = Some(v1::cancel_execution_request::Target::IdempotencyKey(
        "unknown".into(),
    ));
    let cancelled = client
        .cancel_execution(v1::CancelExecutionRequest { target })
        .await;
    assert!(cancelled.is_err());
    let drain = |resume| v1::DrainWorkerRequest {
        worker: "w".into(),
        resume,
    };
    for resume in [false, true] {
        admin(&coordinator)
            .await
            .drain_worker(drain(resume))
            .await
            .expect("it is there");
    }
    worker.goodbye().await;
    workers_until(&coordinator, <[v1::WorkerStatus]>::is_empty).await;
    coordinator.shutdown().await;
    let records = records(&file);
    for (event, reason) in [
        ("coordinator_started", None),
        ("worker_registered", None),
        ("worker_refused", Some("INVALID_NAME")),
        ("execution_refused", Some("EMPTY_REQUEST")),
        ("execution_accepted", None),
        ("call_ended", None),
        ("execution_joined", None),
        ("cancel_refused", Some("EXECUTION_NOT_FOUND")),
        ("worker_drained", None),
        ("worker_resumed", None),
        ("worker_disconnected", Some("GOODBYE")),
        ("worker_left", None),
        ("coordinator_draining", None),
        ("coordinator_stopped", None),
    ] {
        let these = of(&records, event);
        assert_eq!(these.len(), 1, "{event}: {records:#?}");
        assert_eq!(these[0]["reason"].as_str(), reason, "{event}");
    }
    assert_eq!(records.len(), 14, "{records:#?}");
    assert_eq!(of(&records, "call_ended")[0]["outcome"], "SUCCEEDED");
    let joined = &of(&records, "execution_joined")[0]["execution_id"];
    assert_eq!(joined, &of(&records, "execution_accepted")[0]["execution_id"]);
    let peer = of(&records, "execution_accepted")[0]["peer"]
        .as_str()
        .unwrap_or_default();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
}

#[tokio::test]
async fn an_execution_whose_records_cannot_be_written_is_refused_where_they_are_required() {
    let mut config = audited(Path::new("/dev/full"));
    config.audit.required = true;
    let coordinator = start(config).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let refused = soon("a refusal", async {
        loop {
            let execution = execute(&coordinator, vec![call("echo", "{}")]).await;
            tokio::pin!(execution);
            let answer = tokio::select! {
                answer = &mut execution => answer.expect("no panic"),
                // Accepted before the first write failed.
                dispatch = worker.dispatch() => {
                    worker.succeed(&dispatch, "1").await;
                    execution.await.expect("no panic")
                }
            };
            if let Err(refused) = answer {
                return refused;
            }
        }
    })
    .await;
    use tonic_types::StatusExt;
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    let details = refused.get_error_details();
    assert_eq!(
        details.error_info().map(|info| info.reason.as_str()),
        Some("AUDIT_UNAVAILABLE")
    );
    assert!(
        details
            .retry_info()
            .is_some_and(|info| info.retry_delay.is_some())
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing").join("audit.jsonl");
    // Whose folder is there, and which leads to one that is not.
    let link = folder.path().join("audit.jsonl");
    std::os::unix::fs::symlink(&missing, &link).expect("made");
    for (file, key, says) in [
        (missing, "audit.file", "missing/audit.jsonl"),
        (link, "the audit's file", "/audit.jsonl"),
    ] {
        let error = toolwave_coordinator::Coordinator::start(audited(&file)).await;
        let error = error.err().expect("it does not start").to_string();
        assert!(error.contains(key) && error.contains(says), "{error}");
    }
}
