//! The checker is only worth something if it rejects: a history that keeps the promise, and one for each way to
//! break it.

use std::collections::HashMap;

use serde_json::{Value, json};
use toolwave_client::v1::{self, Outcome};

use super::{Answered, Asked, Breach, Kind, Line, breaches};

fn line(kind: Kind, call: &str, attempt: u32, worker: &str, repeatable: bool) -> Line {
    Line {
        kind,
        execution: "e1".to_owned(),
        call: call.to_owned(),
        attempt,
        worker: worker.to_owned(),
        pid: 1,
        repeatable,
    }
}

fn ran(call: &str, attempt: u32, worker: &str, repeatable: bool) -> [Line; 2] {
    [Kind::Start, Kind::End].map(|kind| line(kind, call, attempt, worker, repeatable))
}

fn attempt(number: u32, worker: &str, failure: Option<&str>) -> v1::Attempt {
    let failure = failure.map(|code| v1::CallError {
        code: code.to_owned(),
        ..v1::CallError::default()
    });
    v1::Attempt {
        number,
        worker: worker.to_owned(),
        failure,
        ..v1::Attempt::default()
    }
}

fn succeeded(id: &str, attempts: Vec<v1::Attempt>) -> v1::CallResult {
    let last = attempts
        .last()
        .map_or((0, ""), |last| (last.number, last.worker.as_str()));
    let result: Value = json!({"call": id, "attempt": last.0, "worker": last.1});
    v1::CallResult {
        id: id.to_owned(),
        success: true,
        outcome: Outcome::Succeeded.into(),
        result_form: Some(v1::call_result::ResultForm::ResultJson(result.to_string().into())),
        attempts,
        ..v1::CallResult::default()
    }
}

fn failed(id: &str, outcome: Outcome, may_have_run: bool, attempts: Vec<v1::Attempt>) -> v1::CallResult {
    let error = v1::CallError {
        may_have_run,
        ..v1::CallError::default()
    };
    v1::CallResult {
        id: id.to_owned(),
        outcome: outcome.into(),
        error: Some(error),
        attempts,
        ..v1::CallResult::default()
    }
}

fn asked(id: &str, repeatable: bool) -> Asked {
    Asked {
        id: id.to_owned(),
        repeatable,
        depends_on: Vec::new(),
        max_attempts: 3,
    }
}

fn answered(calls: Vec<Asked>, results: Vec<v1::CallResult>) -> Answered {
    let summary = v1::ExecutionSummary {
        execution_id: "e1".to_owned(),
        ..v1::ExecutionSummary::default()
    };
    let response = v1::ExecuteParallelResponse {
        results,
        summary: Some(summary),
    };
    Answered { calls, response }
}

fn found(lines: &[Line], answers: &[Answered]) -> Vec<Breach> {
    breaches(
        lines,
        answers,
        &HashMap::from([("w1".to_owned(), 1), ("w2".to_owned(), 2)]),
    )
}

/// A call that ran once at `w1` and says so.
fn good(id: &str) -> ([Line; 2], v1::CallResult) {
    (
        ran(id, 1, "w1", false),
        succeeded(id, vec![attempt(1, "w1", None)]),
    )
}

#[test]
fn a_history_that_keeps_the_promise_has_no_breach() {
    let mut lines = Vec::new();
    let killed = |start: Line| Line { pid: 2, ..start };
    // done at once
    lines.extend(ran("a", 1, "w1", false));
    // safe to repeat, lost once between effect and report, and done elsewhere
    lines.push(killed(line(Kind::Start, "b", 1, "w2", true)));
    lines.extend(ran("b", 2, "w1", true));
    // not safe to repeat, lost
    lines.push(killed(line(Kind::Start, "c", 1, "w2", false)));
    // not safe to repeat, declined by its tool, then done
    lines.push(line(Kind::Start, "d", 1, "w2", false));
    lines.push(line(Kind::Declined, "d", 1, "w2", false));
    lines.extend(ran("d", 3, "w2", false));
    let answer = answered(
        vec![
            asked("a", false),
            asked("b", true),
            asked("c", false),
            asked("d", false),
            asked("e", false),
        ],
        vec![
            succeeded("a", vec![attempt(1, "w1", None)]),
            succeeded(
                "b",
                vec![attempt(1, "w2", Some("WORKER_LOST")), attempt(2, "w1", None)],
            ),
            failed(
                "c",
                Outcome::Unknown,
                true,
                vec![attempt(1, "w2", Some("WORKER_LOST"))],
            ),
            succeeded(
                "d",
                vec![
                    attempt(1, "w2", Some("NOT_YET")),
                    attempt(2, "w1", Some("WORKER_DRAINING")),
                    attempt(3, "w2", None),
                ],
            ),
            failed("e", Outcome::Skipped, false, Vec::new()),
        ],
    );
    assert_eq!(found(&lines, std::slice::from_ref(&answer)), []);
    assert_eq!(
        found(&lines, &[answer.clone(), answer]),
        [],
        "the same answer twice is one answer"
    );
}

#[test]
fn results_that_are_too_few_or_in_another_order_are_rejected() {
    let (one, first) = good("a");
    let (two, second) = good("b");
    let lines = [one, two].concat();
    let calls = vec![asked("a", false), asked("b", false)];
    let short = found(&lines, &[answered(calls.clone(), vec![first.clone()])]);
    assert!(
        matches!(
            short[..],
            [Breach::ResultCount {
                calls: 2,
                results: 1,
                ..
            }]
        ),
        "{short:?}"
    );
    let turned = found(&lines, &[answered(calls, vec![second, first])]);
    assert!(
        matches!(turned[..], [Breach::Order { .. }, Breach::Order { .. }]),
        "{turned:?}"
    );
}

#[test]
fn an_outcome_that_contradicts_itself_is_rejected() {
    let (lines, mut result) = good("a");
    result.success = false;
    let wrong = found(&lines, &[answered(vec![asked("a", false)], vec![result.clone()])]);
    assert!(
        matches!(wrong[..], [Breach::OutcomeDoesNotFit { .. }]),
        "{wrong:?}"
    );
    result.set_outcome(Outcome::Unspecified);
    let none = found(&lines, &[answered(vec![asked("a", false)], vec![result])]);
    assert!(matches!(none[..], [Breach::OutcomeDoesNotFit { .. }]), "{none:?}");
}

#[test]
fn two_answers_of_one_execution_that_differ_are_rejected() {
    let (lines, result) = good("a");
    let calls = vec![asked("a", false)];
    let mut other = result.clone();
    other.wave = 7;
    let answers = [
        answered(calls.clone(), vec![result]),
        answered(calls, vec![other]),
    ];
    assert!(matches!(
        found(&lines, &answers)[..],
        [Breach::AnswersDiffer { .. }]
    ));
}

#[test]
fn an_attempt_that_ran_twice_is_rejected_even_without_an_answer() {
    let lines = [ran("a", 1, "w2", true), ran("a", 1, "w2", true)].concat();
    assert!(matches!(
        found(&lines, &[])[..],
        [Breach::AttemptRanTwice { times: 2, .. }]
    ));
}

#[test]
fn a_call_not_safe_to_repeat_that_ran_in_two_attempts_is_rejected() {
    let mut lines = vec![line(Kind::Start, "a", 1, "w2", false)];
    lines.extend(ran("a", 2, "w1", false));
    let attempts = vec![attempt(1, "w2", Some("WORKER_LOST")), attempt(2, "w1", None)];
    let answers = [answered(vec![asked("a", false)], vec![succeeded("a", attempts)])];
    for found in [found(&lines, &answers), found(&lines, &[])] {
        assert!(
            matches!(&found[..], [Breach::RanTwice { attempts, .. }] if attempts == &[1, 2]),
            "{found:?}"
        );
    }
}

#[test]
fn attempts_whose_numbers_do_not_increase_or_that_are_too_many_are_rejected() {
    let lines = ran("a", 1, "w1", true);
    let same = succeeded(
        "a",
        vec![attempt(1, "w2", Some("WORKER_LOST")), attempt(1, "w1", None)],
    );
    let found_same = found(&lines, &[answered(vec![asked("a", true)], vec![same])]);
    assert!(
        matches!(found_same[..], [Breach::AttemptsDoNotIncrease { .. }]),
        "{found_same:?}"
    );
    let lost = |number| attempt(number, "w2", Some("WORKER_LOST"));
    let many = failed("a", Outcome::Unavailable, true, (1..=4).map(lost).collect());
    let found_many = found(&[], &[answered(vec![asked("a", true)], vec![many])]);
    assert!(
        matches!(
            found_many[..],
            [Breach::TooManyAttempts {
                attempts: 4,
                allowed: 3,
                ..
            }]
        ),
        "{found_many:?}"
    );
}

#[test]
fn unknown_for_a_call_that_is_safe_to_repeat_is_rejected() {
    let lost = failed(
        "a",
        Outcome::Unknown,
        true,
        vec![attempt(1, "w1", Some("WORKER_LOST"))],
    );
    let found = found(&[], &[answered(vec![asked("a", true)], vec![lost])]);
    assert!(
        matches!(found[..], [Breach::UnknownThoughRepeatable { .. }]),
        "{found:?}"
    );
}

#[test]
fn a_success_without_an_execution_that_ended_is_rejected() {
    let calls = vec![asked("a", false)];
    let answers = [answered(
        calls,
        vec![succeeded("a", vec![attempt(1, "w1", None)])],
    )];
    let started = [line(Kind::Start, "a", 1, "w1", false)];
    let dropped = [started[0].clone(), line(Kind::Dropped, "a", 1, "w1", false)];
    for lines in [&[][..], &started, &dropped] {
        let found = found(lines, &answers);
        assert!(
            matches!(found[..], [Breach::SucceededWithoutEnd { .. }]),
            "{found:?}"
        );
    }
}

#[test]
fn a_result_that_is_that_of_another_attempt_is_rejected() {
    let lines = [ran("a", 1, "w2", true), ran("a", 2, "w1", true)].concat();
    let late = succeeded("a", vec![attempt(1, "w2", Some("TIMED_OUT"))]);
    let mut result = succeeded(
        "a",
        vec![attempt(1, "w2", Some("TIMED_OUT")), attempt(2, "w1", None)],
    );
    result.result_form = late.result_form;
    let found = found(&lines, &[answered(vec![asked("a", true)], vec![result])]);
    assert!(
        matches!(found[..], [Breach::WrongResult { attempt: 2, .. }]),
        "{found:?}"
    );
}

#[test]
fn an_attempt_that_ran_and_was_not_told_of_is_rejected() {
    let lines = [ran("a", 1, "w2", true), ran("a", 2, "w1", true)].concat();
    let result = succeeded("a", vec![attempt(2, "w1", None)]);
    let found = found(&lines, &[answered(vec![asked("a", true)], vec![result])]);
    assert!(
        matches!(found[..], [Breach::AttemptNotTold { attempt: 1, .. }]),
        "{found:?}"
    );
}

#[test]
fn a_call_that_ran_although_it_was_skipped_or_said_not_to_have_run_is_rejected() {
    let lines = ran("a", 1, "w1", false);
    let calls = vec![asked("a", false)];
    let told = vec![attempt(1, "w1", Some("X"))];
    let skipped = failed("a", Outcome::Skipped, true, told.clone());
    let found_skipped = found(&lines, &[answered(calls.clone(), vec![skipped])]);
    assert!(
        matches!(found_skipped[..], [Breach::RanAlthough { .. }]),
        "{found_skipped:?}"
    );
    let silent = failed("a", Outcome::Cancelled, false, told);
    let found_silent = found(&lines, &[answered(calls, vec![silent])]);
    assert!(
        matches!(found_silent[..], [Breach::SaidNotRun { .. }]),
        "{found_silent:?}"
    );
}

#[test]
fn a_call_that_started_before_its_dependency_had_ended_is_rejected() {
    let lines = [
        line(Kind::Start, "a", 1, "w1", false),
        line(Kind::Start, "b", 1, "w2", false),
        line(Kind::End, "a", 1, "w1", false),
        line(Kind::End, "b", 1, "w2", false),
    ];
    let dependent = Asked {
        depends_on: vec!["a".to_owned()],
        ..asked("b", false)
    };
    let results = vec![
        succeeded("a", vec![attempt(1, "w1", None)]),
        succeeded("b", vec![attempt(1, "w2", None)]),
    ];
    let found = found(&lines, &[answered(vec![asked("a", false), dependent], results)]);
    assert!(
        matches!(&found[..], [Breach::StartedTooEarly { dependency, .. }] if dependency == "a"),
        "{found:?}"
    );
}

#[test]
fn more_executions_at_once_than_slots_are_rejected() {
    let started = |call| line(Kind::Start, call, 1, "w1", false);
    let found = found(&[started("a"), started("b")], &[]);
    assert!(
        matches!(
            found[..],
            [Breach::MoreThanSlots {
                running: 2,
                slots: 1,
                ..
            }]
        ),
        "{found:?}"
    );
}

#[test]
fn an_end_without_a_start_is_rejected() {
    let found = found(&[line(Kind::End, "a", 1, "w1", false)], &[]);
    assert!(
        matches!(
            found[..],
            [Breach::EndsWithoutStarts {
                ends: 1,
                starts: 0,
                ..
            }]
        ),
        "{found:?}"
    );
}
