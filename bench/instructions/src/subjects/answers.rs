//! Answers: the ends of 64 calls that succeeded, taken in and written as one message.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::BytesMut;
use prost::Message;
use toolwave_coordinator::{
    catalogue::Catalogue,
    execution::{
        answer::{Answer, ResultForm, Shape, ShapeCall},
        prepared::{EndedAttempt, EndedCall},
    },
};
use toolwave_proto::v1;
use toolwave_scheduler::{Cause, Outcome, Schedule, Waits, plan::Plan};

use super::{Subject, counted};

const CALLS: u32 = 64;

pub(super) const WRITTEN: Subject = Subject {
    name: "a call that ended, taken into an answer of 64 and written",
    times: CALLS as u64,
    run: written,
};

fn written() {
    let calls = (0..CALLS).map(|call| ShapeCall {
        id: format!("call-{call}").into(),
        tool_name: "echo".into(),
        form: ResultForm::Json,
    });
    let shape = Shape {
        calls: calls.collect(),
        plan: Plan::new(CALLS, &[]).expect("no edge makes no cycle"),
        schedule: Schedule::Pipelined,
        max_response_bytes: 4 << 20,
    };
    let mut answer = Answer::new(Arc::new(shape), Arc::new(Catalogue::default()), "execution");
    let ended: Vec<Arc<EndedCall>> = (0..CALLS).map(|call| Arc::new(ended(call))).collect();
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    counted(|| {
        let ends = ended.into_iter().map(|ended| answer.end(ended)).collect();
        answer
            .response(black_box(ends), Duration::from_millis(3))
            .write(black_box(&mut buffer));
    });
    let read = v1::ExecuteParallelResponse::decode(buffer.freeze()).expect("an answer");
    assert_eq!(read.results.len(), CALLS as usize);
    assert!(read.results.iter().all(|result| result.success));
}

fn ended(call: u32) -> EndedCall {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let attempt = EndedAttempt {
        number: 1,
        worker: "worker-1".into(),
        waits: Waits::default(),
        dispatched_at: at,
        started_at: at,
        ended_at: at + Duration::from_micros(250),
        failure: None,
        late: false,
    };
    EndedCall {
        call,
        outcome: Outcome::Succeeded,
        cause: Cause::None,
        result: Some(format!(r#"{{"n": {call}, "text": "what a tool may answer"}}"#).into()),
        rejection: None,
        attempts: std::iter::once(attempt).collect(),
        queue_time: Duration::from_micros(90),
        execution_time: Duration::from_micros(3),
        waits: Waits::default(),
        at,
    }
}
