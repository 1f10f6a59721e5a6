//! When a call is tried again, where, and when it is not.

use std::time::Duration;

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, CallSpec, Cause, Outcome, Resolution, RetryPolicy, ToolSpec,
};

use crate::common::{
    lab::{Lab, OTHER_TOOL, aborts, batch, call, dispatches, nth, safe_call},
    ms, s,
};

const RETRYABLE: AttemptFailure = AttemptFailure::ToolError {
    retryable: true,
    retry_after: None,
};
const FINAL: AttemptFailure = AttemptFailure::ToolError {
    retryable: false,
    retry_after: None,
};

fn retry_after(seconds: u64) -> AttemptFailure {
    AttemptFailure::ToolError {
        retryable: true,
        retry_after: Some(s(seconds)),
    }
}

#[test]
fn a_call_not_safe_to_repeat_ends_unknown_when_its_worker_is_lost() {
    let mut lab = Lab::new();
    let (worker, _) = (lab.worker(1), lab.worker_with(1, &[OTHER_TOOL]));
    let execution = lab.submit(batch(vec![call()]));
    lab.starts(nth(execution, 0));
    lab.breaks(worker);
    lab.pass(s(9));
    assert_eq!(
        lab.outcome(nth(execution, 0)),
        None,
        "its worker may come back for the whole lease"
    );
    lab.pass(s(1));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unknown));
}

#[test]
fn a_safe_call_goes_to_another_worker_two_seconds_after_its_stream_broke() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![safe_call()]));
    let other = lab.worker(1);
    lab.breaks(worker);
    assert_eq!(dispatches(&lab.pass(ms(1999))), []);
    assert_eq!(dispatches(&lab.pass(ms(1))).len(), 1);
    assert_eq!(lab.place(nth(execution, 0)), other);
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.finished(nth(execution, 0)).unwrap().attempts.len(), 2);
}

#[test]
fn a_safe_call_of_a_process_that_is_gone_goes_to_another_worker_at_once() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![safe_call()]));
    let other = lab.worker(1);
    lab.event(toolwave_scheduler::Event::WorkerGone { worker });
    assert_eq!(lab.place(nth(execution, 0)), other);
}

#[test]
fn a_refused_attempt_goes_elsewhere_at_once_and_is_not_charged() {
    let mut lab = Lab::new();
    let first = lab.worker(1);
    let policy = RetryPolicy {
        max_attempts: 1,
        ..call().retry
    };
    let execution = lab.submit(batch(vec![CallSpec {
        retry: policy,
        ..call()
    }]));
    let second = lab.worker(1);
    assert_eq!(lab.place(nth(execution, 0)), first);
    lab.fails(nth(execution, 0), AttemptFailure::Refused);
    assert_eq!(
        lab.place(nth(execution, 0)),
        second,
        "although only one attempt is allowed, and none may run twice"
    );
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
}

#[test]
fn a_refusal_leaves_the_attempts_that_are_allowed_untouched() {
    let mut lab = Lab::new();
    lab.worker(1);
    let retry = RetryPolicy {
        max_attempts: 2,
        ..call().retry
    };
    let execution = lab.submit(batch(vec![CallSpec { retry, ..call() }]));
    lab.fails(nth(execution, 0), AttemptFailure::Refused);
    lab.fails(nth(execution, 0), RETRYABLE);
    assert_eq!(
        lab.outcome(nth(execution, 0)),
        None,
        "one of two attempts is charged"
    );
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
}

#[test]
fn a_call_that_everyone_refuses_ends_unavailable() {
    let mut lab = Lab::with(|config| {
        config.max_refusals = 3;
        config.ejection_threshold = 100;
    });
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    for _ in 0..3 {
        lab.fails(nth(execution, 0), AttemptFailure::Refused);
    }
    assert_eq!(lab.outcome(nth(execution, 0)), None);
    lab.fails(nth(execution, 0), AttemptFailure::Refused);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unavailable));
}

#[test]
fn a_retryable_tool_error_is_tried_again_even_when_the_call_is_not_safe_to_repeat() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    lab.fails(nth(execution, 0), RETRYABLE);
    lab.fails(nth(execution, 0), RETRYABLE);
    assert_eq!(lab.outcome(nth(execution, 0)), None);
    lab.fails(nth(execution, 0), RETRYABLE);
    let finished = lab.finished(nth(execution, 0)).unwrap();
    assert_eq!(
        (finished.outcome, finished.attempts.len()),
        (Outcome::Failed, 3),
        "three attempts, and no more"
    );
    assert_eq!(finished.cause, Cause::Attempt { failure: RETRYABLE });
}

#[test]
fn failures_that_another_attempt_cannot_cure_end_the_call() {
    for failure in [
        FINAL,
        AttemptFailure::BrokenContract,
        AttemptFailure::ResultTooLarge,
    ] {
        let mut lab = Lab::new();
        lab.worker(1);
        let execution = lab.submit(batch(vec![safe_call()]));
        lab.fails(nth(execution, 0), failure);
        assert_eq!(
            lab.outcome(nth(execution, 0)),
            Some(Outcome::Failed),
            "{failure:?}"
        );
    }
}

#[test]
fn a_retry_waits_for_its_backoff() {
    let mut lab = Lab::new();
    lab.worker(1);
    let retry = RetryPolicy {
        initial_backoff: s(8),
        max_backoff: s(8),
        ..RetryPolicy::default()
    };
    let execution = lab.submit(batch(vec![CallSpec { retry, ..call() }]));
    let actions = lab.fails(nth(execution, 0), RETRYABLE);
    let backoff = actions.iter().find_map(|action| match action {
        Action::Retry { backoff, .. } => Some(*backoff),
        _ => None,
    });
    let backoff = backoff.expect("a retry is announced");
    assert!(backoff <= s(8) && !backoff.is_zero(), "{backoff:?}");
    assert_eq!(
        dispatches(&lab.pass(backoff - std::time::Duration::from_nanos(1))),
        []
    );
    assert_eq!(dispatches(&lab.pass(std::time::Duration::from_nanos(1))).len(), 1);
}

#[test]
fn a_retry_avoids_the_worker_that_failed_the_call_while_another_is_healthy() {
    let mut lab = Lab::new();
    let bad = lab.worker(4);
    let execution = lab.submit(batch(vec![call()]));
    let good = lab.worker(1);
    let blocker = lab.submit(batch(vec![call()]));
    let (blocker_at_good, blocked) = (lab.place(nth(blocker, 0)) == good, nth(execution, 0));
    assert!(blocker_at_good, "the less loaded worker takes it");
    assert_eq!(
        dispatches(&lab.fails(blocked, RETRYABLE)),
        [],
        "it waits for the other although the first has room"
    );
    lab.succeeds(nth(blocker, 0));
    assert_eq!(lab.place(blocked), good);
    assert_eq!(lab.taken(bad), 0);
}

#[test]
fn a_retry_goes_back_to_the_worker_that_failed_the_call_when_there_is_no_other() {
    let mut lab = Lab::new();
    let only = lab.worker(1);
    let other = lab.worker_with(1, &[OTHER_TOOL]);
    let execution = lab.submit(batch(vec![call()]));
    lab.fails(nth(execution, 0), RETRYABLE);
    assert_eq!(lab.place(nth(execution, 0)), only);
    assert_eq!(lab.taken(other), 0);
}

#[test]
fn a_waiting_retry_goes_back_to_the_worker_that_failed_it_once_the_other_is_gone() {
    let mut lab = Lab::new();
    let bad = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let good = lab.worker(1);
    lab.submit(batch(vec![call()]));
    lab.fails(nth(execution, 0), RETRYABLE);
    assert_eq!(lab.flight(nth(execution, 0)), None);
    lab.drains(good, true);
    assert_eq!(lab.place(nth(execution, 0)), bad);
}

#[test]
fn retry_after_slows_the_whole_tool() {
    let mut lab = Lab::new();
    lab.worker(4);
    let slow = lab.submit(batch(vec![call()]));
    lab.fails(nth(slow, 0), retry_after(5));
    let also = lab.submit(batch(vec![
        call(),
        CallSpec {
            tool: OTHER_TOOL,
            ..call()
        },
    ]));
    assert_eq!(
        lab.flight(nth(also, 0)),
        None,
        "another execution's call of the same tool waits too"
    );
    assert!(lab.flight(nth(also, 1)).is_some(), "another tool does not");
    assert_eq!(dispatches(&lab.pass(ms(4999))), []);
    assert_eq!(dispatches(&lab.pass(ms(1))).len(), 2);
}

#[test]
fn retry_after_wins_over_a_shorter_backoff() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let actions = lab.fails(nth(execution, 0), retry_after(7));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Retry { backoff, .. } if *backoff == s(7)))
    );
}

#[test]
fn a_retry_that_would_begin_after_the_deadline_is_not_waited_for() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]).within(s(10)));
    lab.fails(nth(execution, 0), retry_after(11));
    let finished = lab.finished(nth(execution, 0)).unwrap();
    assert_eq!(
        (finished.outcome, finished.cause),
        (
            Outcome::Failed,
            Cause::Attempt {
                failure: retry_after(11)
            }
        )
    );
}

#[test]
fn a_call_that_ended_the_sessions_of_two_workers_is_poison() {
    let mut lab = Lab::new();
    let workers = [lab.worker(1), lab.worker(1), lab.worker(1)];
    let retry = RetryPolicy {
        max_attempts: 10,
        ..call().retry
    };
    let execution = lab.submit(batch(vec![CallSpec { retry, ..safe_call() }]));
    for _ in 0..2 {
        let worker = lab.place(nth(execution, 0));
        lab.event(toolwave_scheduler::Event::WorkerGone { worker });
    }
    let finished = lab.finished(nth(execution, 0)).unwrap();
    assert_eq!(
        (finished.outcome, finished.cause),
        (Outcome::Failed, Cause::Poison { losses: 2 })
    );
    let left = workers
        .iter()
        .filter(|worker| lab.condition(**worker).is_some())
        .count();
    assert_eq!(left, 1, "the third worker is spared");
}

#[test]
fn the_timeout_of_a_call_counts_from_its_start() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![CallSpec {
        timeout: s(5),
        ..call()
    }]));
    lab.pass(s(3));
    lab.starts(nth(execution, 0));
    lab.pass(ms(5499));
    assert_eq!(
        lab.outcome(nth(execution, 0)),
        None,
        "the worker has half a second more to report it itself"
    );
    let attempt = lab.attempt(nth(execution, 0));
    assert_eq!(aborts(&lab.pass(ms(1))), [attempt]);
    assert_eq!(
        lab.outcome(nth(execution, 0)),
        Some(Outcome::TimedOut),
        "it is not safe to repeat"
    );
}

#[test]
fn a_safe_call_that_timed_out_is_tried_on_another_worker() {
    let mut lab = Lab::new();
    let first = lab.worker(1);
    let execution = lab.submit(batch(vec![CallSpec {
        timeout: s(1),
        ..safe_call()
    }]));
    let second = lab.worker(1);
    lab.pass(ms(1500));
    assert_eq!(lab.place(nth(execution, 0)), second);
    assert_eq!(lab.taken(first), 1, "the first is still being stopped");
}

#[test]
fn what_the_worker_says_of_a_timeout_counts_as_one() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call(), safe_call()]).at_once(1));
    lab.fails(nth(execution, 0), AttemptFailure::TimedOut);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::TimedOut));
    lab.fails(nth(execution, 1), AttemptFailure::TimedOut);
    assert_eq!(lab.outcome(nth(execution, 1)), None);
}

#[test]
fn late_and_double_reports_change_nothing() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(), call()]));
    let attempt = lab.attempt(nth(execution, 0));
    lab.succeeds(nth(execution, 0));
    for end in [AttemptEnd::Succeeded, AttemptEnd::Failed(FINAL)] {
        let actions = lab.reports(worker, attempt, end);
        assert!(
            matches!(actions.as_slice(), [Action::Late { attempt: late, .. }] if *late == attempt),
            "{actions:?}"
        );
    }
    assert_eq!(
        lab.taken(worker),
        1,
        "the slot of the other call is not freed by them"
    );
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
}

#[test]
fn what_resolving_says_of_a_call_holds_for_it() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let unresolved = CallSpec {
        preparation: toolwave_scheduler::Preparation::Resolve,
        ..call()
    };
    let execution = lab.submit(batch(vec![unresolved]));
    assert_eq!(lab.flight(nth(execution, 0)), None);
    let retry = RetryPolicy {
        max_attempts: 2,
        ..call().retry
    };
    let actions = lab.resolve(
        nth(execution, 0),
        Resolution::Ready {
            safe_to_repeat: true,
            timeout: s(1),
            retry,
        },
    );
    let told = actions.iter().find_map(|action| match action {
        Action::Dispatch {
            timeout,
            safe_to_repeat,
            ..
        } => Some((*timeout, *safe_to_repeat)),
        _ => None,
    });
    assert_eq!(told, Some((s(1), true)));
    lab.pass(ms(1500));
    lab.reports(
        worker,
        lab.harness.shadow.workers[&worker]
            .taken
            .keys()
            .next()
            .copied()
            .unwrap(),
        AttemptEnd::Failed(AttemptFailure::Aborted),
    );
    lab.pass(ms(1500));
    assert_eq!(
        lab.outcome(nth(execution, 0)),
        Some(Outcome::TimedOut),
        "two attempts, as resolved"
    );
}

#[test]
fn a_slow_tool_is_declared_again_and_keeps_its_pause() {
    let mut lab = Lab::new();
    lab.worker(2);
    let execution = lab.submit(batch(vec![call()]));
    lab.fails(nth(execution, 0), retry_after(5));
    lab.declare(
        crate::common::lab::TOOL,
        ToolSpec {
            max_concurrency: 9,
            ..ToolSpec::default()
        },
    );
    assert_eq!(dispatches(&lab.pass(ms(4999))), []);
    assert_eq!(dispatches(&lab.pass(ms(1))).len(), 1);
}

#[test]
fn the_first_refusal_costs_no_wait_and_later_ones_back_off_like_errors() {
    let mut waits = [Duration::ZERO; 3];
    for seed in 0..60 {
        let mut lab = Lab::with(|config| {
            config.seed = seed;
            config.ejection_threshold = 100;
        });
        lab.worker(1);
        let execution = lab.submit(batch(vec![CallSpec {
            retry: RetryPolicy::default(),
            ..call()
        }]));
        for longest in &mut waits {
            let actions = lab.fails(nth(execution, 0), AttemptFailure::Refused);
            let backoff = actions.iter().find_map(|action| match action {
                Action::Retry { backoff, .. } => Some(*backoff),
                _ => None,
            });
            *longest = (*longest).max(backoff.expect("it is tried again"));
            lab.pass(s(1));
        }
    }
    assert_eq!(waits[0], Duration::ZERO);
    assert!((ms(150)..=ms(200)).contains(&waits[1]), "{waits:?}");
    assert!((ms(300)..=ms(400)).contains(&waits[2]), "{waits:?}");
}

#[test]
fn the_record_of_an_attempt_says_whether_it_began() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    lab.fails(nth(execution, 0), AttemptFailure::Refused);
    lab.fails(nth(execution, 0), RETRYABLE);
    lab.succeeds(nth(execution, 0));
    let call = lab.finished(nth(execution, 0)).expect("it has ended");
    let began: Vec<bool> = call
        .attempts
        .iter()
        .map(|attempt| attempt.started_at.is_some())
        .collect();
    assert_eq!(began, [false, true, true]);
}
