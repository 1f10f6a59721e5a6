//! Tools as workers declare them, with JSON Schemas of any kind, and parameters checked against them: refused or
//! compiled in bounded time, nothing fetched, and no message longer than messages may be.

use std::sync::Arc;

use arbitrary::Unstructured;
use bytes::Bytes;
use toolwave_coordinator::{
    catalogue::{Catalogue, DeclaredTool},
    execution::{prepared::CallParameters, resolver::resolve},
};
use toolwave_proto::v1;

use crate::draw;

/// Ends the schema in an input; no UTF-8 holds it.
const END: u8 = 0xff;
/// A violation that is quoted with the path of a schema may be longer than its parts.
const MESSAGE: usize = 1024;

/// Declares a tool and calls it. The input is a flag, the schema, and parameters.
///
/// # Panics
/// A message is too long, or the same declaration comes to something else the second time.
pub fn run(data: &[u8]) {
    let Some((&flags, data)) = data.split_first() else {
        return;
    };
    let mut parts = data.splitn(3, |&byte| byte == END);
    let schema = parts.next().unwrap_or_default();
    let parameters = parts.next().unwrap_or_default();
    let more = parts.next().unwrap_or_default();
    let tool = v1::Tool {
        input_schema_json: Bytes::copy_from_slice(schema),
        ..if flags & 1 == 0 { plain() } else { drawn(more) }
    };
    let catalogue = Catalogue::default();
    match catalogue.declare(tool.clone()) {
        Ok(declared) => {
            let again = declared.catalogue.declare(tool).expect("it was good before");
            assert!(!again.changed && Arc::ptr_eq(&again.tool, &declared.tool));
            call(&declared.tool, parameters);
        }
        Err(error) => {
            assert!(error.to_string().len() <= MESSAGE, "{error}");
            assert!(catalogue.tools().is_empty());
        }
    }
}

fn call(tool: &DeclaredTool, parameters: &[u8]) {
    let text = CallParameters::Text(Bytes::copy_from_slice(parameters));
    let Err(fault) = resolve(&text, Some(tool), &|_| None) else {
        return;
    };
    assert!(
        ["PARAMS_SCHEMA", "PARAMS_NOT_JSON"].contains(&fault.code.as_str()),
        "{fault:?}"
    );
    assert!(fault.message.len() <= MESSAGE, "{}", fault.message);
    assert!(
        fault.violations.len() <= 51,
        "{} violations",
        fault.violations.len()
    );
    for (path, what) in &fault.violations {
        assert!(path.len() <= MESSAGE && what.len() <= MESSAGE, "{path}: {what}");
    }
}

fn plain() -> v1::Tool {
    v1::Tool {
        name: "tool".into(),
        ..v1::Tool::default()
    }
}

fn drawn(data: &[u8]) -> v1::Tool {
    let mut from = Unstructured::new(data);
    let from = &mut from;
    let duration = |from: &mut draw::Bytes<'_>| {
        draw::one_in(from, 2).then(|| prost_types::Duration {
            seconds: draw::edge(from) as i64,
            nanos: draw::number(from) as i32,
        })
    };
    v1::Tool {
        name: if draw::one_in(from, 4) {
            draw::text(from)
        } else {
            "tool".into()
        },
        effects: (0..draw::below(from, 4))
            .map(|_| v1::Effect {
                mode: draw::below(from, 4) as i32,
                key_template: effect(from),
            })
            .collect(),
        timeout: duration(from),
        rate_per_second: f64::from_bits(draw::number(from)),
        rate_burst: draw::edge(from) as u32,
        max_concurrency: draw::edge(from) as u32,
        retry: draw::one_in(from, 2).then(|| v1::RetryPolicy {
            max_attempts: draw::edge(from) as u32,
            initial_backoff: duration(from),
            max_backoff: duration(from),
            multiplier: f64::from_bits(draw::number(from)),
        }),
        output_schema_json: Bytes::copy_from_slice(draw::rest(from)),
        ..v1::Tool::default()
    }
}

fn effect(from: &mut draw::Bytes<'_>) -> String {
    (0..draw::below(from, 6))
        .map(|_| {
            draw::one_of(
                from,
                &["file:", "{", "}", "{{", "}}", "path", "{path}", "{a.b}", "."],
            )
        })
        .collect()
}
