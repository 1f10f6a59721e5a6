//! Workers that are there and do nothing: frozen from outside, or stuck in what they run.

use std::time::{Duration, SystemTime};

use serde_json::json;
use toolwave_client::v1::Outcome;
use toolwave_tests::{
    history::Kind,
    recording::{BRISK, RecordingCluster},
};

use crate::rig::{cluster_with, failures, named, request, since, takes};

/// For the coordinator to act once the lease has ended.
const SLACK: Duration = Duration::from_secs(1);
/// Of [`BRISK`].
const BRISK_LEASE: Duration = Duration::from_millis(3500);

/// Freezes `w1` while it runs one call of each kind, until all is answered; then lets it go on.
async fn freeze(cluster: &mut RecordingCluster, lease: Duration) {
    let request = request(vec![takes("record_safe", 1000), takes("record_once", 1000)]);
    let execution = cluster.begin(&request).await.unwrap();
    cluster.wait_for_starts(2).await.unwrap();
    cluster.add("w2", 4).await.unwrap();
    let frozen_at = SystemTime::now();
    cluster.worker("w1").signal("STOP").unwrap();
    let response = execution.await.unwrap().unwrap();
    let (safe, once) = (&response.results[0], &response.results[1]);
    assert_eq!(
        (safe.outcome(), failures(safe)),
        (Outcome::Succeeded, vec!["WORKER_LOST", ""])
    );
    assert_eq!(safe.attempts[1].worker, "w2");
    assert_eq!(
        (once.outcome(), failures(once)),
        (Outcome::Unknown, vec!["WORKER_LOST"])
    );
    for found_out in [safe.attempts[1].started_at, once.attempts[0].ended_at] {
        let found_after = since(frozen_at, found_out);
        assert!(found_after <= lease + SLACK, "{found_after:?}");
    }
    cluster.keep(&request, response);
    cluster.worker("w1").signal("CONT").unwrap();
    // what it still ran ends or is stopped, changes nothing, and gives its slots back
    cluster
        .wait_until("the end of what ran there", |lines| {
            let of_w1 = |kind: fn(Kind) -> bool| {
                lines
                    .iter()
                    .filter(|line| line.worker == "w1" && kind(line.kind))
                    .count()
            };
            of_w1(|kind| kind != Kind::Start) == of_w1(|kind| kind == Kind::Start)
        })
        .await
        .unwrap();
    cluster.settle(&["w1", "w2"]).await.unwrap();
    let again = cluster.run(request_of_both()).await.unwrap();
    assert!(again.results.iter().all(|result| result.success), "{again:#?}");
    assert!(
        again
            .results
            .iter()
            .any(|result| result.attempts[0].worker == "w1"),
        "w1 gets nothing"
    );
    cluster.check().unwrap();
}

/// More calls at once than one of the two workers has slots.
fn request_of_both() -> toolwave_client::v1::ExecuteParallelRequest {
    request((0..8).map(|_| takes("record_once", 100)).collect())
}

/// F02: a frozen worker is lost when its lease ends, and nothing it does after that changes what was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_frozen_worker_go_elsewhere_when_its_lease_ends_and_it_comes_back_clean() {
    let mut cluster = cluster_with(BRISK, &["w1"], 4).await;
    freeze(&mut cluster, BRISK_LEASE).await;
}

/// F02: the same with the settings that a coordinator has by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_default_settings_calls_of_a_frozen_worker_run_elsewhere_within_eleven_seconds() {
    let mut cluster = cluster_with("", &["w1"], 4).await;
    freeze(&mut cluster, Duration::from_secs(10)).await;
}

/// F03: a tool that blocks every thread of its worker silences it: heartbeats come from the loop that runs calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_threads_are_all_blocked_loses_its_lease_and_comes_back_clean() {
    let mut cluster = cluster_with(BRISK, &["w1"], 4).await;
    let calls = vec![
        named("beside", "record_safe", json!({"ms": 1000})),
        named("blocks", "hang_threads", json!({"ms": 5000, "harmless_from": 2})),
    ];
    let request = request(calls);
    let execution = cluster.begin(&request).await.unwrap();
    cluster.wait_for_starts(2).await.unwrap();
    let silent_from = SystemTime::now();
    cluster.add("w2", 4).await.unwrap();
    let response = execution.await.unwrap().unwrap();
    for result in &response.results {
        assert_eq!(
            (result.outcome(), failures(result)),
            (Outcome::Succeeded, vec!["WORKER_LOST", ""])
        );
        let found_after = since(silent_from, result.attempts[0].ended_at);
        assert!(found_after <= BRISK_LEASE + SLACK, "{found_after:?}");
    }
    cluster.keep(&request, response);
    cluster.settle(&["w1", "w2"]).await.unwrap();
    let again = cluster.run(request_of_both()).await.unwrap();
    assert!(again.results.iter().all(|result| result.success), "{again:#?}");
    cluster.check().unwrap();
}
