//! `toolwave run` while the connection to its coordinator breaks, and before there is a coordinator.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use support::{Finished, Running, toolwave};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use toolwave_client::Client;
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_worker::{
    Worker,
    tools::{Builtin, builtin_tools},
};

const KEYED: &str = "calls: [{id: a, tool: sleep, idempotency_key: once, parameters: {milliseconds: 1500}}]";
const NOT_KEYED: &str = "calls: [{id: a, tool: sleep, parameters: {milliseconds: 1500}}]";

async fn coordinator(listen: SocketAddr) -> Coordinator {
    Coordinator::start(Config {
        listen,
        // its worker comes later than the plan
        startup_grace: Duration::from_secs(20),
        ..Config::embedded()
    })
    .await
    .unwrap()
}

fn run_at(directory: &std::path::Path, address: SocketAddr, flags: &[&str]) -> Command {
    let mut command = toolwave(directory);
    command
        .args(["run", "-", "--coordinator", &format!("http://{address}")])
        .args(flags);
    command
}

async fn finished(running: Running) -> Finished {
    tokio::task::spawn_blocking(move || running.finish())
        .await
        .unwrap()
}

/// Passes connections on until they are cut; later ones are passed on again.
struct Relay {
    address: SocketAddr,
    cut: Arc<Notify>,
    relaying: JoinHandle<()>,
}

impl Relay {
    async fn to(coordinator: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(Notify::new());
        let cutting = Arc::clone(&cut);
        let relaying = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (mut client, _) = accepted.unwrap();
                        connections.spawn(async move {
                            let mut onward = TcpStream::connect(coordinator).await?;
                            copy_bidirectional(&mut client, &mut onward).await
                        });
                    }
                    () = cutting.notified() => connections.shutdown().await,
                }
            }
        });
        Self {
            address,
            cut,
            relaying,
        }
    }
}

/// What becomes of a plan whose connection breaks once its call runs.
async fn run_through_a_break(plan: &str, flags: &[&str]) -> Finished {
    let coordinator = coordinator("127.0.0.1:0".parse().unwrap()).await;
    let address = coordinator.address();
    let worker = Worker::builder()
        .coordinator(format!("http://{address}"))
        .name("anna")
        .tools(builtin_tools(&Builtin::default()).unwrap())
        .build()
        .unwrap();
    let handle = worker.handle();
    let stop = CancellationToken::new();
    let worker = tokio::spawn(worker.run_until(stop.clone()));
    handle.registered().await;
    let relay = Relay::to(address).await;

    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(&mut run_at(directory.path(), relay.address, flags), Some(plan));
    let client = Client::connect(format!("http://{address}")).await.unwrap();
    let runs = async {
        while client.list_workers().await.unwrap()[0].in_flight == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), runs).await.unwrap();
    relay.cut.notify_one();
    let finished = finished(running).await;
    relay.relaying.abort();
    stop.cancel();
    worker.await.unwrap().unwrap();
    coordinator.shutdown().await;
    finished
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_whose_calls_have_keys_is_sent_again_when_the_connection_breaks() {
    let finished = run_through_a_break(KEYED, &["--resubmit", "keyed", "--patience", "60s"]).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stderr.contains("note: sent again") && finished.stderr.contains("calls may have run there"),
        "{finished:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_may_have_run_is_not_sent_again_unless_that_is_allowed() {
    for (plan, flags) in [
        (KEYED, &["--patience", "60s"][..]),
        (NOT_KEYED, &["--resubmit", "keyed", "--patience", "60s"]),
    ] {
        let finished = run_through_a_break(plan, flags).await;
        assert!(finished.code != Some(0), "{finished:?}");
        assert!(!finished.stderr.contains("sent again"), "{finished:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_not_there_yet_is_waited_for_with_patience() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let plan = "calls: [{id: a, tool: calculator, parameters: {expression: 1 + 1}}]";
    let directory = tempfile::tempdir().unwrap();
    let impatient = Running::start(&mut run_at(directory.path(), address, &[]), Some(plan));
    assert_eq!(finished(impatient).await.code, Some(69));

    for flags in [&["--patience", "60s"][..], &["--resubmit", "keyed"]] {
        // it has looked, and found none
        let nobody = TcpListener::bind(address).await.unwrap();
        let patient = Running::start(&mut run_at(directory.path(), address, flags), Some(plan));
        let looked = tokio::time::timeout(Duration::from_secs(20), nobody.accept()).await;
        drop(looked.unwrap().unwrap());
        drop(nobody);
        let coordinator = coordinator(address).await;
        let worker = Worker::builder()
            .coordinator(format!("http://{address}"))
            .name("anna")
            .tools(builtin_tools(&Builtin::default()).unwrap())
            .build()
            .unwrap();
        let stop = CancellationToken::new();
        let worker = tokio::spawn(worker.run_until(stop.clone()));
        let finished = finished(patient).await;
        assert_eq!(finished.code, Some(0), "{flags:?}: {finished:?}");
        stop.cancel();
        worker.await.unwrap().unwrap();
        coordinator.shutdown().await;
    }
}
