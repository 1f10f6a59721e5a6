//! Frames of a worker that come twice, or in an order that no good worker sends.

use serde_json::json;
use tokio::task::JoinHandle;
use toolwave_client::{CallResultExt as _, Client, ClientError, call, v1};
use toolwave_proto::v1::{AttemptRef, AttemptReport, OpenSessionRequest, attempt_report::End};
use toolwave_tests::{Cluster, FakeWorker, PATIENCE};

use crate::rig::{failures, request};

type Execution = JoinHandle<Result<v1::ExecuteParallelResponse, ClientError>>;

/// Begins an execution of so many calls of `work`.
fn begin(client: &Client, calls: usize) -> Execution {
    let (client, calls) = (
        client.clone(),
        (0..calls).map(|_| call("work", json!({}))).collect(),
    );
    tokio::spawn(async move { client.execute_parallel(request(calls)).await })
}

async fn results(execution: Execution) -> Vec<v1::CallResult> {
    tokio::time::timeout(PATIENCE, execution)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .results
}

fn report(attempt: AttemptRef, sequence: u64, json: &'static str) -> AttemptReport {
    AttemptReport {
        attempt: Some(attempt),
        sequence,
        end: Some(End::ResultJson(json.into())),
        ..AttemptReport::default()
    }
}

/// The one worker, once nothing is in flight there.
async fn at_rest(client: &Client) -> v1::WorkerStatus {
    let waiting = async {
        loop {
            let workers = client.list_workers().await.unwrap();
            if let [worker] = workers.as_slice()
                && worker.in_flight == 0
            {
                return worker.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("a slot leaked")
}

/// F19: a result that comes twice, with another text the second time, and starts that come again and again change
/// nothing: the first counts, and a slot is given back once.
#[tokio::test]
async fn results_and_starts_that_come_twice_count_once() {
    let cluster = Cluster::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let register = FakeWorker::register("repeats", 2, &["work"]);
    let mut worker = FakeWorker::open(&cluster.url(), register).await.unwrap();
    let execution = begin(&client, 3);
    let first = worker.dispatch().await.unwrap().attempt.unwrap();
    let second = worker.dispatch().await.unwrap().attempt.unwrap();
    let frame = OpenSessionRequest {
        started: vec![first, first, second, first],
        results: vec![report(first, 1, "\"once\""), report(first, 2, "\"twice\"")],
        ..OpenSessionRequest::default()
    };
    worker.send(frame).await.unwrap();
    // two slots, one of them given back twice: a third call comes, and no fourth could
    let third = worker.dispatch().await.unwrap().attempt.unwrap();
    assert_eq!(client.list_workers().await.unwrap()[0].in_flight, 2);
    let frame = OpenSessionRequest {
        started: vec![first],
        results: vec![
            report(first, 3, "\"three times\""),
            report(second, 4, "\"second\""),
            report(third, 5, "\"third\""),
            report(second, 6, "\"second again\""),
        ],
        ..OpenSessionRequest::default()
    };
    worker.send(frame).await.unwrap();
    let results = results(execution).await;
    let texts: Vec<_> = results
        .iter()
        .map(|result| result.json().unwrap().unwrap())
        .collect();
    assert_eq!(texts.len(), 3);
    for (attempt, text) in [(first, "once"), (second, "second"), (third, "third")] {
        assert_eq!(texts[attempt.call_index as usize], json!(text));
    }
    assert!(
        results.iter().all(|result| failures(result) == [""]),
        "{results:#?}"
    );
    assert_eq!(
        at_rest(&client).await.state(),
        v1::WorkerState::Ready,
        "the session goes on"
    );
    worker.goodbye().await.unwrap();
    cluster.stop().await.unwrap();
}

/// F20: a result that comes before the news of its start counts; the news is none any more.
#[tokio::test]
async fn a_result_before_its_start_is_a_result() {
    let cluster = Cluster::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let register = FakeWorker::register("hasty", 1, &["work"]);
    let mut worker = FakeWorker::open(&cluster.url(), register).await.unwrap();
    let execution = begin(&client, 1);
    let attempt = worker.dispatch().await.unwrap().attempt.unwrap();
    worker.succeed(attempt, "1").await.unwrap();
    let started = vec![attempt];
    worker
        .send(OpenSessionRequest {
            started,
            ..OpenSessionRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(results(execution).await[0].json().unwrap(), Some(json!(1)));
    at_rest(&client).await;
    // and it is good for more
    let execution = begin(&client, 1);
    let attempt = worker.dispatch().await.unwrap().attempt.unwrap();
    worker.succeed(attempt, "2").await.unwrap();
    assert_eq!(results(execution).await[0].json().unwrap(), Some(json!(2)));
    worker.goodbye().await.unwrap();
    cluster.stop().await.unwrap();
}

/// F20: a process that registers anew while a dispatch to its old session is on its way, and lists it, keeps the
/// attempt; what the old session says of it afterwards is nothing.
#[tokio::test]
async fn a_registration_that_overtakes_a_dispatch_keeps_the_attempt() {
    let cluster = Cluster::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut register = FakeWorker::register("twice", 1, &["work"]);
    let mut old = FakeWorker::open(&cluster.url(), register.clone()).await.unwrap();
    let execution = begin(&client, 1);
    let attempt = old.dispatch().await.unwrap().attempt.unwrap();
    register
        .coordinator_id
        .clone_from(&old.registered().coordinator_id);
    register.in_flight = vec![attempt];
    let mut new = FakeWorker::open(&cluster.url(), register).await.unwrap();
    assert!(new.registered().unwanted.is_empty());
    // the old session is over: what it still says is not heard
    let _ = old.succeed(attempt, "\"old\"").await;
    while let Ok(Some(_)) = old.frame().await {}
    new.succeed(attempt, "\"new\"").await.unwrap();
    let results = results(execution).await;
    assert_eq!(results[0].json().unwrap(), Some(json!("new")));
    assert_eq!(failures(&results[0]), [""]);
    at_rest(&client).await;
    new.goodbye().await.unwrap();
    cluster.stop().await.unwrap();
}

/// F20: an abort and a result that cross on the way: the call is cancelled, and stays so; the slot is free once.
#[tokio::test]
async fn a_result_that_crosses_its_abort_changes_nothing_and_frees_the_slot() {
    let cluster = Cluster::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let register = FakeWorker::register("crossing", 1, &["work"]);
    let mut worker = FakeWorker::open(&cluster.url(), register).await.unwrap();
    let mut request = request(vec![call("work", json!({}))]);
    request.idempotency_key = "crossed".to_owned();
    let (submitting, same) = (client.clone(), request.clone());
    let execution = tokio::spawn(async move { submitting.execute_parallel(same).await });
    let dispatch = worker.dispatch().await.unwrap();
    let attempt = dispatch.attempt.unwrap();
    client.cancel_execution(dispatch.execution_id).await.unwrap();
    let first = results(execution).await;
    assert_eq!(first[0].outcome(), v1::Outcome::Cancelled);
    assert_eq!(worker.aborts().await.unwrap(), [attempt]);
    worker.succeed(attempt, "\"too late\"").await.unwrap();
    at_rest(&client).await;
    let again = client.execute_parallel(request).await.unwrap().results;
    assert_eq!(
        (again[0].outcome(), &again[0].error),
        (v1::Outcome::Cancelled, &first[0].error)
    );
    assert_eq!(again[0].json().unwrap(), None);
    worker.goodbye().await.unwrap();
    cluster.stop().await.unwrap();
}

/// F19, F20: the success of an attempt that was given up comes while the next one runs. It is marked as late, and
/// the result is that of the attempt that counts.
#[tokio::test]
async fn a_late_success_is_marked_and_does_not_count() {
    let cluster = Cluster::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut register = FakeWorker::register("late", 2, &["work"]);
    register.tools[0].idempotent = true;
    let mut worker = FakeWorker::open(&cluster.url(), register).await.unwrap();
    let mut slow = call("work", json!({}));
    slow.timeout = Some(toolwave_client::proto_duration(std::time::Duration::from_millis(
        200,
    )));
    let request = request(vec![slow]);
    let execution = tokio::spawn(async move { client.execute_parallel(request).await });
    let first = worker.dispatch().await.unwrap().attempt.unwrap();
    assert_eq!(worker.aborts().await.unwrap(), [first]);
    let second = worker.dispatch().await.unwrap().attempt.unwrap();
    assert_eq!((first.attempt, second.attempt), (1, 2));
    worker.succeed(first, "\"first\"").await.unwrap();
    worker.succeed(second, "\"second\"").await.unwrap();
    let results = results(execution).await;
    assert_eq!(results[0].json().unwrap(), Some(json!("second")));
    assert_eq!(failures(&results[0]), ["TIMED_OUT", ""]);
    let late: Vec<bool> = results[0].attempts.iter().map(|attempt| attempt.late).collect();
    assert_eq!(late, [true, false]);
    worker.goodbye().await.unwrap();
    cluster.stop().await.unwrap();
}
