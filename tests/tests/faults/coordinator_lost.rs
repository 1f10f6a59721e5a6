//! The coordinator goes, at once and without a word, and another starts in its place.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use toolwave_client::{
    ClientError, call,
    v1::{self, Outcome},
};
use toolwave_tests::{PATIENCE, Processes, history::Kind, recording::BRISK};
use toolwave_worker::{CallContext, FunctionTool, Worker};

use crate::rig::{binaries, cluster_with, request, takes};

/// Idle workers that all lose their coordinator at once.
const IDLE: usize = 300;

/// F09: the coordinator is killed. Its clients get an error that says that what they asked for may have run; its
/// workers come back to the next one, and what they still run keeps its slot until it has stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_killed_coordinator_are_told_and_its_workers_serve_the_next() {
    let mut cluster = cluster_with(BRISK, &["w1", "w2"], 2).await;
    let calls = vec![
        takes("ignore_stop_once", 3000),
        takes("ignore_stop_once", 3000),
        takes("record_safe", 30_000),
        takes("record_once", 30_000),
    ];
    let execution = cluster.begin(&request(calls)).await.unwrap();
    cluster.wait_for_starts(4).await.unwrap();
    cluster.processes().replace_coordinator().unwrap();
    let error = execution.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::ConnectionLost { .. }), "{error:?}");
    // At once, while nobody is back and while zombies hold slots: it waits, it is not refused.
    let calls = (0..12).map(|index| {
        takes(
            if index % 2 == 0 {
                "record_safe"
            } else {
                "record_once"
            },
            100,
        )
    });
    let response = cluster.run(request(calls.collect())).await.unwrap();
    for result in &response.results {
        assert_eq!(result.outcome(), Outcome::Succeeded, "{result:#?}");
    }
    // what lost its coordinator was stopped, or comes to its end
    cluster
        .wait_until("an end of all that ran", |lines| {
            lines.iter().filter(|line| line.kind != Kind::Start).count() == 4 + 12
        })
        .await
        .unwrap();
    // One that refused for want of slots may have been taken out: it is probed, and back, as calls come.
    let client = cluster.client().await.unwrap();
    let is_ready = |worker: &v1::WorkerStatus| worker.state() == v1::WorkerState::Ready;
    for _ in 0..100 {
        let response = cluster
            .run(request((0..4).map(|_| takes("record_once", 100)).collect()))
            .await
            .unwrap();
        assert!(
            response.results.iter().all(|result| result.success),
            "{response:#?}"
        );
        if client.list_workers().await.unwrap().iter().all(is_ready) {
            break;
        }
    }
    cluster.settle(&["w1", "w2"]).await.unwrap();
    cluster.check().unwrap();
}

/// F11: after a restart many idle workers are back within seconds, and no call that comes meanwhile is refused for
/// want of a worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_idle_workers_are_back_soon_after_a_restart_and_no_call_is_refused_meanwhile() {
    let mut processes = Processes::start(binaries(), &[]).unwrap();
    let mut workers = JoinSet::new();
    let mut handles = Vec::new();
    for index in 0..IDLE {
        let tool = FunctionTool::new("greet", "Greets", |_: serde_json::Value, _: CallContext| async {
            Ok("hello")
        });
        let worker = Worker::builder()
            .coordinator(processes.url())
            .name(format!("idle-{index:03}"))
            .slots(1)
            .tool(tool)
            .build()
            .unwrap();
        handles.push(worker.handle());
        workers.spawn(worker.run());
    }
    for handle in &handles {
        assert!(tokio::time::timeout(PATIENCE, handle.registered()).await.unwrap());
    }
    processes.replace_coordinator().unwrap();
    let restarted_at = Instant::now();
    let client = processes.client().await.unwrap();
    let calls = (0..20).map(|_| call("greet", json!({}))).collect();
    let response = client.execute_parallel(request(calls)).await.unwrap();
    for result in &response.results {
        assert_eq!(result.outcome(), Outcome::Succeeded, "{result:#?}");
    }
    let mut back = 0;
    while back < IDLE {
        assert!(
            restarted_at.elapsed() < Duration::from_secs(10),
            "{back} of {IDLE} are back"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        back = client.list_workers().await.unwrap().len();
    }
}

/// F11: a call that comes before any worker is back waits through the startup grace, even of a tool that nobody
/// has declared yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_comes_before_any_worker_waits_for_one_to_come() {
    let mut cluster = cluster_with(BRISK, &[], 1).await;
    let request = request(vec![takes("record_once", 10)]);
    let execution = cluster.begin(&request).await.unwrap();
    cluster.add("first", 1).await.unwrap();
    let response = execution.await.unwrap().unwrap();
    assert_eq!(response.results[0].outcome(), Outcome::Succeeded, "{response:#?}");
    cluster.keep(&request, response);
    cluster.check().unwrap();
}
