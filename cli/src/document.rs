//! What `--output json` writes: stable names, durations in milliseconds, results byte for byte as the tool gave them.

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use toolwave_client::{
    duration, from_proto_value,
    v1::{self, call_result::ResultForm},
};

use crate::{analysis, report, run::Ended, words};

#[derive(Serialize)]
struct Execution<'a> {
    execution_id: &'a str,
    summary: Summary,
    /// One for each call of the plan, in its order.
    results: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Summary {
    calls: u32,
    waves: u32,
    outcomes: serde_json::Map<String, Value>,
    attempts: u32,
    duration_ms: Option<f64>,
    sequential_duration_ms: Option<f64>,
    /// How many times faster than one after another.
    speedup: Option<f64>,
    /// Why it took as long as it did; null where the coordinator does not say.
    analysis: Option<Value>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    tool: &'a str,
    wave: u32,
    outcome: &'static str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Json>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted_result_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CallError<'a>>,
    queue_time_ms: Option<f64>,
    execution_time_ms: Option<f64>,
    attempts: Vec<Attempt<'a>>,
}

#[derive(Serialize)]
struct CallError<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<f64>,
    may_have_run: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    root_call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation<'a>>,
}

#[derive(Serialize)]
struct Violation<'a> {
    path: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Attempt<'a> {
    number: u32,
    worker: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<CallError<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    late: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Json {
    /// Text that is passed on as it is: parsing would round what a double cannot hold.
    Raw(Box<RawValue>),
    Value(Value),
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The document of an execution.
pub(crate) fn execution(ended: &Ended) -> impl Serialize + '_ {
    let summary = &ended.summary;
    let outcomes = summary.outcomes.iter();
    Execution {
        execution_id: &summary.execution_id,
        summary: Summary {
            calls: summary.calls,
            waves: summary.waves,
            outcomes: outcomes
                .map(|o| (words::outcome(o.outcome()).to_owned(), o.count.into()))
                .collect(),
            attempts: summary.attempts,
            duration_ms: milliseconds(summary.duration.as_ref()),
            sequential_duration_ms: milliseconds(summary.sequential_duration.as_ref()),
            speedup: report::speedup(summary).map(|(_, speedup)| (speedup * 100.0).round() / 100.0),
            analysis: summary
                .analysis
                .as_ref()
                .map(|analysis| analysis::value(analysis, &|index| id_of(ended, index))),
        },
        results: ended.results.iter().map(call).collect(),
    }
}

fn id_of(ended: &Ended, index: u32) -> String {
    let result = ended.results.get(index as usize);
    result.map_or_else(|| index.to_string(), |result| result.id.clone())
}

fn call(result: &v1::CallResult) -> Call<'_> {
    Call {
        id: &result.id,
        tool: &result.tool_name,
        wave: result.wave,
        outcome: words::outcome(result.outcome()),
        success: result.success,
        result: result.result_form.as_ref().map(|form| match form {
            ResultForm::ResultJson(text) => json(text),
            ResultForm::Result(value) => Json::Value(from_proto_value(value)),
        }),
        omitted_result_bytes: result.omitted_result_bytes,
        error: result.error.as_ref().map(error),
        queue_time_ms: milliseconds(result.queue_time.as_ref()),
        execution_time_ms: milliseconds(result.execution_time.as_ref()),
        attempts: result
            .attempts
            .iter()
            .map(|attempt| Attempt {
                number: attempt.number,
                worker: &attempt.worker,
                failure: attempt.failure.as_ref().map(error),
                late: attempt.late,
            })
            .collect(),
    }
}

pub(crate) fn error_value(failure: &v1::CallError) -> Value {
    serde_json::to_value(error(failure)).unwrap_or(Value::Null)
}

fn error(error: &v1::CallError) -> CallError<'_> {
    CallError {
        code: &error.code,
        message: &error.message,
        retryable: error.retryable,
        retry_after_ms: milliseconds(error.retry_after.as_ref()),
        may_have_run: error.may_have_run,
        root_call_id: &error.root_call_id,
        details: (!error.details_json.is_empty()).then(|| json(&error.details_json)),
        violations: error
            .violations
            .iter()
            .map(|violation| Violation {
                path: &violation.path,
                description: &violation.description,
            })
            .collect(),
    }
}

/// A coordinator sends JSON; what is none after all is shown as text rather than lost.
fn json(text: &[u8]) -> Json {
    let text = String::from_utf8_lossy(text).into_owned();
    match RawValue::from_string(text.clone()) {
        Ok(raw) => Json::Raw(raw),
        Err(_) => Json::Value(Value::String(text)),
    }
}

/// To the microsecond: more digits are noise.
pub(crate) fn milliseconds(spent: Option<&prost_types::Duration>) -> Option<f64> {
    spent.map(|spent| (duration(spent).as_secs_f64() * 1e6).round() / 1e3)
}
