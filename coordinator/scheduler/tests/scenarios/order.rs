//! Which ready call starts first, and that none starves.

use toolwave_scheduler::{
    CallKey, CallSpec, ExecutionKey, Preparation, Resolution, ToolKey, ToolSpec, WorkerKey,
};

use crate::common::{
    lab::{Lab, OTHER_TOOL, TOOL, batch, call, nth, urgent},
    ms, s,
};

/// Ends whatever runs, one call after the other, until so many were started in all.
fn work_off(lab: &mut Lab, started: usize) -> Vec<CallKey> {
    for _ in 0..10 * started {
        let order = lab.started_order();
        if order.len() >= started {
            break;
        }
        let Some(&running) = order.iter().find(|call| lab.flight(**call).is_some()) else {
            break;
        };
        lab.succeeds(running);
    }
    lab.started_order()
}

/// Ends so many calls of an execution that always has one in flight.
#[track_caller]
fn end_one_by_one(lab: &mut Lab, execution: ExecutionKey, calls: usize) {
    for _ in 0..calls {
        let mut order = lab.started_order().into_iter();
        let running = order.find(|call| call.execution == execution && lab.flight(*call).is_some());
        lab.succeeds(running.expect("it has calls for all that time"));
    }
}

fn of(order: &[CallKey], execution: ExecutionKey) -> usize {
    order.iter().filter(|call| call.execution == execution).count()
}

#[test]
fn a_higher_priority_starts_first() {
    let mut lab = Lab::new();
    let execution = lab.submit(batch(vec![urgent(0), urgent(2), urgent(1), urgent(3)]));
    lab.worker(1);
    let order: Vec<u32> = work_off(&mut lab, 4).iter().map(|call| call.index).collect();
    assert_eq!(order, [3, 1, 2, 0]);
    assert_eq!(lab.outcome(nth(execution, 0)), None);
}

#[test]
fn a_priority_counts_across_executions_and_tools() {
    let mut lab = Lab::new();
    let low = lab.submit(batch(vec![call(); 2]));
    let high = lab.submit(batch(vec![CallSpec {
        tool: OTHER_TOOL,
        ..urgent(1)
    }]));
    lab.worker(1);
    assert_eq!(work_off(&mut lab, 2), [nth(high, 0), nth(low, 0)]);
}

#[test]
fn within_an_execution_earlier_waves_go_before_later_ones_and_then_request_order() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    // 0 is of wave 1 once 3 is done; 1 and 2 are of wave 0.
    let execution = lab.submit(batch(vec![call(); 4]).after(3, 0));
    // Request order starts with 1.
    assert_eq!(lab.started_order(), [nth(execution, 1)]);
    lab.succeeds(nth(execution, 1));
    lab.succeeds(nth(execution, 2));
    lab.succeeds(nth(execution, 3));
    assert_eq!(lab.place(nth(execution, 0)), worker);
    let order: Vec<u32> = lab.started_order().iter().map(|call| call.index).collect();
    assert_eq!(order, [1, 2, 3, 0]);
}

#[test]
fn an_earlier_wave_goes_first_although_a_later_one_was_ready_before() {
    let mut lab = Lab::new();
    lab.worker(1);
    // Call 1 (wave 1) is ready when 0 ends; call 2 (wave 0) is behind it in request order and ready all along.
    let execution = lab.submit(batch(vec![call(); 3]).after(0, 1));
    lab.succeeds(nth(execution, 0));
    assert!(lab.flight(nth(execution, 2)).is_some() && lab.flight(nth(execution, 1)).is_none());
}

#[test]
fn a_large_execution_does_not_hold_up_a_small_one_of_the_same_tenant() {
    let mut lab = Lab::new();
    let large = lab.submit(batch(vec![call(); 200]));
    lab.worker(2);
    let small = lab.submit(batch(vec![call(); 5]));
    let order = work_off(&mut lab, 14);
    assert_eq!(of(&order, small), 5, "every other turn is its: {order:?}");
    assert_eq!(of(&order, large), 9);
}

#[test]
fn tenants_with_a_backlog_share_turns_whatever_the_number_of_their_executions() {
    let mut lab = Lab::new();
    let one = lab.submit(batch(vec![call(); 100]).tenant(1));
    let many: Vec<ExecutionKey> = (0..10)
        .map(|_| lab.submit(batch(vec![call(); 10]).tenant(2)))
        .collect();
    lab.worker(3);
    let order = work_off(&mut lab, 60);
    for window in 1..=60 {
        let (a, b) = (
            of(&order[..window], one),
            many.iter().map(|e| of(&order[..window], *e)).sum::<usize>(),
        );
        assert!(a.abs_diff(b) <= 4, "after {window} starts: {a} to {b}");
    }
    assert!(
        many.iter().all(|execution| of(&order, *execution) >= 2),
        "and its executions share them in turn"
    );
}

#[test]
fn a_tenant_that_was_idle_has_saved_no_turns() {
    let mut lab = Lab::new();
    let early = lab.submit(batch(vec![call(); 100]).tenant(1));
    lab.worker(1);
    work_off(&mut lab, 40);
    let late = lab.submit(batch(vec![call(); 100]).tenant(2));
    let order = work_off(&mut lab, 60);
    let (a, b) = (of(&order[40..], early), of(&order[40..], late));
    assert!(a.abs_diff(b) <= 2, "{a} to {b} of the last 20");
}

#[test]
fn a_tenant_that_ran_and_was_idle_since_has_saved_no_turns() {
    let mut lab = Lab::new();
    lab.worker(1);
    // Two calls wait at once before the idle time, so that the tenant's backlog is seen to come and to go.
    let before = lab.submit(batch(vec![call(); 2]).tenant(2));
    lab.succeeds(nth(before, 0));
    let busy = lab.submit(batch(vec![call(); 100]).tenant(1));
    lab.succeeds(nth(before, 1));
    work_off(&mut lab, 40);
    let late = lab.submit(batch(vec![call(); 100]).tenant(2));
    let order = work_off(&mut lab, 60);
    let (a, b) = (of(&order[40..], busy), of(&order[40..], late));
    assert!(a.abs_diff(b) <= 2, "{a} to {b} of the last 20");
}

#[test]
fn a_tenant_that_submits_all_the_time_keeps_its_turns() {
    let mut lab = Lab::new();
    lab.worker(1);
    let steady = lab.submit(batch(vec![call(); 100]).tenant(1));
    lab.submit(batch(vec![call(); 3]).tenant(2));
    for started in 1..40 {
        work_off(&mut lab, started);
        lab.submit(batch(vec![call()]).tenant(2));
    }
    let order = lab.started_order();
    let a = of(&order, steady);
    assert!(a.abs_diff(order.len() - a) <= 3, "{a} of {}", order.len());
}

#[test]
fn newcomers_that_come_all_the_time_do_not_hold_up_who_waits() {
    // Executions of one tenant, then tenants: each newcomer has one call.
    for tenants in [false, true] {
        let mut lab = Lab::new();
        lab.worker(1);
        let steady = lab.submit(batch(vec![call(); 100]));
        for started in 1..40 {
            work_off(&mut lab, started);
            let tenant = if tenants { started as u32 } else { 0 };
            lab.submit(batch(vec![call()]).tenant(tenant));
        }
        let order = lab.started_order();
        // Every round of turns has one newcomer more than the round before: 39 starts are eight rounds.
        let a = of(&order, steady);
        assert!(a >= 8, "{a} of {}", order.len());
    }
}

#[test]
fn an_execution_whose_calls_become_ready_one_by_one_keeps_its_turns() {
    let mut lab = Lab::new();
    lab.worker(1);
    let steady = lab.submit(batch(vec![call(); 100]));
    let resolved_first = CallSpec {
        preparation: Preparation::Resolve,
        ..call()
    };
    let trickling = lab.submit(batch(vec![resolved_first; 60]));
    let ready = Resolution::Ready {
        safe_to_repeat: false,
        timeout: s(30),
        retry: call().retry,
    };
    for index in 0..3 {
        lab.resolve(nth(trickling, index), ready);
    }
    for started in 1..40 {
        work_off(&mut lab, started);
        lab.resolve(nth(trickling, started as u32 + 2), ready);
    }
    let order = lab.started_order();
    let a = of(&order, steady);
    assert!(a.abs_diff(order.len() - a) <= 3, "{a} of {}", order.len());
}

#[test]
fn a_tenant_whose_execution_waited_for_something_else_has_saved_no_turns() {
    let mut lab = Lab::new();
    lab.worker_with(1, &[OTHER_TOOL]);
    let first = CallSpec {
        tool: OTHER_TOOL,
        ..call()
    };
    let mut waiting = batch([vec![first], vec![call(); 40]].concat()).tenant(2);
    for index in 1..41 {
        waiting = waiting.after(0, index);
    }
    let waiting = lab.submit(waiting);
    let busy = lab.submit(batch(vec![call(); 200]).tenant(1));
    lab.worker_with(1, &[TOOL]);
    end_one_by_one(&mut lab, busy, 50);
    let before = lab.started_order().len();
    lab.succeeds(nth(waiting, 0));
    let order = work_off(&mut lab, before + 20);
    let (a, b) = (of(&order[before..], busy), of(&order[before..], waiting));
    assert!(a.abs_diff(b) <= 2, "{a} to {b} of the last 20");
}

#[test]
fn an_execution_that_waited_for_something_else_has_saved_no_turns() {
    let mut lab = Lab::new();
    lab.worker_with(1, &[OTHER_TOOL]);
    let first = CallSpec {
        tool: OTHER_TOOL,
        ..call()
    };
    let mut waiting = batch([vec![first], vec![call(); 40]].concat());
    for index in 1..41 {
        waiting = waiting.after(0, index);
    }
    let waiting = lab.submit(waiting);
    let busy = lab.submit(batch(vec![call(); 200]));
    lab.worker_with(1, &[TOOL]);
    end_one_by_one(&mut lab, busy, 50);
    let before = lab.started_order().len();
    lab.succeeds(nth(waiting, 0));
    let order = work_off(&mut lab, before + 20);
    let (a, b) = (of(&order[before..], busy), of(&order[before..], waiting));
    assert!(a.abs_diff(b) <= 2, "{a} to {b} of the last 20");
}

#[test]
fn what_an_execution_was_served_counts_with_every_tool() {
    let mut lab = Lab::new();
    let third_tool = ToolKey(2);
    lab.declare(third_tool, ToolSpec::default());
    let of_tool = |tool: ToolKey| CallSpec { tool, ..call() };
    let first = lab.submit(batch(vec![of_tool(TOOL), of_tool(OTHER_TOOL)]));
    let second = lab.submit(batch(vec![of_tool(third_tool)]));
    lab.worker_with(2, &[TOOL, OTHER_TOOL, third_tool]);
    assert_eq!(
        lab.started_order(),
        [nth(first, 0), nth(second, 0)],
        "the second slot is not the first execution's again"
    );
}

#[test]
fn an_execution_that_ran_and_was_idle_since_has_saved_no_turns() {
    let mut lab = Lab::new();
    // The first call of `idle` runs at once; the other twenty wait for its end.
    let mut calls = batch(vec![call(); 21]);
    for waiting in 1..21 {
        calls = calls.after(0, waiting);
    }
    let idle = lab.submit(calls);
    lab.worker(2);
    let busy = lab.submit(batch(vec![call(); 100]));
    end_one_by_one(&mut lab, busy, 40);
    let before = lab.started_order().len();
    lab.succeeds(nth(idle, 0));
    let order = work_off(&mut lab, before + 20);
    let (a, b) = (of(&order[before..], busy), of(&order[before..], idle));
    assert!(a.abs_diff(b) <= 3, "{a} to {b} of the last 20");
}

#[test]
fn calls_that_waited_are_not_held_to_one_a_turn_of_aging() {
    let mut lab = Lab::new();
    lab.worker(1);
    let mut running = nth(lab.submit(batch(vec![urgent(3)])), 0);
    let patient = lab.submit(batch(vec![call(); 10]));
    let mut seconds = 0;
    while of(&lab.started_order(), patient) < 10 {
        assert!(
            seconds < 40,
            "ten calls that waited for as long take their turns together"
        );
        lab.submit(batch(vec![urgent(3)]));
        lab.pass(s(1));
        lab.succeeds(running);
        let order = lab.started_order();
        running = *order
            .iter()
            .find(|call| lab.flight(**call).is_some())
            .expect("one slot, and always work");
        seconds += 1;
    }
}

#[test]
fn the_lowest_priority_is_not_starved_by_an_endless_stream_of_higher_ones() {
    let mut lab = Lab::new();
    lab.worker(1);
    let mut running = nth(lab.submit(batch(vec![urgent(3)])), 0);
    let patient = lab.submit(batch(vec![call()]));
    let mut seconds = 0;
    while lab.flight(nth(patient, 0)).is_none() {
        assert!(
            seconds < 30,
            "three priorities away, five seconds each, and it still waits"
        );
        // There is always a waiting call of the highest priority.
        let next = lab.submit(batch(vec![urgent(3)]));
        lab.pass(s(1));
        lab.succeeds(running);
        running = nth(next, 0);
        seconds += 1;
    }
    assert!(
        seconds >= 14,
        "it went first after {seconds} s: priorities mean something"
    );
}

#[test]
fn a_long_backlog_of_the_lowest_priority_that_is_served_does_not_hold_up_an_urgent_call() {
    let mut lab = Lab::new();
    lab.worker(1);
    let backlog = lab.submit(batch(vec![call(); 200]));
    for index in 0..60 {
        lab.pass(s(1));
        lab.succeeds(nth(backlog, index));
    }
    let urgent = lab.submit(batch(vec![urgent(3)]));
    let before = lab.started_order().len();
    let order = work_off(&mut lab, before + 2);
    assert!(
        of(&order[before..], urgent) == 1,
        "two slots came free, and it got none: {:?}",
        &order[before..]
    );
}

#[test]
fn a_call_that_waits_long_is_overtaken_only_by_higher_priorities() {
    let mut lab = Lab::new();
    let first = lab.submit(batch(vec![urgent(1)]));
    lab.pass(ms(100));
    let second = lab.submit(batch(vec![urgent(1)]));
    let third = lab.submit(batch(vec![urgent(2)]));
    lab.worker(1);
    assert_eq!(
        work_off(&mut lab, 3),
        [nth(third, 0), nth(first, 0), nth(second, 0)]
    );
}

#[test]
fn calls_spread_over_workers_by_their_load() {
    let mut lab = Lab::new();
    let workers: Vec<WorkerKey> = (0..4).map(|_| lab.worker(50)).collect();
    lab.submit(batch(vec![call(); 100]));
    let loads: Vec<u32> = workers.iter().map(|worker| lab.taken(*worker)).collect();
    assert!(loads.iter().all(|load| (20..=30).contains(load)), "{loads:?}");
}

#[test]
fn the_wait_of_an_execution_at_its_own_limit_lifts_no_other() {
    let mut lab = Lab::new();
    lab.worker(2);
    let running = nth(lab.submit(batch(vec![call()])), 0);
    lab.submit(batch(vec![call(); 2]).at_once(1));
    lab.pass(s(11));
    let newer = nth(lab.submit(batch(vec![call()])), 0);
    let higher = nth(lab.submit(batch(vec![urgent(1)])), 0);
    lab.succeeds(running);
    assert!(lab.flight(higher).is_some(), "the higher priority goes first");
    assert!(lab.flight(newer).is_none());
}
