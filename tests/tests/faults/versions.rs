//! Programs of other versions at the other end of a session: the bytes of this version are kept in
//! `data/wire/`, and what a later version may add is passed over.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use toolwave_client::{CallResultExt as _, call, v1::Outcome};
use toolwave_proto::v1::{
    AttemptFailure, AttemptRef, AttemptReport, Dispatch, Heartbeat, OpenSessionRequest, OpenSessionResponse,
    Register, Registered, Tool, attempt_report::End,
};
use toolwave_tests::{Cluster, FakeWorker, PATIENCE};
use toolwave_worker::{CallContext, FunctionTool, Worker};

use crate::{
    raw::{RawCoordinator, RawWorker},
    rig::request,
};

/// A field of number 1999 with the number 7: what no version so far has.
const UNKNOWN_FIELD: [u8; 3] = [0xf8, 0x7c, 0x07];
const TIMEOUT: prost_types::Duration = prost_types::Duration {
    seconds: 30,
    nanos: 5,
};

fn attempt() -> AttemptRef {
    AttemptRef {
        execution: 4_294_967_297,
        call_index: 3,
        attempt: 2,
    }
}

fn register() -> Register {
    let tool = Tool {
        name: "work".to_owned(),
        description: "Works".to_owned(),
        input_schema_json: Bytes::from_static(b"{\"type\":\"object\"}"),
        idempotent: true,
        timeout: Some(TIMEOUT),
        rate_per_second: 0.5,
        ..Tool::default()
    };
    Register {
        worker: "golden".to_owned(),
        instance_id: "instance-1".to_owned(),
        min_protocol: 1,
        max_protocol: 1,
        build: "0.1.0".to_owned(),
        slots: 2,
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        tools: vec![tool],
        max_message_bytes: 16 << 20,
        max_parameters_bytes: 8 << 20,
        ..Register::default()
    }
}

fn dispatch(attempt: AttemptRef) -> Dispatch {
    Dispatch {
        attempt: Some(attempt),
        tool_name: "work".to_owned(),
        parameters_json: Bytes::from_static(b"{\"n\":1}"),
        timeout: Some(TIMEOUT),
        idempotency_key: "key".to_owned(),
        safe_to_repeat: true,
        execution_id: "e-1".to_owned(),
        call_id: "c".to_owned(),
        sequence: 1,
        ..Dispatch::default()
    }
}

fn registered() -> Registered {
    Registered {
        coordinator_id: "coordinator-1".to_owned(),
        session_id: "session-1".to_owned(),
        protocol: 1,
        heartbeat_interval: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
        self_fence: Some(prost_types::Duration { seconds: 8, nanos: 0 }),
        max_message_bytes: 16 << 20,
        max_result_bytes: 8 << 20,
        ..Registered::default()
    }
}

/// A frame of each kind that a session cannot do without, as this version writes it.
fn frames() -> BTreeMap<&'static str, Vec<u8>> {
    let failure = AttemptFailure {
        kind: 2,
        code: "AWAY".to_owned(),
        message: "not here".to_owned(),
        retryable: true,
        ..AttemptFailure::default()
    };
    let result = |sequence, end| AttemptReport {
        attempt: Some(attempt()),
        sequence,
        end: Some(end),
        execution_time: Some(TIMEOUT),
        ..AttemptReport::default()
    };
    let from_worker = |frame: OpenSessionRequest| frame.encode_to_vec();
    let to_worker = |frame: OpenSessionResponse| frame.encode_to_vec();
    let heartbeat = Heartbeat {
        number: 9,
        in_flight: vec![attempt()],
        dispatches_read: 300,
    };
    BTreeMap::from([
        (
            "register",
            from_worker(OpenSessionRequest {
                register: Some(register()),
                ..Default::default()
            }),
        ),
        (
            "results",
            from_worker(OpenSessionRequest {
                started: vec![attempt()],
                results: vec![
                    result(1, End::ResultJson(Bytes::from_static(b"{\"n\":2}"))),
                    result(2, End::Failure(failure)),
                ],
                heartbeat: Some(heartbeat),
                ..Default::default()
            }),
        ),
        (
            "registered",
            to_worker(OpenSessionResponse {
                registered: Some(registered()),
                ..Default::default()
            }),
        ),
        (
            "dispatch",
            to_worker(OpenSessionResponse {
                dispatches: vec![dispatch(attempt())],
                aborts: vec![attempt()],
                acknowledged_results: 2,
                heartbeat_answer: 9,
                ..Default::default()
            }),
        ),
    ])
}

fn hex(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    text
}

/// F39: the frames that a session begins with and lives on are on the wire as they were: a program that is a
/// version older or newer reads them.
#[test]
fn the_frames_of_this_version_are_byte_for_byte_as_they_are_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/wire");
    for (name, bytes) in frames() {
        let path = folder.join(format!("{name}.hex"));
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        // a new kind of frame is written here once; what is there is never changed
        if kept.is_empty() && std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, hex(&bytes)).unwrap();
            continue;
        }
        assert_eq!(
            hex(&bytes),
            kept,
            "{name} is not on the wire what it was: older programs cannot read it"
        );
    }
}

/// A message with a field in it that nobody knows.
fn with_unknown(message: &impl Message) -> Vec<u8> {
    let mut bytes = message.encode_to_vec();
    bytes.extend(UNKNOWN_FIELD);
    bytes
}

/// A length-delimited field.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(value.len() as u64, &mut bytes);
    bytes.extend(value);
    bytes
}

/// F39: a coordinator passes over what a newer worker says beyond this version: fields, kinds of failure, ways
/// to end. The session goes on, and what cannot be understood fails its own call only.
#[tokio::test]
async fn a_coordinator_passes_over_what_a_newer_worker_says() {
    let cluster = Cluster::start().await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut newer = register();
    newer.max_protocol = 99;
    let mut first = field(1, &with_unknown(&newer));
    first.extend(UNKNOWN_FIELD);
    let mut worker = RawWorker::open(cluster.url(), first.into()).await.unwrap();
    let answer = worker.incoming.message().await.unwrap().unwrap();
    let answer = OpenSessionResponse::decode(answer).unwrap().registered.unwrap();
    assert_eq!(answer.protocol, 1, "both speak what the older one speaks");

    let submitting = client.clone();
    let calls = (0..3).map(|_| call("work", json!({}))).collect();
    let execution = tokio::spawn(async move { submitting.execute_parallel(request(calls)).await });
    let mut sequence = 0;
    let mut ended = [false; 3];
    while ended.contains(&false) {
        let frame = tokio::time::timeout(PATIENCE, worker.incoming.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        for dispatch in OpenSessionResponse::decode(frame).unwrap().dispatches {
            let attempt = dispatch.attempt.unwrap();
            ended[attempt.call_index as usize] = true;
            sequence += 1;
            let known = AttemptReport {
                attempt: Some(attempt),
                sequence,
                ..AttemptReport::default()
            };
            let mut report = known.encode_to_vec();
            match attempt.call_index {
                // a result, beside what nobody knows
                0 => report.extend(field(3, b"\"done\"")),
                // a kind of failure that nobody knows
                1 => report.extend(field(
                    4,
                    &AttemptFailure {
                        kind: 99,
                        ..Default::default()
                    }
                    .encode_to_vec(),
                )),
                // a way to end that nobody knows
                _ => report.extend(field(15, b"in a way of its own")),
            }
            report.extend(UNKNOWN_FIELD);
            worker.outgoing.send(field(4, &report).into()).await.unwrap();
        }
    }
    let results = tokio::time::timeout(PATIENCE, execution)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .results;
    assert_eq!(results[0].json().unwrap(), Some(json!("done")));
    for result in &results[1..] {
        assert_eq!(result.outcome(), Outcome::Failed, "{result:#?}");
    }
    let listed = client.list_workers().await.unwrap();
    assert_eq!(listed.len(), 1, "the session ended: {listed:#?}");
    assert_eq!(listed[0].in_flight, 0);
}

/// F39: a worker passes over what a newer coordinator says beyond this version, and does what it understands.
#[tokio::test]
async fn a_worker_passes_over_what_a_newer_coordinator_says() {
    let (url, mut sessions) = RawCoordinator::start().await.unwrap();
    let tool = FunctionTool::new("work", "Works", |parameters: Value, _: CallContext| async {
        Ok(parameters)
    });
    let worker = Worker::builder()
        .coordinator(url)
        .name("older")
        .tool(tool)
        .build()
        .unwrap();
    let running = tokio::spawn(worker.run());
    let mut session = tokio::time::timeout(PATIENCE, sessions.recv())
        .await
        .unwrap()
        .unwrap();
    let first = session.incoming.message().await.unwrap().unwrap();
    assert!(OpenSessionRequest::decode(first).unwrap().register.is_some());

    let mut answer = field(1, &with_unknown(&registered()));
    answer.extend(UNKNOWN_FIELD);
    session.outgoing.send(Ok(answer.into())).await.unwrap();
    let mut frame = field(2, &with_unknown(&dispatch(attempt())));
    // an entry of a kind that is not there yet, between what is known
    frame.extend(field(15, b"a verb of the future"));
    frame.extend(UNKNOWN_FIELD);
    session.outgoing.send(Ok(frame.into())).await.unwrap();
    let result = async {
        loop {
            let frame = session
                .incoming
                .message()
                .await
                .unwrap()
                .expect("the session ended");
            if let Some(report) = OpenSessionRequest::decode(frame).unwrap().results.pop() {
                return report;
            }
        }
    };
    let report = tokio::time::timeout(PATIENCE, result).await.unwrap();
    assert_eq!(report.attempt, Some(attempt()));
    assert_eq!(
        report.end,
        Some(End::ResultJson(Bytes::from_static(b"{\"n\":1}")))
    );
    assert!(sessions.try_recv().is_err(), "it opened another session");
    running.abort();
}

/// F39: versions that have nothing in common are told so at once, on both sides, and the worker tries again later.
#[tokio::test]
async fn a_worker_of_a_version_that_is_not_spoken_is_refused_with_both_ranges() {
    let cluster = Cluster::start().await.unwrap();
    let mut future = FakeWorker::register("future", 1, &["work"]);
    (future.min_protocol, future.max_protocol) = (7, 9);
    let refused = tokio::time::timeout(Duration::from_secs(10), FakeWorker::open(&cluster.url(), future))
        .await
        .unwrap();
    let Err(error) = refused else {
        panic!("version 7 was let in")
    };
    let status = FakeWorker::refusal(&error).unwrap();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(
        status.message().contains("7 to 9") && status.message().contains('1'),
        "{}",
        status.message()
    );
    cluster.stop().await.unwrap();
}
