//! A worker's slots among its coordinators.

use std::time::Duration;

use tokio::task::JoinSet;
use toolwave_coordinator::config::Config;
use toolwave_worker::Worker;

use crate::rig::{
    Counted, Hosted, Names, all_at_once, client, coordinator, coordinator_with, slots_become, works,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slots_are_divided_and_what_a_coordinator_leaves_goes_to_the_others() {
    let (a, b) = (coordinator().await, coordinator().await);
    let counted = Counted::default();
    let names = Names::of(&[a.address(), b.address()]);
    let worker = Hosted::named(&names, 5, &counted);
    worker.connected_to(2).await;
    let (of_a, of_b) = (client(&a).await, client(&b).await);
    let mut shares = [0; 2];
    for _ in 0..500 {
        for (share, client) in shares.iter_mut().zip([&of_a, &of_b]) {
            *share = client
                .list_workers()
                .await
                .unwrap()
                .iter()
                .map(|worker| worker.slots)
                .sum();
        }
        if shares.iter().sum::<u32>() == 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shares.sort_unstable();
    assert_eq!(shares, [2, 3]);
    b.shutdown().await;
    slots_become(&of_a, 5).await;
    worker.leave().await;
    a.shutdown().await;
}

/// Three coordinators are each given more than the worker has slots for, while they leave and come back one after the
/// other: the tool never sees more at once than slots, and no call runs twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_calls_run_than_slots_while_coordinators_come_and_go() {
    const SLOTS: u32 = 4;
    let mut coordinators = vec![coordinator().await, coordinator().await, coordinator().await];
    let addresses: Vec<_> = coordinators
        .iter()
        .map(|coordinator| coordinator.address())
        .collect();
    let counted = Counted::default();
    let worker = Hosted::named(&Names::of(&addresses), SLOTS, &counted);
    worker.connected_to(3).await;
    let mut calls = 0;
    for round in 0..6 {
        let mut executions = JoinSet::new();
        for coordinator in &coordinators {
            let client = client(coordinator).await;
            calls += 20;
            executions.spawn(async move { client.execute_parallel(works(5, 20)).await });
        }
        let at = round % coordinators.len();
        let leaving = coordinators.remove(at);
        let address = leaving.address();
        // it lets what it has accepted end
        while counted.runs() < calls - 40 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        leaving.shutdown().await;
        let config = Config {
            listen: address,
            ..Config::embedded()
        };
        coordinators.insert(at, coordinator_with(config).await);
        while let Some(answer) = executions.join_next().await {
            all_at_once(&answer.unwrap().unwrap());
        }
        worker.connected_to(3).await;
    }
    assert_eq!(counted.runs(), calls, "each call once");
    assert!(counted.most() <= SLOTS, "{} ran at once", counted.most());
    assert_eq!(counted.most(), SLOTS, "all slots were used");
    worker.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_fewer_slots_than_coordinators_serves_some_and_then_the_others() {
    let (a, b) = (coordinator().await, coordinator().await);
    let counted = Counted::default();
    let worker = Hosted::named(&Names::of(&[a.address(), b.address()]), 1, &counted);
    worker.connected_to(2).await;
    let (of_a, of_b) = (client(&a).await, client(&b).await);
    let executions = [of_a.clone(), of_b.clone()]
        .map(|client| tokio::spawn(async move { client.execute_parallel(works(1, 3)).await }));
    while counted.runs() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let served_a = of_a.list_workers().await.unwrap()[0].slots == 1;
    let (served, other) = if served_a { (a, b) } else { (b, a) };
    served.shutdown().await;
    for execution in executions {
        all_at_once(&execution.await.unwrap().unwrap());
    }
    assert_eq!((counted.runs(), counted.most()), (6, 1));
    worker.leave().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_urls_are_several_coordinators() {
    let (a, b) = (coordinator().await, coordinator().await);
    let urls = [&a, &b].map(|coordinator| format!("http://{}", coordinator.address()));
    let counted = Counted::default();
    let worker = Hosted::start(
        "w1",
        2,
        Worker::builder().coordinators(urls).tools([counted.tool()]),
    );
    worker.connected_to(2).await;
    for coordinator in [&a, &b] {
        all_at_once(
            &client(coordinator)
                .await
                .execute_parallel(works(1, 2))
                .await
                .unwrap(),
        );
    }
    worker.leave().await;
}
