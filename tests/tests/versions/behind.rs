//! A worker of the last release at the coordinator of this one: workers are behind while a cluster is upgraded.

use std::time::Duration;

use serde_json::json;
use toolwave_client::{CallExt as _, CallResultExt as _, Client, call, v1};
use toolwave_coordinator::config::Config;
use toolwave_tests::{Cluster, PATIENCE};

use crate::{
    baseline::v1::{AttemptFailure, AttemptFailureKind},
    old_worker::{OldWorker, soon},
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A coordinator that says to workers what it can: of other coordinators, and of traces.
async fn cluster() -> (Cluster, Client) {
    let config = Config {
        // nobody is there; a worker that understood it would dial
        peers: vec!["http://127.0.0.1:1".to_owned()],
        ..Config::embedded()
    };
    let cluster = Cluster::with_config(config).await.unwrap();
    let client = cluster.client().await.unwrap();
    (cluster, client.in_trace(TRACEPARENT, "vendor=1").unwrap())
}

fn request(calls: Vec<v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency_auto: true,
        timeout: Some(toolwave_client::proto_duration(PATIENCE)),
        ..v1::ExecuteParallelRequest::default()
    }
}

fn submit(
    client: &Client,
    calls: Vec<v1::Call>,
) -> tokio::task::JoinHandle<Result<v1::ExecuteParallelResponse, toolwave_client::ClientError>> {
    let client = client.clone();
    tokio::spawn(async move { client.execute_parallel(request(calls)).await })
}

async fn listed(client: &Client) -> Vec<v1::WorkerStatus> {
    client.list_workers().await.unwrap()
}

#[tokio::test]
async fn a_worker_of_the_last_release_is_served_from_its_registration_to_its_goodbye() {
    let (cluster, client) = cluster().await;
    let mut worker = OldWorker::join(cluster.url(), "old", 2).await;
    assert_eq!(worker.registered.protocol, 1);
    let status = &listed(&client).await[0];
    assert_eq!(
        (status.build.as_str(), status.slots, status.state()),
        ("the last release", 2, v1::WorkerState::Ready)
    );

    let again = v1::RetryPolicy {
        max_attempts: 2,
        initial_backoff: Some(toolwave_client::proto_duration(Duration::from_millis(1))),
        ..v1::RetryPolicy::default()
    };
    let first = call("work", json!({"n": 1})).id("first").retry(again);
    let second = call("work", json!({"of": "${first.result}"})).id("second");
    let execution = submit(&client, vec![first, second]);

    let dispatch = worker.dispatch().await;
    let attempt = dispatch.attempt.unwrap();
    assert_eq!(dispatch.parameters_json, r#"{"n":1}"#);
    worker.starts(attempt).await;
    worker.beats().await;
    let failure = AttemptFailure {
        kind: AttemptFailureKind::ToolError.into(),
        code: "BUSY".to_owned(),
        retryable: true,
        ..AttemptFailure::default()
    };
    worker.fails(attempt, failure).await;
    let retried = worker.dispatch().await.attempt.unwrap();
    assert_eq!((retried.call_index, retried.attempt), (0, 2));
    worker.succeeds(retried, "[7]").await;
    let dispatch = worker.dispatch().await;
    assert_eq!(dispatch.parameters_json, r#"{"of":[7]}"#, "the second wave");
    worker.succeeds(dispatch.attempt.unwrap(), "8").await;

    let response = soon("the answer", execution).await.unwrap().unwrap();
    let json: Vec<_> = response
        .results
        .iter()
        .map(|result| result.json().unwrap())
        .collect();
    assert_eq!(json, [Some(json!([7])), Some(json!(8))]);
    let attempts: Vec<_> = response
        .results
        .iter()
        .map(|result| result.attempts.len())
        .collect();
    assert_eq!(attempts, [2, 1]);
    let analysis = response.summary.unwrap().analysis.unwrap();
    assert_eq!(
        (analysis.critical_path, analysis.retries),
        (vec![0, 1], 1),
        "what is new is told of old workers too"
    );
    worker.goodbye().await;
    assert_eq!(listed(&client).await, [], "it left in order");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn attempts_of_a_worker_of_the_last_release_are_stopped_when_their_execution_is_cancelled() {
    let (cluster, client) = cluster().await;
    let mut worker = OldWorker::join(cluster.url(), "old", 1).await;
    let execution = submit(&client, vec![call("work", json!({}))]);
    let dispatch = worker.dispatch().await;
    let attempt = dispatch.attempt.unwrap();
    worker.starts(attempt).await;
    client.cancel_execution(dispatch.execution_id).await.unwrap();
    let told = worker.hear(|frame| frame.aborts.first().copied()).await;
    assert_eq!(told, attempt);
    let stopped = AttemptFailure {
        kind: AttemptFailureKind::Aborted.into(),
        ..AttemptFailure::default()
    };
    worker.fails(attempt, stopped).await;
    let response = soon("the answer", execution).await.unwrap().unwrap();
    assert_eq!(response.results[0].outcome(), v1::Outcome::Cancelled);
    assert_eq!(listed(&client).await[0].in_flight, 0, "its slot is free");
    worker.goodbye().await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_of_the_last_release_is_drained_and_taken_back_by_its_operator() {
    let (cluster, client) = cluster().await;
    let mut worker = OldWorker::join(cluster.url(), "old", 1).await;
    let execution = submit(&client, vec![call("work", json!({})), call("work", json!({}))]);
    let attempt = worker.dispatch().await.attempt.unwrap();
    worker.starts(attempt).await;

    client.drain_worker("old", false).await.unwrap();
    let told = worker
        .hear(|frame| frame.set_draining.as_ref().map(|drain| drain.draining))
        .await;
    assert!(told);
    worker.succeeds(attempt, "1").await;
    worker.beats().await;
    assert!(!worker.has_dispatch(), "nothing new while it drains");

    client.drain_worker("old", true).await.unwrap();
    let attempt = worker.dispatch().await.attempt.unwrap();
    worker.succeeds(attempt, "2").await;
    let response = soon("the answer", execution).await.unwrap().unwrap();
    assert!(response.results.iter().all(|result| result.success));
    worker.goodbye().await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_of_the_last_release_that_drains_ends_what_it_has_and_gets_nothing_new() {
    let (cluster, client) = cluster().await;
    let mut worker = OldWorker::join(cluster.url(), "old", 2).await;
    let first = submit(&client, vec![call("work", json!({}))]);
    let attempt = worker.dispatch().await.attempt.unwrap();
    worker.drains().await;
    worker.beats().await;
    let second = submit(&client, vec![call("work", json!({}))]);
    soon("the call in the queue", async {
        while client.cluster().await.unwrap().queued_calls == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    worker.beats().await;
    assert!(!worker.has_dispatch(), "a slot is free, and it drains");
    worker.succeeds(attempt, "1").await;
    assert!(soon("the answer", first).await.unwrap().unwrap().results[0].success);
    worker.goodbye().await;
    let mut next = OldWorker::join(cluster.url(), "next", 1).await;
    let attempt = next.dispatch().await.attempt.unwrap();
    next.succeeds(attempt, "2").await;
    assert!(soon("the answer", second).await.unwrap().unwrap().results[0].success);
    next.goodbye().await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_stops_tells_workers_of_the_last_release_and_lets_them_finish() {
    let (cluster, client) = cluster().await;
    let mut worker = OldWorker::join(cluster.url(), "old", 1).await;
    let execution = submit(&client, vec![call("work", json!({}))]);
    let attempt = worker.dispatch().await.attempt.unwrap();
    let stopping = tokio::spawn(cluster.stop());
    let shutdown = worker.hear(|frame| frame.shutdown).await;
    assert!(shutdown.reconnect_after.is_some());
    worker.succeeds(attempt, "1").await;
    assert!(soon("the answer", execution).await.unwrap().unwrap().results[0].success);
    let end = worker.end().await.unwrap();
    assert_eq!(end.code(), tonic::Code::Unavailable, "{end:?}");
    soon("the end", stopping).await.unwrap().unwrap();
}
