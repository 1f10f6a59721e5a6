//! Tools that break the rules inside a worker: one panics, one does not stop.

use std::time::Duration;

use serde_json::json;
use toolwave_client::{CallExt as _, v1::Outcome};
use toolwave_tests::{history::Kind, recording::BRISK};

use crate::rig::{cluster_with, failures, named, request, takes};

/// F15: a tool that panics fails its call with what it said; its worker goes on with what else it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_panics_fails_its_call_and_its_worker_lives() {
    let mut cluster = cluster_with(BRISK, &["w1"], 2).await;
    let calls = vec![
        named("beside", "record_once", json!({"ms": 200})),
        named("loud", "panic", json!({})),
        named("after", "record_once", json!({})),
    ];
    let response = cluster.run(request(calls)).await.unwrap();
    let [beside, loud, after] = response.results.as_slice() else {
        panic!("three results: {response:#?}");
    };
    assert!(beside.success && after.success, "{response:#?}");
    let error = loud.error.as_ref().unwrap();
    assert_eq!(
        (loud.outcome(), error.code.as_str()),
        (Outcome::Failed, "TOOL_PANICKED")
    );
    assert_eq!(error.message, "the tool panicked: as call loud asked for");
    assert!(error.details_json.is_empty(), "no stack reaches a client");
    cluster.settle(&["w1"]).await.unwrap();
    let lines = cluster.recorded().lines().unwrap();
    assert!(
        lines.iter().all(|line| line.pid == lines[0].pid),
        "the worker was replaced: {lines:#?}"
    );
    cluster.check().unwrap();
}

/// F16: a tool past its timeout that does not stop keeps its slot until it has: its worker is cut off, comes back
/// with the slot taken, and nothing else starts there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_does_not_stop_keeps_its_slot_and_its_worker_is_cut_off_meanwhile() {
    let mut cluster = cluster_with(BRISK, &["w1"], 1).await;
    let half_a_second = toolwave_client::proto_duration(Duration::from_millis(500));
    let mut stubborn = takes("ignore_stop_once", 5000);
    stubborn.timeout = Some(half_a_second);
    let calls = vec![stubborn.id("stubborn"), named("next", "record_once", json!({}))];
    let response = cluster.run(request(calls)).await.unwrap();
    let (stubborn, next) = (&response.results[0], &response.results[1]);
    assert_eq!(
        (stubborn.outcome(), failures(stubborn)),
        (Outcome::TimedOut, vec!["TIMED_OUT"])
    );
    assert!(next.success, "{next:#?}");
    let lines = cluster.recorded().lines().unwrap();
    let order: Vec<_> = lines.iter().map(|line| (line.call.as_str(), line.kind)).collect();
    assert_eq!(
        order,
        [
            ("stubborn", Kind::Start),
            ("stubborn", Kind::End),
            ("next", Kind::Start),
            ("next", Kind::End)
        ]
    );
    let log = cluster.processes().coordinator().output();
    assert!(
        log.contains("AbortUnconfirmed"),
        "the worker was not cut off:\n{log}"
    );
    cluster.settle(&["w1"]).await.unwrap();
    cluster.check().unwrap();
}
