//! Clients of several coordinators: which errors make them carry on with another, and what is never sent twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use toolwave_client::{Client, ClientBuilder, ClientError, Resubmit};
use toolwave_coordinator::{Coordinator, config::Config};

use crate::rig::{Counted, Hosted, Names, all_at_once, coordinator, coordinator_with, url, works};

/// A client that has asked `first` and may ask `second`.
async fn client_of(
    names: &Names,
    first: &Coordinator,
    second: &Coordinator,
    builder: ClientBuilder,
) -> Client {
    names.set(&[first.address()]);
    let client = builder.resolver(names.resolver()).connect().await.unwrap();
    names.set(&[first.address(), second.address()]);
    client
}

/// Two coordinators with a worker that serves both, and the names of both.
async fn two() -> (Coordinator, Coordinator, Hosted, Counted) {
    let (a, b) = (coordinator().await, coordinator().await);
    let counted = Counted::default();
    let worker = Hosted::named(&Names::of(&[a.address(), b.address()]), 8, &counted);
    worker.connected_to(2).await;
    (a, b, worker, counted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_drains_loses_no_request_and_its_clients_move_on() {
    let (a, b, worker, counted) = two().await;
    let client = client_of(&Names::default(), &a, &b, Client::builder(url())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        load.spawn(async move {
            let mut calls = 0;
            while !stop.load(Ordering::SeqCst) {
                let executed = client.execute(works(5, 3)).await.unwrap();
                all_at_once(&executed.response);
                assert!(executed.resubmissions.iter().all(|again| !again.may_have_run));
                calls += 3;
            }
            calls
        });
    }
    while counted.runs() < 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    a.shutdown().await;
    let then = counted.runs();
    while counted.runs() < then + 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut calls = 0;
    while let Some(answered) = load.join_next().await {
        calls += answered.unwrap();
    }
    assert_eq!(counted.runs(), calls, "each call once");
    worker.leave().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_coordinator_is_left_for_another() {
    let full = coordinator_with(Config {
        max_queued_calls: 1,
        ..Config::embedded()
    })
    .await;
    let other = coordinator().await;
    let counted = Counted::default();
    let worker = Hosted::named(&Names::of(&[full.address(), other.address()]), 8, &counted);
    worker.connected_to(2).await;
    let client = client_of(&Names::default(), &full, &other, Client::builder(url())).await;
    let executed = client.execute(works(1, 4)).await.unwrap();
    all_at_once(&executed.response);
    let [again] = &*executed.resubmissions else {
        panic!("one was full: {:?}", executed.resubmissions);
    };
    assert!(again.from.contains(&full.address().to_string()) && again.reason.contains("overloaded"));
    assert!(!again.may_have_run);
    worker.leave().await;
}

/// Begins an execution at `a`, ends `a` without a word when it runs, and answers what the client gets.
async fn killed_under(
    builder: ClientBuilder,
    keyed: usize,
) -> (Result<toolwave_client::Executed, ClientError>, u32) {
    let (a, b, _worker, counted) = two().await;
    let client = client_of(&Names::default(), &a, &b, builder).await;
    let mut request = works(300, 2);
    for call in request.calls.iter_mut().take(keyed) {
        call.idempotency_key = "key".to_owned();
    }
    let execution = tokio::spawn(async move { client.execute(request).await });
    while counted.runs() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(a);
    let executed = execution.await.unwrap();
    (executed, counted.runs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_run_is_an_error_unless_the_caller_says_that_it_may_run_twice() {
    for (builder, keyed) in [
        (Client::builder(url()), 2),
        (Client::builder(url()).resubmit(Resubmit::Never), 2),
        (Client::builder(url()).resubmit(Resubmit::Keyed), 1),
    ] {
        let (executed, runs) = killed_under(builder, keyed).await;
        let error = executed.unwrap_err();
        let uncertain = matches!(
            error,
            ClientError::ConnectionLost { .. } | ClientError::Stopped { .. }
        );
        assert!(uncertain && runs == 2, "{runs} runs: {error:?}");
    }
    for (builder, keyed) in [
        (Client::builder(url()).resubmit(Resubmit::Keyed), 2),
        (Client::builder(url()).resubmit(Resubmit::Always), 0),
    ] {
        let (executed, runs) = killed_under(builder, keyed).await;
        let executed = executed.unwrap();
        all_at_once(&executed.response);
        let [again] = &*executed.resubmissions else {
            panic!("one was killed: {:?}", executed.resubmissions);
        };
        assert!(again.may_have_run && runs == 4, "{runs} runs: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_coordinator_a_request_waits_as_long_as_it_may_and_no_longer() {
    let (a, b) = (coordinator().await, coordinator().await);
    let patient = Client::builder(url()).patience(Duration::from_millis(700));
    let client = client_of(&Names::default(), &a, &b, patient).await;
    let hurried = client_of(&Names::default(), &a, &b, Client::builder(url())).await;
    let address = b.address();
    a.shutdown().await;
    b.shutdown().await;
    let asked_at = Instant::now();
    let error = client.execute_parallel(works(1, 1)).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(asked_at.elapsed() < Duration::from_secs(20));
    // its own timeout is shorter than the patience of clients of several
    let mut request = works(1, 1);
    request.timeout = Some(toolwave_client::proto_duration(Duration::from_millis(500)));
    let error = hurried.execute_parallel(request).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    // one that comes in time is found
    let waiting = tokio::spawn(async move { hurried.list_tools().await });
    let back = coordinator_with(Config {
        listen: address,
        ..Config::embedded()
    })
    .await;
    assert!(waiting.await.unwrap().unwrap().is_empty());
    back.shutdown().await;
}
