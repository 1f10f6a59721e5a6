//! Clients that go away, and clients that ask again.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use toolwave_client::v1;
use toolwave_tests::{
    history::Kind,
    recording::{BRISK, RecordingCluster},
};

use crate::rig::{cluster_with, id, mixed, request, takes};

/// From a client's going to the last of its calls having stopped; 1 s is promised, the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(2);
/// Calls of these tests would take far longer than the tests do.
const LONG_MS: u64 = 30_000;

/// What ran has stopped, what waited never started, and no slot is taken.
async fn everything_stops(cluster: &RecordingCluster, left_at: Instant) {
    cluster
        .wait_until("the end of what ran", |lines| {
            lines.iter().filter(|line| line.kind == Kind::Dropped).count() == 4
        })
        .await
        .unwrap();
    let stopped_after = left_at.elapsed();
    assert!(stopped_after < BOUND, "{stopped_after:?}");
    cluster.settle(&["w1", "w2"]).await.unwrap();
    assert_eq!(cluster.recorded().starts().unwrap(), 4, "what waited has started");
    let tools = cluster.client().await.unwrap().list_tools().await.unwrap();
    assert!(
        tools.iter().all(|tool| tool.queued == 0 && tool.in_flight == 0),
        "{tools:#?}"
    );
    cluster.check().unwrap();
}

/// F12: a client that drops its request has its calls stopped, those in flight and those that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_drops_its_request_has_everything_stopped() {
    let cluster = cluster_with(BRISK, &["w1", "w2"], 2).await;
    let execution = cluster.begin(&request(mixed(10, LONG_MS))).await.unwrap();
    cluster.wait_for_starts(4).await.unwrap();
    let left_at = Instant::now();
    execution.abort();
    everything_stops(&cluster, left_at).await;
}

/// F12: a client that drops its stream has everything stopped, as with a plain request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_drops_its_stream_has_everything_stopped() {
    let cluster = cluster_with(BRISK, &["w1", "w2"], 2).await;
    let client = cluster.client().await.unwrap();
    let mut events = Box::pin(
        client
            .execute_parallel_stream(request(mixed(10, LONG_MS)))
            .await
            .unwrap(),
    );
    let first = events.next().await.unwrap().unwrap();
    assert!(
        matches!(first.kind, Some(v1::execution_event::Kind::Planned(_))),
        "{first:?}"
    );
    cluster.wait_for_starts(4).await.unwrap();
    let left_at = Instant::now();
    drop(events);
    everything_stops(&cluster, left_at).await;
}

/// F13: a client that gives up waiting and sends its request again, with its key, joins the same execution;
/// so does one that never got the answer. What was asked for ran once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_again_with_its_key_runs_once() {
    let mut cluster = cluster_with(BRISK, &["w1", "w2"], 2).await;
    let mut request = request(vec![takes("record_once", 1500), takes("record_once", 1500)]);
    request.idempotency_key = "order-66".to_owned();
    let impatient = cluster.begin(&request).await.unwrap();
    cluster.wait_for_starts(2).await.unwrap();
    impatient.abort();
    // two at once, while the first request's execution still runs
    let (again, overlapping) = (
        cluster.begin(&request).await.unwrap(),
        cluster.begin(&request).await.unwrap(),
    );
    let again = again.await.unwrap().unwrap();
    let overlapping = overlapping.await.unwrap().unwrap();
    // and once more, as after an answer that was lost
    let late = cluster
        .client()
        .await
        .unwrap()
        .execute_parallel(request.clone())
        .await
        .unwrap();
    for response in [again, overlapping, late.clone()] {
        assert_eq!(id(&response), id(&late));
        assert!(
            response.results.iter().all(|result| result.success),
            "{response:#?}"
        );
        cluster.keep(&request, response);
    }
    assert_eq!(cluster.recorded().starts().unwrap(), 2);
    cluster.settle(&["w1", "w2"]).await.unwrap();
    cluster.check().unwrap();
}
