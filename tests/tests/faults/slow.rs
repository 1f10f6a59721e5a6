//! Workers that do their part badly: one is slow, others come and go.

use std::{collections::HashMap, time::Duration};

use serde_json::json;
use toolwave_client::{
    call,
    v1::{Outcome, WorkerState},
};
use toolwave_tests::{Cluster, FakeWorker, PATIENCE, recording::BRISK};

use crate::rig::{cluster, failures, request, takes};

/// F07: of calls that wait, a worker that is ten times slower gets only as many as it is free for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_worker_gets_few_calls_and_holds_none_of_the_others_up() {
    let mut cluster = cluster(BRISK);
    for name in ["quick-1", "quick-2"] {
        cluster.add(name, 2).await.unwrap();
    }
    cluster
        .add_slower("slow", 2, Duration::from_millis(450))
        .await
        .unwrap();
    let response = cluster
        .run(request((0..120).map(|_| takes("record_once", 50)).collect()))
        .await
        .unwrap();
    let mut share: HashMap<&str, usize> = HashMap::new();
    for result in &response.results {
        assert_eq!(
            (result.outcome(), failures(result)),
            (Outcome::Succeeded, vec![""])
        );
        *share.entry(&result.attempts[0].worker).or_default() += 1;
    }
    // by speed 6 of 120 are its share, in turns it would be 40: twice the ideal time is 12 calls of it
    assert!(share["slow"] <= 12, "{share:?}");
    assert!(share["quick-1"].abs_diff(share["quick-2"]) < 30, "{share:?}");
    cluster.settle(&["quick-1", "quick-2", "slow"]).await.unwrap();
    cluster.check().unwrap();
}

/// F08: a worker whose session breaks with every call is taken out for a time that grows, and each call it drops
/// is done by another: it never read them, so even those not safe to repeat lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_drops_its_session_with_every_call_is_taken_out() {
    let cluster = Cluster::start().await.unwrap();
    let register = FakeWorker::register("flapping", 4, &["work"]);
    let client = cluster.client().await.unwrap();
    let steady = FakeWorker::open(&cluster.url(), FakeWorker::register("steady", 4, &["work"]))
        .await
        .unwrap();
    let steady = tokio::spawn(answer_everything(steady));
    let submitting = client.clone();
    let execution = tokio::spawn(async move {
        let calls = (0..400).map(|index| call("work", json!({"n": index}))).collect();
        submitting.execute_parallel(request(calls)).await
    });
    let mut taken_out = false;
    let mut flaps = 0;
    while !execution.is_finished() {
        let mut session = FakeWorker::open(&cluster.url(), register.clone()).await.unwrap();
        flaps += 1;
        let state = |workers: Vec<toolwave_client::v1::WorkerStatus>| {
            workers
                .iter()
                .find(|worker| worker.worker == "flapping")
                .map(|worker| worker.state())
        };
        if state(client.list_workers().await.unwrap()) == Some(WorkerState::Ejected) {
            taken_out = true;
            break;
        }
        // whatever comes first: its dispatch, or nothing for it any more
        let _ = tokio::time::timeout(Duration::from_millis(200), session.dispatch()).await;
    }
    assert!(taken_out, "it was let in {flaps} times");
    let response = tokio::time::timeout(PATIENCE, execution)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    for result in &response.results {
        assert_eq!(result.outcome(), Outcome::Succeeded, "{result:#?}");
        assert!(failures(result).len() <= 1 + flaps, "{result:#?}");
    }
    steady.abort();
}

/// Succeeds with everything, slowly enough that there is something for others.
async fn answer_everything(mut worker: FakeWorker) {
    while let Ok(dispatch) = worker.dispatch().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let Some(attempt) = dispatch.attempt else { break };
        if worker.succeed(attempt, "null").await.is_err() {
            break;
        }
    }
}
