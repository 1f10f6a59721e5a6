//! What clients read: within the size they can receive, and with words that say what happened.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use prost::Message;
use smallvec::SmallVec;
use toolwave_coordinator::{
    catalogue::Catalogue,
    execution::{
        answer::{Answer, ResultForm, Shape, ShapeCall},
        prepared::{EndedAttempt, EndedAttemptFailure, EndedCall},
    },
};
use toolwave_proto::v1::{self, call_result::ResultForm as Form};
use toolwave_scheduler::{
    AttemptFailure, CallKey, Cause, ExecutionKey, Outcome, Schedule, Waits, plan::Plan,
};

fn answer(calls: u32, max_response_bytes: usize, form: ResultForm) -> Answer {
    let shape = Shape {
        calls: (0..calls)
            .map(|at| ShapeCall {
                id: format!("c{at}").into(),
                tool_name: "tool".into(),
                form,
            })
            .collect(),
        plan: Plan::new(calls, &[]).expect("no edges"),
        schedule: Schedule::Pipelined,
        max_response_bytes,
    };
    Answer::new(Arc::new(shape), Arc::new(Catalogue::default()), "execution")
}

fn ended(call: u32, outcome: Outcome, cause: Cause) -> EndedCall {
    EndedCall {
        call,
        outcome,
        cause,
        result: None,
        rejection: None,
        attempts: SmallVec::new(),
        queue_time: Duration::ZERO,
        execution_time: Duration::from_millis(10),
        waits: Waits::default(),
        at: SystemTime::UNIX_EPOCH,
    }
}

fn succeeded(call: u32, result: impl Into<Bytes>) -> EndedCall {
    EndedCall {
        result: Some(result.into()),
        ..ended(call, Outcome::Succeeded, Cause::None)
    }
}

fn attempt(failure: AttemptFailure) -> EndedAttempt {
    EndedAttempt {
        number: 1,
        worker: "w1".into(),
        waits: Waits::default(),
        dispatched_at: SystemTime::UNIX_EPOCH,
        started_at: SystemTime::UNIX_EPOCH,
        ended_at: SystemTime::UNIX_EPOCH,
        failure: Some(Box::new(EndedAttemptFailure { failure, fault: None })),
        late: false,
    }
}

fn error(answer: &mut Answer, ended: &EndedCall) -> v1::CallError {
    answer
        .end_without_result(ended)
        .error
        .expect("it did not succeed")
}

#[test]
fn results_that_do_not_fit_are_left_out_and_their_size_is_said() {
    for form in [ResultForm::Json, ResultForm::Value] {
        let limit = 100_000;
        let mut answer = answer(50, limit, form);
        let large = format!("\"{}\"", "x".repeat(10_000));
        let ends = (0..50)
            .map(|at| {
                answer.end(Arc::new(if at == 49 {
                    succeeded(at, "1")
                } else {
                    succeeded(at, large.clone())
                }))
            })
            .collect();
        let response = answer.response(ends, Duration::from_secs(1)).into_message();
        assert!(response.encoded_len() <= limit, "{}", response.encoded_len());
        let there = response
            .results
            .iter()
            .filter(|result| result.result_form.is_some())
            .count();
        let left_out = response
            .results
            .iter()
            .filter(|result| result.omitted_result_bytes == 10_002)
            .count();
        assert_eq!(there + left_out, 50);
        assert!(there >= 9, "{there}");
        assert!(
            response.results[49].result_form.is_some(),
            "a small one still fits"
        );
        assert!(response.results.iter().all(|result| result.success));
    }
}

#[test]
fn a_result_that_no_value_can_hold_comes_as_text() {
    let mut answer = answer(1, 1 << 20, ResultForm::Value);
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let ends = vec![answer.end(Arc::new(succeeded(0, deep.clone())))];
    let response = answer.response(ends, Duration::ZERO).into_message();
    assert_eq!(
        response.results[0].result_form,
        Some(Form::ResultJson(deep.into()))
    );
}

#[test]
fn a_skipped_call_names_the_root_and_its_failure() {
    let mut answer = answer(2, 1 << 20, ResultForm::Json);
    let no_worker = ended(
        0,
        Outcome::Unavailable,
        Cause::NoWorker {
            waited: Duration::from_secs(20),
        },
    );
    assert_eq!(error(&mut answer, &no_worker).code, "NO_WORKER");
    let root = CallKey {
        execution: ExecutionKey(1),
        index: 0,
    };
    let skipped = error(
        &mut answer,
        &ended(1, Outcome::Skipped, Cause::Dependency { root }),
    );
    assert_eq!(
        (skipped.code.as_str(), skipped.root_call_id.as_str()),
        ("DEPENDENCY_FAILED", "c0")
    );
    assert!(skipped.message.contains("NO_WORKER"), "{}", skipped.message);
    assert!(!skipped.may_have_run);
    let summary = answer.summary(Duration::from_secs(1));
    assert_eq!((summary.calls, summary.outcomes.len()), (2, 2));
}

#[test]
fn what_may_have_happened_is_said() {
    let mut answer = answer(4, 1 << 20, ResultForm::Json);
    let lost = AttemptFailure::WorkerLost;
    let mut unknown = ended(0, Outcome::Unknown, Cause::Attempt { failure: lost });
    unknown.attempts.push(attempt(lost));
    let unknown = error(&mut answer, &unknown);
    assert!(
        unknown.may_have_run && unknown.message.contains("may or may not"),
        "{}",
        unknown.message
    );
    let started = error(
        &mut answer,
        &ended(1, Outcome::DeadlineExceeded, Cause::Deadline { started: true }),
    );
    assert!(started.may_have_run);
    let waiting = error(
        &mut answer,
        &ended(2, Outcome::DeadlineExceeded, Cause::Deadline { started: false }),
    );
    assert!(
        !waiting.may_have_run && waiting.message.contains("had not started"),
        "{}",
        waiting.message
    );
    let refused = AttemptFailure::Refused;
    let mut unavailable = ended(3, Outcome::Unavailable, Cause::Attempt { failure: refused });
    unavailable.attempts.push(attempt(refused));
    assert!(!error(&mut answer, &unavailable).may_have_run);
}
