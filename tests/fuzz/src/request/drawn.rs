//! Requests drawn from bytes: right as a whole, or with slips in it.

use serde_json::{Map, Value};
use toolwave_proto::v1::{self, call::ParametersForm};

use crate::draw;

/// Mostly one that is right as a whole, or nearly; at times one with all that can be wrong.
pub(super) fn drawn(from: &mut draw::Bytes<'_>) -> v1::ExecuteParallelRequest {
    let odd = if draw::one_in(from, 4) { 2 } else { 64 };
    let calls = (0..draw::below(from, 8)).map(|at| call(from, at, odd)).collect();
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency: draw::one_in(from, odd).then(|| draw::edge(from) as u32),
        max_concurrency_auto: draw::one_in(from, odd),
        schedule: draw::below(from, 3) as i32 + i32::from(draw::one_in(from, odd)),
        on_failure: draw::below(from, 3) as i32 + i32::from(draw::one_in(from, odd)),
        timeout: duration(from, odd),
        idempotency_key: key(from, odd),
        retry: retry(from, odd),
        result_form: draw::below(from, 3) as i32 + i32::from(draw::one_in(from, odd)),
        max_response_bytes: draw::one_in(from, odd).then(|| draw::edge(from) as u32),
    }
}

/// One in `odd` of its parts is not as it should be.
fn call(from: &mut draw::Bytes<'_>, at: usize, odd: usize) -> v1::Call {
    const IDS: [&str; 5] = ["a", "b", "c", "0", "x.result"];
    let parameters_form = match draw::below(from, 8) {
        _ if draw::one_in(from, odd) => Some(ParametersForm::ParametersJson(
            from.arbitrary::<Vec<u8>>().unwrap_or_default().into(),
        )),
        0 => None,
        // Refers to calls before it.
        which @ 1..=4 => {
            let to = IDS.get(draw::below(from, at.max(1))).copied().unwrap_or_default();
            let path = draw::one_of(from, &["", ".k", "[-1]", "[\"odd key\"].x"]);
            let around = draw::one_of(from, &["", "$${", "x "]);
            let text = if at == 0 {
                around.to_owned()
            } else {
                format!("{around}${{{to}.result{path}}}")
            };
            let mut object = Map::new();
            object.insert(
                "path".into(),
                if which == 1 {
                    "x".into()
                } else {
                    text.clone().into()
                },
            );
            object.insert(
                "more".into(),
                Value::from(vec![Value::from(text), draw::value(from, 1)]),
            );
            Some(form(from, object))
        }
        _ => {
            let object = draw::object(from, 3);
            Some(form(from, object))
        }
    };
    let depends = draw::one_in(from, 3) && at > 0;
    let mut depends_on: Vec<String> = if depends {
        IDS.get(draw::below(from, at))
            .map(ToString::to_string)
            .into_iter()
            .collect()
    } else {
        Vec::new()
    };
    if draw::one_in(from, odd) {
        depends_on.push(draw::one_of(from, &IDS).to_owned());
    }
    v1::Call {
        id: if draw::one_in(from, odd) {
            Some(draw::text(from))
        } else {
            IDS.get(at).map(ToString::to_string)
        },
        tool_name: if draw::one_in(from, odd) {
            draw::text(from)
        } else {
            draw::one_of(from, &["read", "write", "echo", "nobody"]).into()
        },
        parameters_form,
        depends_on,
        priority: if draw::one_in(from, odd) {
            draw::edge(from) as i32
        } else {
            draw::below(from, 4) as i32
        },
        timeout: duration(from, odd),
        queue_timeout: duration(from, odd),
        retry: retry(from, odd),
        idempotency_key: key(from, odd),
    }
}

fn form(from: &mut draw::Bytes<'_>, object: Map<String, Value>) -> ParametersForm {
    if draw::one_in(from, 2) {
        ParametersForm::Parameters(draw::to_struct(object))
    } else {
        ParametersForm::ParametersJson(Value::Object(object).to_string().into())
    }
}

fn key(from: &mut draw::Bytes<'_>, odd: usize) -> String {
    if draw::one_in(from, odd) {
        draw::text(from)
    } else {
        String::new()
    }
}

fn duration(from: &mut draw::Bytes<'_>, odd: usize) -> Option<prost_types::Duration> {
    draw::one_in(from, odd).then(|| prost_types::Duration {
        seconds: draw::edge(from) as i64,
        nanos: if draw::one_in(from, 4) {
            draw::number(from) as i32
        } else {
            0
        },
    })
}

fn retry(from: &mut draw::Bytes<'_>, odd: usize) -> Option<v1::RetryPolicy> {
    draw::one_in(from, odd).then(|| v1::RetryPolicy {
        max_attempts: draw::edge(from) as u32,
        initial_backoff: duration(from, 2),
        max_backoff: duration(from, 2),
        multiplier: if draw::one_in(from, 2) {
            f64::from_bits(draw::number(from))
        } else {
            2.0
        },
    })
}
