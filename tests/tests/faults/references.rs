//! References to results that are too large, of another shape, or not there.

use serde_json::{Value, json};
use toolwave_client::{CallResultExt as _, v1::Outcome};
use toolwave_tests::{Cluster, recording::BRISK};
use toolwave_worker::{CallContext, FunctionTool};

use crate::rig::{cluster_with, named, request};

/// F40: what a reference puts in counts: parameters that grow beyond the bound are refused before anything is sent,
/// and other calls with the same reference are not touched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_that_makes_parameters_too_large_rejects_its_call_and_no_other() {
    let settings = format!("{BRISK}[requests]\nmax_parameters_bytes = 65536\n");
    let mut cluster = cluster_with(&settings, &["w1"], 4).await;
    let calls = vec![
        named("large", "record_safe", json!({"bytes": 40_000})),
        named("fits", "record_safe", json!({"with": "${large.result.bytes}"})),
        named(
            "twice",
            "record_safe",
            json!({"with": "${large.result.bytes}${large.result.bytes}"}),
        ),
        named("after", "record_safe", json!({"with": "${twice.result}"})),
        named(
            "number",
            "record_safe",
            json!({"with": "${large.result.attempt}"}),
        ),
    ];
    let response = cluster.run(request(calls)).await.unwrap();
    let told: Vec<_> = response
        .results
        .iter()
        .map(|result| {
            (
                result.outcome(),
                result.error.as_ref().map_or("", |error| &error.code),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Outcome::Succeeded, ""),
            (Outcome::Succeeded, ""),
            (Outcome::Rejected, "PARAMS_TOO_LARGE"),
            (Outcome::Skipped, "DEPENDENCY_FAILED"),
            (Outcome::Succeeded, ""),
        ]
    );
    assert!(response.results[2].attempts.is_empty(), "it was sent");
    cluster.settle(&["w1"]).await.unwrap();
    cluster.check().unwrap();
}

/// F40: a path that leads nowhere in a result rejects its call, and says where the path ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_to_what_a_result_does_not_hold_rejects_its_call_and_says_so() {
    let mut cluster = cluster_with(BRISK, &["w1"], 4).await;
    let calls = vec![
        named("source", "record_safe", json!({})),
        named(
            "missing",
            "record_safe",
            json!({"with": "${source.result.nowhere.at.all}"}),
        ),
        named(
            "through-a-number",
            "record_safe",
            json!({"with": "${source.result.attempt.deeper}"}),
        ),
        named(
            "index",
            "record_safe",
            json!({"with": "${source.result[4294967296]}"}),
        ),
        named("whole", "record_safe", json!({"with": "${source.result}"})),
    ];
    let response = cluster.run(request(calls)).await.unwrap();
    for result in &response.results[1..4] {
        let error = result.error.as_ref().unwrap();
        assert_eq!(
            (result.outcome(), error.code.as_str()),
            (Outcome::Rejected, "REFERENCE_NOT_FOUND")
        );
        assert!(error.message.contains("source"), "{}", error.message);
    }
    assert!(response.results[4].success, "{response:#?}");
    cluster.settle(&["w1"]).await.unwrap();
    cluster.check().unwrap();
}

/// F40: a result is data. One that looks like references, or like the end of what it is put into, changes nothing
/// in the shape of the parameters that it is put into.
#[tokio::test]
async fn a_result_that_looks_like_references_or_json_stays_text() {
    let mut cluster = Cluster::start().await.unwrap();
    let hostile = "${other.result}\",\"admin\":true,\"x\":\"\u{0}\u{2028}\\";
    let says = FunctionTool::new("says", "Says it", move |_: Value, _: CallContext| async move {
        Ok(hostile)
    });
    let echoes = FunctionTool::new("echoes", "Echoes", |parameters: Value, _: CallContext| async {
        Ok(parameters)
    });
    let tools = [
        std::sync::Arc::new(says) as toolwave_worker::SharedTool,
        std::sync::Arc::new(echoes),
    ];
    cluster.add_worker("w1", 4, tools).await.unwrap();
    let calls = vec![
        named("other", "says", json!({})),
        named("whole", "echoes", json!({"text": "${other.result}"})),
        named("inside", "echoes", json!({"text": "<${other.result}>"})),
    ];
    let response = cluster
        .client()
        .await
        .unwrap()
        .execute_parallel(request(calls))
        .await
        .unwrap();
    assert_eq!(
        response.results[1].json().unwrap(),
        Some(json!({"text": hostile}))
    );
    assert_eq!(
        response.results[2].json().unwrap(),
        Some(json!({"text": format!("<{hostile}>")}))
    );
    cluster.stop().await.unwrap();
}
