//! How a session begins. How it must not begin is in the catalogue of bad inputs.

mod common;

use common::*;
use toolwave_proto::v1;

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
