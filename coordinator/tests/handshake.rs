//! How a session begins, and which ones do not.

mod common;

use common::*;
use tonic::Code;
use toolwave_proto::v1;

async fn refused(config: toolwave_coordinator::Config, frame: v1::OpenSessionRequest) -> tonic::Status {
    let coordinator = start(config).await;
    let mut worker = FakeWorker::open(&coordinator).await;
    worker.say(frame).await;
    let status = worker.end().await.expect("a fault");
    assert!(
        workers(&coordinator).await.is_empty(),
        "nothing is kept of a worker that was refused"
    );
    status
}

fn first(register: v1::Register) -> v1::OpenSessionRequest {
    v1::OpenSessionRequest {
        register: Some(register),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_first_frame_without_register_ends_the_stream() {
    let heartbeat = Some(v1::Heartbeat {
        number: 1,
        ..Default::default()
    });
    let status = refused(
        config(),
        v1::OpenSessionRequest {
            heartbeat,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("must hold `register`"), "{status}");
}

#[tokio::test]
async fn a_first_frame_that_holds_more_than_register_ends_the_stream() {
    let mut frame = first(register("w", vec![]));
    frame.goodbye = Some(v1::Goodbye::default());
    assert_eq!(refused(config(), frame).await.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_stream_that_never_registers_ends() {
    let mut config = config();
    config.register_timeout = std::time::Duration::from_millis(50);
    let coordinator = start(config).await;
    let mut worker = FakeWorker::open(&coordinator).await;
    assert_eq!(
        worker.end().await.expect("a fault").code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test]
async fn versions_without_overlap_are_refused_and_both_ranges_named() {
    let mut register = register("w", vec![]);
    (register.min_protocol, register.max_protocol) = (7, 9);
    let status = refused(config(), first(register)).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("7 to 9") && status.message().contains("1 to 1"),
        "{status}"
    );
}

#[tokio::test]
async fn a_wider_range_of_versions_settles_on_one_of_both() {
    let coordinator = start(config()).await;
    let mut register = register("w", vec![]);
    (register.min_protocol, register.max_protocol) = (0, 9);
    assert_eq!(
        FakeWorker::join(&coordinator, register).await.registered.protocol,
        1
    );
}

#[tokio::test]
async fn names_outside_their_rule_are_refused() {
    for (name, instance) in [("", "i"), ("two words", "i"), ("w", ""), ("w", "\u{1b}[31m")] {
        let mut register = register("w", vec![]);
        (register.worker, register.instance_id) = (name.into(), instance.into());
        let status = refused(config(), first(register)).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{name:?} {instance:?}");
        assert!(!status.message().contains('\u{1b}'));
    }
}

#[tokio::test]
async fn a_list_in_flight_beyond_what_slots_allow_is_refused() {
    let mut register = register("w", vec![]);
    register.in_flight = vec![v1::AttemptRef::default(); 1000];
    let status = refused(config(), first(register)).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("1000"), "{status}");
}

#[tokio::test]
async fn messages_that_no_frame_fits_into_are_refused() {
    let mut register = register("w", vec![]);
    register.max_message_bytes = 1000;
    assert_eq!(
        refused(config(), first(register)).await.code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn slots_beyond_the_bound_are_not_used() {
    let mut config = config();
    config.max_slots_per_worker = 4;
    let coordinator = start(config).await;
    let mut register = register("w", vec![]);
    register.slots = u32::MAX;
    let _worker = FakeWorker::join(&coordinator, register).await;
    assert_eq!(workers(&coordinator).await[0].slots, 4);
}

#[tokio::test]
async fn a_tool_that_is_declared_wrongly_is_left_out_and_the_rest_registers() {
    let coordinator = start(config()).await;
    let mut broken = tool("broken");
    broken.input_schema_json = "{not json".into();
    let _worker = FakeWorker::join(&coordinator, register("w", vec![tool("a"), broken, tool("b")])).await;
    assert_eq!(workers(&coordinator).await[0].tools, ["a", "b"]);
}

#[tokio::test]
async fn a_second_register_ends_the_session() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![])).await;
    worker.say(first(register("w", vec![]))).await;
    assert_eq!(
        worker.end().await.expect("a fault").code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn attempts_of_another_coordinator_are_unwanted() {
    let coordinator = start(config()).await;
    let attempt = v1::AttemptRef {
        execution: 1,
        call_index: 0,
        attempt: 1,
    };
    let mut register = register("w", vec![]);
    register.coordinator_id = "one that is gone".into();
    register.in_flight = vec![attempt];
    let worker = FakeWorker::join(&coordinator, register).await;
    assert_eq!(worker.registered.unwanted, [attempt]);
    assert_eq!(workers(&coordinator).await[0].in_flight, 0);
}

#[tokio::test]
async fn what_a_worker_is_told_is_the_configuration() {
    let config = config();
    let (fence, result) = (config.self_fence, config.max_result_bytes);
    let coordinator = start(config).await;
    let worker = FakeWorker::join(&coordinator, register("w", vec![])).await;
    let told = worker.registered;
    assert_eq!(told.self_fence.expect("set").seconds as u64, fence.as_secs());
    assert_eq!(told.max_result_bytes, result);
    assert!(!told.coordinator_id.is_empty());
}
