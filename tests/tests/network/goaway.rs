//! A load balancer that drains: GOAWAY in the middle of a session, then the end of its connection.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;
use toolwave_client::{CallExt as _, ClientError, v1};
use toolwave_coordinator::{Coordinator, config::Config};

use crate::support::{Gate, answer, ask, client, host, plain, request, until, until_idle};

/// Nine bytes before each frame's payload.
const HEADER: usize = 9;
/// HTTP/2: a GOAWAY of no error, after which streams that are open go on.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// What the balancer does with connections that are open.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Serves,
    SaysGoaway,
    Cuts,
}

/// Passes bytes, and GOAWAY between two frames of the server when it is told to.
struct Balancer {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    accepted: watch::Receiver<u64>,
    said: watch::Receiver<u64>,
    _accepting: AbortOnDropHandle<()>,
}

impl Balancer {
    async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let phase = watch::Sender::new(Phase::Serves);
        let (count, accepted) = watch::channel(0);
        let (says, said) = watch::channel(0);
        let phases = phase.clone();
        let accepting = tokio::spawn(async move {
            let mut links = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(upstream).await.unwrap();
                count.send_modify(|count| *count += 1);
                let (mut from_client, to_client) = client.into_split();
                let (from_server, mut to_server) = server.into_split();
                let (mut cut, phases, says) = (phases.subscribe(), phases.subscribe(), says.clone());
                // a connection that comes later is another's, which serves
                cut.mark_unchanged();
                let born = *cut.borrow();
                links.spawn(async move {
                    let up = tokio::io::copy(&mut from_client, &mut to_server);
                    let down = frames(from_server, to_client, phases, says);
                    tokio::select! {
                        _ = up => {}
                        () = down => {}
                        _ = cut.wait_for(|phase| *phase == Phase::Cuts && born == Phase::Serves) => {}
                    }
                });
            }
        });
        Self {
            address,
            phase,
            accepted,
            said,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }
}

async fn frames(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut phase: watch::Receiver<Phase>,
    said: watch::Sender<u64>,
) {
    let mut says = *phase.borrow_and_update() == Phase::Serves;
    let mut header = [0; HEADER];
    loop {
        tokio::select! {
            biased;
            changed = phase.changed(), if says => {
                if changed.is_err() || to.write_all(&GOAWAY).await.is_err() {
                    return;
                }
                says = false;
                said.send_modify(|said| *said += 1);
            }
            first = from.read(&mut header[..1]) => {
                if !matches!(first, Ok(1)) || from.read_exact(&mut header[1..]).await.is_err() {
                    return;
                }
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                let mut payload = vec![0; length];
                if from.read_exact(&mut payload).await.is_err()
                    || to.write_all(&header).await.is_err()
                    || to.write_all(&payload).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

/// F14: what is in flight goes on over the connection that is to end, and over the next one; nothing runs again.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_that_drains_costs_no_execution_of_workers_behind_it() {
    let coordinator = Coordinator::start(Config::embedded()).await.unwrap();
    let mut balancer = Balancer::start(coordinator.address()).await;
    let gate = Gate::new();
    let url = format!("http://{}", balancer.address);
    let _hosted = host(&url, gate.worker("behind", 16)).await;
    let client = client(coordinator.address()).await;
    let calls = (0..8).map(|call| plain(["safe", "once"][call % 2]).id(call.to_string()));
    let asked = ask(&client, calls.collect());
    gate.until_executed("7", 1).await;
    balancer.phase.send_replace(Phase::SaysGoaway);
    balancer.said.wait_for(|said| *said == 1).await.unwrap();
    // the session is not ended by it: another call comes and goes over it
    let results = answer(ask(&client, vec![plain("open").id("between")])).await;
    assert!(
        results[0].success && results[0].attempts.len() == 1,
        "{results:#?}"
    );
    balancer.phase.send_replace(Phase::Cuts);
    balancer
        .accepted
        .wait_for(|accepted| *accepted >= 2)
        .await
        .unwrap();
    gate.open();
    for result in answer(asked).await {
        assert_eq!(result.outcome(), v1::Outcome::Succeeded, "{result:#?}");
        assert_eq!(result.attempts.len(), 1, "{result:#?}");
        assert_eq!(gate.ledger.executed(&result.id), 1, "{result:#?}");
    }
    until_idle(&client, 1).await;
}

/// F14: a client's next request goes over another connection, and one that waits is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_that_drains_costs_no_request_of_clients_behind_it() {
    let coordinator = Coordinator::start(Config::embedded()).await.unwrap();
    let mut balancer = Balancer::start(coordinator.address()).await;
    let gate = Gate::new();
    let _hosted = host(&format!("http://{}", coordinator.address()), gate.worker("w", 16)).await;
    let behind = client(balancer.address).await;
    let asked = ask(&behind, vec![plain("once").id("waits")]);
    gate.until_executed("waits", 1).await;
    balancer.phase.send_replace(Phase::SaysGoaway);
    balancer.said.wait_for(|said| *said == 1).await.unwrap();
    // one that is handed to the connection in the moment of its end is lost or was not taken, and says which
    until("a request goes over another connection", async || {
        match behind.execute_parallel(request(vec![plain("open")])).await {
            Ok(response) => assert!(response.results[0].success),
            Err(ClientError::ConnectionLost { .. } | ClientError::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        (*balancer.accepted.borrow() == 2).then_some(())
    })
    .await;
    assert!(answer(ask(&behind, vec![plain("open")])).await[0].success);
    gate.open();
    assert!(answer(asked).await[0].success);
    assert_eq!(gate.ledger.executed("waits"), 1);
}
