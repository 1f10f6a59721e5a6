//! Requests as bytes: decoded, checked whole, and either refused with every violation within what a client can
//! receive, or prepared so that the plan fits what the request says. Both forms of parameters mean the same.

mod drawn;

use std::sync::LazyLock;

use arbitrary::Unstructured;
use prost::Message as _;
use serde_json::Value;
use tonic::{Code, Status};
use toolwave_coordinator::{
    catalogue::Catalogue,
    error::RequestError,
    execution::{
        limits::RequestLimits,
        prepared::{CallParameters, CallState, Detail},
        validate::{Circumstances, Prepared, prepare},
    },
};
use toolwave_proto::v1::{self, EdgeOrigin, EffectMode, call::ParametersForm};

use crate::draw;

/// What a client that is told nothing receives of trailers at most, in bytes.
const TRAILERS: usize = 8 * 1024;
/// What the names of all headers, those that are always sent, and 32 bytes for each take of it.
const HEADERS: usize = 320;

/// What the requests are checked against.
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let file = |name: &str, mode: EffectMode| {
        v1::Tool {
        name: name.into(),
        input_schema_json: br#"{"type":"object","required":["path"],"properties":{"path":{"type":"string","pattern":"^[a-z/]*$"},"n":{"type":"integer","minimum":0},"list":{"type":"array","uniqueItems":true}}}"#
            .as_slice()
            .into(),
        effects: vec![v1::Effect { mode: mode.into(), key_template: "file:{path}/{n}".into() }],
        ..v1::Tool::default()
    }
    };
    let plain = v1::Tool {
        name: "echo".into(),
        ..v1::Tool::default()
    };
    [
        file("read", EffectMode::Reads),
        file("write", EffectMode::Writes),
        plain,
    ]
    .into_iter()
    .fold(Catalogue::default(), |catalogue, tool| {
        catalogue.declare(tool).expect("it is good").catalogue
    })
});

/// Decodes a request, or draws one, and prepares it.
///
/// # Panics
/// A refusal that a client cannot read, or a plan that does not fit the request.
pub fn run(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let tight = draw::one_in(&mut from, 2);
    let request = if draw::one_in(&mut from, 2) {
        drawn::drawn(&mut from)
    } else {
        let Ok(request) = v1::ExecuteParallelRequest::decode(draw::rest(&mut from)) else {
            return;
        };
        request
    };
    let limits = if tight {
        tight_limits()
    } else {
        RequestLimits::default()
    };
    let ids: Vec<Option<String>> = request.calls.iter().map(|call| call.id.clone()).collect();
    let other = other_form(&request);
    let Ok(one) = try_prepare(request, &limits) else {
        return;
    };
    accepted(&one, &ids);
    let Some(Ok(other)) = other.map(|other| try_prepare(other, &limits)) else {
        return;
    };
    // What is no good in one form can be good in the other: a key twice, a number that is none.
    if !rejects(&one) && !rejects(&other) {
        assert_eq!(
            said(&one),
            said(&other),
            "the two forms of parameters imply other edges"
        );
    }
}

fn try_prepare(request: v1::ExecuteParallelRequest, limits: &RequestLimits) -> Result<Prepared, ()> {
    let circumstances = Circumstances {
        deadline: None,
        detail: Detail::Everything,
        explain: true,
    };
    prepare(request, &CATALOGUE, limits, circumstances).map_err(refused)
}

fn refused(error: RequestError) {
    if let RequestError::Invalid(violations) = &error {
        assert!(!violations.is_empty(), "refused for nothing");
        for (field, description) in violations.listed() {
            assert!(
                field.len() <= 512 && description.len() <= 600,
                "{field}: {description}"
            );
        }
    }
    let status = Status::from(error);
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    // In base64, and percent-encoded: what is not ASCII takes three times its bytes.
    let message: usize = status
        .message()
        .bytes()
        .map(|byte| if byte.is_ascii() { 1 } else { 3 })
        .sum();
    let trailers = status.details().len().div_ceil(3) * 4 + message + HEADERS;
    assert!(trailers < TRAILERS, "{trailers} bytes of trailers");
}

fn accepted(prepared: &Prepared, ids: &[Option<String>]) {
    let execution = &prepared.execution;
    assert_eq!(execution.calls.len(), ids.len());
    assert_eq!(execution.plan.len() as usize, ids.len());
    assert_eq!(prepared.shape.calls.len(), ids.len());
    for (at, (call, id)) in execution.calls.iter().zip(ids).enumerate() {
        match id {
            Some(id) => assert_eq!(*call.id, **id),
            None => assert_eq!(*call.id, *at.to_string()),
        }
        assert!(call.priority <= 3);
        match (&call.state, &call.parameters) {
            (CallState::Rejected(fault), _) => assert!(!fault.code.is_empty() && fault.message.len() <= 512),
            (_, CallParameters::Text(text)) => {
                assert!(serde_json::from_slice::<Value>(text).is_ok_and(|value| value.is_object()));
            }
            (CallState::Validated, CallParameters::Template(_)) => panic!("validated with references in it"),
            (CallState::Unresolved, CallParameters::Template(template)) => {
                for &call in template.calls() {
                    assert!(execution.plan.wave(call) < execution.plan.wave(at as u32));
                }
            }
        }
    }
    for edge in &prepared.edges {
        assert!(
            execution.plan.wave(edge.from) < execution.plan.wave(edge.to),
            "{edge:?}"
        );
    }
}

fn rejects(prepared: &Prepared) -> bool {
    let calls = &prepared.execution.calls;
    calls
        .iter()
        .any(|call| matches!(call.state, CallState::Rejected(_)))
}

/// Edges that calls say, by `depends_on` or by reference.
fn said(prepared: &Prepared) -> Vec<(u32, u32, i32, &str)> {
    let mut edges: Vec<_> = prepared
        .edges
        .iter()
        .filter(|edge| edge.origin() != EdgeOrigin::Effect)
        .map(|edge| (edge.from, edge.to, edge.origin, edge.detail.as_str()))
        .collect();
    edges.sort_unstable();
    edges
}

/// The same with JSON text in place of each `Struct`, and the other way round; `None` where there is no other way.
fn other_form(request: &v1::ExecuteParallelRequest) -> Option<v1::ExecuteParallelRequest> {
    let mut other = request.clone();
    for call in &mut other.calls {
        call.parameters_form = match call.parameters_form.take() {
            None => Some(ParametersForm::ParametersJson(b"{}".as_slice().into())),
            Some(ParametersForm::ParametersJson(text)) => {
                let Value::Object(object) = serde_json::from_slice(&text).ok()? else {
                    return None;
                };
                Some(ParametersForm::Parameters(draw::to_struct(object)))
            }
            Some(ParametersForm::Parameters(object)) => {
                let object = toolwave_client::from_proto_value(&prost_types::Value {
                    kind: Some(prost_types::value::Kind::StructValue(object)),
                });
                Some(ParametersForm::ParametersJson(object.to_string().into()))
            }
        };
    }
    Some(other)
}

/// Bounds that small inputs can reach.
fn tight_limits() -> RequestLimits {
    RequestLimits {
        max_calls: 6,
        max_edges: 8,
        max_dependencies_per_call: 3,
        max_waves: 4,
        max_parameters_bytes: 64,
        max_json_depth: 4,
        max_json_nodes: 12,
        ..RequestLimits::default()
    }
}
