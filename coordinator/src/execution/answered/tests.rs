//! That what is written by hand is what the generated type writes, and that what fits is decided by what the
//! generated type measures.

use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use proptest::prelude::*;
use toolwave_scheduler::{
    AttemptFailure, Cause, Schedule, WaitReason, Waits,
    plan::{Edge, Need, Plan},
};

use super::*;
use crate::{
    catalogue::Catalogue,
    execution::{
        answer::{Answer, ShapeCall},
        prepared::{CallFault, EndedAttemptFailure},
    },
};

/// One call: what the request says of it, and how it ended.
#[derive(Debug)]
struct Case {
    call: ShapeCall,
    ended: EndedCall,
}

fn instants() -> impl Strategy<Value = SystemTime> {
    let after = (0..1_u64 << 40, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
    let before = (1..1_u64 << 40).prop_map(|seconds| SystemTime::UNIX_EPOCH - Duration::from_secs(seconds));
    prop_oneof![4 => after, 1 => before, 1 => Just(SystemTime::UNIX_EPOCH)]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        any::<u64>().prop_map(Duration::from_nanos)
    ]
}

fn failures() -> impl Strategy<Value = Box<EndedAttemptFailure>> {
    prop::option::of(0..400_usize).prop_map(|words| {
        Box::new(EndedAttemptFailure {
            failure: AttemptFailure::WorkerLost,
            fault: words.map(|bytes| CallFault {
                code: "ODD".into(),
                message: "m".repeat(bytes),
                violations: Vec::new(),
                details: Bytes::from(vec![b'1'; bytes]),
            }),
        })
    })
}

fn waits() -> impl Strategy<Value = Waits> {
    let reasons = prop::sample::select(vec![
        WaitReason::Slots,
        WaitReason::ExecutionLimit,
        WaitReason::ToolRate,
        WaitReason::TenantLimit,
        WaitReason::Backoff,
    ]);
    prop::collection::vec((reasons, any::<u64>()), 0..3).prop_map(|found| {
        let mut waits = Waits::default();
        for (reason, nanos) in found {
            waits.add_time(reason, Duration::from_nanos(nanos));
        }
        waits
    })
}

fn attempts() -> impl Strategy<Value = EndedAttempt> {
    let failure = prop::option::weighted(0.2, failures());
    (
        any::<u32>(),
        ".{0,40}",
        (instants(), instants(), instants()),
        waits(),
        failure,
        any::<bool>(),
    )
        .prop_map(
            |(number, worker, (dispatched_at, started_at, ended_at), waits, failure, late)| EndedAttempt {
                number,
                worker: worker.into(),
                waits,
                dispatched_at,
                started_at,
                ended_at,
                failure,
                late,
            },
        )
}

fn results() -> impl Strategy<Value = Option<Bytes>> {
    let texts = prop_oneof![
        Just(String::new()),
        Just("1e999".to_owned()),
        Just(r#"{"a":[1,2.5,null,true],"b":"text"}"#.to_owned()),
        (0..400_usize).prop_map(|bytes| format!("\"{}\"", "x".repeat(bytes))),
        (0..40_usize).prop_map(|bytes| format!("\"{}\"", "y".repeat(bytes * 1_000))),
        // Longer than its value.
        (0..400_usize).prop_map(|bytes| format!("[{}1]", " ".repeat(bytes))),
    ];
    prop::option::weighted(0.9, texts.prop_map(Bytes::from))
}

fn cases(forms: &'static [ResultForm]) -> impl Strategy<Value = Case> {
    let says = (".{0,150}", ".{0,40}", prop::sample::select(forms));
    let went = prop::option::weighted(0.1, failures());
    let tells = (
        results(),
        prop::collection::vec(attempts(), 0..4),
        durations(),
        durations(),
        waits(),
    );
    (says, went, tells).prop_map(
        |((id, tool, form), failed, (result, attempts, queue_time, execution_time, after))| {
            let cause = failed.map_or(Cause::None, |failed| Cause::Attempt {
                failure: failed.failure,
            });
            Case {
                call: ShapeCall {
                    id: id.into(),
                    tool_name: tool.into(),
                    form,
                },
                ended: EndedCall {
                    call: 0,
                    outcome: if cause == Cause::None {
                        Outcome::Succeeded
                    } else {
                        Outcome::Unknown
                    },
                    cause,
                    result,
                    rejection: None,
                    attempts: attempts.into(),
                    queue_time,
                    execution_time,
                    waits: after,
                    at: SystemTime::UNIX_EPOCH,
                },
            }
        },
    )
}

const JSON: &[ResultForm] = &[ResultForm::Json];
const ANY: &[ResultForm] = &[ResultForm::Json, ResultForm::Value, ResultForm::AsCalled];

/// Calls of one execution, each in the wave after the one before, and what its client can receive.
fn executions() -> impl Strategy<Value = (Arc<Shape>, Vec<Arc<EndedCall>>)> {
    let cases = prop_oneof![
        prop::collection::vec(cases(JSON), 0..6),
        prop::collection::vec(cases(ANY), 0..6)
    ];
    let limits = prop_oneof![Just(4 << 20), 0..60_000_usize, 0..3_000_usize, 0..1_000_usize];
    let schedules = prop_oneof![Just(Schedule::Pipelined), Just(Schedule::Barrier)];
    (cases, limits, schedules).prop_map(|(cases, max_response_bytes, schedule)| {
        let count = cases.len() as u32;
        let chain: Vec<Edge> = (1..count)
            .map(|at| Edge {
                from: at - 1,
                to: at,
                need: Need::Success,
            })
            .collect();
        let plan = Plan::new(count, &chain).expect("a chain has no cycle");
        let (calls, mut ended): (Vec<_>, Vec<_>) =
            cases.into_iter().map(|case| (case.call, case.ended)).unzip();
        for (at, ended) in ended.iter_mut().enumerate() {
            ended.call = at as u32;
        }
        let shape = Shape {
            calls,
            plan,
            schedule,
            max_response_bytes,
        };
        (Arc::new(shape), ended.into_iter().map(Arc::new).collect())
    })
}

fn answer(shape: &Arc<Shape>) -> Answer {
    Answer::new(shape.clone(), Arc::new(Catalogue::default()), "an execution")
}

fn answered(shape: &Arc<Shape>, ended: &[Arc<EndedCall>]) -> Answered {
    let mut answer = answer(shape);
    let ends = ended.iter().map(|ended| answer.end(ended.clone())).collect();
    answer.response(ends, Duration::from_millis(1_234))
}

/// The same answer, made of generated types alone: each result measured as such.
fn generated(shape: &Arc<Shape>, ended: &[Arc<EndedCall>]) -> v1::ExecuteParallelResponse {
    let mut answer = answer(shape);
    let mut results: Vec<v1::CallResult> = ended
        .iter()
        .map(|ended| answer.end_without_result(ended))
        .collect();
    let summary = answer.summary(Duration::from_millis(1_234));
    let limit = shape
        .max_response_bytes
        .saturating_sub(summary.encoded_len() + AROUND);
    let mut left = if at_most(shape, ended) <= limit {
        usize::MAX
    } else {
        let measure = |results: &[v1::CallResult]| -> usize {
            results.iter().map(|result| result.encoded_len() + AROUND).sum()
        };
        if measure(&results) > limit {
            results.iter_mut().for_each(shorten);
        }
        limit.saturating_sub(measure(&results))
    };
    for (result, ended) in results.iter_mut().zip(ended) {
        let Some(text) = ended.result.as_ref().filter(|_| result.success) else {
            continue;
        };
        let json = call_result::ResultForm::ResultJson(text.clone());
        let form = match shape.calls[ended.call as usize].form {
            ResultForm::Json => json,
            ResultForm::Value | ResultForm::AsCalled => {
                value_of(text).map_or(json, call_result::ResultForm::Result)
            }
        };
        if text.len() / 2 <= left && form.encoded_len() <= left {
            left -= form.encoded_len();
            result.result_form = Some(form);
        } else {
            result.omitted_result_bytes = text.len() as u64;
        }
    }
    v1::ExecuteParallelResponse {
        results,
        summary: Some(summary),
    }
}

fn at_most(shape: &Shape, ended: &[Arc<EndedCall>]) -> usize {
    let one = |ended: &Arc<EndedCall>| {
        let call = &shape.calls[ended.call as usize];
        let failed = ended.outcome != Outcome::Succeeded
            || ended.attempts.iter().any(|attempt| attempt.failure.is_some());
        if failed || ended.result.is_some() && call.form != ResultForm::Json {
            return usize::MAX;
        }
        let attempts: usize = ended
            .attempts
            .iter()
            .map(|attempt| ATTEMPT + attempt.worker.len())
            .sum();
        let result = ended.result.as_ref().map_or(0, Bytes::len);
        RESULT + call.id.len() + call.tool_name.len() + attempts + result
    };
    ended.iter().map(one).fold(0, usize::saturating_add)
}

fn shorten(result: &mut v1::CallResult) {
    let failures = result
        .attempts
        .iter_mut()
        .filter_map(|attempt| attempt.failure.as_mut());
    for error in result.error.iter_mut().chain(failures) {
        error.details_json = Bytes::new();
        error.violations.clear();
        error.message.truncate(cut(&error.message, 128).len());
    }
}

fn written(answered: &Answered) -> BytesMut {
    let lengths = answered.lengths();
    let mut written = BytesMut::new();
    answered.put(&lengths, &mut written);
    assert_eq!(written.len(), lengths.whole);
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_answer_has_the_bytes_that_the_generated_type_writes((shape, ended) in executions()) {
        let expected = generated(&shape, &ended);
        let answered = answered(&shape, &ended);
        let written = written(&answered);
        prop_assert_eq!(&written[..], &expected.encode_to_vec()[..]);
        let read = v1::ExecuteParallelResponse::decode(&written[..]).expect("it can be read");
        prop_assert_eq!(&read, &expected);
        prop_assert_eq!(&answered.into_message(), &expected);
    }
}

fn plain(result: &'static str, attempts: Vec<EndedAttempt>) -> EndedCall {
    EndedCall {
        call: 0,
        outcome: Outcome::Succeeded,
        cause: Cause::None,
        result: Some(Bytes::from_static(result.as_bytes())),
        rejection: None,
        attempts: attempts.into(),
        queue_time: Duration::from_millis(1),
        execution_time: Duration::MAX,
        waits: Waits::default(),
        at: SystemTime::UNIX_EPOCH,
    }
}

fn shape(max_response_bytes: usize) -> Arc<Shape> {
    Arc::new(Shape {
        calls: vec![ShapeCall {
            id: "i".repeat(128).into(),
            tool_name: "t".repeat(128).into(),
            form: ResultForm::Json,
        }],
        plan: Plan::new(1, &[]).expect("no edges"),
        schedule: Schedule::Pipelined,
        max_response_bytes,
    })
}

#[test]
fn what_is_read_is_what_the_driver_told() {
    let attempt = EndedAttempt {
        number: 1,
        worker: "w1".into(),
        waits: Waits::default(),
        dispatched_at: SystemTime::UNIX_EPOCH + Duration::new(4, 0),
        started_at: SystemTime::UNIX_EPOCH + Duration::new(5, 6),
        ended_at: SystemTime::UNIX_EPOCH - Duration::from_secs(1),
        failure: None,
        late: true,
    };
    let ended = [Arc::new(plain("[1]", vec![attempt]))];
    let read = |limit| {
        let written = written(&answered(&shape(limit), &ended));
        let mut response = v1::ExecuteParallelResponse::decode(&written[..]).expect("it can be read");
        response.results.remove(0)
    };
    let whole = read(1 << 20);
    assert_eq!(whole.id, "i".repeat(128));
    assert_eq!(whole.tool_name, "t".repeat(128));
    assert!(whole.success && whole.error.is_none());
    assert_eq!(whole.outcome(), v1::Outcome::Succeeded);
    assert_eq!(
        whole.result_form,
        Some(call_result::ResultForm::ResultJson("[1]".into()))
    );
    let attempt = &whole.attempts[0];
    assert_eq!(
        (attempt.number, attempt.worker.as_str(), attempt.late),
        (1, "w1", true)
    );
    let date = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    assert_eq!((attempt.started_at, attempt.ended_at), (date(5, 6), date(0, 0)));
    assert_eq!(attempt.dispatched_at, date(4, 0));
    assert_eq!(
        whole.queue_time,
        Some(prost_types::Duration {
            seconds: 0,
            nanos: 1_000_000
        })
    );
    let bare = read(0);
    assert_eq!((bare.result_form, bare.omitted_result_bytes), (None, 3));
}

#[test]
fn what_an_end_has_at_most_is_not_less_than_what_it_has() {
    let attempt = || EndedAttempt {
        number: u32::MAX,
        worker: "w".repeat(128).into(),
        waits: Waits::default(),
        dispatched_at: SystemTime::UNIX_EPOCH + Duration::new(i64::MAX as u64, 999_999_999),
        started_at: SystemTime::UNIX_EPOCH + Duration::new(i64::MAX as u64, 999_999_999),
        ended_at: SystemTime::UNIX_EPOCH + Duration::new(i64::MAX as u64, 999_999_999),
        failure: None,
        late: true,
    };
    let ended = Arc::new(EndedCall {
        result: Some(vec![b'1'; 1 << 21].into()),
        queue_time: Duration::MAX,
        ..plain("", vec![attempt(), attempt(), attempt()])
    });
    let shape = shape(usize::MAX);
    let at_most = Ended::new(&shape, ended.clone(), None)
        .at_most(&shape)
        .expect("plain");
    let mut whole = generated(&shape, &[ended]);
    whole.summary = None;
    let result = &mut whole.results[0];
    (result.wave, result.omitted_result_bytes) = (u32::MAX, u64::MAX);
    assert!(whole.encoded_len() <= at_most, "{} bytes", whole.encoded_len());
}

#[test]
fn an_end_takes_two_words() {
    assert!(size_of::<Option<Ended>>() <= 2 * size_of::<usize>());
}
