//! Workers: joining, breaking off, coming back, draining, being taken out, being evicted.

use toolwave_scheduler::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallSpec, Event, EvictReason, Outcome, SessionEnd,
    SessionKey, WorkerCondition, WorkerKey, WorkerSpec,
};

use crate::common::{
    lab::{Lab, OTHER_TOOL, TOOL, aborts, batch, call, dispatches, nth, safe_call},
    ms, s,
};

fn evicted(actions: &[Action]) -> Vec<(SessionKey, EvictReason)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::EvictWorker { session, reason } => Some((*session, *reason)),
            _ => None,
        })
        .collect()
}

fn forgets(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::ForgetWorker { .. }))
}

#[test]
fn a_worker_that_comes_back_in_time_keeps_its_attempts() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(), safe_call()]));
    let attempts = [lab.attempt(nth(execution, 0)), lab.attempt(nth(execution, 1))];
    lab.breaks(worker);
    lab.pass(ms(1900));
    let before = lab.actions.len();
    lab.rejoin(worker, &attempts);
    assert!(aborts(&lab.actions[before..]).is_empty() && dispatches(&lab.actions[before..]).is_empty());
    lab.succeeds(nth(execution, 0));
    lab.succeeds(nth(execution, 1));
    assert_eq!(lab.finished(nth(execution, 1)).unwrap().attempts.len(), 1);
}

#[test]
fn a_worker_that_comes_back_within_its_lease_keeps_what_is_not_safe_to_repeat() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(), safe_call()]));
    let other = lab.worker(1);
    let attempts = [lab.attempt(nth(execution, 0)), lab.attempt(nth(execution, 1))];
    lab.breaks(worker);
    lab.pass(s(5));
    assert_eq!(lab.place(nth(execution, 1)), other);
    let before = lab.actions.len();
    lab.rejoin(worker, &attempts);
    assert_eq!(
        aborts(&lab.actions[before..]),
        [attempts[1]],
        "the safe one runs elsewhere by now"
    );
    assert_eq!(lab.taken(worker), 2, "and takes its slot until it has stopped");
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
}

#[test]
fn a_worker_that_comes_back_too_late_is_told_to_stop_what_it_still_runs() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let attempt = lab.attempt(nth(execution, 0));
    let spec = lab.harness.shadow.workers[&worker].spec.clone();
    lab.breaks(worker);
    lab.pass(s(10));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unknown));
    let before = lab.actions.len();
    lab.join(spec, &[attempt]);
    assert_eq!(aborts(&lab.actions[before..]), [attempt]);
    let next = lab.submit(batch(vec![call()]));
    assert_eq!(
        lab.flight(nth(next, 0)),
        None,
        "its slot is taken by what really runs there"
    );
    lab.reports(worker, attempt, AttemptEnd::Failed(AttemptFailure::Aborted));
    assert!(lab.flight(nth(next, 0)).is_some());
}

#[test]
fn a_dispatch_that_a_returning_worker_never_read_is_proof_that_it_did_not_run() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let first = lab.attempt(nth(execution, 0));
    lab.breaks(worker);
    lab.rejoin(worker, &[]);
    let second = lab.attempt(nth(execution, 0));
    assert!(
        second.number > first.number,
        "not safe to repeat, and dispatched again"
    );
}

#[test]
fn an_attempt_of_which_a_returning_worker_had_shown_a_sign_is_lost_when_it_does_not_list_it() {
    type Sign = fn(&mut Lab, WorkerKey, AttemptKey);
    let signs: [Sign; 3] = [
        |lab, _, attempt| drop(lab.starts(attempt.call)),
        |lab, worker, attempt| drop(lab.beat(worker, &[attempt], 1)),
        |lab, worker, attempt| {
            lab.rejoin(worker, &[attempt]);
        },
    ];
    for sign in signs {
        let mut lab = Lab::new();
        let worker = lab.worker(1);
        let execution = lab.submit(batch(vec![call()]));
        let attempt = lab.attempt(nth(execution, 0));
        sign(&mut lab, worker, attempt);
        lab.breaks(worker);
        lab.rejoin(worker, &[]);
        assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unknown));
    }
}

#[test]
fn what_a_returning_worker_does_not_have_is_not_aborted_there() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(), call()]).fail_fast());
    lab.starts(nth(execution, 0));
    lab.starts(nth(execution, 1));
    let before = lab.actions.len();
    lab.rejoin(worker, &[]);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unknown));
    assert_eq!(lab.outcome(nth(execution, 1)), Some(Outcome::Cancelled));
    assert_eq!(aborts(&lab.actions[before..]), []);
}

#[test]
fn an_attempt_that_its_worker_stopped_by_itself_may_have_run() {
    let mut lab = Lab::new();
    lab.worker(2);
    let execution = lab.submit(batch(vec![call(), safe_call()]));
    lab.fails(nth(execution, 0), AttemptFailure::Aborted);
    lab.fails(nth(execution, 1), AttemptFailure::Aborted);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unknown));
    assert_eq!(lab.attempt(nth(execution, 1)).number, 2);
}

#[test]
fn an_attempt_that_a_heartbeat_does_not_list_although_it_was_read_is_lost() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(), safe_call()]));
    lab.beat(worker, &[], 0);
    assert_eq!(
        lab.outcome(nth(execution, 0)),
        None,
        "neither was read when the heartbeat left"
    );
    lab.beat(worker, &[], 2);
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unknown));
    assert_eq!(lab.attempt(nth(execution, 1)).number, 2);
}

#[test]
fn an_attempt_that_a_heartbeat_lists_and_nobody_wants_is_aborted() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let stray = AttemptKey {
        call: nth(toolwave_scheduler::ExecutionKey(4242), 0),
        number: 1,
    };
    assert_eq!(aborts(&lab.beat(worker, &[stray], 0)), [stray]);
    assert_eq!(lab.taken(worker), 1);
    lab.beat(worker, &[], 0);
    assert_eq!(lab.taken(worker), 0);
}

#[test]
fn a_silent_worker_is_suspect_then_lost_and_evicted() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    lab.submit(batch(vec![call()]));
    lab.falls_silent(worker);
    lab.pass(ms(4999));
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ready));
    lab.pass(ms(1));
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Suspect));
    let waiting = lab.submit(batch(vec![call()]));
    assert_eq!(
        lab.flight(nth(waiting, 0)),
        None,
        "no new dispatch to a suspect worker"
    );
    let session = lab.session(worker);
    let actions = lab.pass(s(5));
    assert_eq!(evicted(&actions), [(session, EvictReason::LeaseExpired)]);
    assert!(forgets(&actions) && lab.condition(worker).is_none());
}

#[test]
fn a_suspect_worker_that_is_heard_again_takes_dispatches() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    lab.falls_silent(worker);
    lab.pass(s(6));
    let execution = lab.submit(batch(vec![call()]));
    lab.beat(worker, &[], 0);
    assert_eq!(lab.place(nth(execution, 0)), worker);
}

#[test]
fn a_newer_session_takes_the_place_of_the_older_one() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let (old, attempt) = (lab.session(worker), lab.attempt(nth(execution, 0)));
    let before = lab.actions.len();
    let new = lab.rejoin(worker, &[attempt]);
    assert_eq!(evicted(&lab.actions[before..]), [(old, EvictReason::Superseded)]);
    let late = lab.event(Event::AttemptFinished {
        session: old,
        attempt,
        end: AttemptEnd::Succeeded,
    });
    assert!(
        matches!(late.as_slice(), [Action::Late { .. }]),
        "the old session has no say: {late:?}"
    );
    assert!(
        lab.event(Event::WorkerLost {
            session: old,
            end: SessionEnd::Broken
        })
        .is_empty()
    );
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ready));
    lab.event(Event::AttemptFinished {
        session: new,
        attempt,
        end: AttemptEnd::Succeeded,
    });
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
}

#[test]
fn a_draining_worker_gets_nothing_new_and_ends_what_it_has() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call(), call()]).after(0, 1));
    lab.drains(worker, true);
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.flight(nth(execution, 1)), None);
    lab.drains(worker, false);
    assert_eq!(lab.place(nth(execution, 1)), worker);
}

#[test]
fn draining_is_a_property_of_the_worker_and_survives_its_coming_back() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    lab.drains(worker, true);
    lab.breaks(worker);
    lab.rejoin(worker, &[]);
    let execution = lab.submit(batch(vec![call()]));
    assert_eq!(lab.flight(nth(execution, 0)), None);
}

#[test]
fn a_rolling_restart_of_all_workers_loses_no_call() {
    let mut lab = Lab::new();
    let workers: Vec<WorkerKey> = (0..3).map(|_| lab.worker(2)).collect();
    let execution = lab.submit(batch(vec![call(); 30]));
    for leaving in workers {
        lab.drains(leaving, true);
        for index in 0..30 {
            if lab
                .flight(nth(execution, index))
                .is_some_and(|(_, place)| place == leaving)
            {
                lab.succeeds(nth(execution, index));
            }
        }
        assert_eq!(lab.taken(leaving), 0);
        let session = lab.session(leaving);
        lab.event(Event::WorkerLost {
            session,
            end: SessionEnd::Goodbye,
        });
        lab.worker(2);
    }
    while let Some(index) = (0..30).find(|index| lab.flight(nth(execution, *index)).is_some()) {
        lab.succeeds(nth(execution, index));
    }
    assert!((0..30).all(|index| lab.outcome(nth(execution, index)) == Some(Outcome::Succeeded)));
    assert_eq!(lab.started_order().len(), 30, "one attempt each");
}

#[test]
fn an_abort_that_is_not_confirmed_evicts_the_worker() {
    let mut lab = Lab::new();
    let worker = lab.worker(2);
    let execution = lab.submit(batch(vec![call()]));
    let other = lab.submit(batch(vec![call()]));
    let attempt = lab.attempt(nth(other, 0));
    lab.cancel(execution);
    lab.pass(ms(14_999));
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ready));
    let session = lab.session(worker);
    assert_eq!(
        evicted(&lab.pass(ms(1))),
        [(session, EvictReason::AbortUnconfirmed)]
    );
    assert_eq!(
        lab.outcome(nth(other, 0)),
        None,
        "its other attempt may come back with it"
    );
    lab.rejoin(worker, &[attempt]);
    lab.succeeds(nth(other, 0));
    assert_eq!(lab.outcome(nth(other, 0)), Some(Outcome::Succeeded));
}

#[test]
fn a_worker_whose_attempts_keep_failing_for_its_own_reasons_is_taken_out_and_probed() {
    let mut lab = Lab::new();
    let bad = lab.worker(4);
    let execution = lab.submit(batch(vec![call(); 12]).at_once(4));
    for index in 0..5 {
        lab.fails(nth(execution, index), AttemptFailure::BrokenContract);
    }
    assert_eq!(lab.condition(bad), Some(WorkerCondition::Ejected));
    for index in 5..8 {
        lab.succeeds(nth(execution, index));
    }
    assert_eq!(lab.taken(bad), 0, "nothing new while it is out");
    lab.pass(ms(999));
    assert_eq!(lab.taken(bad), 0);
    lab.pass(ms(1));
    assert_eq!(lab.taken(bad), 1, "one probe, though it has four slots");
    lab.fails(nth(execution, 8), AttemptFailure::BrokenContract);
    lab.pass(ms(1999));
    assert_eq!(lab.taken(bad), 0, "out for twice as long");
    lab.pass(ms(1));
    lab.succeeds(nth(execution, 9));
    assert_eq!(lab.condition(bad), Some(WorkerCondition::Ready));
    assert_eq!(lab.taken(bad), 2);
}

#[test]
fn only_faults_in_a_row_take_a_worker_out() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call(); 15]));
    for index in 0..15 {
        if index % 5 == 4 {
            lab.succeeds(nth(execution, index));
        } else {
            lab.fails(nth(execution, index), AttemptFailure::BrokenContract);
        }
    }
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ready));
}

#[test]
fn an_error_of_the_tool_is_no_fault_of_its_worker() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let failure = AttemptFailure::ToolError {
        retryable: false,
        retry_after: None,
    };
    let execution = lab.submit(batch(vec![call(); 20]));
    for index in 0..20 {
        lab.fails(nth(execution, index), failure);
    }
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ready));
}

#[test]
fn a_call_goes_only_to_a_worker_that_hosts_its_tool() {
    let mut lab = Lab::new();
    let (a, b) = (lab.worker_with(1, &[TOOL]), lab.worker_with(1, &[OTHER_TOOL]));
    let execution = lab.submit(batch(vec![
        CallSpec {
            tool: OTHER_TOOL,
            ..call()
        },
        call(),
    ]));
    assert_eq!(
        (lab.place(nth(execution, 0)), lab.place(nth(execution, 1))),
        (b, a)
    );
}

#[test]
fn a_tool_that_a_worker_adds_or_drops_counts_from_then_on() {
    let mut lab = Lab::new();
    let worker = lab.worker_with(2, &[TOOL]);
    let execution = lab.submit(batch(vec![CallSpec {
        tool: OTHER_TOOL,
        ..call()
    }]));
    let session = lab.session(worker);
    lab.event(Event::ToolsChanged {
        session,
        tools: vec![OTHER_TOOL],
    });
    assert_eq!(lab.place(nth(execution, 0)), worker);
    let dropped = lab.submit(batch(vec![call()]));
    assert_eq!(lab.flight(nth(dropped, 0)), None);
}

#[test]
fn a_worker_without_slots_registers_and_takes_nothing() {
    let mut lab = Lab::new();
    lab.worker(0);
    let execution = lab.submit(batch(vec![call()]));
    lab.pass(s(20));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Unavailable));
}

#[test]
fn a_worker_that_registers_as_draining_takes_nothing() {
    let mut lab = Lab::new();
    let spec = WorkerSpec {
        worker: WorkerKey(900),
        slots: 1,
        tools: vec![TOOL],
        draining: true,
    };
    lab.join(spec, &[]);
    let execution = lab.submit(batch(vec![call()]));
    assert_eq!(lab.flight(nth(execution, 0)), None);
}

#[test]
fn a_session_that_is_not_known_changes_nothing() {
    let mut lab = Lab::new();
    lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let (attempt, session) = (lab.attempt(nth(execution, 0)), SessionKey(999));
    lab.event(Event::WorkerSeen {
        session,
        in_flight: vec![attempt],
        dispatches_read: 5,
    });
    lab.event(Event::WorkerLost {
        session,
        end: SessionEnd::Goodbye,
    });
    lab.event(Event::ToolsChanged {
        session,
        tools: Vec::new(),
    });
    lab.event(Event::WorkerSlots { session, slots: 7 });
    lab.event(Event::AttemptStarted { session, attempt });
    let actions = lab.event(Event::AttemptFinished {
        session,
        attempt,
        end: AttemptEnd::Succeeded,
    });
    assert!(matches!(actions.as_slice(), [Action::Late { .. }]));
    assert_eq!(lab.outcome(nth(execution, 0)), None);
}

#[test]
fn an_abort_is_told_once_a_session() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    let attempt = lab.attempt(nth(execution, 0));
    lab.cancel(execution);
    lab.pass(s(9));
    assert_eq!(
        aborts(&lab.actions),
        [attempt],
        "heartbeats that still list it do not repeat it"
    );
    lab.breaks(worker);
    lab.rejoin(worker, &[attempt]);
    assert_eq!(
        aborts(&lab.actions),
        [attempt, attempt],
        "the new session is told again"
    );
}
