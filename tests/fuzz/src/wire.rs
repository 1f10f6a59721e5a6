//! What is written to the wire by hand, against what the generated types write: answers to clients, and frames
//! to workers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use prost::Message as _;
use toolwave_coordinator::{
    catalogue::Catalogue,
    execution::{
        answer::{Answer, ResultForm, Shape, ShapeCall},
        answered::Answered,
        prepared::{CallFault, EndedAttempt, EndedAttemptFailure, EndedCall},
    },
    fuzzed::{Assignment, CallWords, Frame, Words},
};
use toolwave_proto::v1;
use toolwave_scheduler::{
    AttemptFailure, AttemptKey, CallKey, Cause, ExecutionKey, Outcome, Schedule, Waits,
    plan::{Edge, Need, Plan},
};

use crate::draw;

/// A larger payload of a dispatch follows in pieces.
const PIECE_BYTES: usize = 64 * 1024;

/// Writes an answer or a frame made of the input, and reads it back.
///
/// # Panics
/// The generated type reads something else, or writes other bytes.
pub fn run(data: &[u8]) {
    let mut from = Unstructured::new(data);
    if draw::one_in(&mut from, 2) {
        frame(&mut from);
    } else {
        answer(&mut from);
    }
}

fn frame(from: &mut draw::Bytes<'_>) {
    let words = Arc::new(Words {
        execution_id: draw::text(from).into(),
        calls: (0..3)
            .map(|_| CallWords {
                id: draw::text(from).into(),
                tool: draw::text(from).into(),
                idempotency_key: draw::text(from).into(),
            })
            .collect(),
    });
    let dispatches: Vec<Assignment> = (0..draw::below(from, 4))
        .map(|_| assignment(from, &words))
        .collect();
    let expected = v1::OpenSessionResponse {
        dispatches: dispatches.iter().map(generated).collect(),
        ..v1::OpenSessionResponse::default()
    };
    let mut written = BytesMut::new();
    Frame::of_dispatches(dispatches).write(&mut written);
    assert_eq!(
        v1::OpenSessionResponse::decode(&written[..]).as_ref(),
        Ok(&expected)
    );
    assert_eq!(written[..], expected.encode_to_vec());
}

fn assignment(from: &mut draw::Bytes<'_>, words: &Arc<Words>) -> Assignment {
    let size = match draw::below(from, 4) {
        0 => PIECE_BYTES - 2 + draw::below(from, 5),
        1 => 0,
        _ => draw::below(from, 300),
    };
    Assignment {
        attempt: AttemptKey {
            call: CallKey {
                execution: ExecutionKey(draw::edge(from)),
                index: draw::below(from, 3) as u32,
            },
            number: draw::edge(from) as u32,
        },
        words: words.clone(),
        parameters: vec![b'x'; size].into(),
        timeout: duration(from),
        safe_to_repeat: draw::one_in(from, 2),
        sequence: draw::edge(from),
    }
}

fn generated(assignment: &Assignment) -> v1::Dispatch {
    let call = &assignment.words.calls[assignment.attempt.call.index as usize];
    let large = assignment.parameters.len() > PIECE_BYTES;
    let nanos = assignment.timeout.subsec_nanos() as i32;
    let seconds = i64::try_from(assignment.timeout.as_secs()).unwrap_or(i64::MAX);
    v1::Dispatch {
        attempt: Some(v1::AttemptRef {
            execution: assignment.attempt.call.execution.0,
            call_index: assignment.attempt.call.index,
            attempt: assignment.attempt.number,
        }),
        tool_name: call.tool.to_string(),
        parameters_json: if large {
            Bytes::new()
        } else {
            assignment.parameters.clone()
        },
        parameters_size: if large {
            assignment.parameters.len() as u64
        } else {
            0
        },
        timeout: Some(prost_types::Duration { seconds, nanos }),
        idempotency_key: call.idempotency_key.to_string(),
        safe_to_repeat: assignment.safe_to_repeat,
        execution_id: assignment.words.execution_id.to_string(),
        call_id: call.id.to_string(),
        sequence: assignment.sequence,
        ..v1::Dispatch::default()
    }
}

fn answer(from: &mut draw::Bytes<'_>) {
    let count = 1 + draw::below(from, 5) as u32;
    let chain: Vec<Edge> = (1..count)
        .filter(|_| draw::one_in(from, 2))
        .map(|to| Edge {
            from: to - 1,
            to,
            need: Need::Success,
        })
        .collect();
    let shape = Arc::new(Shape {
        calls: (0..count)
            .map(|_| ShapeCall {
                id: draw::text(from).into(),
                tool_name: draw::text(from).into(),
                form: draw::one_of(from, &[ResultForm::Json, ResultForm::Value, ResultForm::AsCalled]),
            })
            .collect(),
        plan: Plan::new(count, &chain).expect("a chain has no cycle"),
        schedule: draw::one_of(from, &[Schedule::Pipelined, Schedule::Barrier]),
        max_response_bytes: 1024 + draw::below(from, 4096),
    });
    let ended: Vec<Arc<EndedCall>> = (0..count).map(|call| Arc::new(ended(from, call))).collect();
    let duration = duration(from);
    let mut written = BytesMut::new();
    answered(&shape, &ended, duration).write(&mut written);
    let message = answered(&shape, &ended, duration).into_message();
    assert_eq!(
        v1::ExecuteParallelResponse::decode(&written[..]).as_ref(),
        Ok(&message)
    );
    assert_eq!(written[..], message.encode_to_vec());
    for (result, ended) in message.results.iter().zip(&ended) {
        assert_eq!(result.success, ended.outcome == Outcome::Succeeded);
        let said = result.result_form.is_some() || result.omitted_result_bytes > 0;
        let held = ended.result.as_ref().is_some_and(|text| !text.is_empty());
        assert!(
            said || !result.success || !held,
            "a result is lost without a word"
        );
    }
    let fits = message.results.iter().all(|result| result.result_form.is_none());
    assert!(
        written.len() <= shape.max_response_bytes || fits,
        "{} bytes, and results could be left out",
        written.len()
    );
}

fn answered(shape: &Arc<Shape>, ended: &[Arc<EndedCall>], duration: Duration) -> Answered {
    let mut answer = Answer::new(shape.clone(), Arc::new(Catalogue::default()), "an execution");
    let ends = ended.iter().map(|ended| answer.end(ended.clone())).collect();
    answer.response(ends, duration)
}

fn ended(from: &mut draw::Bytes<'_>, call: u32) -> EndedCall {
    let (outcome, cause) = match draw::below(from, 4) {
        0 => (
            Outcome::Failed,
            Cause::Attempt {
                failure: failure(from),
            },
        ),
        1 => (Outcome::Rejected, Cause::Rejected),
        _ => (Outcome::Succeeded, Cause::None),
    };
    let succeeded = outcome == Outcome::Succeeded;
    EndedCall {
        call,
        outcome,
        cause,
        result: (succeeded && !draw::one_in(from, 8)).then(|| result(from)),
        rejection: draw::one_in(from, 4).then(|| Box::new(fault(from))),
        attempts: (0..draw::below(from, 4))
            .map(|number| attempt(from, number as u32))
            .collect(),
        queue_time: duration(from),
        execution_time: duration(from),
        waits: Waits::default(),
        at: instant(from),
    }
}

fn result(from: &mut draw::Bytes<'_>) -> Bytes {
    match draw::below(from, 4) {
        0 => from.arbitrary::<Vec<u8>>().unwrap_or_default().into(),
        1 => format!("\"{}\"", "x".repeat(draw::below(from, 3000))).into(),
        _ => draw::value(from, 3).to_string().into(),
    }
}

fn attempt(from: &mut draw::Bytes<'_>, number: u32) -> EndedAttempt {
    EndedAttempt {
        number,
        worker: draw::text(from).into(),
        waits: Waits::default(),
        dispatched_at: instant(from),
        started_at: instant(from),
        ended_at: instant(from),
        failure: draw::one_in(from, 4).then(|| {
            Box::new(EndedAttemptFailure {
                failure: failure(from),
                fault: draw::one_in(from, 2).then(|| fault(from)),
            })
        }),
        late: draw::one_in(from, 4),
    }
}

fn failure(from: &mut draw::Bytes<'_>) -> AttemptFailure {
    match draw::below(from, 4) {
        0 => AttemptFailure::WorkerLost,
        1 => AttemptFailure::TimedOut,
        2 => AttemptFailure::BrokenContract,
        _ => AttemptFailure::ToolError {
            retryable: draw::one_in(from, 2),
            retry_after: draw::one_in(from, 2).then(|| duration(from)),
        },
    }
}

fn fault(from: &mut draw::Bytes<'_>) -> CallFault {
    CallFault {
        code: draw::text(from),
        message: draw::text(from),
        violations: (0..draw::below(from, 3))
            .map(|_| (draw::text(from), draw::text(from)))
            .collect(),
        details: draw::value(from, 1).to_string().into(),
    }
}

fn duration(from: &mut draw::Bytes<'_>) -> Duration {
    Duration::new(draw::edge(from), draw::below(from, 1_000_000_000) as u32)
}

fn instant(from: &mut draw::Bytes<'_>) -> SystemTime {
    let since = Duration::new(
        draw::edge(from) % (1 << 40),
        draw::below(from, 1_000_000_000) as u32,
    );
    if draw::one_in(from, 8) {
        SystemTime::UNIX_EPOCH - since
    } else {
        SystemTime::UNIX_EPOCH + since
    }
}
