//! Rules of the transport: sizes, shutdown, and who reconnects when.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use tokio::time::timeout;
use toolwave_client::{CallExt as _, v1};
use toolwave_coordinator::config::Config;
use toolwave_tests::{Flow, PATIENCE};
use toolwave_worker::Worker;

use crate::support::{Gate, Net, answer, ask, fill, filler, impatient, plain, request, until_idle};

const MIB: usize = 1 << 20;

/// E5: a large result travels in pieces, between which small results and heartbeats pass.
#[tokio::test(flavor = "multi_thread")]
async fn small_results_and_heartbeats_pass_a_large_result_on_a_slow_line() {
    const LARGE: usize = 6 * MIB;
    // the large result takes longer than the lease: without heartbeats in between the session is lost
    let (net, gate) = (Net::start(impatient()).await, Gate::new());
    let (_hosted, client) = (
        net.host(gate.worker("slow", 8).tools([filler()])).await,
        net.client().await,
    );
    net.proxy.to_server().set(Flow::Throttled(MIB as u64));
    let before = net.proxy.to_server().bytes();
    let large = ask(&client, vec![fill(LARGE)]);
    net.proxy
        .to_server()
        .until_bytes(before + MIB as u64)
        .await
        .unwrap();
    let asked_at = net.proxy.to_server().bytes();
    gate.open();
    let small = answer(ask(&client, vec![plain("open"), plain("once")])).await;
    let passed = net.proxy.to_server().bytes() - asked_at;
    assert!(small.iter().all(|result| result.success), "{small:#?}");
    // of the large one at most a window and what sockets hold was before it
    assert!(
        passed < 2 * MIB as u64,
        "{passed} bytes passed before the small results"
    );
    assert!(!large.is_finished(), "the large result passed first");
    let large = answer(large).await;
    assert!(
        large[0].success && large[0].attempts.len() == 1,
        "{:?}",
        large[0].attempts
    );
    assert_eq!(net.proxy.accepted(), 1, "the session was lost");
}

/// E6: what is too large is refused where it is made; nothing else of the session is lost.
#[tokio::test(flavor = "multi_thread")]
async fn results_and_parameters_that_are_too_large_cost_their_call_and_nothing_else() {
    let config = Config {
        max_result_bytes: 2 * MIB as u64,
        ..Config::embedded()
    };
    let (net, gate) = (Net::start(config).await, Gate::new());
    let builder = gate.worker("limits", 8).tools([filler()]);
    let builder = builder
        .max_parameters_bytes(64 * 1024)
        .max_result_bytes(4 * MIB as u64);
    let (_hosted, client) = (net.host(builder).await, net.client().await);
    let waiting = ask(&client, vec![plain("once").id("once")]);
    gate.until_executed("once", 1).await;
    let text = "x".repeat(100_000);
    let results = answer(ask(
        &client,
        vec![
            fill(MIB),
            // beyond what the coordinator takes, and beyond what the worker sends
            fill(3 * MIB),
            fill(5 * MIB),
            toolwave_client::call("open", serde_json::json!({ "text": text })),
        ],
    ))
    .await;
    assert!(results[0].success, "{:?}", results[0].error);
    for result in &results[1..3] {
        assert_eq!(result.outcome(), v1::Outcome::Failed);
        assert_eq!(
            result.error.as_ref().map(|error| error.code.as_str()),
            Some("RESULT_TOO_LARGE")
        );
    }
    assert!(!results[3].success, "the worker takes no such parameters");
    assert_eq!(gate.ledger.executed("3"), 0);
    gate.open();
    assert!(answer(waiting).await[0].success);
    assert_eq!(net.proxy.accepted(), 1, "the session was lost");
}

/// E7: streams that nobody ends, of peers that do not answer, do not keep a coordinator that is told to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_with_streams_to_dead_peers_ends_by_its_deadline() {
    let config = Config {
        drain_timeout: Duration::from_millis(500),
        ..Config::embedded()
    };
    let (net, gate) = (Net::start(config).await, Gate::new());
    let _hosted = net.host(gate.worker("dead", 2)).await;
    let behind = toolwave_client::Client::connect(net.proxy.url()).await.unwrap();
    let mut events = Box::pin(
        behind
            .execute_parallel_stream(request(vec![plain("once").id("once")]))
            .await
            .unwrap(),
    );
    assert!(events.next().await.unwrap().is_ok());
    gate.until_executed("once", 1).await;
    net.proxy.set(Flow::Stopped);
    let began = Instant::now();
    let report = timeout(PATIENCE, net.coordinator.shutdown()).await.unwrap();
    assert_eq!((report.finished, report.executions_cut), (false, 1));
    // the drain's time, then last words to the driver, the server and the readers: 5 s, 2 s twice, 5 s
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// E8: a connection is ended by a message and not for its age: with a grace set, tonic cuts without GOAWAY.
#[test]
fn no_connection_is_ended_for_its_age() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<PathBuf> = ["coordinator", "worker", "client", "cli"]
        .map(|part| root.join(part).join("src"))
        .into();
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("max_connection_age"), "{}", path.display());
        }
    }
    assert!(read > 100, "only {read} files");
}

/// E8: workers that are told when to come back come not before, not all at once, and take up what they had.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_told_to_come_back_later_come_later_and_spread_out() {
    const WORKERS: usize = 20;
    let config = Config {
        drain_timeout: Duration::from_millis(200),
        ..Config::embedded()
    };
    let net = Net::start(config).await;
    let mut hosted = Vec::new();
    for index in 0..WORKERS {
        let builder = Worker::builder()
            .name(format!("w{index}"))
            .slots(1)
            .tools([filler()]);
        hosted.push(net.host(builder).await);
    }
    let Net { coordinator, proxy } = net;
    let address = coordinator.address();
    timeout(PATIENCE, coordinator.shutdown()).await.unwrap();
    let gone = Instant::now();
    let config = Config {
        listen: address,
        ..Config::embedded()
    };
    let again = Net {
        coordinator: toolwave_coordinator::Coordinator::start(config).await.unwrap(),
        proxy,
    };
    let mut came = Vec::new();
    for index in 1..=WORKERS {
        again
            .proxy
            .until_accepted((WORKERS + index) as u64)
            .await
            .unwrap();
        came.push(gone.elapsed());
    }
    // a second was said, which some began to wait while the coordinator still ended
    assert!(came[0] >= Duration::from_millis(500), "{came:?}");
    let spread = *came.last().unwrap() - came[0];
    assert!(spread >= Duration::from_millis(20), "all came at once: {came:?}");
    until_idle(&again.client().await, WORKERS).await;
}

/// E2: heartbeats that take a second there and back are heartbeats.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_is_no_dead_line() {
    let (net, gate) = (Net::start(impatient()).await, Gate::new());
    let (_hosted, client) = (net.host(gate.worker("far", 4)).await, net.client().await);
    net.proxy.set(Flow::Delayed(Duration::from_millis(400)));
    let asked = ask(&client, vec![plain("once").id("once")]);
    gate.until_executed("once", 1).await;
    // longer than the lease
    tokio::time::sleep(Duration::from_secs(4)).await;
    gate.open();
    let results = answer(asked).await;
    assert!(
        results[0].success && results[0].attempts.len() == 1,
        "{results:#?}"
    );
    assert_eq!(net.proxy.accepted(), 1, "the session was lost");
}
