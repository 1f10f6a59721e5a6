//! The harness itself: scripted workers and real processes do what the other tests take for granted.

use serde_json::json;
use toolwave_client::{CallResultExt as _, call, v1};
use toolwave_proto::v1::{AttemptFailure, AttemptFailureKind};
use toolwave_tests::{Binaries, Cluster, FakeWorker, Processes, Profile};

fn request(calls: Vec<v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_scripted_worker_is_dispatched_to_and_what_it_reports_reaches_the_client() {
    let cluster = Cluster::start().await.unwrap();
    let register = FakeWorker::register("scripted", 2, &["greet"]);
    let mut worker = FakeWorker::open(&cluster.url(), register).await.unwrap();
    let client = cluster.client().await.unwrap();
    let calls = vec![
        call("greet", json!({"name": "Ada"})),
        call("greet", json!({"name": "Bob"})),
    ];
    let execution = tokio::spawn(async move { client.execute_parallel(request(calls)).await });
    for _ in 0..2 {
        let dispatch = worker.dispatch().await.unwrap();
        let attempt = dispatch.attempt.unwrap();
        assert_eq!(dispatch.tool_name, "greet");
        if dispatch.parameters_json == r#"{"name":"Ada"}"# {
            worker.succeed(attempt, r#""Hello, Ada""#).await.unwrap();
        } else {
            let kind = AttemptFailureKind::ToolError.into();
            let failure = AttemptFailure {
                kind,
                code: "AWAY".to_owned(),
                ..Default::default()
            };
            worker.fail(attempt, failure).await.unwrap();
        }
    }
    let results = execution.await.unwrap().unwrap().results;
    assert_eq!(results[0].json().unwrap(), Some(json!("Hello, Ada")));
    assert_eq!(results[1].outcome(), v1::Outcome::Failed);
    assert_eq!(
        results[1].error.as_ref().map(|error| error.code.as_str()),
        Some("AWAY")
    );
    worker.goodbye().await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_that_does_not_begin_with_register_is_refused_with_its_status() {
    let cluster = Cluster::start().await.unwrap();
    let Err(error) = FakeWorker::open_with(&cluster.url(), Default::default()).await else {
        panic!("an empty first frame was answered");
    };
    let refusal = FakeWorker::refusal(&error).unwrap_or_else(|| panic!("no status: {error:#}"));
    assert_eq!(refusal.code(), tonic::Code::FailedPrecondition);
    cluster.stop().await.unwrap();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_processes_answer_and_end_well_on_sigterm() {
    let binaries = Binaries::built(Profile::Dev).unwrap();
    let mut cluster = Processes::start(binaries, &[]).unwrap();
    cluster.add_worker("process", 4, &[]).await.unwrap();
    let client = cluster.client().await.unwrap();
    let answer = client
        .execute_parallel(request(vec![call("echo", json!({"n": 1}))]))
        .await
        .unwrap();
    assert_eq!(answer.results[0].json().unwrap(), Some(json!({"n": 1})));
    assert_eq!(answer.results[0].attempts[0].worker, "process");
    drop(client);
    let worker = &mut cluster.workers()[0];
    worker.signal("TERM").unwrap();
    assert_eq!(worker.wait().unwrap(), Some(0));
    cluster.coordinator().signal("TERM").unwrap();
    assert_eq!(cluster.coordinator().wait().unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_with_own_tools_is_a_worker() {
    let mut cluster = Processes::start(Binaries::built(Profile::Dev).unwrap(), &[]).unwrap();
    let arguments = [cluster.url()];
    cluster
        .add_program("toolwave-example-own-tools", "own-tools", &arguments)
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    let calls = vec![
        call("get_fibonacci_number", json!({"n": 10})),
        call("greet", json!({"name": "number ${0.result}"})),
    ];
    let results = client.execute_parallel(request(calls)).await.unwrap().results;
    assert_eq!(results[0].json().unwrap(), Some(json!(34)));
    assert_eq!(results[1].json().unwrap(), Some(json!("Hello, number 34!")));
}
