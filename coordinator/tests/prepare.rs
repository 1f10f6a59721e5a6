//! What a request becomes: which edges, which waves, what is rejected before anything runs.

use std::time::Duration;

use serde_json::{Value, json};
use toolwave_coordinator::{
    catalogue::Catalogue,
    error::RequestError,
    execution::{
        limits::RequestLimits,
        prepared::{CallState, Detail},
        validate::{Circumstances, Prepared, prepare},
    },
};
use toolwave_proto::v1::{self, EdgeOrigin, EffectMode, call::ParametersForm};

fn catalogue() -> Catalogue {
    let file = |name: &str, mode: EffectMode| v1::Tool {
        name: name.into(),
        input_schema_json: r#"{"required":["path"]}"#.into(),
        effects: vec![v1::Effect {
            mode: mode.into(),
            key_template: "file:{path}".into(),
        }],
        ..v1::Tool::default()
    };
    let mut catalogue = Catalogue::default();
    for tool in [file("read", EffectMode::Reads), file("write", EffectMode::Writes)] {
        catalogue = catalogue.declare(tool).expect("good").catalogue;
    }
    catalogue
}

fn call(tool: &str, parameters: Value, depends_on: &[&str]) -> v1::Call {
    v1::Call {
        tool_name: tool.into(),
        parameters_form: Some(ParametersForm::ParametersJson(parameters.to_string().into())),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        ..v1::Call::default()
    }
}

fn prepare_calls(calls: Vec<v1::Call>) -> Result<Prepared, RequestError> {
    let request = v1::ExecuteParallelRequest {
        calls,
        ..v1::ExecuteParallelRequest::default()
    };
    let deadline = Some(Duration::from_secs(7));
    let circumstances = Circumstances {
        deadline,
        detail: Detail::Results,
        explain: true,
    };
    prepare(request, &catalogue(), &RequestLimits::default(), circumstances)
}

fn edges(prepared: &Prepared) -> Vec<(u32, u32, EdgeOrigin, &str)> {
    prepared
        .edges
        .iter()
        .map(|edge| (edge.from, edge.to, edge.origin(), edge.detail.as_str()))
        .collect()
}

#[test]
fn effects_order_the_calls_of_one_key_in_request_order() {
    let path = |path: &str| json!({"path": path});
    let prepared = prepare_calls(vec![
        call("write", path("a"), &[]),
        call("read", path("a"), &[]),
        call("read", path("b"), &[]),
        call("read", path("a"), &[]),
        call("write", path("a"), &[]),
    ])
    .expect("right");
    assert_eq!(
        edges(&prepared),
        [
            (0, 1, EdgeOrigin::Effect, "file:a"),
            (0, 3, EdgeOrigin::Effect, "file:a"),
            (1, 4, EdgeOrigin::Effect, "file:a"),
            (3, 4, EdgeOrigin::Effect, "file:a"),
        ]
    );
    assert_eq!(prepared.execution.plan.waves(), [vec![0, 2], vec![1, 3], vec![4]]);
}

#[test]
fn a_dependency_goes_before_request_order() {
    let path = || json!({"path": "a"});
    let prepared =
        prepare_calls(vec![call("write", path(), &["1"]), call("read", path(), &[])]).expect("right");
    assert_eq!(prepared.execution.plan.waves(), [vec![1], vec![0]]);
}

#[test]
fn a_key_from_a_reference_waits_for_every_key_it_may_become() {
    let prepared = prepare_calls(vec![
        call("list", json!({}), &[]),
        call("write", json!({"path": "a"}), &[]),
        call("read", json!({"path": "${0.result[0]}"}), &[]),
        call("read", json!({"path": "${0.result[1]}"}), &[]),
    ])
    .expect("right");
    assert_eq!(
        edges(&prepared),
        [
            (0, 2, EdgeOrigin::Reference, "${0.result[0]}"),
            (0, 3, EdgeOrigin::Reference, "${0.result[1]}"),
            (1, 2, EdgeOrigin::Effect, "file:*"),
            (1, 3, EdgeOrigin::Effect, "file:*"),
        ]
    );
}

#[test]
fn many_writes_to_one_key_are_no_chain_that_is_too_deep() {
    let calls = (0..1000)
        .map(|_| call("write", json!({"path": "a"}), &[]))
        .collect();
    assert_eq!(
        prepare_calls(calls).expect("right").execution.plan.wave_count(),
        1000
    );
}

#[test]
fn slips_of_one_call_leave_the_others_alone() {
    let mut broken = call("read", json!({}), &[]);
    broken.parameters_form = Some(ParametersForm::ParametersJson("{'a'}".into()));
    let prepared = prepare_calls(vec![
        broken,
        call("read", json!({"x": 1}), &[]),
        call("nobody", json!({}), &[]),
        call("read", json!({"path": "a"}), &[]),
    ])
    .expect("right as a whole");
    let state = |at: usize| match &prepared.execution.calls[at].state {
        CallState::Validated => "validated",
        CallState::Unresolved => "unresolved",
        CallState::Rejected(fault) => fault.code.as_str(),
    };
    assert_eq!(
        [0, 1, 2, 3].map(state),
        ["PARAMS_NOT_JSON", "PARAMS_SCHEMA", "unresolved", "validated"]
    );
    assert_eq!(
        prepared.execution.timeout,
        Duration::from_secs(7),
        "the RPC's deadline, where no timeout is set"
    );
}

#[test]
fn every_violation_of_every_call_is_listed() {
    let mut first = call("", json!({}), &["nobody"]);
    first.priority = 7;
    let Err(RequestError::Invalid(violations)) = prepare_calls(vec![first, call("a b", json!([]), &[])])
    else {
        panic!("it is wrong")
    };
    let mut fields: Vec<&str> = violations
        .kept()
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "calls[0].depends_on[0]",
            "calls[0].priority",
            "calls[0].tool_name",
            "calls[1].parameters",
            "calls[1].tool_name",
        ]
    );
}
