//! What is said of an execution holds of any graph and any times.

use proptest::prelude::*;
use smallvec::smallvec;
use toolwave_scheduler::{
    Cause,
    plan::{Edge, Need, Plan},
};

use super::*;
use crate::execution::{
    answer::{ResultForm, ShapeCall},
    prepared::EndedAttempt,
};

fn at(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

fn shape(calls: u32, edges: &[Edge], schedule: Schedule) -> Shape {
    let calls_of_it = (0..calls).map(|call| ShapeCall {
        id: call.to_string().into(),
        tool_name: "tool".into(),
        form: ResultForm::Json,
    });
    Shape {
        calls: calls_of_it.collect(),
        plan: Plan::new(calls, edges).expect("edges lead upwards"),
        schedule,
        max_response_bytes: 4 << 20,
    }
}

fn ended(call: u32, sent: u64, end: u64, waits: Waits) -> EndedCall {
    let attempt = EndedAttempt {
        number: 1,
        worker: "w".into(),
        waits,
        dispatched_at: at(sent),
        started_at: at(sent),
        ended_at: at(end),
        failure: None,
        late: false,
    };
    EndedCall {
        call,
        outcome: Outcome::Succeeded,
        cause: Cause::None,
        result: None,
        rejection: None,
        attempts: smallvec![attempt],
        queue_time: Duration::ZERO,
        execution_time: Duration::from_micros(end - sent),
        waits: Waits::default(),
        at: at(end),
    }
}

fn waits(reason: WaitReason, micros: u64) -> Waits {
    let mut waits = Waits::default();
    waits.add_time(reason, Duration::from_micros(micros));
    waits
}

fn edge(from: u32, to: u32) -> Edge {
    Edge {
        from,
        to,
        need: Need::Success,
    }
}

fn time(duration: Option<prost_types::Duration>) -> u64 {
    let duration = Duration::try_from(duration.expect("said")).expect("not negative");
    duration.as_micros() as u64
}

/// Plays a graph with so many at once, and takes in what came of it: what is measured then.
fn played(shape: &Shape, took: &[u64], at_once: usize) -> (Course, u64) {
    let tool: Arc<str> = "tool".into();
    let mut course = Course::of(took.len());
    let (mut ready, mut flying): (Vec<u32>, Vec<(u64, u32, u64)>) = (Vec::new(), Vec::new());
    let mut left: Vec<u32> = (0..shape.plan.len())
        .map(|call| shape.plan.dependency_count(call))
        .collect();
    ready.extend((0..shape.plan.len()).filter(|&call| left[call as usize] == 0));
    let mut now = 0;
    loop {
        while flying.len() < at_once && !ready.is_empty() {
            let call = ready.remove(0);
            flying.push((now + took[call as usize], call, now));
        }
        flying.sort_unstable();
        if flying.is_empty() {
            return (course, now);
        }
        let (end, call, sent) = flying.remove(0);
        now = end;
        course.end(&ended(call, sent, end, waits(WaitReason::Slots, sent)), &tool);
        for dependent in shape.plan.dependents(call) {
            left[dependent.call as usize] -= 1;
            if left[dependent.call as usize] == 0 {
                ready.push(dependent.call);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_said_of_any_execution_holds(
        took in prop::collection::vec(1..1_000_u64, 1..24),
        pairs in prop::collection::vec((0..24_u32, 0..24_u32), 0..40),
        at_once in 1..6_usize,
    ) {
        let count = took.len() as u32;
        let edges: Vec<Edge> = pairs
            .into_iter()
            .filter(|(from, to)| from < to && *to < count)
            .map(|(from, to)| edge(from, to))
            .collect();
        let shape = shape(count, &edges, Schedule::Pipelined);
        let (course, duration) = played(&shape, &took, at_once);
        let found = course.analysis(&shape, "");
        let (bound, saved) = (time(found.lower_bound), time(found.saved_by_one_more_slot));
        prop_assert!(bound <= duration, "{bound} of {duration}");
        prop_assert!(saved <= duration - bound, "no slot saves more than waiting took");
        prop_assert!(found.peak_in_flight as usize <= at_once);
        prop_assert!(time(found.critical_path_execution) <= duration);
        for pair in found.critical_path.windows(2) {
            prop_assert!(shape.plan.dependents(pair[0]).iter().any(|dependent| dependent.call == pair[1]));
        }
        let unlimited = played(&shape, &took, took.len()).1;
        prop_assert_eq!(bound, unlimited, "with any number in flight it takes this long");
        let replay = replay::Replay::new(&shape, &course.calls);
        let sum: u64 = took.iter().sum();
        prop_assert_eq!(replay.takes(1), sum * 1_000, "one after the other");
        prop_assert_eq!(replay.takes(count), bound * 1_000);
    }
}

#[test]
fn one_more_slot_saves_what_the_last_call_waited() {
    let shape = shape(3, &[], Schedule::Pipelined);
    let (course, duration) = played(&shape, &[100, 100, 100], 2);
    assert_eq!(duration, 200);
    let found = course.analysis(&shape, "");
    assert_eq!(
        (found.peak_in_flight, time(found.saved_by_one_more_slot)),
        (2, 100)
    );
    assert_eq!(time(found.lower_bound), 100);
}

/// Of docs/slow.md.
#[test]
fn the_example_of_the_documentation_is_what_is_computed() {
    let edges: Vec<Edge> = (0..6).map(|search| edge(search, 6)).collect();
    let shape = shape(7, &edges, Schedule::Pipelined);
    let (course, duration) = played(&shape, &[100, 100, 100, 100, 100, 100, 300], 2);
    assert_eq!(duration, 600);
    let found = course.analysis(&shape, "");
    assert_eq!(found.critical_path, [5, 6]);
    assert_eq!(time(found.critical_path_execution), 400);
    assert_eq!((time(found.lower_bound), found.peak_in_flight), (400, 2));
    assert_eq!(time(found.saved_by_one_more_slot), 100);
}

#[test]
fn under_barrier_waves_each_wave_waits_for_the_slowest_of_the_one_before() {
    let shape = shape(4, &[edge(0, 2), edge(1, 3)], Schedule::Barrier);
    let tool: Arc<str> = "tool".into();
    let mut course = Course::of(4);
    // 0 is quick and 1 slow; 2 depends on 0 alone, and waits for 1.
    for (call, sent, end) in [(0, 0, 10), (1, 0, 100), (3, 100, 110), (2, 100, 150)] {
        let held = waits(WaitReason::ToolLimit, 1);
        course.end(&ended(call, sent, end, held), &tool);
    }
    let found = course.analysis(&shape, "");
    assert_eq!(found.critical_path, [1, 2]);
    assert_eq!(time(found.lower_bound), 150);
    assert_eq!(time(found.saved_by_one_more_slot), 0);
    assert_eq!(found.waits[0].subject, "tool");
    assert_eq!((found.waits[0].calls, time(found.waits[0].time)), (4, 4));
}

#[test]
fn retries_count_with_their_backoffs_and_a_wait_of_two_attempts_is_one_calls() {
    let shape = shape(1, &[], Schedule::Pipelined);
    let mut call = ended(0, 0, 10, waits(WaitReason::TenantLimit, 5));
    let mut again = ended(0, 30, 50, waits(WaitReason::Backoff, 20))
        .attempts
        .remove(0);
    again
        .waits
        .add_time(WaitReason::TenantLimit, Duration::from_micros(1));
    call.attempts.push(again);
    let mut course = Course::of(1);
    course.end(&call, &"tool".into());
    let found = course.analysis(&shape, "acme");
    assert_eq!((found.retries, time(found.retry_time)), (1, 30));
    assert_eq!(time(found.lower_bound), 50, "two attempts and the time between");
    let told: Vec<(v1::WaitReason, &str, u64, u32)> = found
        .waits
        .iter()
        .map(|wait| (wait.reason(), wait.subject.as_str(), time(wait.time), wait.calls))
        .collect();
    let expected = [
        (v1::WaitReason::Backoff, "", 20, 1),
        (v1::WaitReason::TenantLimit, "acme", 6, 1),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_execution_of_which_nothing_started_is_analysed_too() {
    let shape = shape(2, &[edge(0, 1)], Schedule::Pipelined);
    let mut course = Course::of(2);
    for call in 0..2 {
        let mut end = ended(call, 0, 0, Waits::default());
        end.attempts.clear();
        end.outcome = if call == 0 {
            Outcome::Rejected
        } else {
            Outcome::Skipped
        };
        course.end(&end, &"tool".into());
    }
    let found = course.analysis(&shape, "");
    assert_eq!((found.critical_path, found.peak_in_flight), (vec![0], 0));
    assert_eq!(time(found.lower_bound), 0);
}
