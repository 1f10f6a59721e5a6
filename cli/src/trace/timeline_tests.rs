//! What a coordinator may send of an execution, and the spans that are made of it.

use super::*;
use crate::trace::sample::{attempt, call, execution};

fn phases(row: &Row) -> Vec<(Phase, u128, u128)> {
    let spans = row.spans.iter();
    spans
        .map(|span| (span.phase, span.from.as_millis(), span.to.as_millis()))
        .collect()
}

#[test]
fn a_call_waits_runs_is_repeated_and_ends() {
    let mut call = call(0, 0, 100, Some(900));
    call.attempts = vec![attempt(1, 200, Some(400)), attempt(2, 600, Some(900))];
    let timeline = Timeline::of(&execution(vec![call], 1_000), None);
    let row = &timeline.rows[0];
    assert_eq!(
        phases(row),
        [
            (Phase::Queued, 100, 200),
            (Phase::Repeated, 200, 400),
            (Phase::Queued, 400, 600),
            (Phase::Running, 600, 900),
        ]
    );
    assert_eq!(row.took, Some(Duration::from_millis(800)));
    assert_eq!((row.word.as_str(), row.worker.as_str()), ("SUCCEEDED", "anna"));
}

#[test]
fn what_runs_or_waits_now_reaches_to_the_end_of_the_axis() {
    let mut running = call(0, 0, 0, None);
    running.attempts = vec![attempt(1, 50, None)];
    running.set_state(CallState::InFlight);
    let mut ready = call(1, 0, 10, None);
    ready.set_state(CallState::Ready);
    ready.set_waits_for(WaitReason::ToolRate);
    let mut backoff = call(2, 0, 0, None);
    backoff.attempts = vec![attempt(1, 0, Some(60))];
    backoff.set_state(CallState::Backoff);
    let mut waiting = call(3, 1, 0, None);
    waiting.ready_at = None;
    waiting.set_state(CallState::Waiting);
    let mut execution = execution(vec![running, ready, backoff, waiting], 300);
    if let Some(status) = &mut execution.status {
        status.ended_at = None;
    }
    let timeline = Timeline::of(&execution, None);
    let rows = &timeline.rows;
    assert_eq!(
        phases(&rows[0]),
        [(Phase::Queued, 0, 50), (Phase::Running, 50, 300)]
    );
    assert_eq!(phases(&rows[1]), [(Phase::Queued, 10, 300)]);
    assert_eq!(
        phases(&rows[2]),
        [(Phase::Running, 0, 60), (Phase::Queued, 60, 300)]
    );
    assert_eq!(phases(&rows[3]), []);
    let words: Vec<_> = rows.iter().map(|row| row.word.as_str()).collect();
    assert_eq!(words, ["in flight", "waits: tool_rate", "backoff", "waiting"]);
}

#[test]
fn of_many_calls_the_critical_path_then_the_slowest_stay_in_their_order() {
    let calls = (0..10).map(|index| call(index, index / 5, 0, Some(100 * u64::from(index) + 50)));
    let mut execution = execution(calls.collect(), 1_000);
    execution.summary = Some(v1::ExecutionSummary {
        analysis: Some(v1::ExecutionAnalysis {
            critical_path: vec![1, 6],
            ..v1::ExecutionAnalysis::default()
        }),
        ..v1::ExecutionSummary::default()
    });
    let timeline = Timeline::of(&execution, Some(4));
    let ids: Vec<_> = timeline.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["c1", "c6", "c8", "c9"]);
    assert_eq!(timeline.left_out, 6);
    assert!(timeline.rows[0].critical && !timeline.rows[2].critical);
}

#[test]
fn missing_and_impossible_instants_are_drawn_within_the_axis() {
    let nothing = Timeline::of(&v1::GetExecutionResponse::default(), None);
    assert!(nothing.rows.is_empty() && nothing.length.is_zero());

    let bare = v1::GetExecutionResponse {
        calls: vec![v1::CallTimeline::default()],
        ..v1::GetExecutionResponse::default()
    };
    let timeline = Timeline::of(&bare, None);
    assert_eq!(
        (timeline.rows[0].id.as_str(), timeline.rows[0].word.as_str()),
        ("0", "?")
    );

    let mut odd = call(0, 7, 500, Some(100));
    odd.attempts = vec![
        attempt(1, 9_000_000, Some(3)),
        v1::Attempt::default(),
        attempt(3, 0, Some(u64::MAX / 1_000)),
    ];
    odd.attempts[2].dispatched_at = Some(prost_types::Timestamp {
        seconds: i64::MIN,
        nanos: i32::MIN,
    });
    let timeline = Timeline::of(&execution(vec![odd], 1_000), None);
    for span in &timeline.rows[0].spans {
        assert!(span.from <= span.to && span.to <= timeline.length, "{span:?}");
    }
}

#[test]
fn without_a_status_the_axis_is_that_of_the_calls() {
    let mut call = call(0, 0, 200, Some(700));
    call.attempts = vec![attempt(1, 300, Some(700))];
    let execution = v1::GetExecutionResponse {
        calls: vec![call],
        ..v1::GetExecutionResponse::default()
    };
    let timeline = Timeline::of(&execution, None);
    assert_eq!(timeline.length, Duration::from_millis(500));
    assert_eq!(phases(&timeline.rows[0])[0], (Phase::Queued, 0, 100));
}
