//! Which coordinators a worker finds: by a name whose addresses change, by what coordinators tell, and one that has
//! several addresses.

use std::time::Duration;

use toolwave_coordinator::config::Config;
use toolwave_tests::{PATIENCE, Proxy};
use toolwave_worker::Worker;

use crate::rig::{
    Counted, Hosted, Names, all_at_once, client, coordinator, coordinator_with, slots_become, works,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_follows_the_addresses_of_a_name() {
    let (a, b) = (coordinator().await, coordinator().await);
    let counted = Counted::default();
    let names = Names::of(&[a.address()]);
    let worker = Hosted::named(&names, 4, &counted);
    worker.connected_to(1).await;
    names.set(&[a.address(), b.address()]);
    worker.connected_to(2).await;
    all_at_once(&client(&b).await.execute_parallel(works(1, 4)).await.unwrap());
    // what is open stays, whatever the name says: a coordinator that drains is named no more
    names.set(&[b.address()]);
    let of_a = client(&a).await;
    let running = tokio::spawn(async move { of_a.execute_parallel(works(6_500, 1)).await });
    all_at_once(&running.await.unwrap().unwrap());
    assert_eq!(worker.handle.coordinators_connected(), 2);
    a.shutdown().await;
    worker.connected_to(1).await;
    slots_become(&client(&b).await, 4).await;
    worker.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_cannot_be_looked_up_keeps_its_addresses_and_is_asked_again() {
    let a = coordinator().await;
    let (counted, names) = (Counted::default(), Names::default());
    let worker = Hosted::named(&names, 1, &counted);
    names.set(&[a.address()]);
    worker.connected_to(1).await;
    all_at_once(&client(&a).await.execute_parallel(works(1, 1)).await.unwrap());
    worker.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_tells_its_workers_of_others() {
    let b = coordinator().await;
    let config = Config {
        peers: vec![
            format!("http://{}", b.address()),
            "https://127.0.0.1:9".to_owned(),
        ],
        ..Config::embedded()
    };
    let a = coordinator_with(config).await;
    let counted = Counted::default();
    let builder = Worker::builder().coordinator(format!("http://{}", a.address()));
    let worker = Hosted::start("w1", 4, builder.tools([counted.tool()]));
    worker.connected_to(2).await;
    slots_become(&client(&b).await, 2).await;
    // the session with the one that was told of goes on without the one that told
    a.shutdown().await;
    let of_b = client(&b).await;
    slots_become(&of_b, 4).await;
    all_at_once(&of_b.execute_parallel(works(1, 4)).await.unwrap());
    worker.leave().await;
}

/// IPv4 and IPv6, a service's address beside those of its pods: the session that there is goes on, and the other
/// address is tried when it has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_addresses_of_one_coordinator_make_one_session() {
    let a = coordinator().await;
    let proxy = Proxy::start(a.address()).await.unwrap();
    let counted = Counted::default();
    let names = Names::of(&[proxy.address()]);
    let worker = Hosted::named(&names, 2, &counted);
    worker.connected_to(1).await;
    let of_a = client(&a).await;
    let running = {
        let of_a = of_a.clone();
        tokio::spawn(async move { of_a.execute_parallel(works(7_000, 2)).await })
    };
    names.set(&[proxy.address(), a.address()]);
    // longer than a lookup takes: the other address has been tried, and what runs has not noticed
    all_at_once(&running.await.unwrap().unwrap());
    assert_eq!((worker.handle.coordinators_connected(), counted.runs()), (1, 2));
    let before = of_a.list_workers().await.unwrap();
    assert_eq!((before.len(), before[0].slots), (1, 2), "the whole worker, once");
    drop(proxy);
    // awaited at its address for ten seconds, then taken by the other
    worker.connected_to(0).await;
    let back = tokio::time::timeout(
        PATIENCE.max(Duration::from_secs(30)),
        worker.handle.connected_to(1),
    );
    assert!(back.await.unwrap());
    all_at_once(&of_a.execute_parallel(works(1, 4)).await.unwrap());
    worker.leave().await;
}
