//! Sessions that end, come back, are replaced and drained.

mod common;

use std::time::Duration;

use common::*;
use tonic::Code;
use toolwave_proto::v1::{self, Outcome, WorkerState};

/// As a worker registers that comes back to the same coordinator.
fn again(worker: &FakeWorker, mut register: v1::Register, in_flight: Vec<v1::AttemptRef>) -> v1::Register {
    register
        .coordinator_id
        .clone_from(&worker.registered.coordinator_id);
    register.in_flight = in_flight;
    register
}

#[tokio::test]
async fn a_newer_session_of_the_same_process_takes_over_what_runs() {
    let coordinator = start(config()).await;
    let register = register("w", vec![once("echo")]);
    let mut old = FakeWorker::join(&coordinator, register.clone()).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let dispatch = old.dispatch().await;
    let back = again(&old, register, vec![dispatch.attempt.expect("named")]);
    let mut new = FakeWorker::join(&coordinator, back).await;
    assert_eq!(old.end().await.expect("a fault").code(), Code::Aborted);
    assert!(new.registered.unwanted.is_empty());
    new.succeed(&dispatch, "1").await;
    let results = results(running).await;
    assert_eq!((json(&results[0]), results[0].attempts.len()), ("1", 1));
}

#[tokio::test]
async fn a_worker_that_comes_back_finishes_what_it_runs() {
    let coordinator = start(config()).await;
    let register = register("w", vec![once("echo")]);
    let mut worker = FakeWorker::join(&coordinator, register.clone()).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    // However cleanly: an end without goodbye is a lost session, not a lost worker.
    worker.hang_up();
    assert!(worker.end().await.is_none());
    let detached = |workers: &[v1::WorkerStatus]| workers[0].state() == WorkerState::Detached;
    assert_eq!(workers_until(&coordinator, detached).await[0].address, "");
    let back = again(&worker, register, vec![dispatch.attempt.expect("named")]);
    let mut worker = FakeWorker::join(&coordinator, back).await;
    worker.succeed(&dispatch, "1").await;
    assert_eq!(json(&results(running).await[0]), "1");
}

#[tokio::test]
async fn what_a_worker_lists_and_nobody_wants_is_aborted() {
    let coordinator = start(config()).await;
    let worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let stale = v1::AttemptRef {
        execution: 1,
        call_index: 0,
        attempt: 1,
    };
    let back = again(&worker, register("w", vec![tool("echo")]), vec![stale]);
    let mut worker = FakeWorker::join(&coordinator, back).await;
    assert_eq!(worker.abort().await, stale);
}

#[tokio::test]
async fn a_goodbye_ends_session_and_worker() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    worker.goodbye().await;
    assert!(worker.end().await.is_none(), "it ends well");
    workers_until(&coordinator, <[_]>::is_empty).await;
}

#[tokio::test]
async fn another_process_of_the_name_ends_the_first() {
    let coordinator = start(config()).await;
    let mut register = register("w", vec![once("echo")]);
    let mut old = FakeWorker::join(&coordinator, register.clone()).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    old.dispatch().await;
    register.instance_id = "w-2".into();
    let _new = FakeWorker::join(&coordinator, register).await;
    let status = old.end().await.expect("a fault");
    assert_eq!(status.code(), Code::Aborted);
    assert!(status.message().contains("names are unique"), "{status}");
    let result = results(running).await.remove(0);
    assert_eq!(
        result.outcome(),
        Outcome::Unknown,
        "it may have run, and must not run twice"
    );
    let workers = workers(&coordinator).await;
    assert_eq!((workers.len(), workers[0].instance_id.as_str()), (1, "w-2"));
}

#[tokio::test]
async fn a_call_that_is_safe_to_repeat_goes_to_the_next_worker() {
    let coordinator = start(config()).await;
    let mut register = register("w", vec![tool("echo")]);
    let mut old = FakeWorker::join(&coordinator, register.clone()).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let first = old.dispatch().await;
    register.instance_id = "w-2".into();
    let mut new = FakeWorker::join(&coordinator, register).await;
    let second = new.dispatch().await;
    assert!(second.attempt.expect("named").attempt > first.attempt.expect("named").attempt);
    new.succeed(&second, "1").await;
    let results = results(running).await;
    assert_eq!(results[0].attempts.len(), 2);
}

#[tokio::test]
async fn a_worker_drained_by_an_operator_stays_drained_when_it_comes_back() {
    let coordinator = start(config()).await;
    let register = register("w", vec![tool("echo")]);
    let mut worker = FakeWorker::join(&coordinator, register.clone()).await;
    let mut admin = admin(&coordinator).await;
    let drain = |resume| v1::DrainWorkerRequest {
        worker: "w".into(),
        resume,
    };
    admin.drain_worker(drain(false)).await.expect("it is there");
    let told = worker.until(|frame| frame.set_draining.is_some()).await;
    assert!(told.set_draining.expect("set").draining);
    let mut back = FakeWorker::join(&coordinator, again(&worker, register, vec![])).await;
    let told = back.until(|frame| frame.set_draining.is_some()).await;
    assert!(told.set_draining.expect("set").draining);
    assert!(workers(&coordinator).await[0].draining);
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    back.beat(1, vec![]).await;
    let answer = back.until(|frame| frame.heartbeat_answer == 1).await;
    assert!(answer.dispatches.is_empty());
    admin.drain_worker(drain(true)).await.expect("it is there");
    let dispatch = back.dispatch().await;
    back.succeed(&dispatch, "1").await;
    assert_eq!(json(&results(running).await[0]), "1");
}

#[tokio::test]
async fn to_drain_a_worker_that_is_not_there_is_an_error() {
    let coordinator = start(config()).await;
    let request = v1::DrainWorkerRequest {
        worker: "nobody".into(),
        resume: false,
    };
    let status = admin(&coordinator)
        .await
        .drain_worker(request)
        .await
        .expect_err("not there");
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_worker_that_drains_by_itself_gets_nothing_more() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let draining = Some(v1::Draining {
        reason: "stopping".into(),
    });
    worker
        .say(v1::OpenSessionRequest {
            draining,
            ..Default::default()
        })
        .await;
    workers_until(&coordinator, |workers| workers[0].draining).await;
    let mut other = FakeWorker::join(&coordinator, register("other", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", "{}"); 4]).await;
    for _ in 0..4 {
        let dispatch = other.dispatch().await;
        other.succeed(&dispatch, "1").await;
    }
    assert!(
        results(running)
            .await
            .iter()
            .all(|result| result.attempts[0].worker == "other")
    );
    worker.beat(1, vec![]).await;
    worker.until(|frame| frame.heartbeat_answer == 1).await;
    assert!(worker.frames.iter().all(|frame| frame.dispatches.is_empty()));
}

#[tokio::test]
async fn a_worker_that_is_not_heard_for_the_lease_is_cut_off() {
    let mut config = config();
    config.heartbeat_interval = Duration::from_millis(20);
    config.suspect_after = Duration::from_millis(50);
    config.self_fence = Duration::from_millis(80);
    config.reconnect_grace = Duration::from_millis(80);
    config.lease = Duration::from_millis(100);
    let coordinator = start(config).await;
    let mut worker = FakeWorker::open(&coordinator).await;
    let register = Some(register("w", vec![tool("echo")]));
    worker
        .say(v1::OpenSessionRequest {
            register,
            ..Default::default()
        })
        .await;
    let status = worker.end().await.expect("a fault");
    assert_eq!(status.code(), Code::Aborted);
    assert!(status.message().contains("lease"), "{status}");
    assert!(workers(&coordinator).await.is_empty());
}

#[tokio::test]
async fn tools_that_change_replace_those_before() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("a"), tool("b")])).await;
    let tools_changed = Some(v1::ToolsChanged {
        tools: vec![tool("b"), tool("c")],
    });
    worker
        .say(v1::OpenSessionRequest {
            tools_changed,
            ..Default::default()
        })
        .await;
    worker.beat(1, vec![]).await;
    worker.until(|frame| frame.heartbeat_answer == 1).await;
    assert_eq!(workers(&coordinator).await[0].tools, ["b", "c"]);
}
