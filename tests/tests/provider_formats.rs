//! What a model writes reaches the tool as it was written, whatever it looks like to a coordinator.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use serde_json::{Value, json};
use toolwave_client::v1::{self, call::ParametersForm, call_result::ResultForm};
use toolwave_formats::{Names, Provider, Reply};
use toolwave_tests::{Cluster, DeclaredTool};

/// What texts are made of, as JSON writes it inside quotes: all that means something to references, and some that
/// does not.
const TOKENS: [&str; 22] = [
    "$",
    "{",
    "}",
    "${",
    "$${",
    "\\u0024",
    "\\u007B",
    "\\u007d",
    "${c0.result}",
    "\\u0024{c0.result[0]}",
    "c0.result",
    "c0",
    ".result",
    "[0]",
    "[\\\"k\\\"]",
    "\\\\",
    "\\\"",
    "\\n",
    " ",
    "é",
    "\\ud83d\\ude00",
    "text",
];

/// The calls of one reply.
const CALLS: usize = 2_000;

fn text(random: &mut fastrand::Rng) -> String {
    (0..random.usize(0..8))
        .map(|_| TOKENS[random.usize(0..TOKENS.len())])
        .collect()
}

/// Parameters with texts at several places, in which one text is the key too.
fn parameters(random: &mut fastrand::Rng) -> String {
    let (key, one, two, three) = (text(random), text(random), text(random), text(random));
    format!(r#"{{"key {key}" : "{one}","list":[1e0, "{two}" ,{{"deep":"{three}"}}]}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_model_writes_reaches_the_tool_as_it_was_written_and_refers_to_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut cluster = Cluster::start().await.unwrap();
    let echo = DeclaredTool::new("echo", "", json!({"type": "object"}));
    cluster
        .add_worker("one", 16, [std::sync::Arc::new(echo) as _])
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    let written: Vec<String> = (0..CALLS).map(|_| parameters(&mut random)).collect();
    let calls: Vec<String> = written
        .iter()
        .enumerate()
        .map(|(index, parameters)| {
            format!(r#"{{"type":"tool_use","id":"c{index}","name":"echo","input":{parameters}}}"#)
        })
        .collect();
    let reply = Reply::read(Provider::Anthropic, &format!("[{}]", calls.join(","))).unwrap();
    let names = Names::of(Provider::Anthropic, ["echo"]);
    let calls = reply.calls().iter().zip(reply.call_ids()).map(|(call, id)| {
        let (tool, parameters) = call.to_run(&names).unwrap();
        v1::Call {
            id: Some(id),
            tool_name: tool.to_owned(),
            parameters_form: Some(ParametersForm::ParametersJson(
                parameters.into_owned().into_bytes().into(),
            )),
            ..v1::Call::default()
        }
    });
    let request = v1::ExecuteParallelRequest {
        calls: calls.collect(),
        max_concurrency_auto: true,
        ..Default::default()
    };
    let results = client.execute_parallel(request).await.unwrap().results;
    let mut references = 0;
    for (result, written) in results.iter().zip(&written) {
        let Some(ResultForm::ResultJson(answer)) = &result.result_form else {
            panic!("seed {seed}: {written}: {:?}", result.error);
        };
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let expected: Value = serde_json::from_str(written).unwrap();
        assert_eq!(answer["parameters"], expected, "seed {seed}");
        assert_eq!(result.wave, 0, "seed {seed}: {written} waits for another call");
        references += usize::from(expected.to_string().contains("${c0.result}"));
    }
    // Such texts are made often enough that the test would notice one that is read as a reference.
    assert!(references > 0, "seed {seed}");
    cluster.stop().await.unwrap();
}
