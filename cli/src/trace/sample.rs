//! Executions for tests, with instants in milliseconds after a moment of the past.

use std::time::Duration;

use prost_types::Timestamp;
use toolwave_client::{
    proto_duration,
    v1::{self, Outcome},
};

/// When they are accepted.
const EPOCH: i64 = 1_795_434_738;

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are options")]
pub(crate) fn at(millis: u64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: EPOCH.saturating_add_unsigned(millis / 1_000),
        nanos: (millis % 1_000) as i32 * 1_000_000,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are options")]
pub(crate) fn ms(millis: u64) -> Option<prost_types::Duration> {
    Some(proto_duration(Duration::from_millis(millis)))
}

pub(crate) fn attempt(number: u32, from: u64, to: Option<u64>) -> v1::Attempt {
    v1::Attempt {
        number,
        worker: "anna".to_owned(),
        dispatched_at: at(from),
        started_at: at(from + 1),
        ended_at: to.and_then(at),
        ..v1::Attempt::default()
    }
}

/// `c0` and so on, which succeeds where it ends.
pub(crate) fn call(index: u32, wave: u32, ready: u64, end: Option<u64>) -> v1::CallTimeline {
    let mut call = v1::CallTimeline {
        index,
        id: format!("c{index}"),
        tool_name: "search".to_owned(),
        wave,
        ready_at: at(ready),
        ended_at: end.and_then(at),
        ..v1::CallTimeline::default()
    };
    if end.is_some() {
        call.set_state(v1::CallState::Ended);
        call.set_outcome(Outcome::Succeeded);
    }
    call
}

/// One that ended after so long.
pub(crate) fn execution(calls: Vec<v1::CallTimeline>, took: u64) -> v1::GetExecutionResponse {
    let count = calls.len() as u32;
    v1::GetExecutionResponse {
        status: Some(v1::ExecutionStatus {
            execution_id: "41a03d15-ac88-4dbf-ab82-f99bc0978d29".to_owned(),
            tenant: "default".to_owned(),
            accepted_at: at(0),
            ended_at: at(took),
            calls: count,
            waves: 2,
            ended: count,
            attempts: count,
            duration: ms(took),
            ..v1::ExecutionStatus::default()
        }),
        calls,
        ..v1::GetExecutionResponse::default()
    }
}

/// One with everything that is drawn: waits, a repeated attempt, a critical path, what was never sent.
pub(crate) fn eventful() -> v1::GetExecutionResponse {
    let mut first = call(0, 0, 0, Some(400));
    first.attempts = vec![attempt(1, 0, Some(400))];
    let mut repeated = call(1, 0, 0, Some(500));
    repeated.attempts = vec![attempt(1, 100, Some(250)), attempt(2, 350, Some(500))];
    repeated.set_outcome(Outcome::Failed);
    let mut last = call(2, 1, 400, Some(1_000));
    last.attempts = vec![attempt(1, 500, Some(1_000))];
    let mut skipped = call(3, 1, 0, Some(500));
    skipped.ready_at = None;
    skipped.set_outcome(Outcome::Skipped);
    skipped.id = "<odd & \"long\"> \u{1b}[31m".to_owned();
    let mut execution = execution(vec![first, repeated, last, skipped], 1_000);
    let mut waited = v1::Wait {
        subject: "search".to_owned(),
        time: ms(200),
        calls: 2,
        ..v1::Wait::default()
    };
    waited.set_reason(v1::WaitReason::ToolLimit);
    execution.summary = Some(v1::ExecutionSummary {
        duration: ms(1_000),
        analysis: Some(v1::ExecutionAnalysis {
            critical_path: vec![0, 2],
            critical_path_execution: ms(900),
            waits: vec![waited],
            retries: 1,
            retry_time: ms(250),
            lower_bound: ms(900),
            peak_in_flight: 2,
            saved_by_one_more_slot: ms(100),
        }),
        ..v1::ExecutionSummary::default()
    });
    execution
}
