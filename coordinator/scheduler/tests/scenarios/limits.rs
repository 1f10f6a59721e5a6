//! Limits: all of them queue, none of them leaks, and nothing is accepted and then forgotten.

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, CallSpec, Event, Outcome, Refusal, TenantLimits, ToolKey, ToolSpec,
};

use crate::common::{
    lab::{Lab, OTHER_TOOL, TOOL, batch, call, dispatches, nth},
    ms, s,
};

#[test]
fn a_worker_gets_no_more_than_its_slots() {
    let mut lab = Lab::new();
    let worker = lab.worker(3);
    let execution = lab.submit(batch(vec![call(); 5]));
    assert_eq!(lab.taken(worker), 3);
    let freed = lab.succeeds(nth(execution, 1));
    assert_eq!(
        dispatches(&freed)
            .iter()
            .map(|attempt| attempt.call.index)
            .collect::<Vec<_>>(),
        [3]
    );
}

#[test]
fn an_execution_keeps_to_its_max_concurrency() {
    let mut lab = Lab::new();
    let worker = lab.worker(8);
    let execution = lab.submit(batch(vec![call(); 5]).at_once(2));
    assert_eq!(lab.taken(worker), 2);
    assert_eq!(dispatches(&lab.succeeds(nth(execution, 0))).len(), 1);
}

#[test]
fn an_execution_at_its_limit_does_not_hold_up_others() {
    let mut lab = Lab::new();
    lab.worker(8);
    lab.submit(batch(vec![call(); 5]).at_once(1));
    let other = lab.submit(batch(vec![call(); 3]));
    assert!((0..3).all(|index| lab.flight(nth(other, index)).is_some()));
}

#[test]
fn the_coordinator_keeps_to_its_limit_over_all_workers() {
    let mut lab = Lab::with(|config| config.max_in_flight = 3);
    let workers = [lab.worker(2), lab.worker(2)];
    lab.submit(batch(vec![call(); 9]));
    assert_eq!(workers.iter().map(|worker| lab.taken(*worker)).sum::<u32>(), 3);
}

#[test]
fn a_tenant_keeps_to_its_limit_and_others_go_on() {
    let two = TenantLimits {
        max_in_flight: Some(2),
        ..TenantLimits::default()
    };
    let mut lab = Lab::new();
    let worker = lab.worker(8);
    lab.submit(batch(vec![call(); 5]).tenant(1).limits(two));
    lab.submit(batch(vec![call(); 3]).tenant(1).limits(two));
    assert_eq!(lab.taken(worker), 2);
    lab.submit(batch(vec![call(); 5]).tenant(2).limits(two));
    assert_eq!(lab.taken(worker), 4);
}

#[test]
fn a_tool_keeps_to_its_limit_over_all_workers() {
    let mut lab = Lab::new();
    lab.declare(
        TOOL,
        ToolSpec {
            max_concurrency: 2,
            ..ToolSpec::default()
        },
    );
    let workers = [lab.worker(4), lab.worker(4)];
    let execution = lab.submit(batch(vec![
        call(),
        call(),
        call(),
        CallSpec {
            tool: OTHER_TOOL,
            ..call()
        },
    ]));
    assert_eq!(workers.iter().map(|worker| lab.taken(*worker)).sum::<u32>(), 3);
    assert!(
        lab.flight(nth(execution, 3)).is_some(),
        "a tool at its limit does not hold up another"
    );
}

#[test]
fn a_tool_keeps_to_its_limit_on_each_worker() {
    let mut lab = Lab::new();
    lab.declare(
        TOOL,
        ToolSpec {
            max_concurrency_per_worker: 1,
            ..ToolSpec::default()
        },
    );
    let workers = [lab.worker(4), lab.worker(4)];
    lab.submit(batch(vec![call(); 5]));
    assert_eq!(workers.map(|worker| lab.taken(worker)), [1, 1]);
}

#[test]
fn a_limit_that_is_declared_later_counts_what_is_in_flight() {
    let mut lab = Lab::new();
    let worker = lab.worker(4);
    let execution = lab.submit(batch(vec![call(); 2]));
    lab.declare(
        TOOL,
        ToolSpec {
            max_concurrency_per_worker: 2,
            ..ToolSpec::default()
        },
    );
    let more = lab.submit(batch(vec![call(); 2]));
    assert_eq!(lab.taken(worker), 2);
    lab.succeeds(nth(execution, 0));
    assert!(lab.flight(nth(more, 0)).is_some() && lab.flight(nth(more, 1)).is_none());
}

#[test]
fn a_limit_that_is_lifted_lets_waiting_calls_start() {
    let mut lab = Lab::new();
    lab.declare(
        TOOL,
        ToolSpec {
            max_concurrency: 1,
            ..ToolSpec::default()
        },
    );
    let worker = lab.worker(4);
    lab.submit(batch(vec![call(); 3]));
    assert_eq!(lab.taken(worker), 1);
    lab.declare(TOOL, ToolSpec::default());
    assert_eq!(lab.taken(worker), 3);
}

#[test]
fn the_rate_of_a_tool_lets_a_burst_start_and_then_one_by_one() {
    let mut lab = Lab::new();
    lab.declare(
        TOOL,
        ToolSpec {
            rate_per_second: 2.0,
            rate_burst: 3,
            ..ToolSpec::default()
        },
    );
    let worker = lab.worker(20);
    lab.submit(batch(vec![call(); 6]));
    assert_eq!(lab.taken(worker), 3);
    lab.pass(ms(499));
    assert_eq!(lab.taken(worker), 3);
    lab.pass(ms(1));
    assert_eq!(lab.taken(worker), 4);
    lab.pass(s(1));
    assert_eq!(lab.taken(worker), 6);
}

#[test]
fn a_place_under_a_limit_that_comes_free_at_a_draining_worker_is_used_at_another() {
    let mut lab = Lab::with(|config| config.max_in_flight = 1);
    let leaving = lab.worker(1);
    let execution = lab.submit(batch(vec![call(); 2]));
    let other = lab.worker(1);
    lab.drains(leaving, true);
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.place(nth(execution, 1)), other);
}

#[test]
fn an_attempt_under_abort_counts_against_every_limit_until_it_is_confirmed() {
    let mut lab = Lab::new();
    lab.declare(
        TOOL,
        ToolSpec {
            max_concurrency: 1,
            ..ToolSpec::default()
        },
    );
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let attempt = lab.attempt(nth(execution, 0));
    lab.cancel(execution);
    let next = lab.submit(batch(vec![call()]));
    lab.pass(s(5));
    assert_eq!(
        lab.flight(nth(next, 0)),
        None,
        "the slot is not used again before the worker confirms"
    );
    lab.reports(worker, attempt, AttemptEnd::Failed(AttemptFailure::Aborted));
    assert!(lab.flight(nth(next, 0)).is_some());
}

#[test]
fn an_execution_over_the_queue_bound_is_refused_whole() {
    let mut lab = Lab::with(|config| config.max_queued_calls = 4);
    let first = lab.submit(batch(vec![call(); 3]));
    let second = lab.submit(batch(vec![call(); 2]));
    let refused = lab.actions.iter().any(|action| {
        matches!(action, Action::Refused { execution, refusal: Refusal::QueueFull { limit: 4, retry_after } }
            if *execution == second && !retry_after.is_zero())
    });
    assert!(refused);
    lab.cancel(first);
    let third = lab.submit(batch(vec![call(); 4]));
    assert!(
        !lab.actions
            .iter()
            .any(|action| matches!(action, Action::Refused { execution, .. } if *execution == third))
    );
}

/// The whole coordinator's limits become others.
fn limits_become(lab: &mut Lab, max_in_flight: usize, max_queued_calls: usize) -> Vec<Action> {
    lab.event(Event::LimitsChanged {
        max_in_flight,
        max_queued_calls,
    })
}

#[test]
fn a_limit_below_what_runs_aborts_nothing_and_starts_nothing_until_less_runs() {
    let mut lab = Lab::new();
    let worker = lab.worker(4);
    let execution = lab.submit(batch(vec![call(); 6]));
    assert_eq!(lab.taken(worker), 4);
    assert!(limits_become(&mut lab, 2, 100).is_empty(), "what runs goes on");
    for (ends, left) in [(0, 3), (1, 2)] {
        assert_eq!(dispatches(&lab.succeeds(nth(execution, ends))), []);
        assert_eq!(lab.taken(worker), left);
    }
    for ends in [2, 3] {
        let freed = lab.succeeds(nth(execution, ends));
        assert_eq!(dispatches(&freed).len(), 1, "one for one from here on");
        assert_eq!(lab.taken(worker), 2);
    }
}

#[test]
fn a_limit_that_is_raised_lets_waiting_calls_start_at_once() {
    let mut lab = Lab::with(|config| config.max_in_flight = 1);
    let worker = lab.worker(4);
    lab.submit(batch(vec![call(); 5]));
    assert_eq!(lab.taken(worker), 1);
    let raised = limits_become(&mut lab, 3, 100);
    assert_eq!(
        dispatches(&raised)
            .iter()
            .map(|attempt| attempt.call.index)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(lab.taken(worker), 3);
}

#[test]
fn a_bound_of_the_queue_that_is_lowered_refuses_only_what_comes_later() {
    let mut lab = Lab::with(|config| config.max_queued_calls = 10);
    let waits = lab.submit(batch(vec![call(); 6]));
    assert!(
        limits_become(&mut lab, 100, 3).is_empty(),
        "what was accepted stays"
    );
    let refused = lab.submit(batch(vec![call()]));
    let told = |lab: &Lab, execution| {
        lab.actions.iter().find_map(|action| match action {
            Action::Refused {
                execution: of,
                refusal,
            } if *of == execution => Some(*refusal),
            _ => None,
        })
    };
    assert!(matches!(
        told(&lab, refused),
        Some(Refusal::QueueFull { limit: 3, .. })
    ));
    lab.worker(6);
    for index in 0..6 {
        lab.succeeds(nth(waits, index));
        assert_eq!(lab.outcome(nth(waits, index)), Some(Outcome::Succeeded));
    }
    let later = lab.submit(batch(vec![call(); 3]));
    assert_eq!(told(&lab, later), None, "there is room again");
}

#[test]
fn a_call_waits_for_a_slot_no_longer_than_its_queue_timeout() {
    let mut lab = Lab::new();
    lab.worker(1);
    lab.submit(batch(vec![call()]));
    let impatient = lab.submit(batch(vec![CallSpec {
        queue_timeout: Some(s(3)),
        ..call()
    }]));
    lab.pass(ms(2999));
    assert_eq!(lab.outcome(nth(impatient, 0)), None);
    lab.pass(ms(1));
    assert_eq!(lab.outcome(nth(impatient, 0)), Some(Outcome::Unavailable));
}

#[test]
fn a_call_in_flight_does_not_heed_its_queue_timeout() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![CallSpec {
        queue_timeout: Some(s(3)),
        ..call()
    }]));
    lab.pass(s(10));
    assert!(lab.flight(nth(execution, 0)).is_some());
}

#[test]
fn slots_of_a_worker_that_left_are_not_used_and_not_leaked() {
    let mut lab = Lab::with(|config| config.max_in_flight = 2);
    let (gone, stays) = (lab.worker(1), lab.worker(1));
    let execution = lab.submit(batch(vec![call(); 4]));
    lab.event(Event::WorkerGone { worker: gone });
    assert_eq!(lab.taken(stays), 1);
    let running: Vec<u32> = (0..4)
        .filter(|index| lab.flight(nth(execution, *index)).is_some())
        .collect();
    assert_eq!(running.len(), 1);
    let later = lab.worker(2);
    assert_eq!(
        (lab.taken(stays), lab.taken(later)),
        (1, 1),
        "the limit has room for one again"
    );
}

#[test]
fn nothing_is_left_when_everything_has_ended() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(); 2]).after(0, 1));
    lab.succeeds(nth(execution, 0));
    lab.succeeds(nth(execution, 1));
    let session = lab.session(worker);
    lab.event(Event::WorkerLost {
        session,
        end: toolwave_scheduler::SessionEnd::Goodbye,
    });
    assert_eq!(
        lab.harness.scheduler.totals(),
        toolwave_scheduler::Totals::default()
    );
    assert_eq!(lab.harness.scheduler.next_timeout(), None);
}

#[test]
fn a_call_without_a_host_ends_in_time_although_its_tool_is_paused_for_longer() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call(), call()]));
    let pause = AttemptFailure::ToolError {
        retryable: true,
        retry_after: Some(s(60)),
    };
    lab.fails(nth(execution, 0), pause);
    lab.drains(worker, true);
    lab.pass(s(25));
    assert_eq!(
        lab.outcome(nth(execution, 1)),
        Some(Outcome::Unavailable),
        "after worker_wait, 20 s"
    );
}

#[test]
fn what_is_asked_about_a_tool_is_answered() {
    let mut lab = Lab::new();
    lab.worker(2);
    lab.worker_with(1, &[OTHER_TOOL]);
    lab.submit(batch(vec![call(); 5]));
    let totals = lab.harness.scheduler.totals();
    assert_eq!(
        (totals.executions, totals.queued_calls, totals.in_flight),
        (1, 3, 2)
    );
    assert_eq!((totals.workers, totals.tenants), (2, 1));
    assert_eq!(totals.queues, 2, "one, and its place in the list of its tool");
    let statuses = lab.harness.scheduler.tools();
    let of_tool = statuses
        .iter()
        .find(|status| status.tool == TOOL)
        .expect("it was declared");
    assert_eq!((of_tool.workers, of_tool.in_flight, of_tool.queued), (1, 2, 3));
    let other = statuses
        .iter()
        .find(|status| status.tool == OTHER_TOOL)
        .expect("it was declared");
    assert_eq!((other.workers, other.in_flight, other.queued), (2, 0, 0));
}

#[test]
fn a_call_that_is_cancelled_while_it_waits_for_its_tool_to_be_declared_leaves_nothing() {
    let mut lab = Lab::with(|config| config.startup_grace = s(20));
    let unheard_of = CallSpec {
        tool: ToolKey(9),
        ..call()
    };
    let execution = lab.submit(batch(vec![unheard_of]));
    lab.cancel(execution);
    assert_eq!(
        lab.harness.scheduler.totals(),
        toolwave_scheduler::Totals::default()
    );
    assert_eq!(lab.harness.scheduler.next_timeout(), None);
}
