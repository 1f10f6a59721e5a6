//! Memory of the real programs while others send them far too much.
#![cfg(target_os = "linux")]

use std::{sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use toolwave_client::{CallExt as _, ClientError, call, v1};
use toolwave_tests::{Binaries, PATIENCE, Process, Processes, Profile};

use crate::support::{answer, ask, request, until};

const MIB: u64 = 1 << 20;

/// The most memory that a process has held, in bytes.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Begins to count the peak anew.
fn forget_peak(process: &Process) {
    std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
}

/// F17: a tool's source that never ends is read as far as it is wanted; memory stays, heartbeats go on.
#[tokio::test(flavor = "multi_thread")]
async fn sources_without_end_cost_a_worker_neither_memory_nor_heartbeats() {
    static SENT: AtomicU64 = AtomicU64::new(0);
    const CALLS: usize = 8;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = listener.local_addr().unwrap();
    let _serving = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut endless = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            endless.spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1073741824\r\n\r\n";
                let mut sent = stream.write_all(head.as_bytes()).await;
                let piece = vec![b'x'; 64 * 1024];
                while sent.is_ok() {
                    SENT.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    sent = stream.write_all(&piece).await;
                }
            });
        }
    }));
    let mut processes = Processes::start(Binaries::built(Profile::Dev).unwrap(), &[]).unwrap();
    let allowed = format!("http={source}");
    processes
        .add_worker("w", 16, &["--allow", &allowed])
        .await
        .unwrap();
    let client = processes.client().await.unwrap();
    let url = format!("http://{source}/");
    let get = || call("http_get", json!({ "url": url })).timeout(Duration::from_secs(20));
    forget_peak(&processes.workers()[0]);
    let before = peak(&processes.workers()[0]);
    assert!(answer(ask(&client, vec![get()])).await[0].success);
    let of_one = peak(&processes.workers()[0]).saturating_sub(before);
    assert!(of_one < 32 * MIB, "{of_one} B for an answer of 256 KiB");
    let asked = ask(&client, (0..CALLS).map(|_| get()).collect());
    until("the calls have ended, and their worker is heard", async || {
        let worker = client.list_workers().await.unwrap().remove(0);
        assert_eq!(worker.state(), v1::WorkerState::Ready, "{worker:?}");
        asked.is_finished().then_some(())
    })
    .await;
    for result in answer(asked).await {
        assert!(result.success, "{result:#?}");
        assert_eq!(result.attempts.len(), 1, "{result:#?}");
    }
    let growth = peak(&processes.workers()[0]).saturating_sub(before);
    println!(
        "{CALLS} sources of 1 GiB: {} MiB were sent, {} MiB held, {} of one",
        SENT.load(Ordering::Relaxed) / MIB,
        growth / MIB,
        of_one / MIB
    );
    assert!(
        growth < 12 * MIB * (CALLS as u64 + 1),
        "{growth} B for {CALLS} answers of 256 KiB"
    );
}

/// F29: what waits is bounded in bytes; beyond it requests are refused, and the coordinator's memory stays.
#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bytes_that_may_wait_are_refused_and_memory_stays_bounded() {
    const REQUESTS: usize = 64;
    const EACH: usize = 4 << 20;
    const MOST_WAITING: usize = 64 << 20;
    const MOST_MEMORY: u64 = 256 * MIB;
    let mut processes = Processes::start(
        Binaries::built(Profile::Dev).unwrap(),
        &["--max-payload-bytes", "64 MiB"],
    )
    .unwrap();
    // its one slot is taken, so everything waits
    processes.add_worker("busy", 1, &[]).await.unwrap();
    let client = processes.client().await.unwrap();
    let sleep = call("sleep", json!({ "milliseconds": 600_000 })).timeout(Duration::from_secs(600));
    let _busy = ask(&client, vec![sleep]);
    until("the slot is taken", async || {
        (client.list_workers().await.unwrap()[0].in_flight == 1).then_some(())
    })
    .await;
    let text = "x".repeat(EACH - 64);
    let mut asked: JoinSet<Result<v1::ExecuteParallelResponse, ClientError>> = JoinSet::new();
    for _ in 0..REQUESTS {
        let client = processes.client().await.unwrap();
        let one = request(vec![call("echo", json!({ "text": text }))]);
        asked.spawn(async move { client.execute_parallel(one).await });
    }
    let mut refused = 0;
    let least = REQUESTS - MOST_WAITING / EACH;
    while refused < least {
        match timeout(PATIENCE, asked.join_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Err(ClientError::Overloaded { retry_after, .. }) => {
                assert!(
                    retry_after.is_some_and(|after| !after.is_zero()),
                    "{retry_after:?}"
                );
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let held = peak(processes.coordinator());
    println!(
        "{REQUESTS} requests of 4 MiB, 64 MiB may wait: {refused} refused, at most {} MiB held",
        held / MIB
    );
    assert!(held < MOST_MEMORY, "{held} B");
    // those who wait hang up, and there is room again
    drop(asked);
    let small = processes.client().await.unwrap();
    until("there is room again", async || {
        let one = request(vec![
            call("echo", json!({ "text": text })).queue_timeout(Duration::from_millis(10)),
        ]);
        client.execute_parallel(one).await.ok().map(drop)
    })
    .await;
    small.list_workers().await.unwrap();
}
