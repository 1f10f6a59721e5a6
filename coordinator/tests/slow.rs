//! Why an execution took as long as it did, over real gRPC: what its summary says held it.

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use toolwave_coordinator::Coordinator;
use toolwave_proto::v1;

use common::{FakeWorker, admin, call, client, config, register, request, soon, start, tool};

fn after(id: &str, depends_on: &[&str]) -> v1::Call {
    v1::Call {
        id: Some(id.into()),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        ..call("echo", "{}")
    }
}

async fn begin(
    coordinator: &Coordinator,
    request: v1::ExecuteParallelRequest,
) -> tokio::task::JoinHandle<v1::ExecutionSummary> {
    let mut client = client(coordinator).await;
    tokio::spawn(async move {
        let answer = client.execute_parallel(request).await.expect("an answer");
        answer.into_inner().summary.expect("a summary")
    })
}

async fn analysis(running: tokio::task::JoinHandle<v1::ExecutionSummary>) -> v1::ExecutionAnalysis {
    let summary = soon("its end", running).await.expect("no panic");
    summary.analysis.expect("an analysis")
}

fn time(duration: Option<prost_types::Duration>) -> Duration {
    Duration::try_from(duration.expect("a duration")).expect("not negative")
}

async fn shown(coordinator: &Coordinator, id: &str) -> v1::GetExecutionResponse {
    let request = v1::GetExecutionRequest {
        execution_id: id.into(),
    };
    let shown = admin(coordinator).await.get_execution(request).await;
    shown.expect("it is known").into_inner()
}

#[tokio::test]
async fn a_call_alone_waits_for_nothing() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let running = begin(&coordinator, request(vec![call("echo", "{}")])).await;
    let dispatch = worker.dispatch().await;
    worker.succeed(&dispatch, "1").await;
    let found = analysis(running).await;
    assert_eq!(found.critical_path, [0]);
    assert_eq!((found.peak_in_flight, found.retries), (1, 0));
    assert!(found.waits.is_empty(), "{found:?}");
    assert_eq!(time(found.saved_by_one_more_slot), Duration::ZERO);
    assert!(time(found.lower_bound) >= time(found.critical_path_execution));
}

#[tokio::test]
async fn the_chain_that_the_end_waited_for_and_what_held_it_are_told() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let calls = vec![
        after("a", &[]),
        after("b", &[]),
        after("c", &["a", "b"]),
        after("beside", &[]),
    ];
    let mut limited = request(calls);
    limited.max_concurrency_auto = false;
    limited.max_concurrency = Some(1);
    let running = begin(&coordinator, limited).await;
    let mut id = String::new();
    for expected in ["a", "b", "beside", "c"] {
        let dispatch = worker.dispatch().await;
        assert_eq!(dispatch.call_id, expected);
        let shown = shown(&coordinator, &dispatch.execution_id).await;
        for other in shown
            .calls
            .iter()
            .filter(|call| call.state() == v1::CallState::Ready)
        {
            assert_eq!(other.waits_for(), v1::WaitReason::ExecutionLimit);
        }
        worker.succeed(&dispatch, "1").await;
        id = dispatch.execution_id;
    }
    let found = analysis(running).await;
    assert_eq!(found.critical_path, [1, 2], "b ended after a, and c needed both");
    assert_eq!(found.peak_in_flight, 1);
    let waits: Vec<(v1::WaitReason, u32)> = found
        .waits
        .iter()
        .map(|wait| (wait.reason(), wait.calls))
        .collect();
    assert_eq!(waits, [(v1::WaitReason::ExecutionLimit, 3)]);
    assert!(time(found.waits[0].time) > Duration::ZERO);
    assert!(time(found.saved_by_one_more_slot) > Duration::ZERO);
    let kept = shown(&coordinator, &id).await.summary.expect("a summary");
    assert_eq!(kept.analysis, Some(found), "operators are told the same");
}

#[tokio::test]
async fn a_retry_and_its_time_are_told() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let retry = v1::RetryPolicy {
        initial_backoff: Some(prost_types::Duration { seconds: 0, nanos: 1 }),
        max_backoff: Some(prost_types::Duration { seconds: 0, nanos: 1 }),
        ..v1::RetryPolicy::default()
    };
    let running = begin(
        &coordinator,
        v1::ExecuteParallelRequest {
            retry: Some(retry),
            ..request(vec![call("echo", "{}")])
        },
    )
    .await;
    let first = worker.dispatch().await;
    let attempt = first.attempt.expect("an attempt");
    worker.fail(&attempt, v1::AttemptFailureKind::TimedOut).await;
    let second = worker.dispatch().await;
    worker.succeed(&second, "1").await;
    let found = analysis(running).await;
    assert_eq!(found.retries, 1);
    assert!(time(found.retry_time) > Duration::ZERO);
    assert!(time(found.lower_bound) >= time(found.retry_time));
}

#[tokio::test]
async fn an_analysis_never_stands_in_the_way_of_results() {
    let coordinator = start(config()).await;
    let mut registers = register("w", vec![tool("echo")]);
    registers.slots = 1;
    let mut worker = FakeWorker::join(&coordinator, registers).await;
    let calls: Vec<v1::Call> = (0..150)
        .map(|at| match at {
            0 => after("c0", &[]),
            _ => after(&format!("c{at}"), &[&format!("c{}", at - 1)]),
        })
        .collect();
    let mut small = request(calls);
    small.max_response_bytes = Some(1024);
    let running = begin(&coordinator, small).await;
    for _ in 0..150 {
        let dispatch = worker.dispatch().await;
        worker.succeed(&dispatch, "1").await;
    }
    let found = analysis(running).await;
    assert!(
        found.critical_path.is_empty(),
        "150 numbers are more than an eighth of 1,024 bytes"
    );
    assert!(time(found.lower_bound) > Duration::ZERO);
}

#[tokio::test]
async fn a_stream_ends_with_the_same_analysis() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let mut client = client(&coordinator).await;
    let request = v1::ExecuteParallelStreamRequest {
        execution: Some(request(vec![after("a", &[]), after("b", &["a"])])),
    };
    let mut events = client
        .execute_parallel_stream(request)
        .await
        .expect("a stream")
        .into_inner();
    let mut id = String::new();
    for _ in 0..2 {
        let dispatch = worker.dispatch().await;
        worker.succeed(&dispatch, "1").await;
        id = dispatch.execution_id;
    }
    let summary = soon("the summary", async {
        loop {
            let message = events
                .message()
                .await
                .expect("no fault")
                .expect("a summary comes last");
            for event in message.events {
                if let Some(v1::execution_event::Kind::Summary(summary)) = event.kind {
                    return summary;
                }
            }
        }
    })
    .await;
    assert_eq!(
        summary.analysis.as_ref().map(|found| found.critical_path.clone()),
        Some(vec![0, 1])
    );
    assert_eq!(shown(&coordinator, &id).await.summary, Some(summary));
}
