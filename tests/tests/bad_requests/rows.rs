//! The rows of `data/bad_requests.json`: what is sent, and what must come back. The big ones are generated.

use std::collections::BTreeMap;

use serde::Deserialize;
use toolwave_proto::v1::{self, call::ParametersForm};

/// One input of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) describes: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) request: Option<RequestRow>,
    pub(crate) cancel: Option<CancelRow>,
    pub(crate) generate: Option<String>,
    pub(crate) raw: Option<String>,
    pub(crate) script: Option<String>,
    pub(crate) not_applicable: Option<String>,
    pub(crate) expect: Option<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) violations: Option<usize>,
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) calls: Vec<ExpectedCall>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedCall {
    pub(crate) outcome: String,
    pub(crate) code: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) message: Option<String>,
    /// JSON Pointers, sorted.
    pub(crate) violations: Option<Vec<String>>,
    pub(crate) not_in_error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CancelRow {
    execution_id: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RequestRow {
    calls: Vec<CallRow>,
    max_concurrency: Option<u32>,
    max_concurrency_auto: bool,
    schedule: i32,
    on_failure: i32,
    result_form: i32,
    timeout: Option<(i64, i32)>,
    idempotency_key: String,
    retry: Option<RetryRow>,
    max_response_bytes: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CallRow {
    id: Option<String>,
    tool: Option<String>,
    json: Option<String>,
    hex: Option<String>,
    struct_number: Option<String>,
    depends_on: Vec<String>,
    priority: i32,
    timeout: Option<(i64, i32)>,
    queue_timeout: Option<(i64, i32)>,
    retry: Option<RetryRow>,
    idempotency_key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetryRow {
    max_attempts: u32,
    initial_backoff: Option<(i64, i32)>,
    max_backoff: Option<(i64, i32)>,
    multiplier: Option<String>,
}

/// The whole catalogue.
pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../data/bad_requests.json")).expect("the catalogue is good JSON")
}

fn duration((seconds, nanos): (i64, i32)) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos }
}

impl RetryRow {
    fn policy(&self) -> v1::RetryPolicy {
        v1::RetryPolicy {
            max_attempts: self.max_attempts,
            initial_backoff: self.initial_backoff.map(duration),
            max_backoff: self.max_backoff.map(duration),
            multiplier: self
                .multiplier
                .as_ref()
                .map_or(0.0, |text| text.parse().expect("a number")),
        }
    }
}

impl CancelRow {
    pub(crate) fn request(&self) -> v1::CancelExecutionRequest {
        use v1::cancel_execution_request::Target;
        let id = self.execution_id.clone().map(Target::ExecutionId);
        v1::CancelExecutionRequest {
            target: id.or(self.idempotency_key.clone().map(Target::IdempotencyKey)),
        }
    }
}

impl RequestRow {
    pub(crate) fn request(&self) -> v1::ExecuteParallelRequest {
        v1::ExecuteParallelRequest {
            calls: self.calls.iter().map(CallRow::call).collect(),
            max_concurrency: self.max_concurrency,
            max_concurrency_auto: self.max_concurrency_auto,
            schedule: self.schedule,
            on_failure: self.on_failure,
            timeout: self.timeout.map(duration),
            idempotency_key: self.idempotency_key.clone(),
            retry: self.retry.as_ref().map(RetryRow::policy),
            result_form: self.result_form,
            max_response_bytes: self.max_response_bytes,
        }
    }
}

impl CallRow {
    fn call(&self) -> v1::Call {
        let from_hex = |hex: &String| -> Vec<u8> {
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
            (0..hex.len()).step_by(2).map(digits).collect()
        };
        let text = self
            .json
            .clone()
            .map(String::into_bytes)
            .or(self.hex.as_ref().map(from_hex));
        let number = self.struct_number.as_ref().map(|text| {
            let number = prost_types::value::Kind::NumberValue(text.parse().expect("a number"));
            let fields = [("n".to_owned(), prost_types::Value { kind: Some(number) })].into();
            ParametersForm::Parameters(prost_types::Struct { fields })
        });
        v1::Call {
            id: self.id.clone(),
            tool_name: self.tool.clone().unwrap_or_else(|| "echo".to_owned()),
            parameters_form: number.or(text.map(|text| ParametersForm::ParametersJson(text.into()))),
            depends_on: self.depends_on.clone(),
            priority: self.priority,
            timeout: self.timeout.map(duration),
            queue_timeout: self.queue_timeout.map(duration),
            retry: self.retry.as_ref().map(RetryRow::policy),
            idempotency_key: self.idempotency_key.clone(),
        }
    }
}

fn echo(parameters: String) -> v1::Call {
    v1::Call {
        tool_name: "echo".into(),
        parameters_form: Some(ParametersForm::ParametersJson(parameters.into())),
        ..v1::Call::default()
    }
}

fn named(id: impl ToString, depends_on: Vec<String>) -> v1::Call {
    v1::Call {
        id: Some(id.to_string()),
        tool_name: "echo".into(),
        depends_on,
        ..v1::Call::default()
    }
}

/// What is too big to be written down.
pub(crate) fn generate(name: &str) -> v1::ExecuteParallelRequest {
    let calls: Vec<v1::Call> = match name {
        "calls_10001" => (0..10_001).map(|_| echo(String::new())).collect(),
        "tool_name_1_mib" => vec![v1::Call {
            tool_name: "t".repeat(1 << 20),
            ..v1::Call::default()
        }],
        "depth_65" => vec![echo(format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64)))],
        "depth_100000" => vec![echo(format!("{{\"a\":{}", "[".repeat(100_000)))],
        "zeros" => vec![echo(format!("{{\"a\":[{}0]}}", "0,".repeat(1_500_000)))],
        "keys_300000" => {
            let entries: Vec<String> = (0..300_000).map(|i| format!("\"{i}\":0")).collect();
            vec![echo(format!("{{{}}}", entries.join(",")))]
        }
        "parameters_over_4_mib" => vec![echo(format!("{{\"a\":\"{}\"}}", "x".repeat((4 << 20) - 7)))],
        "cycle_300" => (0..300)
            .map(|i| named(i, vec![((i + 1) % 300).to_string()]))
            .collect(),
        "chain_257" => (0..257)
            .map(|i: u32| named(i, i.checked_sub(1).iter().map(u32::to_string).collect()))
            .collect(),
        "edges_50200" => {
            let left = || (0..251).map(|i| i.to_string());
            let right = (251..451).map(|i| named(i, left().collect()));
            left().map(|id| named(id, vec![])).chain(right).collect()
        }
        "expansion_too_large" => {
            let large = echo(format!("{{\"x\":\"{}\"}}", "x".repeat(3 << 20)));
            vec![
                large,
                echo("{\"y\":\"${0.result.x} ${0.result.x}\"}".into()),
                echo(String::new()),
            ]
        }
        "request_over_16_mib" => (0..5)
            .map(|_| echo(format!("{{\"x\":\"{}\"}}", "x".repeat(7 << 19))))
            .collect(),
        "priorities_1000" => (0..1000)
            .map(|_| v1::Call {
                priority: 9,
                ..echo(String::new())
            })
            .collect(),
        unknown => panic!("{unknown} is no generator"),
    };
    v1::ExecuteParallelRequest {
        calls,
        ..v1::ExecuteParallelRequest::default()
    }
}
