//! What the tests of this binary share: clusters of recording processes, and requests for them.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use toolwave_client::{CallExt as _, call, v1};
use toolwave_tests::{Binaries, Profile, recording::RecordingCluster};

/// So many times as much is done where somebody has the time: `TOOLWAVE_FAULT_ROUNDS=50`.
const ROUNDS_VARIABLE: &str = "TOOLWAVE_FAULT_ROUNDS";
/// No call of these tests takes as long; a call that would is one that never ends.
const FOR_EVER: Duration = Duration::from_secs(60);

/// How often a test repeats what it does; 1 unless more is asked for.
pub(crate) fn rounds() -> usize {
    let text = std::env::var(ROUNDS_VARIABLE).unwrap_or_else(|_| "1".to_owned());
    text.parse().expect("TOOLWAVE_FAULT_ROUNDS is a number")
}

/// The programs, built once for all tests of this binary.
pub(crate) fn binaries() -> Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES
        .get_or_init(|| Binaries::built(Profile::Dev).expect("the programs build"))
        .clone()
}

/// A coordinator process with these settings.
pub(crate) fn cluster(settings: &str) -> RecordingCluster {
    RecordingCluster::start(binaries(), settings).expect("the coordinator starts")
}

/// Such a cluster with workers, each with so many slots.
pub(crate) async fn cluster_with(settings: &str, workers: &[&str], slots: u32) -> RecordingCluster {
    let mut cluster = cluster(settings);
    for worker in workers {
        cluster.add(worker, slots).await.expect("the worker registers");
    }
    cluster
}

/// A call that takes so many milliseconds.
pub(crate) fn takes(tool: &str, ms: u64) -> v1::Call {
    call(tool, json!({"ms": ms}))
}

/// So many calls, every second of them not safe to repeat.
pub(crate) fn mixed(calls: usize, ms: u64) -> Vec<v1::Call> {
    let tool = |index| {
        if index % 2 == 0 {
            "record_safe"
        } else {
            "record_once"
        }
    };
    (0..calls).map(|index| takes(tool(index), ms)).collect()
}

/// All at once, with time enough.
pub(crate) fn request(calls: Vec<v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency_auto: true,
        timeout: Some(toolwave_client::proto_duration(FOR_EVER)),
        ..v1::ExecuteParallelRequest::default()
    }
}

/// The codes of an attempt's failures, with `""` for success.
pub(crate) fn failures(result: &v1::CallResult) -> Vec<&str> {
    result
        .attempts
        .iter()
        .map(|attempt| {
            attempt
                .failure
                .as_ref()
                .map_or("", |failure| failure.code.as_str())
        })
        .collect()
}

/// Time on the coordinator's clock since `from`, which is this machine's.
pub(crate) fn since(from: SystemTime, to: Option<prost_types::Timestamp>) -> Duration {
    let to = SystemTime::try_from(to.expect("a time")).expect("after 1970");
    to.duration_since(from).unwrap_or_default()
}

/// The id of the execution.
pub(crate) fn id(response: &v1::ExecuteParallelResponse) -> &str {
    response
        .summary
        .as_ref()
        .map_or("", |summary| &summary.execution_id)
}

/// A call with these parameters and id.
pub(crate) fn named(id: &str, tool: &str, parameters: Value) -> v1::Call {
    call(tool, parameters).id(id)
}
