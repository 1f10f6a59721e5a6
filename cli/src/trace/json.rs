//! An execution as a JSON document: stable names, instants as RFC 3339, spans in milliseconds, nothing rounded away.

use serde_json::{Map, Value, json};
use toolwave_client::v1::{self, CallState, Outcome};

use crate::{
    analysis,
    document::{self, milliseconds},
    moment, words,
};

/// What a list says of it.
pub(crate) fn status(status: &v1::ExecutionStatus) -> Value {
    let outcomes = status.outcomes.iter();
    let outcomes: Map<String, Value> = outcomes
        .map(|counted| (words::outcome(counted.outcome()).to_owned(), counted.count.into()))
        .collect();
    json!({
        "execution_id": status.execution_id,
        "tenant": status.tenant,
        "running": status.ended_at.is_none(),
        "accepted_at": instant(status.accepted_at.as_ref()),
        "ended_at": instant(status.ended_at.as_ref()),
        "duration_ms": milliseconds(status.duration.as_ref()),
        "calls": status.calls,
        "waves": status.waves,
        "waiting": status.waiting,
        "in_flight": status.in_flight,
        "ended": status.ended,
        "outcomes": outcomes,
        "attempts": status.attempts,
        "trace_id": Some(status.trace_id.as_str()).filter(|id| !id.is_empty()),
    })
}

/// All that is known of it.
pub(crate) fn execution(execution: &v1::GetExecutionResponse) -> Value {
    let mut document = match status(&execution.status.clone().unwrap_or_default()) {
        Value::Object(document) => document,
        _ => Map::new(),
    };
    let id = |index: u32| {
        let call = execution.calls.get(index as usize);
        call.map_or_else(|| index.to_string(), |call| call.id.clone())
    };
    let analysis = execution
        .summary
        .as_ref()
        .and_then(|summary| summary.analysis.as_ref());
    let on_path = |index: u32| analysis.is_some_and(|analysis| analysis.critical_path.contains(&index));
    let calls = execution.calls.iter();
    let calls: Vec<Value> = calls
        .map(|timeline| call(timeline, &id, on_path(timeline.index), execution.contents))
        .collect();
    document.insert("calls_forgotten".to_owned(), execution.calls_forgotten.into());
    document.insert(
        "analysis".to_owned(),
        analysis.map_or(Value::Null, |analysis| analysis::value(analysis, &id)),
    );
    document.insert("timeline".to_owned(), calls.into());
    Value::Object(document)
}

fn call(call: &v1::CallTimeline, id: &dyn Fn(u32) -> String, critical: bool, contents: bool) -> Value {
    let ended = call.state() == CallState::Ended || call.outcome() != Outcome::Unspecified;
    let mut shown = json!({
        "id": call.id,
        "index": call.index,
        "tool": call.tool_name,
        "wave": call.wave,
        "depends_on": call.depends_on.iter().map(|index| id(*index)).collect::<Vec<_>>(),
        "state": words::call_state(call.state()),
        "outcome": ended.then(|| words::outcome(call.outcome())),
        "critical": critical,
        "waits_for": words::wait_reason(call.waits_for()),
        "ready_at": instant(call.ready_at.as_ref()),
        "ended_at": instant(call.ended_at.as_ref()),
        "attempts": call.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "error": call.error.as_ref().map(document::error_value),
        "parameters_bytes": call.parameters_bytes,
        "result_bytes": call.result_bytes,
    });
    if let (true, Some(shown)) = (contents, shown.as_object_mut()) {
        // Cut where the coordinator keeps no more, so that it need not be JSON.
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
        shown.insert("parameters_json".to_owned(), text(&call.parameters_json));
        shown.insert("result_json".to_owned(), text(&call.result_json));
    }
    shown
}

fn attempt(attempt: &v1::Attempt) -> Value {
    json!({
        "number": attempt.number,
        "worker": attempt.worker,
        "dispatched_at": instant(attempt.dispatched_at.as_ref()),
        "started_at": instant(attempt.started_at.as_ref()),
        "ended_at": instant(attempt.ended_at.as_ref()),
        "failure": attempt.failure.as_ref().map(document::error_value),
        "late": attempt.late,
    })
}

fn instant(at: Option<&prost_types::Timestamp>) -> Option<String> {
    at.and_then(moment::rfc3339)
}
