//! The leaderboard's 400 function-calling batches: every expected call is validated, dispatched and answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use toolwave_client::{CallResultExt as _, v1};
use toolwave_tests::{Cluster, DeclaredTool, Form, bfcl};
use toolwave_worker::SharedTool;

/// The expected calls that break the schema of their own tool, with the paths where they do.
const REJECTED: [(&str, usize, &[&str]); 2] = [
    // column names where the schema wants arrays of numbers
    ("parallel_multiple_21", 1, &["/x", "/y"]),
    // words to sort where the schema wants integers
    (
        "parallel_multiple_94",
        0,
        &[
            "/elements/0",
            "/elements/1",
            "/elements/2",
            "/elements/3",
            "/elements/4",
        ],
    ),
];

/// Names repeat over batches with other schemas.
fn hosted_name(batch: &bfcl::Batch, tool: &str) -> String {
    format!("{}.{tool}", batch.id)
}

fn tools(batches: &[bfcl::Batch]) -> Vec<SharedTool> {
    let mut tools: Vec<SharedTool> = Vec::new();
    for batch in batches {
        for definition in &batch.definitions {
            let name = hosted_name(batch, &definition.name);
            tools.push(std::sync::Arc::new(DeclaredTool::new(
                name,
                definition.description.clone(),
                definition.json_schema(),
            )));
        }
    }
    tools
}

fn request(batch: &bfcl::Batch, form: Form) -> v1::ExecuteParallelRequest {
    let calls = batch
        .calls
        .iter()
        .map(|call| form.call(hosted_name(batch, &call.tool), &call.parameters));
    v1::ExecuteParallelRequest {
        calls: calls.collect(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_expected_call_is_answered_in_order_in_both_forms_except_two_that_break_their_schema() {
    let batches = bfcl::function_calling_batches().unwrap();
    let mut cluster = Cluster::start().await.unwrap();
    cluster
        .add_worker("leaderboard", 8, tools(&batches))
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    for form in Form::ALL {
        let mut rejected = BTreeMap::new();
        let mut succeeded = 0;
        for batch in &batches {
            let answer = client.execute_parallel(request(batch, form)).await.unwrap();
            assert_eq!(answer.results.len(), batch.calls.len(), "{}", batch.id);
            for (index, (result, call)) in answer.results.iter().zip(&batch.calls).enumerate() {
                let place = format!("{} call {index} as {form:?}", batch.id);
                let tool = hosted_name(batch, &call.tool);
                assert_eq!(
                    (&result.id, &result.tool_name),
                    (&index.to_string(), &tool),
                    "{place}"
                );
                match result.outcome() {
                    v1::Outcome::Succeeded => {
                        let echo = json!({"tool": tool, "parameters": call.parameters});
                        assert!(
                            same(&result.json().unwrap().unwrap(), &echo),
                            "{place}: {result:?}"
                        );
                        succeeded += 1;
                    }
                    v1::Outcome::Rejected => {
                        rejected.insert((batch.id.clone(), index), violations(result, &place));
                    }
                    other => panic!("{place} ended {other:?}: {:?}", result.error),
                }
            }
        }
        let expected = REJECTED.map(|(id, index, paths)| {
            (
                (id.to_owned(), index),
                paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>(),
            )
        });
        assert_eq!(rejected, BTreeMap::from(expected), "{form:?}");
        assert_eq!(succeeded, 1147 - REJECTED.len(), "{form:?}");
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn all_definitions_of_the_leaderboard_can_be_hosted_and_listed_with_their_schemas() {
    let batches = bfcl::function_calling_batches().unwrap();
    let mut cluster = Cluster::start().await.unwrap();
    cluster
        .add_worker("leaderboard", 1, tools(&batches))
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    let listed = client.list_tools().await.unwrap();
    let listed: BTreeMap<_, _> = listed
        .into_iter()
        .filter_map(|tool| tool.tool)
        .map(|t| (t.name.clone(), t))
        .collect();
    let mut hosted = 0;
    for batch in &batches {
        for definition in &batch.definitions {
            let tool = &listed[&hosted_name(batch, &definition.name)];
            let schema: Value = serde_json::from_slice(&tool.input_schema_json).unwrap();
            assert_eq!(schema, definition.json_schema(), "{}", tool.name);
            assert_eq!(tool.description, definition.description, "{}", tool.name);
            hosted += 1;
        }
    }
    assert_eq!(listed.len(), hosted);
    cluster.stop().await.unwrap();
}

fn violations(result: &v1::CallResult, place: &str) -> Vec<String> {
    let error = result
        .error
        .as_ref()
        .unwrap_or_else(|| panic!("{place} was rejected without an error"));
    assert_eq!(error.code, "PARAMS_SCHEMA", "{place}");
    assert!(result.attempts.is_empty(), "{place} was dispatched");
    let mut paths: Vec<_> = error
        .violations
        .iter()
        .map(|violation| violation.path.clone())
        .collect();
    paths.sort();
    paths
}

/// Equal, where 1 and 1.0 are one number: a protobuf number has no other way to say an integer.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
