//! Tenants: what each may have in flight, queued and admitted, and that one does not hold up another.

use std::time::Duration;

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, CallRate, CallSpec, Refusal, TenantKey, TenantLimit, TenantLimits,
    Totals,
};

use crate::common::{
    lab::{Batch, Lab, OTHER_TOOL, batch, call, dispatches, nth, urgent},
    ms, s,
};

fn in_flight(limit: u32) -> TenantLimits {
    TenantLimits {
        max_in_flight: Some(limit),
        ..TenantLimits::default()
    }
}

fn queued(limit: u32) -> TenantLimits {
    TenantLimits {
        max_queued_calls: Some(limit),
        ..TenantLimits::default()
    }
}

fn rate(per_second: f64, burst: u32) -> TenantLimits {
    TenantLimits {
        rate: Some(CallRate { per_second, burst }),
        ..TenantLimits::default()
    }
}

fn calls(count: usize, limits: TenantLimits) -> Batch {
    batch(vec![call(); count]).tenant(1).limits(limits)
}

/// What the last submission was refused for; `None`: it was admitted.
fn refused(lab: &Lab) -> Option<(TenantLimit, Option<Duration>)> {
    let answer = lab.actions.iter().rev().find_map(|action| match action {
        Action::Refused { refusal, .. } => Some(Some(*refusal)),
        Action::Admitted(_) => Some(None),
        _ => None,
    });
    match answer.expect("every submission is answered")? {
        Refusal::TenantLimit { limit, retry_after } => Some((limit, retry_after)),
        other @ Refusal::QueueFull { .. } => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_of_nothing_in_flight_admits_nothing() {
    let mut lab = Lab::new();
    lab.submit(calls(1, in_flight(0)));
    assert_eq!(refused(&lab), Some((TenantLimit::InFlight, None)));
    lab.submit(calls(1, queued(0)));
    assert_eq!(refused(&lab), Some((TenantLimit::QueuedCalls, None)));
    lab.submit(calls(1, rate(0.0, 5)));
    assert_eq!(refused(&lab), Some((TenantLimit::CallsPerSecond, None)));
    assert_eq!(
        lab.harness.scheduler.totals(),
        Totals::default(),
        "nothing is kept of it"
    );
}

#[test]
fn a_tenant_that_is_refused_before_it_is_known_is_forgotten_at_once() {
    let mut lab = Lab::new();
    lab.submit(calls(1, queued(0)));
    let forgotten = Action::ForgetTenant { tenant: TenantKey(1) };
    assert_eq!(
        format!("{:?}", lab.actions.last()),
        format!("{:?}", Some(forgotten))
    );
}

#[test]
fn a_tenant_keeps_to_its_queued_calls_and_another_is_admitted() {
    let mut lab = Lab::new();
    lab.worker(2);
    let first = lab.submit(calls(5, queued(5)));
    assert_eq!(refused(&lab), None, "as many as are allowed");
    // Two are in flight, three are queued.
    lab.submit(calls(2, queued(5)));
    assert_eq!(refused(&lab), None);
    lab.submit(calls(1, queued(5)));
    assert_eq!(refused(&lab), Some((TenantLimit::QueuedCalls, Some(s(1)))));
    lab.submit(calls(6, queued(5)));
    assert_eq!(
        refused(&lab),
        Some((TenantLimit::QueuedCalls, None)),
        "more than ever fits"
    );
    lab.submit(batch(vec![call(); 5]).tenant(2).limits(queued(5)));
    assert_eq!(refused(&lab), None, "another tenant");
    lab.cancel(first);
    lab.submit(calls(3, queued(5)));
    assert_eq!(refused(&lab), None, "what has ended is not queued");
}

#[test]
fn a_limit_of_a_tenant_that_is_raised_lets_waiting_calls_start() {
    let mut lab = Lab::new();
    let worker = lab.worker(8);
    lab.submit(calls(5, in_flight(1)));
    assert_eq!(lab.taken(worker), 1);
    // Its own calls wait for another tool, which nothing hosts yet.
    let other = CallSpec {
        preparation: toolwave_scheduler::Preparation::Resolve,
        tool: OTHER_TOOL,
        ..call()
    };
    lab.submit(batch(vec![other]).tenant(1).limits(in_flight(3)));
    assert_eq!(lab.taken(worker), 3);
}

#[test]
fn calls_are_admitted_at_the_rate_of_the_tenant_after_a_burst() {
    let mut lab = Lab::new();
    lab.worker(100);
    let ten_a_second = rate(10.0, 5);
    lab.submit(calls(3, ten_a_second));
    lab.submit(calls(2, ten_a_second));
    assert_eq!(refused(&lab), None, "the whole burst");
    lab.submit(calls(1, ten_a_second));
    assert_eq!(refused(&lab), Some((TenantLimit::CallsPerSecond, Some(ms(100)))));
    lab.submit(calls(3, ten_a_second));
    assert_eq!(refused(&lab), Some((TenantLimit::CallsPerSecond, Some(ms(300)))));
    lab.pass(ms(299));
    lab.submit(calls(3, ten_a_second));
    assert_eq!(refused(&lab), Some((TenantLimit::CallsPerSecond, Some(ms(1)))));
    lab.pass(ms(1));
    lab.submit(calls(3, ten_a_second));
    assert_eq!(refused(&lab), None, "at the very time that it was told");
}

#[test]
fn more_calls_than_the_burst_are_admitted_after_a_rest_and_leave_a_debt() {
    let mut lab = Lab::new();
    lab.worker(100);
    let ten_a_second = rate(10.0, 5);
    lab.submit(calls(20, ten_a_second));
    assert_eq!(refused(&lab), None);
    lab.submit(calls(1, ten_a_second));
    assert_eq!(
        refused(&lab),
        Some((TenantLimit::CallsPerSecond, Some(ms(1600)))),
        "20 owed, 4 may be owed with one more"
    );
    lab.submit(calls(7, ten_a_second));
    assert_eq!(
        refused(&lab),
        Some((TenantLimit::CallsPerSecond, Some(ms(2000)))),
        "nothing may be owed"
    );
}

#[test]
fn what_is_refused_for_another_reason_is_not_charged_against_the_rate() {
    let mut lab = Lab::with(|config| config.max_queued_calls = 4);
    let limits = TenantLimits {
        max_queued_calls: Some(9),
        ..rate(1.0, 5)
    };
    for _ in 0..3 {
        lab.submit(batch(vec![call(); 5]).tenant(1).limits(limits));
        assert!(matches!(
            lab.actions.iter().rev().nth(1),
            Some(Action::Refused {
                refusal: Refusal::QueueFull { .. },
                ..
            })
        ));
    }
    lab.submit(calls(4, limits));
    assert_eq!(refused(&lab), None);
}

#[test]
fn a_tenant_that_is_ahead_of_its_rate_is_remembered_until_that_is_paid_off() {
    let mut lab = Lab::new();
    lab.worker(100);
    let execution = lab.submit(calls(20, rate(10.0, 5)));
    lab.pass(ms(100));
    for index in 0..20 {
        lab.succeeds(nth(execution, index));
    }
    assert_eq!(lab.harness.scheduler.totals().tenants, 1);
    lab.pass(ms(1899));
    assert_eq!(lab.harness.scheduler.totals().tenants, 1);
    lab.pass(ms(1));
    assert_eq!(lab.harness.scheduler.totals().tenants, 0);
}

#[test]
fn a_tenant_has_turns_by_its_weight() {
    let mut lab = Lab::new();
    lab.worker(1);
    let weighs = |weight| TenantLimits {
        weight,
        ..TenantLimits::default()
    };
    let light = lab.submit(batch(vec![call(); 100]).tenant(1).limits(weighs(1)));
    let heavy = lab.submit(batch(vec![call(); 100]).tenant(2).limits(weighs(3)));
    for _ in 0..80 {
        let running = *lab.started_order().last().expect("something runs");
        lab.succeeds(running);
    }
    let order = lab.started_order();
    let of = |execution| order.iter().filter(|call| call.execution == execution).count();
    assert_eq!((of(light), of(heavy)), (21, 60));
}

#[test]
fn a_light_tenant_among_flooding_ones_waits_for_one_turn_of_each() {
    let mut lab = Lab::new();
    lab.worker(1);
    for flooding in 2..6 {
        for _ in 0..5 {
            lab.submit(batch(vec![call(); 200]).tenant(flooding));
        }
    }
    for round in 0..30 {
        let light = nth(lab.submit(batch(vec![call()]).tenant(1)), 0);
        let mut waited = 0;
        while lab.flight(light).is_none() {
            let running = *lab.started_order().last().expect("something runs");
            lab.succeeds(running);
            waited += 1;
            assert!(waited <= 5, "round {round}: {waited} calls of others went before");
        }
    }
}

#[test]
fn the_wait_of_a_tenant_at_its_limit_lifts_no_other() {
    let mut lab = Lab::new();
    lab.worker(2);
    let busy = nth(lab.submit(batch(vec![call()]).tenant(3)), 0);
    lab.submit(calls(10, in_flight(1)));
    // By then the backlog of the tenant at its limit stands as high as the highest priority.
    lab.pass(s(20));
    let newer = nth(lab.submit(batch(vec![call()]).tenant(2)), 0);
    let higher = nth(lab.submit(batch(vec![urgent(1)]).tenant(4)), 0);
    lab.succeeds(busy);
    assert!(lab.flight(higher).is_some() && lab.flight(newer).is_none());
}

#[test]
fn a_place_under_a_tenants_limit_is_given_back_by_every_way_in_which_an_attempt_ends() {
    let mut lab = Lab::new();
    let worker = lab.worker(8);
    let one = lab.submit(calls(1, in_flight(1)));
    let next = lab.submit(calls(3, in_flight(1)));
    lab.succeeds(nth(one, 0));
    assert!(lab.flight(nth(next, 0)).is_some(), "a success");
    let lost = lab.breaks(worker);
    assert!(dispatches(&lost).is_empty());
    let other = lab.worker(8);
    lab.pass(s(11));
    assert!(lab.flight(nth(next, 1)).is_some(), "a lost worker");
    lab.cancel(next);
    assert_eq!(lab.taken(other), 1, "it is being stopped");
    let last = nth(lab.submit(calls(1, in_flight(1))), 0);
    assert!(lab.flight(last).is_none(), "and counts until that is confirmed");
}

#[test]
fn a_tenant_whose_rate_is_lifted_owes_nothing_and_leaves_no_timer() {
    let mut lab = Lab::new();
    lab.worker(100);
    let execution = lab.submit(calls(20, rate(10.0, 5)));
    lab.cancel(execution);
    for index in 0..20 {
        let attempt = toolwave_scheduler::AttemptKey {
            call: nth(execution, index),
            number: 1,
        };
        let stopped = AttemptEnd::Failed(AttemptFailure::Aborted);
        lab.reports(toolwave_scheduler::WorkerKey(1), attempt, stopped);
    }
    let before = lab.harness.scheduler.totals();
    assert_eq!(
        (before.tenants, before.timers),
        (1, 2),
        "its own, and the worker's"
    );
    let execution = lab.submit(calls(1, TenantLimits::default()));
    lab.succeeds(nth(execution, 0));
    let totals = lab.harness.scheduler.totals();
    assert_eq!((totals.tenants, totals.timers), (0, 1));
}
