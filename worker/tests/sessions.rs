//! How a worker comes back, and how it leaves.

mod common;

use common::{
    FakeCoordinator, Gate, Running, attempt, dispatch, duration, refusing_address, registered, within,
    worker, worker_for,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use toolwave_proto::v1::{
    AttemptFailureKind, Dispatch, OpenSessionResponse, Registered, SetDraining, Shutdown,
};

#[tokio::test]
async fn a_stream_that_ends_is_opened_again_with_everything_in_flight() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut first, register) = coordinator.accept().await;
    let instance = register.instance_id;
    first.acknowledges = false;
    first
        .dispatch([
            dispatch(1, "hold", r#"{"text":"one"}"#),
            dispatch(2, "echo", r#"{"text":"two"}"#),
        ])
        .await;
    gate.wait_begun().await;
    assert_eq!(first.result(attempt(2)).await, r#""two""#);
    drop(first);

    let (mut second, register) = coordinator.accept().await;
    assert_eq!(register.instance_id, instance);
    assert_eq!(register.coordinator_id, "coordinator");
    let mut in_flight = register.in_flight.clone();
    in_flight.sort_unstable_by_key(|attempt| attempt.execution);
    assert_eq!(in_flight, [attempt(1), attempt(2)]);
    // what was not acknowledged is told again, with a number of the new session
    assert_eq!(second.result(attempt(2)).await, r#""two""#);
    assert_eq!(second.said.results[0].sequence, 1);
    gate.let_go.add_permits(1);
    assert_eq!(second.result(attempt(1)).await, r#""one""#);
    assert_eq!(second.said.results.len(), 2, "each once");
    assert_eq!(gate.dropped.available_permits(), 0, "what ran went on");
}

#[tokio::test]
async fn what_was_acknowledged_is_not_told_again() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut first, _) = coordinator.session().await;
    first
        .register(Registered {
            heartbeat_interval: duration(20),
            ..registered()
        })
        .await;
    first.dispatch([dispatch(1, "echo", "{}")]).await;
    first.result(attempt(1)).await;
    first
        .until(|said| {
            said.heartbeats
                .back()
                .is_some_and(|beat| beat.in_flight.is_empty())
        })
        .await;
    drop(first);
    let (mut second, register) = coordinator.accept().await;
    assert!(register.in_flight.is_empty());
    second.dispatch([dispatch(2, "echo", "{}")]).await;
    second.result(attempt(2)).await;
    assert_eq!(second.said.results.len(), 1);
}

#[tokio::test]
async fn a_large_result_that_was_cut_off_is_told_again_from_its_beginning() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut first, _) = coordinator.accept().await;
    first.acknowledges = false;
    let text = "z".repeat(60 << 10);
    let parameters = format!(r#"{{"text":"{text}{}"}}"#, "z".repeat(1 << 20));
    first.dispatch([dispatch(1, "hold", &parameters)]).await;
    gate.wait_begun().await;
    gate.let_go.add_permits(1);
    first.until(|said| said.payloads.contains_key(&attempt(1))).await;
    drop(first);
    let (mut second, _) = coordinator.accept().await;
    assert_eq!(second.result(attempt(1)).await.len(), (60 << 10) + (1 << 20) + 2);
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_stopped_and_forgotten() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut first, _) = coordinator.accept().await;
    first.acknowledges = false;
    first
        .dispatch([dispatch(1, "hold", "{}"), dispatch(2, "echo", "{}")])
        .await;
    gate.wait_begun().await;
    first.result(attempt(2)).await;
    drop(first);
    let (mut second, _) = coordinator.session().await;
    second
        .register(Registered {
            unwanted: vec![attempt(1), attempt(2)],
            ..registered()
        })
        .await;
    gate.wait_dropped().await;
    // the slot's end is told, the forgotten result is not
    assert_eq!(
        second.failure(attempt(1)).await.kind(),
        AttemptFailureKind::Aborted
    );
    second
        .dispatch([dispatch(3, "echo", "{}"), dispatch(4, "echo", "{}")])
        .await;
    second.result(attempt(3)).await;
    second.result(attempt(4)).await;
    assert!(second.said.result(attempt(2)).is_none());
}

#[tokio::test]
async fn nothing_of_another_coordinator_is_told_to_a_new_one() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut first, _) = coordinator.accept().await;
    first.acknowledges = false;
    first
        .dispatch([
            dispatch(1, "hold", r#"{"text":"old"}"#),
            dispatch(2, "echo", r#"{"text":"old"}"#),
        ])
        .await;
    gate.wait_begun().await;
    first.result(attempt(2)).await;
    drop(first);
    let (mut second, _) = coordinator.session().await;
    second
        .register(Registered {
            coordinator_id: "another".to_owned(),
            ..registered()
        })
        .await;
    gate.wait_dropped().await;
    // the same names are other attempts here
    second.dispatch([dispatch(2, "echo", r#"{"text":"new"}"#)]).await;
    assert_eq!(second.result(attempt(2)).await, r#""new""#);
    second.dispatch([dispatch(1, "echo", r#"{"text":"new"}"#)]).await;
    assert_eq!(second.result(attempt(1)).await, r#""new""#);
    assert_eq!(second.said.results.len(), 2);
}

#[tokio::test]
async fn parameters_cut_off_by_a_lost_session_are_proof_that_the_attempt_did_not_run() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut first, _) = coordinator.accept().await;
    first
        .dispatch([
            Dispatch {
                parameters_size: 100_000,
                ..dispatch(1, "echo", "")
            },
            dispatch(2, "echo", "{}"),
        ])
        .await;
    first.result(attempt(2)).await;
    drop(first);
    let (mut second, register) = coordinator.accept().await;
    assert!(register.in_flight.contains(&attempt(1)));
    let failure = second.failure(attempt(1)).await;
    assert_eq!(
        (failure.kind(), failure.code.as_str()),
        (AttemptFailureKind::Refused, "PARAMETERS_LOST")
    );
}

#[tokio::test]
async fn a_session_that_is_refused_or_breaks_the_protocol_is_tried_again() {
    let mut coordinator = FakeCoordinator::start().await;
    let running = Running::start(worker(&coordinator, &Gate::new()));
    let (refused, _) = coordinator.session().await;
    drop(refused);
    let (strange, _) = coordinator.session().await;
    strange
        .register(Registered {
            protocol: 99,
            ..registered()
        })
        .await;
    let (mut wrong, _) = coordinator.accept().await;
    wrong.acknowledge(7).await;
    wrong.until(|said| said.ended).await;
    let (mut good, _) = coordinator.accept().await;
    good.dispatch([dispatch(1, "echo", "{}")]).await;
    good.result(attempt(1)).await;
    assert!(running.handle.is_registered());
}

#[tokio::test]
async fn a_worker_waits_for_a_coordinator_that_is_not_there_yet() {
    let (socket, address) = refusing_address();
    let running = Running::start(worker_for(address, &Gate::new()));
    tokio::task::yield_now().await;
    assert!(!running.handle.is_registered());
    let mut coordinator = FakeCoordinator::serve(socket.listen(16).unwrap());
    let _session = coordinator.accept().await;
    assert!(within(running.handle.registered()).await);
}

#[tokio::test]
async fn a_drain_finishes_what_runs_refuses_the_rest_and_says_goodbye() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let mut running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch([dispatch(1, "hold", r#"{"text":"kept"}"#)])
        .await;
    gate.wait_begun().await;
    running.handle.drain();
    session.until(|said| said.draining).await;
    assert!(running.handle.is_draining());
    session.dispatch([dispatch(2, "echo", "{}")]).await;
    assert_eq!(session.failure(attempt(2)).await.code, "WORKER_DRAINING");
    assert!(!session.said.goodbye);
    gate.let_go.add_permits(1);
    assert_eq!(session.result(attempt(1)).await, r#""kept""#);
    session.until(|said| said.goodbye).await;
    drop(session);
    running.ended().await;
}

#[tokio::test]
async fn goodbye_waits_for_the_acknowledgement_of_every_result() {
    let mut coordinator = FakeCoordinator::start().await;
    let mut running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, _) = coordinator.accept().await;
    session.acknowledges = false;
    session.dispatch([dispatch(1, "echo", "{}")]).await;
    session.result(attempt(1)).await;
    running.handle.drain();
    // the worker asks with a heartbeat instead of waiting for the next
    session
        .until(|said| said.draining && !said.heartbeats.is_empty())
        .await;
    assert!(!session.said.goodbye);
    session.acknowledge(1).await;
    session.until(|said| said.goodbye).await;
    drop(session);
    running.ended().await;
}

#[tokio::test]
async fn a_drain_whose_time_is_over_stops_what_runs_and_tells_its_end() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let builder = worker(&coordinator, &gate).drain_timeout(std::time::Duration::from_millis(50));
    let mut running = Running::start(builder);
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "hold", "{}")]).await;
    gate.wait_begun().await;
    running.handle.drain();
    let failure = session.failure(attempt(1)).await;
    assert_eq!(
        (failure.kind(), failure.code.as_str()),
        (AttemptFailureKind::Fenced, "WORKER_STOPPED")
    );
    session.until(|said| said.goodbye).await;
    drop(session);
    running.ended().await;
}

#[tokio::test]
async fn a_drain_without_a_coordinator_ends_at_once() {
    let (_socket, address) = refusing_address();
    let mut running = Running::start(worker_for(address, &Gate::new()));
    running.handle.drain();
    running.ended().await;
    assert!(!running.handle.registered().await);
}

#[tokio::test]
async fn an_operators_drain_outlives_the_session_and_is_taken_back() {
    let mut coordinator = FakeCoordinator::start().await;
    let running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut first, _) = coordinator.accept().await;
    let set = |draining| OpenSessionResponse {
        set_draining: Some(SetDraining { draining }),
        ..Default::default()
    };
    first.send(set(true)).await;
    first.dispatch([dispatch(1, "echo", "{}")]).await;
    assert_eq!(first.failure(attempt(1)).await.code, "WORKER_DRAINING");
    assert!(running.handle.is_draining());
    drop(first);
    let (mut second, register) = coordinator.accept().await;
    assert!(register.draining);
    second.send(set(false)).await;
    second.dispatch([dispatch(2, "echo", "{}")]).await;
    second.result(attempt(2)).await;
    assert!(!running.handle.is_draining());
}

#[tokio::test]
async fn a_worker_finishes_under_a_coordinator_that_goes_away_and_comes_back() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut first, _) = coordinator.accept().await;
    first.dispatch([dispatch(1, "hold", "{}")]).await;
    gate.wait_begun().await;
    let shutdown = Some(Shutdown {
        reconnect_after: duration(1),
    });
    first
        .send(OpenSessionResponse {
            shutdown,
            ..Default::default()
        })
        .await;
    // the rest of its executions still comes here
    first.dispatch([dispatch(2, "echo", "{}")]).await;
    first.result(attempt(2)).await;
    gate.let_go.add_permits(1);
    first.result(attempt(1)).await;
    assert!(!first.said.goodbye);
    drop(first);
    coordinator.accept().await;
}

#[tokio::test]
async fn health_is_serving_exactly_while_registered_and_not_draining() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let mut running = Running::start(worker(&coordinator, &gate).health("127.0.0.1:0".parse().unwrap()));
    let (mut session, _) = coordinator.session().await;
    let address = running
        .handle
        .health_address()
        .expect("health is served before the worker dials");
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let request = || HealthCheckRequest {
        service: "toolwave.worker".to_owned(),
    };
    let mut watch = client.watch(request()).await.unwrap().into_inner();
    let mut seen = Vec::new();
    assert_eq!(
        within(client.check(request()))
            .await
            .unwrap()
            .into_inner()
            .status(),
        ServingStatus::NotServing,
        "not registered"
    );
    session.register(registered()).await;
    session.dispatch([dispatch(1, "hold", "{}")]).await;
    while seen.last() != Some(&ServingStatus::Serving) {
        seen.push(within(watch.message()).await.unwrap().unwrap().status());
    }
    gate.wait_begun().await;
    running.handle.drain();
    assert_eq!(
        within(watch.message()).await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    let overall = client
        .check(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(overall.status(), ServingStatus::NotServing);
    gate.let_go.add_permits(1);
    session.until(|said| said.goodbye).await;
    drop(session);
    running.ended().await;
}
