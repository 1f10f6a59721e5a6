//! What clients in other languages print, `examples/clients/expected.json`, told by the Rust client.

use std::{future::Future, time::Duration};

use serde_json::{Value, json};
use tokio_stream::StreamExt as _;
use tonic_types::StatusExt as _;
use toolwave_client::{CallExt as _, CallResultExt as _, Client, ClientError, call, v1};
use toolwave_tests::{Cluster, Form};
use toolwave_worker::tools::{Builtin, builtin_tools};
use v1::execution_event::Kind;

fn expected() -> Vec<Value> {
    serde_json::from_str(include_str!("../../examples/clients/expected.json")).expect("JSON")
}

fn request(calls: impl IntoIterator<Item = v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: calls.into_iter().collect(),
        ..Default::default()
    }
}

fn six_calls() -> v1::ExecuteParallelRequest {
    let expression = json!({"expression": "6 * 7"});
    let product = Form::Struct.call("calculator", expression.as_object().expect("an object"));
    let text = json!({
        "text": "6 * 7 = ${product.result.value}",
        "number": "${product.result.number}",
        "exact": 9_007_199_254_740_993_u64,
    });
    request([
        product.id("product"),
        call("echo", text).id("text"),
        call(
            "fail",
            json!({"code": "OUT_OF_PAPER", "message": "no paper left"}),
        )
        .id("broken"),
        call("echo", json!({"from": "${broken.result}"})).id("after"),
        call("sleep", json!({"milliseconds": "soon"})).id("wrong"),
        call("calculater", expression).id("typo"),
    ])
}

fn sleeper() -> v1::ExecuteParallelRequest {
    let slow = call("sleep", json!({"milliseconds": 600_000})).timeout(Duration::from_secs(900));
    request([call("echo", json!({})), slow])
}

fn told(result: &v1::CallResult) -> Value {
    let mut told = json!({"step": "batch", "call": result.id, "outcome": result.outcome().as_str_name()});
    if let Some(value) = result.json().expect("a result is JSON") {
        told["result"] = value;
    }
    if let Some(error) = &result.error {
        let paths = error.violations.iter().map(|violation| json!(violation.path));
        told["code"] = json!(error.code);
        told["root"] = json!(error.root_call_id);
        told["violations"] = paths.collect();
    }
    told
}

/// A client of a cluster that hosts the built-in tools is what `steps` speaks with.
async fn with_client<F: Future<Output = ()>>(steps: impl FnOnce(Client) -> F) {
    let mut cluster = Cluster::start().await.expect("a cluster");
    let tools = builtin_tools(&Builtin::default()).expect("tools");
    cluster.add_worker("built-in", 8, tools).await.expect("a worker");
    steps(cluster.client().await.expect("a client")).await;
    cluster.stop().await.expect("an end in order");
}

#[tokio::test]
async fn the_batch_of_the_examples_is_answered_as_expected() {
    with_client(|client| async move {
        let answer = client.execute_parallel(six_calls()).await.unwrap();
        let told: Vec<Value> = answer.results.iter().map(told).collect();
        assert_eq!(told, expected()[..6]);
    })
    .await;
}

fn wrong() -> v1::ExecuteParallelRequest {
    let nobody = "x".repeat(120);
    let waiting = (0..60).map(|_| call("echo", json!({})).depends_on(&nobody));
    request([call("", json!({})).id("nameless")].into_iter().chain(waiting))
}

/// gRPC's C core (C++, Python, Ruby, PHP) and Java take that much unless told otherwise, and lose the code with more.
#[tokio::test]
async fn a_client_that_takes_8_kib_of_trailers_is_told_what_is_wrong() {
    let cluster = Cluster::start().await.unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(cluster.url()).unwrap();
    let channel = endpoint
        .http2_max_header_list_size(8 * 1024)
        .connect()
        .await
        .unwrap();
    let mut client = v1::execution_service_client::ExecutionServiceClient::new(channel);
    let status = client.execute_parallel(wrong()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    assert!(status.get_details_bad_request().is_some(), "{status}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_request_of_the_examples_that_is_wrong_is_refused_as_expected() {
    with_client(|client| async move {
        let refused = client.execute_parallel(wrong()).await.unwrap_err();
        let ClientError::InvalidRequest { violations, .. } = refused else {
            panic!("not an invalid request: {refused}");
        };
        // The variant stands for the status, and the first description begins with the reason.
        let expected = &expected()[6];
        assert_eq!(json!(violations[0].field), expected["first"]);
        assert_eq!(json!(violations.last().map(|last| &last.field)), expected["last"]);
        let reason = violations[0].description.split(':').next();
        assert_eq!(json!(reason), expected["reason"]);
    })
    .await;
}

#[tokio::test]
async fn the_stream_of_the_examples_tells_what_is_expected() {
    with_client(|client| async move {
        let mut events = Box::pin(client.execute_parallel_stream(six_calls()).await.unwrap());
        let (mut waves, mut summaries, mut ended) = (0, 0, Vec::new());
        while let Some(event) = events.next().await {
            match event.unwrap().kind {
                Some(Kind::Planned(planned)) => waves = planned.waves.len(),
                Some(Kind::Result(end)) => ended.push(end.result.expect("a result").id),
                Some(Kind::Summary(_)) => summaries += 1,
                _ => {}
            }
        }
        ended.sort();
        let told = json!({"step": "stream", "waves": waves, "ended": ended, "summaries": summaries});
        assert_eq!(told, expected()[7]);
    })
    .await;
}

#[tokio::test]
async fn the_execution_that_the_examples_cancel_ends_as_expected() {
    with_client(|client| async move {
        let mut events = Box::pin(client.execute_parallel_stream(sleeper()).await.unwrap());
        let (mut id, mut outcome) = (String::new(), "");
        while let Some(event) = events.next().await {
            match event.unwrap().kind {
                Some(Kind::Planned(planned)) => id = planned.execution_id,
                Some(Kind::Started(started)) if started.call_index == 1 => {
                    client.cancel_execution(&id).await.unwrap();
                }
                Some(Kind::Result(end)) if end.call_index == 1 => {
                    outcome = end.result.expect("a result").outcome().as_str_name();
                }
                _ => {}
            }
        }
        assert_eq!(json!({"step": "cancelled", "outcome": outcome}), expected()[8]);
    })
    .await;
}

#[tokio::test]
async fn the_deadline_of_the_examples_brings_the_partial_answer_that_is_expected() {
    with_client(|client| async move {
        let mut short = sleeper();
        short.timeout = Some(toolwave_client::proto_duration(Duration::from_secs(2)));
        let answer = client.execute_parallel(short).await.unwrap();
        let outcomes: Vec<_> = answer.results.iter().map(|r| r.outcome().as_str_name()).collect();
        assert_eq!(
            json!({"step": "deadline", "status": 0, "outcomes": outcomes}),
            expected()[10]
        );
    })
    .await;
}
