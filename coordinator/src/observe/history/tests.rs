//! What is kept stays within its bounds, and counts as what it is.

use std::time::{Duration, SystemTime};

use toolwave_scheduler::{Cause, Outcome, Schedule, Waits, plan::Plan};

use super::*;
use crate::execution::{
    answer::{ResultForm, Shape, ShapeCall},
    prepared::{CallFault, EndedAttempt, EndedCall},
};

fn shape(calls: u32) -> Arc<Shape> {
    let tool_name: Arc<str> = "tool".into();
    let calls_of_it = (0..calls).map(|call| ShapeCall {
        id: call.to_string().into(),
        tool_name: tool_name.clone(),
        form: ResultForm::Json,
    });
    Arc::new(Shape {
        calls: calls_of_it.collect(),
        plan: Plan::new(calls, &[]).expect("no edges"),
        schedule: Schedule::Pipelined,
        max_response_bytes: 4 << 20,
    })
}

fn ended(call: u32, message: &str) -> EndedCall {
    let at = SystemTime::UNIX_EPOCH;
    let attempt = EndedAttempt {
        number: 1,
        worker: "w".into(),
        waits: Waits::default(),
        dispatched_at: at,
        started_at: at,
        ended_at: at,
        failure: None,
        late: false,
    };
    EndedCall {
        call,
        outcome: Outcome::Rejected,
        cause: Cause::Rejected,
        result: Some("{}".into()),
        rejection: Some(Box::new(CallFault {
            code: "CODE".into(),
            message: message.into(),
            violations: Vec::new(),
            details: "{}".into(),
        })),
        attempts: std::iter::once(attempt).collect(),
        queue_time: Duration::ZERO,
        execution_time: Duration::ZERO,
        waits: Waits::default(),
        at,
    }
}

/// An execution of so many calls that has ended.
fn one(key: u64, calls: u32, message: &str) -> (Status, Calls) {
    let mut record = Record::new(shape(calls), SystemTime::UNIX_EPOCH);
    for call in 0..calls {
        record.end(KeptCall::new(&ended(call, message), 2, None));
    }
    let id = format!("00000000-0000-0000-0000-{key:012}");
    let names = (id.into(), "tenant".into());
    let status = record.status((ExecutionKey(key), u128::from(key)), names, Duration::ZERO);
    (status, record.into_calls())
}

fn history(executions: usize, bytes: u64) -> History {
    History::new(HistorySection {
        executions,
        bytes,
        ..HistorySection::default()
    })
}

/// Counted anew.
fn recount(history: &History) -> u64 {
    let kept = history.lock();
    let entries = kept.entries.values();
    entries
        .map(|entry| entry.status.bytes + entry.calls.as_ref().map_or(0, |calls| calls.bytes))
        .sum()
}

#[test]
fn ten_thousand_executions_are_kept_within_their_bytes() {
    let bytes = 8 << 20;
    let history = history(10_000, bytes);
    let mut rng = fastrand::Rng::with_seed(7);
    for key in 0..12_000 {
        let (status, calls) = one(key, rng.u32(1..8), "went wrong");
        history.push(status, calls);
        assert!(history.held().bytes <= bytes);
    }
    let held = history.held();
    assert_eq!(held.bytes, recount(&history));
    assert_eq!(held.executions_ended, 12_000);
    assert!(held.forgotten >= 2_000 && held.executions <= 10_000, "{held:?}");
    assert!(held.bytes > bytes / 2, "what may be kept is used: {held:?}");
    let newest = history.find(11_999).expect("kept");
    assert!(newest.calls.is_some());
    let oldest = history.newest(None, usize::MAX, |_| true).pop().expect("some");
    let oldest = history.find(oldest.uuid).expect("kept");
    assert!(oldest.calls.is_none(), "calls go before statuses do");
}

#[test]
fn one_that_is_larger_than_all_that_may_be_kept_leaves_its_status() {
    let history = history(10, 100 << 10);
    let (status, calls) = one(1, 10_000, "");
    history.push(status, calls);
    let kept = history.find(1).expect("its status");
    assert!(kept.calls.is_none());
    assert_eq!(kept.status.ended, 10_000);
    let (status, calls) = one(2, 3, "");
    history.push(status, calls);
    assert!(history.find(2).expect("kept").calls.is_some());
}

#[test]
fn of_a_call_neither_its_result_nor_what_was_said_at_length_is_kept() {
    let kept = KeptCall::new(&ended(0, &"m".repeat(100_000)), 7, None);
    assert_eq!((kept.parameters_bytes, kept.result_bytes), (7, 2));
    assert!(kept.ended.result.is_none());
    let rejection = kept.ended.rejection.expect("a rejection");
    assert!(rejection.details.is_empty() && rejection.message.len() <= 1100);
}

#[test]
fn what_is_kept_counts_no_less_than_its_parts() {
    let (few, many) = (one(1, 10, "").1.bytes, one(2, 1_010, "").1.bytes);
    let each = (many - few) / 1_000;
    let least = (size_of::<KeptCall>() + size_of::<ShapeCall>() + size_of::<CallFault>()) as u64;
    assert!(
        each >= least && each < 2 * least,
        "{each} bytes a call, {least} at least"
    );
    let worded = one(3, 10, &"m".repeat(1_000)).1.bytes;
    assert!(worded >= few + 10 * 1_000);
}

#[test]
fn ends_are_kept_in_the_order_in_which_they_came() {
    let (_, calls) = one(1, 1_000, "");
    let order: Vec<u32> = calls.ends().map(|kept| kept.ended.call).collect();
    assert_eq!(order, (0..1_000).collect::<Vec<u32>>());
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be() {
    let history = history(0, 1 << 20);
    let (status, calls) = one(1, 3, "");
    history.push(status, calls);
    assert!(history.find(1).is_none());
    let held = history.held();
    assert_eq!(
        (held.executions, held.bytes, held.forgotten, held.calls_ended),
        (0, 0, 1, 3)
    );
}
