//! More than there is room for: requests, and resets.

use std::time::Duration;

use tokio::{net::TcpStream, sync::watch, task::JoinSet};
use toolwave_client::{CallExt as _, Client, ClientError, v1};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_tests::{Binaries, Processes, Profile};

use crate::support::{Gate, answer, ask, client, host, plain, request, until_idle};

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
    const MOST_GROWTH: u64 = 48 << 20;
    let binaries = Binaries::built(Profile::Dev).unwrap();
    let mut processes = Processes::start(binaries, &[]).unwrap();
    processes.add_worker("w", 8, &[]).await.unwrap();
    let client = processes.client().await.unwrap();
    let address: std::net::SocketAddr = processes.url().trim_start_matches("http://").parse().unwrap();
    assert!(answer(ask(&client, vec![plain("echo")])).await[0].success);
    let before = processes.coordinator().resident_bytes().unwrap();
    let (stop, stopped) = watch::channel(false);
    let others = tokio::spawn(async move {
        let mut answered = 0_u32;
        while !*stopped.borrow() {
            assert!(answer(ask(&client, vec![plain("echo")])).await[0].success);
            answered += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        answered
    });
    let mut floods = JoinSet::new();
    for _ in 0..4 {
        floods.spawn(flood(address, RESETS / 4));
    }
    let mut connections = 0;
    while let Some(flooded) = floods.join_next().await {
        connections += flooded.unwrap();
    }
    stop.send_replace(true);
    let answered = others.await.unwrap();
    let after = processes.coordinator().resident_bytes().unwrap();
    println!(
        "{RESETS} resets over {connections} connections, {answered} requests beside them; {before} B, then {after} B"
    );
    assert!(answered > 10, "only {answered}");
    assert!(after < before + MOST_GROWTH, "{before} B, then {after} B");
}

/// Opens and resets so many streams, over as many connections as that takes; says how many.
async fn flood(address: std::net::SocketAddr, resets: usize) -> usize {
    let (mut done, mut connections) = (0, 0);
    while done < resets {
        connections += 1;
        let stream = TcpStream::connect(address).await.unwrap();
        let Ok((client, connection)) = h2::client::handshake(stream).await else {
            continue;
        };
        let driving = tokio::spawn(connection);
        let mut client = Some(client);
        while let (Some(sending), true) = (client.take(), done < resets) {
            let Ok(mut sending) = sending.ready().await else {
                break;
            };
            let request = tonic::codegen::http::Request::builder()
                .method("POST")
                .uri(format!(
                    "http://{address}/toolwave.v1.ExecutionService/ExecuteParallel"
                ))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let Ok((_, mut body)) = sending.send_request(request.body(()).unwrap(), false) else {
                break;
            };
            body.send_reset(h2::Reason::CANCEL);
            done += 1;
            client = Some(sending);
        }
        drop(client);
        driving.abort();
    }
    connections
}
