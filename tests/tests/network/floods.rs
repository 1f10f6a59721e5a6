//! More than there is room for: requests, and resets.

use tokio::{net::TcpStream, sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;
use toolwave_client::{CallExt as _, Client, ClientError, v1};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_tests::{Binaries, Processes, Profile};

use crate::support::{Gate, answer, ask, client, host, plain, request, until_idle};

/// Requests that are answered while the flood goes on.
const BESIDE: usize = 50;

/// F28: the queue is bounded; what does not fit is refused whole, with the time after which to try again, and what
/// was accepted is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_of_clients_is_refused_beyond_the_queue_and_told_when_to_come_back() {
    const HERD: usize = 2_000;
    const QUEUE: usize = 200;
    const SLOTS: u32 = 8;
    let config = Config {
        max_queued_calls: QUEUE,
        ..Config::embedded()
    };
    let coordinator = Coordinator::start(config).await.unwrap();
    let gate = Gate::new();
    let _hosted = host(
        &format!("http://{}", coordinator.address()),
        gate.worker("w", SLOTS),
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(client(coordinator.address()).await);
    }
    let mut herd: JoinSet<Result<v1::ExecuteParallelResponse, ClientError>> = JoinSet::new();
    for index in 0..HERD {
        let client: Client = clients[index % clients.len()].clone();
        herd.spawn(async move {
            client
                .execute_parallel(request(vec![plain("once").id("herd")]))
                .await
        });
    }
    // none of what was accepted can end yet
    let least_refused = HERD - QUEUE - SLOTS as usize;
    let (mut refused, mut done) = (0, 0);
    while let Some(answer) = herd.join_next().await {
        match answer.unwrap() {
            Ok(response) => {
                assert!(response.results[0].success, "{:?}", response.results);
                done += 1;
            }
            Err(ClientError::Overloaded { retry_after, .. }) => {
                assert!(
                    retry_after.is_some_and(|after| !after.is_zero()),
                    "{retry_after:?}"
                );
                refused += 1;
                if refused == least_refused {
                    gate.open();
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((refused, done), (least_refused, QUEUE + SLOTS as usize));
    assert_eq!(
        gate.ledger.executed("herd"),
        done,
        "a call ran that was refused, or twice"
    );
    until_idle(&clients[0], 1).await;
    assert!(answer(ask(&clients[0], vec![plain("open")])).await[0].success);
}

/// F35: streams that are opened and reset at once cost the others nothing, and no memory.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_costs_no_memory_and_nobody_else_a_request() {
    const RESETS: usize = 60_000;
    const FLOODS: usize = 4;
    // As many streams of each connection may wait, reset or not: what they hold is bounded by this, however long
    // the flood. With no bound it grew by more than 70 MB.
    const STREAMS: usize = 100;
    const MOST_GROWTH: u64 = 48 << 20;
    let binaries = Binaries::built(Profile::Dev).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("coordinator.toml");
    std::fs::write(&config, format!("max_streams_per_connection = {STREAMS}\n")).unwrap();
    let mut processes = Processes::start(binaries, &["--config", config.to_str().unwrap()]).unwrap();
    processes.add_worker("w", 8, &[]).await.unwrap();
    let client = processes.client().await.unwrap();
    let address: std::net::SocketAddr = processes.url().trim_start_matches("http://").parse().unwrap();
    assert!(answer(ask(&client, vec![plain("echo")])).await[0].success);
    let before = processes.coordinator().resident_bytes().unwrap();
    let (answers, answered) = watch::channel(0);
    let others = tokio::spawn(async move {
        while *answers.borrow() < BESIDE {
            assert!(answer(ask(&client, vec![plain("echo")])).await[0].success);
            answers.send_modify(|answered| *answered += 1);
        }
    });
    let mut floods = JoinSet::new();
    for _ in 0..FLOODS {
        floods.spawn(flood(address, RESETS / FLOODS, answered.clone()));
    }
    let (mut resets, mut connections) = (0, 0);
    while let Some(flooded) = floods.join_next().await {
        let (of_one, over) = flooded.unwrap();
        resets += of_one;
        connections += over;
    }
    others.await.unwrap();
    let after = processes.coordinator().resident_bytes().unwrap();
    println!("{resets} resets over {connections} connections; {before} B, then {after} B");
    assert!(after < before + MOST_GROWTH, "{before} B, then {after} B");
}

/// Opens and resets so many streams and more, until the others were answered; says how many, and over how many
/// connections.
async fn flood(
    address: std::net::SocketAddr,
    least: usize,
    others: watch::Receiver<usize>,
) -> (usize, usize) {
    let (mut done, mut connections) = (0, 0);
    let goes_on = |done| done < least || *others.borrow() < BESIDE;
    while goes_on(done) {
        connections += 1;
        let stream = TcpStream::connect(address).await.unwrap();
        let Ok((mut client, connection)) = h2::client::handshake(stream).await else {
            continue;
        };
        let driving = AbortOnDropHandle::new(tokio::spawn(connection));
        while goes_on(done) {
            let request = tonic::codegen::http::Request::builder()
                .method("POST")
                .uri(format!(
                    "http://{address}/toolwave.v1.ExecutionService/ExecuteParallel"
                ))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let Ok(ready) = client.ready().await else { break };
            client = ready;
            let Ok((_, mut body)) = client.send_request(request.body(()).unwrap(), false) else {
                break;
            };
            body.send_reset(h2::Reason::CANCEL);
            done += 1;
            // the connection's own task has a turn, and sends both
            tokio::task::yield_now().await;
        }
        drop(driving);
    }
    (done, connections)
}
