//! What ready calls waited for: a script for each reason, and for one after the other.

use std::time::Duration;

use toolwave_scheduler::{
    AttemptEnd, AttemptFailure, CallKey, CallPhase, CallSpec, Preparation, Resolution, RetryPolicy,
    TenantLimits, ToolSpec, WaitReason,
};

use crate::common::{
    lab::{Lab, OTHER_TOOL, TOOL, batch, call, nth, safe_call},
    ms, s,
};
use WaitReason::{
    Backoff, CoordinatorLimit, ExecutionLimit, NoWorker, Slots, TenantLimit, ToolLimit, ToolRate,
    ToolWorkerLimit, Turn,
};

/// What an ended call waited for, over all its attempts, in milliseconds.
#[track_caller]
fn waited(lab: &Lab, call: CallKey) -> Vec<(WaitReason, u128)> {
    let finished = lab.finished(call).expect("it ended");
    let of_attempts = finished.attempts.iter().map(|attempt| &attempt.waits);
    let mut found: Vec<(WaitReason, u128)> = of_attempts
        .chain([&finished.waits])
        .flat_map(|waits| waits.iter())
        .map(|wait| (wait.reason, wait.time.as_millis()))
        .collect();
    found.sort_unstable();
    found
}

/// What each call of the execution that is ready or between attempts waits for now.
fn waits_now(lab: &Lab, call: CallKey) -> Option<WaitReason> {
    let calls = lab.harness.scheduler.calls(call.execution);
    let found = calls.into_iter().find(|status| status.index == call.index)?;
    assert_eq!(found.waits_for.is_none(), found.phase == CallPhase::InFlight);
    found.waits_for
}

fn declare(lab: &mut Lab, change: impl FnOnce(&mut ToolSpec)) {
    let mut spec = ToolSpec::default();
    change(&mut spec);
    lab.declare(TOOL, spec);
}

#[test]
fn a_call_that_starts_at_once_waited_for_nothing() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    lab.pass(s(1));
    lab.succeeds(nth(execution, 0));
    assert_eq!(waited(&lab, nth(execution, 0)), []);
}

#[test]
fn slots_that_are_taken_are_waited_for() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call(); 3]));
    assert_eq!(waits_now(&lab, nth(execution, 2)), Some(Slots));
    for index in 0..3 {
        lab.pass(s(1));
        lab.succeeds(nth(execution, index));
    }
    assert_eq!(waited(&lab, nth(execution, 1)), [(Slots, 1000)]);
    assert_eq!(waited(&lab, nth(execution, 2)), [(Slots, 2000)]);
}

#[test]
fn a_worker_that_is_not_there_is_waited_for() {
    let mut lab = Lab::new();
    let only_other = lab.worker_with(1, &[OTHER_TOOL]);
    declare(&mut lab, |_| {});
    let execution = lab.submit(batch(vec![call()]));
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(NoWorker));
    lab.pass(s(2));
    lab.worker(1);
    lab.succeeds(nth(execution, 0));
    assert_eq!(waited(&lab, nth(execution, 0)), [(NoWorker, 2000)]);
    assert_eq!(lab.taken(only_other), 0);
}

#[test]
fn a_tool_that_nobody_declared_yet_has_no_worker() {
    let mut lab = Lab::with(|config| config.startup_grace = s(20));
    let execution = lab.submit(batch(vec![call()]));
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(NoWorker));
    lab.pass(s(3));
    declare(&mut lab, |_| {});
    lab.pass(s(1));
    lab.worker(1);
    lab.succeeds(nth(execution, 0));
    assert_eq!(waited(&lab, nth(execution, 0)), [(NoWorker, 4000)]);
}

#[test]
fn slots_of_a_worker_that_goes_become_no_worker() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![safe_call(); 2]));
    lab.pass(s(1));
    lab.breaks(worker);
    assert_eq!(waits_now(&lab, nth(execution, 1)), Some(NoWorker));
    lab.pass(ms(500));
    let flying = lab.attempt(nth(execution, 0));
    lab.rejoin(worker, &[flying]);
    assert_eq!(waits_now(&lab, nth(execution, 1)), Some(Slots));
    lab.pass(s(1));
    lab.succeeds(nth(execution, 0));
    lab.succeeds(nth(execution, 1));
    assert_eq!(waited(&lab, nth(execution, 1)), [(NoWorker, 500), (Slots, 2000)]);
}

#[test]
fn the_coordinators_limit_is_waited_for() {
    let mut lab = Lab::with(|config| config.max_in_flight = 1);
    lab.worker(8);
    let execution = lab.submit(batch(vec![call(); 2]));
    assert_eq!(waits_now(&lab, nth(execution, 1)), Some(CoordinatorLimit));
    lab.pass(s(1));
    lab.succeeds(nth(execution, 0));
    lab.succeeds(nth(execution, 1));
    assert_eq!(waited(&lab, nth(execution, 1)), [(CoordinatorLimit, 1000)]);
}

#[test]
fn an_executions_own_limit_is_waited_for_though_slots_are_taken_too() {
    let mut lab = Lab::new();
    lab.worker(2);
    let limited = lab.submit(batch(vec![call(); 2]).at_once(1));
    lab.pass(s(1));
    let other = lab.submit(batch(vec![call(); 2]));
    lab.pass(s(1));
    assert_eq!(waits_now(&lab, nth(limited, 1)), Some(ExecutionLimit));
    assert_eq!(waits_now(&lab, nth(other, 1)), Some(Slots));
    lab.succeeds(nth(limited, 0));
    lab.pass(s(1));
    lab.succeeds(nth(other, 0));
    for call in [nth(limited, 1), nth(other, 1)] {
        lab.succeeds(call);
    }
    let mut all = [waited(&lab, nth(limited, 1)), waited(&lab, nth(other, 1))];
    all.sort_unstable();
    // Whose turn it was when the first slot came free decides who waited for the second.
    assert!(
        all == [vec![(Slots, 1000)], vec![(Slots, 1000), (ExecutionLimit, 2000)]]
            || all == [vec![(Slots, 2000)], vec![(ExecutionLimit, 2000)]],
        "{all:?}"
    );
}

#[test]
fn a_tenants_limit_is_waited_for_while_others_go_on() {
    let one = TenantLimits {
        max_in_flight: Some(1),
        ..TenantLimits::default()
    };
    let mut lab = Lab::new();
    lab.worker(8);
    let execution = lab.submit(batch(vec![call(); 2]).tenant(1).limits(one));
    let other = lab.submit(batch(vec![call(); 2]).tenant(2));
    assert_eq!(waits_now(&lab, nth(execution, 1)), Some(TenantLimit));
    let waiting = lab.harness.scheduler.waiting();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].reason, waiting[0].calls), (TenantLimit, 1));
    assert!(waiting[0].tenant.is_some() && waiting[0].tool.is_none());
    lab.pass(s(1));
    lab.succeeds(nth(execution, 0));
    lab.succeeds(nth(execution, 1));
    lab.succeeds(nth(other, 1));
    assert_eq!(waited(&lab, nth(execution, 1)), [(TenantLimit, 1000)]);
    assert_eq!(waited(&lab, nth(other, 1)), []);
}

#[test]
fn each_limit_of_a_tool_is_waited_for_by_its_name() {
    type Change = fn(&mut ToolSpec);
    let cases: [(Change, WaitReason); 3] = [
        (|spec| spec.max_concurrency = 1, ToolLimit),
        (|spec| spec.max_concurrency_per_worker = 1, ToolWorkerLimit),
        (
            |spec| {
                spec.rate_per_second = 1.0;
                spec.rate_burst = 1;
            },
            ToolRate,
        ),
    ];
    for (change, reason) in cases {
        let mut lab = Lab::new();
        declare(&mut lab, change);
        lab.worker(8);
        let execution = lab.submit(batch(vec![call(); 2]));
        assert_eq!(waits_now(&lab, nth(execution, 1)), Some(reason));
        let waiting = lab.harness.scheduler.waiting();
        assert_eq!((waiting[0].reason, waiting[0].tool), (reason, Some(TOOL)));
        lab.pass(s(1));
        lab.succeeds(nth(execution, 0));
        lab.succeeds(nth(execution, 1));
        assert_eq!(waited(&lab, nth(execution, 1)), [(reason, 1000)]);
    }
}

#[test]
fn a_tool_that_asked_to_be_left_alone_is_waited_for_like_a_rate() {
    let mut lab = Lab::new();
    lab.worker(2);
    let execution = lab.submit(batch(vec![call(); 1]));
    let pause = AttemptFailure::ToolError {
        retryable: true,
        retry_after: Some(s(2)),
    };
    lab.fails(nth(execution, 0), pause);
    let other = lab.submit(batch(vec![call()]));
    assert_eq!(waits_now(&lab, nth(other, 0)), Some(ToolRate));
    lab.pass(s(2));
    lab.succeeds(nth(other, 0));
    lab.succeeds(nth(execution, 0));
    assert_eq!(waited(&lab, nth(other, 0)), [(ToolRate, 2000)]);
    assert_eq!(waited(&lab, nth(execution, 0)), [(Backoff, 2000)]);
}

#[test]
fn the_time_between_attempts_is_waited_for_and_then_slots() {
    let mut lab = Lab::new();
    lab.worker(1);
    let retry = RetryPolicy {
        initial_backoff: Duration::ZERO,
        max_backoff: Duration::ZERO,
        ..RetryPolicy::default()
    };
    let execution = lab.submit(batch(vec![CallSpec { retry, ..call() }]));
    lab.pass(s(1));
    let failure = AttemptFailure::ToolError {
        retryable: true,
        retry_after: Some(s(1)),
    };
    // Of the other tool, which is not left alone.
    let blocker = lab.submit(batch(vec![CallSpec {
        tool: OTHER_TOOL,
        ..call()
    }]));
    lab.fails(nth(execution, 0), failure);
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(Backoff));
    lab.pass(s(3));
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(Slots));
    lab.succeeds(nth(blocker, 0));
    lab.succeeds(nth(execution, 0));
    assert_eq!(waited(&lab, nth(execution, 0)), [(Slots, 2000), (Backoff, 1000)]);
    let finished = lab.finished(nth(execution, 0)).expect("it ended");
    assert!(
        finished.attempts[0].waits.is_empty(),
        "it waited before the second attempt"
    );
}

#[test]
fn references_are_put_in_while_it_is_not_its_turn() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![CallSpec {
        preparation: Preparation::Resolve,
        ..call()
    }]));
    let key = nth(execution, 0);
    assert_eq!(waits_now(&lab, key), Some(Turn));
    lab.pass(ms(5));
    let ready = Resolution::Ready {
        safe_to_repeat: false,
        timeout: s(1),
        retry: RetryPolicy::default(),
    };
    lab.resolve(key, ready);
    lab.ends(key, AttemptEnd::Succeeded);
    assert_eq!(waited(&lab, key), [(Turn, 5)]);
}

#[test]
fn a_call_that_never_started_says_what_it_waited_for() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call(); 2]).within(s(3)));
    lab.pass(s(3));
    let finished = lab.finished(nth(execution, 1)).expect("it ended");
    assert!(finished.attempts.is_empty());
    assert_eq!(waited(&lab, nth(execution, 1)), [(Slots, 3000)]);
}

#[test]
fn one_limit_after_the_other_is_told_apart() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let holds = lab.submit(batch(vec![call()]));
    let execution = lab.submit(batch(vec![call()]));
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(Slots));
    lab.pass(s(1));
    lab.drains(worker, true);
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(NoWorker));
    lab.pass(s(4));
    lab.drains(worker, false);
    declare(&mut lab, |spec| spec.max_concurrency = 1);
    assert_eq!(waits_now(&lab, nth(execution, 0)), Some(ToolLimit));
    lab.pass(s(2));
    lab.succeeds(nth(holds, 0));
    lab.succeeds(nth(execution, 0));
    assert_eq!(
        waited(&lab, nth(execution, 0)),
        [(NoWorker, 4000), (Slots, 1000), (ToolLimit, 2000)]
    );
}
