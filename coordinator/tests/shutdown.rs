//! How a coordinator ends: told to, in bounded time, with everybody answered.

mod common;

use std::time::Duration;

use common::*;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use toolwave_proto::v1::Outcome;

async fn health(client: &mut HealthClient<tonic::transport::Channel>, service: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    client.check(request).await.expect("known").into_inner().status()
}

#[tokio::test]
async fn health_is_serving_for_the_whole_and_for_each_service() {
    let coordinator = start(config()).await;
    let mut client = HealthClient::new(channel(&coordinator).await);
    for service in [
        "",
        "toolwave.v1.ExecutionService",
        "toolwave.v1.WorkerService",
        "toolwave.v1.AdminService",
    ] {
        assert_eq!(
            health(&mut client, service).await,
            ServingStatus::Serving,
            "{service}"
        );
    }
}

#[tokio::test]
async fn a_draining_coordinator_says_so_finishes_and_refuses() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let mut health_client = HealthClient::new(channel(&coordinator).await);
    let mut client = client(&coordinator).await;
    let running = execute(
        &coordinator,
        vec![call("echo", "{}"), call("echo", r#"{"a":"${0.result}"}"#)],
    )
    .await;
    let first = worker.dispatch().await;
    let ending = tokio::spawn(coordinator.shutdown());
    let told = worker.until(|frame| frame.shutdown.is_some()).await;
    assert!(told.shutdown.expect("set").reconnect_after.is_some());
    assert_eq!(health(&mut health_client, "").await, ServingStatus::NotServing);
    let refused = client
        .execute_parallel(request(vec![call("echo", "{}")]))
        .await
        .expect_err("draining");
    assert_eq!(refused.code(), Code::Unavailable);
    // What was accepted goes on, calls not dispatched before included.
    worker.succeed(&first, "7").await;
    let second = worker.dispatch().await;
    worker.succeed(&second, "8").await;
    let results = results(running).await;
    assert_eq!((json(&results[0]), json(&results[1])), ("7", "8"));
    let report = soon("the end", ending).await.expect("no panic");
    assert!(report.finished);
    assert_eq!(report.executions_cut, 0);
    assert_eq!(worker.end().await.expect("a fault").code(), Code::Unavailable);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_its_client_answered() {
    let mut config = config();
    config.drain_timeout = Duration::from_millis(50);
    let coordinator = start(config).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("sleep")])).await;
    let running = execute(&coordinator, vec![call("sleep", "{}")]).await;
    let dispatch = worker.dispatch().await;
    let ending = tokio::spawn(coordinator.shutdown());
    let results = results(running).await;
    assert_eq!(results[0].outcome(), Outcome::Cancelled);
    assert_eq!(Some(worker.abort().await), dispatch.attempt);
    let report = soon("the end", ending).await.expect("no panic");
    assert_eq!((report.finished, report.executions_cut), (false, 1));
}

#[tokio::test]
async fn streams_that_say_nothing_do_not_keep_it() {
    let coordinator = start(config()).await;
    let silent = FakeWorker::open(&coordinator).await;
    let raw = tokio::net::TcpStream::connect(coordinator.address())
        .await
        .expect("it listens");
    let report = soon("the end", coordinator.shutdown()).await;
    assert!(report.finished);
    drop((silent, raw));
}

#[tokio::test]
async fn the_address_is_free_after_the_end() {
    let coordinator = start(config()).await;
    let address = coordinator.address();
    soon("the end", coordinator.shutdown()).await;
    let mut config = config();
    config.listen = address;
    let again = start(config).await;
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn a_configuration_that_contradicts_itself_does_not_start() {
    let mut wrong = config();
    wrong.self_fence = wrong.lease;
    let error = toolwave_coordinator::Coordinator::start(wrong)
        .await
        .err()
        .expect("refused");
    assert!(error.to_string().contains("self_fence"), "{error}");
    let mut open = config();
    open.listen = "0.0.0.0:0".parse().expect("an address");
    let error = toolwave_coordinator::Coordinator::start(open)
        .await
        .err()
        .expect("refused");
    assert!(error.to_string().contains("insecure_allow_remote"), "{error}");
}
