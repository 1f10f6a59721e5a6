//! How executions end: dependencies, waves, fail-fast, cancelling, deadlines, rejections.

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, CallSpec, Cause, Outcome, Preparation, Resolution, Time, ToolKey,
    ToolSpec,
};

use crate::common::{
    lab::{Lab, OTHER_TOOL, TOOL, aborts, batch, call, dispatches, nth},
    ms, s,
};

const FINAL: AttemptFailure = AttemptFailure::ToolError {
    retryable: false,
    retry_after: None,
};
const UNHEARD_OF: ToolKey = ToolKey(77);

fn unresolved() -> CallSpec {
    CallSpec {
        preparation: Preparation::Resolve,
        ..call()
    }
}

fn rejected() -> CallSpec {
    CallSpec {
        preparation: Preparation::Rejected,
        ..call()
    }
}

fn as_before() -> Resolution {
    Resolution::Ready {
        safe_to_repeat: false,
        timeout: call().timeout,
        retry: call().retry,
    }
}

#[test]
fn a_call_starts_as_soon_as_its_own_dependencies_have_ended() {
    let mut lab = Lab::new();
    lab.worker(4);
    let execution = lab.submit(batch(vec![call(), call(), call()]).after(0, 2));
    assert_eq!(lab.flight(nth(execution, 2)), None);
    lab.succeeds(nth(execution, 0));
    assert!(
        lab.flight(nth(execution, 2)).is_some(),
        "although call 1 of the wave before still runs"
    );
}

#[test]
fn under_barrier_waves_a_wave_waits_for_the_whole_wave_before_it() {
    let mut lab = Lab::new();
    lab.worker(4);
    let execution = lab.submit(batch(vec![call(), call(), call()]).after(0, 2).barrier());
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.flight(nth(execution, 2)), None);
    lab.fails(nth(execution, 1), FINAL);
    assert!(
        lab.flight(nth(execution, 2)).is_some(),
        "it waits for their end, not for their success"
    );
}

#[test]
fn references_are_resolved_when_the_dependencies_are_done_and_not_before() {
    let mut lab = Lab::new();
    lab.worker(4);
    let execution = lab.submit(batch(vec![call(), unresolved()]).after(0, 1));
    let actions = lab.succeeds(nth(execution, 0));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Resolve { call } if call.index == 1))
    );
    assert_eq!(lab.flight(nth(execution, 1)), None);
    lab.resolve(nth(execution, 1), as_before());
    assert!(lab.flight(nth(execution, 1)).is_some());
}

#[test]
fn dependents_of_a_failed_call_are_skipped_and_name_the_call_at_the_root() {
    let mut lab = Lab::new();
    lab.worker(4);
    let execution = lab.submit(batch(vec![call(); 4]).after(0, 1).after(1, 2).after(2, 3));
    let actions = lab.fails(nth(execution, 0), FINAL);
    for index in 1..4 {
        let finished = lab.finished(nth(execution, index)).unwrap();
        assert_eq!(finished.outcome, Outcome::Skipped);
        assert_eq!(
            finished.cause,
            Cause::Dependency {
                root: nth(execution, 0)
            }
        );
    }
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::FinishExecution { .. })),
        "all in the same step"
    );
}

#[test]
fn an_effect_order_wants_the_end_of_the_earlier_call_and_not_its_success() {
    let mut lab = Lab::new();
    lab.worker(4);
    let execution = lab.submit(batch(vec![call(), call()]).after_end(0, 1));
    assert_eq!(lab.flight(nth(execution, 1)), None);
    lab.fails(nth(execution, 0), FINAL);
    assert!(lab.flight(nth(execution, 1)).is_some());
}

#[test]
fn one_failure_leaves_the_calls_that_do_not_depend_on_it_alone() {
    let mut lab = Lab::new();
    lab.worker(4);
    let execution = lab.submit(batch(vec![call(), call(), rejected()]));
    assert_eq!(lab.outcome(nth(execution, 2)), Some(Outcome::Rejected));
    lab.fails(nth(execution, 0), FINAL);
    lab.succeeds(nth(execution, 1));
    assert_eq!(lab.outcome(nth(execution, 1)), Some(Outcome::Succeeded));
}

#[test]
fn fail_fast_aborts_what_is_in_flight_and_ends_the_rest() {
    let mut lab = Lab::new();
    lab.worker(3);
    let execution = lab.submit(batch(vec![call(); 6]).after(0, 5).fail_fast());
    lab.succeeds(nth(execution, 1));
    let running = lab.attempt(nth(execution, 2));
    let actions = lab.fails(nth(execution, 0), FINAL);
    assert!(aborts(&actions).contains(&running));
    assert_eq!(
        lab.outcome(nth(execution, 1)),
        Some(Outcome::Succeeded),
        "what finished keeps its result"
    );
    assert_eq!(lab.outcome(nth(execution, 2)), Some(Outcome::Cancelled));
    assert_eq!(
        lab.finished(nth(execution, 4)).unwrap().cause,
        Cause::FailFast {
            root: nth(execution, 0),
            started: false
        }
    );
    assert_eq!(
        lab.outcome(nth(execution, 5)),
        Some(Outcome::Skipped),
        "a dependent says what it depended on"
    );
}

#[test]
fn cancelling_ends_every_call_at_once_and_aborts_what_is_in_flight() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call(), call(), unresolved()]).after(0, 1));
    let attempt = lab.attempt(nth(execution, 0));
    let actions = lab.cancel(execution);
    assert_eq!(aborts(&actions), [attempt]);
    assert!((0..3).all(|index| lab.outcome(nth(execution, index)) == Some(Outcome::Cancelled)));
    let started = |index| match lab.finished(nth(execution, index)).unwrap().cause {
        Cause::Cancelled { started, .. } => started,
        cause => panic!("{cause:?}"),
    };
    assert_eq!([started(0), started(1)], [true, false]);
}

#[test]
fn a_success_that_crosses_a_cancel_is_late() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let attempt = lab.attempt(nth(execution, 0));
    lab.cancel(execution);
    let actions = lab.reports(worker, attempt, AttemptEnd::Succeeded);
    assert!(actions.iter().any(|action| matches!(action, Action::Late { .. })));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Cancelled));
    assert_eq!(lab.taken(worker), 0, "its slot is free all the same");
}

#[test]
fn cancelling_what_has_ended_or_never_was_does_nothing() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    lab.succeeds(nth(execution, 0));
    assert!(lab.cancel(execution).is_empty());
    assert!(lab.cancel(toolwave_scheduler::ExecutionKey(999)).is_empty());
}

#[test]
fn at_the_deadline_finished_calls_keep_their_results_and_the_others_say_whether_they_had_started() {
    let mut lab = Lab::new();
    lab.worker(2);
    let execution = lab.submit(batch(vec![call(), call(), call()]).after(1, 2).within(s(5)));
    lab.succeeds(nth(execution, 0));
    let running = lab.attempt(nth(execution, 1));
    lab.pass(ms(4999));
    assert_eq!(lab.outcome(nth(execution, 1)), None);
    assert_eq!(aborts(&lab.pass(ms(1))), [running]);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
    assert_eq!(
        lab.finished(nth(execution, 1)).unwrap().cause,
        Cause::Deadline { started: true }
    );
    assert_eq!(
        lab.finished(nth(execution, 2)).unwrap().cause,
        Cause::Deadline { started: false }
    );
    assert_eq!(lab.outcome(nth(execution, 2)), Some(Outcome::DeadlineExceeded));
}

#[test]
fn an_execution_that_comes_after_its_deadline_ends_at_once() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]).within(s(0)));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::DeadlineExceeded));
    assert_eq!(lab.started_order(), []);
}

#[test]
fn an_execution_without_calls_ends_at_once() {
    let mut lab = Lab::new();
    let execution = lab.submit(batch(Vec::new()));
    assert!(
        lab.actions
            .iter()
            .any(|a| matches!(a, Action::FinishExecution { execution: e } if *e == execution))
    );
}

#[test]
fn a_rejected_resolution_ends_the_call_and_skips_its_dependents() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![unresolved(), call()]).after(0, 1));
    lab.resolve(nth(execution, 0), Resolution::Rejected);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Rejected));
    assert_eq!(lab.outcome(nth(execution, 1)), Some(Outcome::Skipped));
    assert_eq!(lab.started_order(), []);
}

#[test]
fn a_resolution_that_comes_twice_or_after_the_call_ended_does_nothing() {
    let mut lab = Lab::new();
    lab.worker(1);
    let twice = lab.submit(batch(vec![unresolved()]));
    lab.resolve(nth(twice, 0), as_before());
    assert!(lab.resolve(nth(twice, 0), Resolution::Rejected).is_empty());
    lab.succeeds(nth(twice, 0));
    let execution = lab.submit(batch(vec![unresolved()]));
    lab.cancel(execution);
    assert!(lab.resolve(nth(execution, 0), as_before()).is_empty());
}

#[test]
fn an_unknown_tool_is_rejected_at_once_when_the_coordinator_has_been_up_for_long() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![
        call(),
        CallSpec {
            tool: UNHEARD_OF,
            ..unresolved()
        },
    ]));
    let finished = lab.finished(nth(execution, 1)).unwrap();
    assert_eq!(
        (finished.outcome, finished.cause),
        (Outcome::Rejected, Cause::UnknownTool)
    );
    assert!(
        lab.flight(nth(execution, 0)).is_some(),
        "the mistake belongs to its call alone"
    );
}

#[test]
fn during_the_startup_grace_a_call_waits_for_its_tool_to_be_declared() {
    let mut lab = Lab::with(|config| config.startup_grace = s(20));
    let execution = lab.submit(batch(vec![
        CallSpec {
            tool: UNHEARD_OF,
            ..unresolved()
        },
        CallSpec {
            tool: ToolKey(78),
            ..unresolved()
        },
    ]));
    lab.pass(s(19));
    let actions = lab.declare(UNHEARD_OF, ToolSpec::default());
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Resolve { call } if call.index == 0))
    );
    lab.pass(s(1));
    assert_eq!(lab.outcome(nth(execution, 0)), None);
    assert_eq!(lab.finished(nth(execution, 1)).unwrap().cause, Cause::UnknownTool);
}

#[test]
fn a_call_without_a_live_host_waits_and_then_ends_unavailable() {
    let mut lab = Lab::new();
    lab.worker_with(1, &[OTHER_TOOL]);
    let execution = lab.submit(batch(vec![call(), call()]));
    lab.pass(ms(19_999));
    assert_eq!(lab.outcome(nth(execution, 0)), None);
    lab.pass(ms(1));
    assert_eq!(
        lab.finished(nth(execution, 0)).unwrap().cause,
        Cause::NoWorker { waited: s(20) }
    );
    assert_eq!(lab.outcome(nth(execution, 1)), Some(Outcome::Unavailable));
}

#[test]
fn a_host_that_comes_while_calls_wait_for_one_takes_them() {
    let mut lab = Lab::new();
    let execution = lab.submit(batch(vec![call()]));
    lab.pass(s(19));
    lab.worker_with(1, &[TOOL]);
    assert!(lab.flight(nth(execution, 0)).is_some());
}

#[test]
fn the_wait_for_a_host_begins_when_the_last_one_is_gone() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call(), call()]).at_once(1));
    lab.pass(s(15));
    lab.succeeds(nth(execution, 0));
    let other = lab.submit(batch(vec![call()]));
    lab.pass(s(15));
    lab.drains(worker, true);
    lab.pass(ms(14_000));
    assert_eq!(lab.outcome(nth(other, 0)), None);
    lab.pass(ms(6000));
    assert_eq!(lab.outcome(nth(other, 0)), Some(Outcome::Unavailable));
}

#[test]
fn nothing_is_dispatched_outside_the_dispatch_step_and_actions_repeat_exactly() {
    let script = || {
        let mut lab = Lab::new();
        lab.worker(2);
        lab.worker(3);
        let execution = lab.submit(batch(vec![call(); 9]).after(0, 8));
        lab.pass(s(3));
        lab.succeeds(nth(execution, 0));
        lab.cancel(execution);
        assert!(lab.harness.now > Time::ZERO && dispatches(&lab.actions).len() == 6);
        format!("{:?}", lab.actions)
    };
    assert_eq!(script(), script());
}
