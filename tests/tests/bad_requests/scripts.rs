//! The rows that take more than one request: keys used twice, cancelling, draining, a full queue.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_proto::v1::{self, cancel_execution_request::Target};
use toolwave_tests::{FakeWorker, PATIENCE, code_word};

use crate::{Client, connect, rows};

const SCRIPTS: [&str; 6] = [
    "no_worker",
    "key_reused",
    "key_joins",
    "cancel_ended",
    "draining",
    "queue_full",
];

/// Sends any message as `ExecuteParallel`.
pub(crate) async fn send_message<M: prost::Message + Default + 'static>(
    message: M,
    url: &str,
) -> Result<v1::ExecuteParallelResponse, Status> {
    let channel = Channel::from_shared(url.to_owned())
        .expect("a URL")
        .connect()
        .await
        .expect("a coordinator");
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready()
        .await
        .map_err(|error| Status::unknown(error.to_string()))?;
    let path =
        tonic::codegen::http::uri::PathAndQuery::from_static("/toolwave.v1.ExecutionService/ExecuteParallel");
    let codec = tonic_prost::ProstCodec::<M, v1::ExecuteParallelResponse>::default();
    grpc.unary(tonic::Request::new(message), path, codec)
        .await
        .map(tonic::Response::into_inner)
}

/// One call of a tool of the scripted worker, under a key.
fn keyed(key: &str, tool: &str) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: vec![v1::Call {
            tool_name: tool.into(),
            ..v1::Call::default()
        }],
        idempotency_key: key.into(),
        ..v1::ExecuteParallelRequest::default()
    }
}

async fn start(config: Config) -> (Coordinator, Client, FakeWorker) {
    let coordinator = Coordinator::start(config).await.expect("starts");
    let url = format!("http://{}", coordinator.address());
    let worker = FakeWorker::open(&url, FakeWorker::register("fake", 4, &["held"]))
        .await
        .expect("registers");
    (coordinator, connect(&url).await, worker)
}

/// Runs an execution whose one call the scripted worker answers.
async fn run(
    client: &Client,
    worker: &mut FakeWorker,
    request: v1::ExecuteParallelRequest,
) -> v1::ExecuteParallelResponse {
    let mut client = client.clone();
    let answer = tokio::spawn(async move { client.execute_parallel(request).await });
    let attempt = worker
        .dispatch()
        .await
        .expect("dispatched")
        .attempt
        .expect("named");
    worker.succeed(attempt, "{}").await.expect("sent");
    timeout(PATIENCE, answer)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("accepted")
        .into_inner()
}

fn assert_status(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    assert_eq!(
        details.error_info().map(|info| info.reason.as_str()),
        Some(reason),
        "{status:?}"
    );
    let again = matches!(code, Code::Unavailable | Code::ResourceExhausted);
    assert_eq!(details.retry_info().is_some(), again, "{}", code_word(code));
}

#[test]
fn every_scripted_row_has_its_script() {
    let mut named: Vec<String> = rows().into_iter().filter_map(|row| row.script).collect();
    named.sort_unstable();
    let mut scripts = SCRIPTS.map(str::to_owned).to_vec();
    scripts.sort_unstable();
    assert_eq!(named, scripts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_without_a_worker_is_unavailable_after_the_wait() {
    let config = Config {
        worker_wait: Duration::from_millis(100),
        ..Config::embedded()
    };
    let (_coordinator, mut client, worker) = start(config).await;
    worker.goodbye().await.expect("leaves");
    let answer = client
        .execute_parallel(keyed("", "held"))
        .await
        .expect("accepted")
        .into_inner();
    let result = &answer.results[0];
    assert_eq!(result.outcome(), v1::Outcome::Unavailable, "{result:?}");
    assert_eq!(
        result.error.as_ref().map(|error| error.code.as_str()),
        Some("NO_WORKER")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_joins_what_runs_returns_what_ended_and_refuses_another_body() {
    let (_coordinator, mut client, mut worker) = start(Config::embedded()).await;
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.execute_parallel(keyed("k", "held")).await });
    let attempt = worker
        .dispatch()
        .await
        .expect("dispatched")
        .attempt
        .expect("named");

    let stream = v1::ExecuteParallelStreamRequest {
        execution: Some(keyed("k", "held")),
    };
    let mut joined = client
        .execute_parallel_stream(stream)
        .await
        .expect("joins")
        .into_inner();
    let planned = joined
        .message()
        .await
        .expect("no error")
        .expect("planned comes first");
    let Some(v1::execution_event::Kind::Planned(planned)) = &planned.events[0].kind else {
        panic!("{planned:?}")
    };
    let other = client
        .execute_parallel(keyed("k", "other"))
        .await
        .expect_err("another body");
    assert_status(&other, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");

    worker.succeed(attempt, "[1]").await.expect("sent");
    let first = timeout(PATIENCE, first)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("accepted")
        .into_inner();
    let summary = first.summary.clone().expect("always");
    assert_eq!(summary.execution_id, planned.execution_id);
    let mut results = 0;
    while let Some(message) = timeout(PATIENCE, joined.message())
        .await
        .expect("in time")
        .expect("no error")
    {
        for event in message.events {
            results += usize::from(matches!(event.kind, Some(v1::execution_event::Kind::Result(_))));
        }
    }
    assert_eq!(results, 1, "who joins sees each result once");
    let again = client
        .execute_parallel(keyed("k", "held"))
        .await
        .expect("kept")
        .into_inner();
    assert_eq!(again, first, "the same answer, and nothing ran again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_with_a_key_goes_on_when_its_client_goes_away() {
    let (_coordinator, mut client, mut worker) = start(Config::embedded()).await;
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.execute_parallel(keyed("k", "held")).await });
    let attempt = worker
        .dispatch()
        .await
        .expect("dispatched")
        .attempt
        .expect("named");
    first.abort();
    let second = tokio::spawn(async move { client.execute_parallel(keyed("k", "held")).await });
    worker.succeed(attempt, "[1]").await.expect("sent");
    let answer = timeout(PATIENCE, second)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("found")
        .into_inner();
    assert!(answer.results[0].success, "{answer:?}");
    assert_eq!(answer.summary.map(|summary| summary.attempts), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_what_has_ended_is_no_error() {
    let (_coordinator, mut client, mut worker) = start(Config::embedded()).await;
    let answer = run(&client, &mut worker, keyed("k", "held")).await;
    let id = answer.summary.expect("always").execution_id;
    for target in [
        Target::ExecutionId(id.clone()),
        Target::IdempotencyKey("k".into()),
    ] {
        let request = v1::CancelExecutionRequest { target: Some(target) };
        let cancelled = client
            .cancel_execution(request)
            .await
            .expect("no error")
            .into_inner();
        assert_eq!(
            (cancelled.execution_id, cancelled.already_ended),
            (id.clone(), true)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_coordinator_refuses_and_says_when_to_come_back() {
    let (coordinator, mut client, mut worker) = start(Config::embedded()).await;
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.execute_parallel(keyed("", "held")).await });
    let attempt = worker
        .dispatch()
        .await
        .expect("dispatched")
        .attempt
        .expect("named");
    let down = tokio::spawn(coordinator.shutdown());
    // The worker is told after admission is closed.
    while worker
        .frame()
        .await
        .expect("a frame")
        .expect("open")
        .shutdown
        .is_none()
    {}
    let refused = client
        .execute_parallel(keyed("", "held"))
        .await
        .expect_err("draining");
    assert_status(&refused, Code::Unavailable, "DRAINING");
    worker.succeed(attempt, "{}").await.expect("sent");
    let first = timeout(PATIENCE, first)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("finishes")
        .into_inner();
    assert!(first.results[0].success, "{first:?}");
    drop(worker);
    timeout(PATIENCE, down).await.expect("in time").expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_the_whole_execution() {
    let (_coordinator, mut client, _worker) = start(Config {
        max_queued_calls: 4,
        ..Config::embedded()
    })
    .await;
    let call = v1::Call {
        tool_name: "held".into(),
        ..v1::Call::default()
    };
    let request = v1::ExecuteParallelRequest {
        calls: vec![call; 9],
        ..keyed("", "held")
    };
    let refused = client.execute_parallel(request).await.expect_err("full");
    assert_status(&refused, Code::ResourceExhausted, "QUEUE_FULL");
    assert!(refused.get_error_details().quota_failure().is_some());
}
