//! The plan that clients of other languages are held to as well: `python_client/plan.json`.

use serde_json::{Map, Value, json};
use toolwave_client::{CallExt as _, CallResultExt as _, v1};
use toolwave_tests::{Cluster, Form};
use toolwave_worker::tools::{Builtin, builtin_tools};

fn plan() -> Value {
    serde_json::from_str(include_str!("../python_client/plan.json")).expect("JSON")
}

fn request(plan: &Value, form: Form) -> v1::ExecuteParallelRequest {
    let call = |call: &Value| {
        let tool = call["tool"].as_str().expect("a tool");
        let made = match call.get("parameters") {
            Some(parameters) => form.call(tool, parameters.as_object().expect("an object")),
            None => v1::Call {
                tool_name: tool.to_owned(),
                ..Default::default()
            },
        };
        let needs = call
            .get("depends_on")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let made = made.id(call["id"].as_str().expect("an id"));
        needs.fold(made, |made, id| made.depends_on(id.as_str().expect("an id")))
    };
    let calls = plan["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(call)
        .collect();
    v1::ExecuteParallelRequest {
        calls,
        ..Default::default()
    }
}

/// What the plan's file says of a call, read from its result.
fn told(result: &v1::CallResult) -> Value {
    let mut told = Map::new();
    told.insert("outcome".into(), result.outcome().as_str_name().into());
    told.insert("wave".into(), result.wave.into());
    if let Some(value) = result.json().expect("a result is JSON") {
        told.insert("result".into(), value);
    }
    if let Some(error) = &result.error {
        told.insert("code".into(), error.code.as_str().into());
        if !error.root_call_id.is_empty() {
            told.insert("root_call_id".into(), error.root_call_id.as_str().into());
        }
        if !error.violations.is_empty() {
            told.insert(
                "violations".into(),
                error.violations.iter().map(|v| json!(v.path)).collect(),
            );
        }
    }
    told.into()
}

#[tokio::test]
async fn the_shared_plan_is_answered_as_its_file_says_in_both_forms() {
    let plan = plan();
    let mut cluster = Cluster::start().await.unwrap();
    cluster
        .add_worker("built-in", 8, builtin_tools(&Builtin::default()).unwrap())
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    for form in Form::ALL {
        let answer = client.execute_parallel(request(&plan, form)).await.unwrap();
        let told: Vec<_> = answer.results.iter().map(told).collect();
        assert_eq!(Value::from(told), plan["answers"], "{form:?}");
    }
    cluster.stop().await.unwrap();
}
