//! Peers that do not read, read slowly, or are sent very much.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;
use toolwave_client::{CallExt as _, call, v1};
use toolwave_coordinator::config::Config;
use toolwave_proto::v1::{OpenSessionRequest, ProgressReport};
use toolwave_tests::{FakeWorker, Flow, PATIENCE};
use toolwave_worker::Worker;

use crate::support::{Gate, Net, answer, ask, fill, filler, impatient, plain, request, until, until_idle};

const MIB: usize = 1 << 20;
/// Far more small frames than h2 lets wait unread before it ends a connection (some thousands).
const SMALL_FRAMES: usize = 20_000;

/// E3: the coordinator reads whatever a worker sends, however small and many.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_frames_from_a_worker_end_nothing() {
    let net = Net::start(Config::embedded()).await;
    let register = FakeWorker::register("chatty", 1, &["talk"]);
    let mut worker = FakeWorker::open(&net.proxy.url(), register).await.unwrap();
    let client = net.client().await;
    let asked = ask(&client, vec![plain("talk")]);
    let attempt = worker.dispatch().await.unwrap().attempt.unwrap();
    for _ in 0..SMALL_FRAMES {
        let progress = vec![ProgressReport {
            attempt: Some(attempt),
            ..Default::default()
        }];
        let frame = OpenSessionRequest {
            progress,
            ..Default::default()
        };
        worker.send(frame).await.unwrap();
    }
    worker.succeed(attempt, "7").await.unwrap();
    let results = answer(asked).await;
    assert!(results[0].success, "{results:#?}");
    assert_eq!(net.proxy.accepted(), 1);
}

/// E3: a worker reads although it cannot write: what it is told in hundreds of small frames it has heard before a
/// byte of its own came through.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_write_reads_whatever_it_is_sent() {
    let (net, gate) = (Net::start(Config::embedded()).await, Gate::new());
    let builder = gate.worker("stuck", 8).tools([filler()]);
    let (hosted, client) = (net.host(builder).await, net.client().await);
    net.proxy.to_server().set(Flow::Stopped);
    // enough to fill every buffer on the way
    let asked = ask(&client, vec![fill(7 * MIB), fill(7 * MIB)]);
    for _ in 0..300 {
        client.drain_worker("stuck", true).await.unwrap();
        client.drain_worker("stuck", false).await.unwrap();
    }
    until("the worker has heard it", async || {
        hosted.handle.is_draining().then_some(())
    })
    .await;
    client.drain_worker("stuck", true).await.unwrap();
    until("the worker has heard it", async || {
        (!hosted.handle.is_draining()).then_some(())
    })
    .await;
    net.proxy.heal();
    let results = answer(asked).await;
    assert!(results.iter().all(|result| result.success));
    until_idle(&client, 1).await;
}

/// E4: a stream that its client does not read stops no other request of that client.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_do_not_hold_up_the_connection() {
    let net = Net::start(Config::embedded()).await;
    let builder = Worker::builder().name("w").slots(16).tools([filler()]);
    let (_hosted, client) = (net.host(builder).await, net.client().await);
    let mut unread = Vec::new();
    for _ in 0..3 {
        let calls = (0..4).map(|_| fill(4 * MIB)).collect();
        let stream = client.execute_parallel_stream(request(calls)).await.unwrap();
        unread.push(Box::pin(stream));
    }
    // their results are there, and more than the windows of their streams
    until("the calls have ended", async || {
        let idle = client.list_workers().await.unwrap()[0].in_flight == 0;
        idle.then_some(())
    })
    .await;
    let results = answer(ask(&client, vec![fill(1000)])).await;
    assert!(results[0].success);
    // and they are whole when they are read at last
    for mut stream in unread {
        let mut ended = 0;
        while let Some(event) = timeout(PATIENCE, stream.next()).await.unwrap() {
            ended += usize::from(matches!(
                event.unwrap().kind,
                Some(v1::execution_event::Kind::Result(_))
            ));
        }
        assert_eq!(ended, 4);
    }
}

/// F33: dispatches wait for nobody. A worker that does not read, and says that all is well, is closed; the others do
/// not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_read_is_closed_and_the_others_go_on() {
    let mut config = impatient();
    config.max_slots_per_worker = 4;
    let (net, gate) = (Net::start(config).await, Gate::new());
    let register = FakeWorker::register("deaf", 4, &["swallow"]);
    let mut deaf = FakeWorker::open(&net.proxy.url(), register).await.unwrap();
    let client = net.client().await;
    let _other = crate::support::host(&net.url(), gate.worker("other", 4)).await;
    gate.open();
    // more than any window: what follows waits in the coordinator
    let text = "x".repeat(3 * MIB);
    let swallow = || call("swallow", json!({ "text": text })).timeout(PATIENCE);
    let stuck = ask(&client, (0..3).map(|_| swallow()).collect());
    let closed = until("the worker that does not read is closed", async || {
        // it goes on to say that it lives, and what it has
        let _ = deaf.heartbeat(Vec::new(), 0).await;
        for resume in [false, true] {
            let _ = client.drain_worker("deaf", resume).await;
        }
        let others = answer(ask(&client, vec![plain("open"), plain("once")])).await;
        assert!(others.iter().all(|result| result.success), "{others:#?}");
        let listed = client.list_workers().await.unwrap();
        let ready =
            |worker: &&v1::WorkerStatus| worker.worker == "deaf" && worker.state() == v1::WorkerState::Ready;
        listed.iter().find(ready).is_none().then_some(())
    });
    closed.await;
    drop(deaf);
    let results = answer(stuck).await;
    assert!(results.iter().all(|result| !result.success), "{results:#?}");
    until("it is forgotten", async || {
        (client.list_workers().await.unwrap().len() == 1).then_some(())
    })
    .await;
}

/// F34: large results of all workers at once, over a line that is slow and then stands still for a moment, lose no
/// session: what is not acknowledged is bounded by slots, and readers always read.
#[tokio::test(flavor = "multi_thread")]
async fn large_results_of_all_workers_at_once_lose_no_session() {
    const WORKERS: usize = 4;
    let net = Arc::new(Net::start(Config::embedded()).await);
    let mut hosted = Vec::new();
    for index in 0..WORKERS {
        let builder = Worker::builder()
            .name(format!("w{index}"))
            .slots(4)
            .tools([filler()]);
        hosted.push(net.host(builder).await);
    }
    let client = net.client().await;
    net.proxy.to_server().set(Flow::Throttled(16 * MIB as u64));
    let calls = (0..4 * WORKERS).map(|_| fill(2 * MIB)).collect();
    let asked = ask(&client, calls);
    net.proxy.to_server().until_bytes(8 * MIB as u64).await.unwrap();
    // a coordinator that reads nothing for a moment
    net.proxy.to_server().set(Flow::Stopped);
    tokio::time::sleep(Duration::from_secs(1)).await;
    net.proxy.heal();
    let results = answer(asked).await;
    assert!(
        results
            .iter()
            .all(|result| result.success && result.attempts.len() == 1)
    );
    assert_eq!(net.proxy.accepted(), WORKERS as u64);
    until_idle(&client, WORKERS).await;
}
