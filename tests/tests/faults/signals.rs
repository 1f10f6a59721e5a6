//! SIGTERM, at good and at bad moments.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;
use toolwave_client::v1::Outcome;
use toolwave_tests::{
    FakeWorker, Process, Processes,
    recording::{BRISK, RecordingCluster},
};

use crate::rig::{binaries, cluster_with, failures, named, request, takes};

/// Of [`BRISK`].
const DRAIN: Duration = Duration::from_secs(3);
/// What the end may take beyond the drain's time.
const SLACK: Duration = Duration::from_secs(1);
/// A signal that comes before anybody listens for it ends the process: this is no exit code.
const BY_SIGNAL: Option<i32> = None;

/// The exit code of a process that was told to end at `told_at`, which must be there in time.
fn ends_within(process: &mut Process, told_at: Instant, bound: Duration) -> Option<i32> {
    let code = process.wait().unwrap();
    let took = told_at.elapsed();
    assert!(took <= bound, "it took {took:?}:\n{}", process.output());
    code
}

/// F31: told to end at any moment of its start, a coordinator ends, and soon.
#[test]
fn a_coordinator_that_is_told_to_end_while_it_starts_ends() {
    let folder = tempfile::tempdir().unwrap();
    let program = binaries().path("toolwave-coordinator");
    let arguments = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    for point in 0..20 {
        let mut process = Process::start(&program, &arguments, folder.path(), &format!("c{point}")).unwrap();
        // 0 to 19 ms: from before the program is loaded to when it listens
        std::thread::sleep(Duration::from_millis(point));
        let told_at = Instant::now();
        process.signal("TERM").unwrap();
        let code = ends_within(&mut process, told_at, SLACK);
        assert!(
            code == Some(0) || code == BY_SIGNAL,
            "{code:?} at {point} ms:\n{}",
            process.output()
        );
    }
}

/// F31: with a call that goes on, a session open and a connection that says nothing, the drain's time decides: the
/// client is answered, and the process ends in time, with 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_in_time_whatever_is_open() {
    let mut cluster = cluster_with(BRISK, &["w1"], 2).await;
    let url = cluster.processes().url();
    let silent = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let _deaf = FakeWorker::open(&url, FakeWorker::register("deaf", 1, &["nothing"]))
        .await
        .unwrap();
    let request = request(vec![takes("record_once", 500), takes("record_once", 30_000)]);
    let execution = cluster.begin(&request).await.unwrap();
    cluster.wait_for_starts(2).await.unwrap();
    let told_at = Instant::now();
    cluster.processes().coordinator().signal("TERM").unwrap();
    let response = execution.await.unwrap().unwrap();
    let outcomes: Vec<_> = response
        .results
        .iter()
        .map(toolwave_client::v1::CallResult::outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Outcome::Succeeded, Outcome::Cancelled],
        "{response:#?}"
    );
    assert!(response.results[1].error.as_ref().unwrap().may_have_run);
    cluster.keep(&request, response);
    let code = ends_within(cluster.processes().coordinator(), told_at, DRAIN + SLACK);
    assert_eq!(code, Some(0));
    drop(silent);
    cluster.check().unwrap();
}

/// F31: a second SIGTERM ends a drain at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_a_drain_at_once() {
    let mut cluster = cluster_with("drain_timeout = \"1m\"\n", &["w1"], 2).await;
    let execution = cluster
        .begin(&request(vec![takes("record_once", 30_000)]))
        .await
        .unwrap();
    cluster.wait_for_starts(1).await.unwrap();
    let coordinator = cluster.processes().coordinator();
    coordinator.signal("TERM").unwrap();
    coordinator
        .wait_for(|log| log.contains("asked to end").then_some(()))
        .unwrap();
    let told_at = Instant::now();
    coordinator.signal("TERM").unwrap();
    assert_eq!(ends_within(coordinator, told_at, SLACK), Some(143));
    assert!(
        execution.await.unwrap().is_err(),
        "there was nobody left to answer"
    );
}

/// F31: connections that never said what they are do not hold up the end of a coordinator without work.
#[test]
fn a_coordinator_without_work_ends_at_once_however_its_connections_stand() {
    let mut processes = Processes::start(binaries(), &[]).unwrap();
    let address = processes.url().trim_start_matches("http://").to_owned();
    let mut half = TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut half, b"PRI * HTTP/2.0\r\n").unwrap();
    let told_at = Instant::now();
    processes.coordinator().signal("TERM").unwrap();
    assert_eq!(ends_within(processes.coordinator(), told_at, SLACK * 3), Some(0));
}

/// Tells a worker to end, waits until it has, and starts the next of its name.
async fn restart(cluster: &mut RecordingCluster, name: &str) {
    let mut worker = cluster.processes().take_worker(name).unwrap();
    worker.signal("TERM").unwrap();
    let ended = tokio::task::spawn_blocking(move || worker.wait().unwrap());
    assert_eq!(ended.await.unwrap(), Some(0));
    cluster.add(name, 3).await.unwrap();
}

/// F32: all workers are restarted one after the other under load. Nothing fails, nothing is tried twice: what runs
/// comes to its end, and what a worker can no longer take it refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_all_workers_under_load_fails_nothing() {
    let names = ["w1", "w2", "w3"];
    let mut cluster = cluster_with(BRISK, &names, 3).await;
    let request = request((0..240).map(|_| takes("record_once", 60)).collect());
    let execution = cluster.begin(&request).await.unwrap();
    for (index, name) in names.into_iter().enumerate() {
        cluster.wait_for_starts(20 + 60 * index).await.unwrap();
        restart(&mut cluster, name).await;
    }
    assert!(
        !execution.is_finished(),
        "the workers were not restarted under load"
    );
    let response = execution.await.unwrap().unwrap();
    for result in &response.results {
        let codes = failures(result);
        let (last, refused) = codes.split_last().unwrap();
        assert_eq!((result.outcome(), *last), (Outcome::Succeeded, ""), "{result:#?}");
        assert!(
            refused.iter().all(|code| *code == "WORKER_DRAINING"),
            "{result:#?}"
        );
    }
    cluster.keep(&request, response);
    cluster.settle(&names).await.unwrap();
    assert_eq!(cluster.recorded().starts().unwrap(), 240);
    cluster.check().unwrap();
}

/// F32: a call longer than the drain is stopped, and said to have been; the worker ends in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_to_end_twice_ends_at_once_and_its_call_is_not_lost_from_sight() {
    let mut cluster = cluster_with(BRISK, &["w1"], 2).await;
    let calls = vec![named("once", "record_once", json!({"ms": 20_000}))];
    let request = request(calls);
    let execution = cluster.begin(&request).await.unwrap();
    cluster.wait_for_starts(1).await.unwrap();
    let worker = cluster.worker("w1");
    worker.signal("TERM").unwrap();
    // the coordinator knows that it drains before the second signal ends it
    let client = cluster.client().await.unwrap();
    while !client.list_workers().await.unwrap()[0].draining {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told_at = Instant::now();
    cluster.worker("w1").signal("TERM").unwrap();
    assert_eq!(ends_within(cluster.worker("w1"), told_at, SLACK), Some(143));
    let response = execution.await.unwrap().unwrap();
    assert_eq!(response.results[0].outcome(), Outcome::Unknown, "{response:#?}");
    cluster.keep(&request, response);
    cluster.check().unwrap();
}
