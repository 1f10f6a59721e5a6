//! Frames of a session: 64 dispatches written, 64 reports read.

use std::{hint::black_box, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use prost::Message;
use toolwave_coordinator::counted::{Assignment, CallWords, Frame, Words};
use toolwave_proto::v1;
use toolwave_scheduler::{AttemptKey, CallKey, ExecutionKey};

use super::{Subject, counted};

const ENTRIES: u32 = 64;

pub(super) const DISPATCHES: Subject = Subject {
    name: "a dispatch written into a frame of 64",
    times: ENTRIES as u64,
    run: dispatches,
};

pub(super) const REPORTS: Subject = Subject {
    name: "a report read from a frame of 64",
    times: ENTRIES as u64,
    run: reports,
};

fn dispatches() {
    let calls = (0..ENTRIES).map(|call| CallWords {
        id: format!("call-{call}").into(),
        tool: "echo".into(),
        idempotency_key: "".into(),
    });
    let words = Arc::new(Words {
        execution_id: "5e0c1ab4-3f6e-4f4b-8f59-2d4a4f2d9a10".into(),
        calls: calls.collect(),
    });
    let frame = Frame::of_dispatches((0..ENTRIES).map(|call| assignment(call, &words)).collect());
    // As tonic keeps one for a stream.
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    counted(|| frame.write(black_box(&mut buffer)));
    let read = v1::OpenSessionResponse::decode(buffer.freeze()).expect("a frame");
    assert_eq!(read.dispatches.len(), ENTRIES as usize);
    assert_eq!(read.dispatches[9].call_id, "call-9");
}

fn assignment(call: u32, words: &Arc<Words>) -> Assignment {
    let execution = ExecutionKey(41);
    Assignment {
        attempt: AttemptKey {
            call: CallKey {
                execution,
                index: call,
            },
            number: 1,
        },
        words: words.clone(),
        parameters: json(call).into(),
        timeout: Duration::from_secs(30),
        safe_to_repeat: true,
        sequence: 6400 + u64::from(call),
        trace: None,
    }
}

fn json(call: u32) -> String {
    format!(r#"{{"value": {{"n": {call}, "text": "what an agent may say in a call"}}}}"#)
}

fn reports() {
    let frame = v1::OpenSessionRequest {
        results: (0..ENTRIES).map(report).collect(),
        ..v1::OpenSessionRequest::default()
    };
    let bytes = Bytes::from(frame.encode_to_vec());
    let read = counted(|| v1::OpenSessionRequest::decode(black_box(bytes)));
    assert_eq!(read.as_ref(), Ok(&frame));
}

fn report(call: u32) -> v1::AttemptReport {
    v1::AttemptReport {
        attempt: Some(attempt(call)),
        sequence: 6400 + u64::from(call),
        end: Some(v1::attempt_report::End::ResultJson(json(call).into())),
        result_size: 0,
        execution_time: prost_types::Duration::try_from(Duration::from_micros(3)).ok(),
    }
}

fn attempt(call: u32) -> v1::AttemptRef {
    v1::AttemptRef {
        execution: 41,
        call_index: call,
        attempt: 1,
    }
}
