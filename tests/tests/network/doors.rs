//! Who may sit at the door: connections that say nothing, and a process that has no descriptor left for another.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_tests::{Binaries, PATIENCE, Process, Profile};

use crate::support::{answer, ask, client, fill, filler, host, until};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const IDLE: usize = 50;

/// E9, F36: whoever has not finished the preface within 10 s is gone, however it dawdles.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_not_finish_the_preface_are_gone_within_12_s() {
    let coordinator = Coordinator::start(Config::embedded()).await.unwrap();
    let address = coordinator.address();
    let mut slow = JoinSet::new();
    for index in 0..IDLE {
        let mut stream = TcpStream::connect(address).await.unwrap();
        slow.spawn(async move {
            match index % 3 {
                // nothing, half of it, and a byte now and then
                0 => {}
                1 => stream.write_all(&PREFACE[..12]).await.unwrap(),
                _ => {
                    let (mut reads, mut writes) = stream.split();
                    let dawdle = async {
                        for byte in PREFACE {
                            if writes.write_all(&[*byte]).await.is_err() {
                                break;
                            }
                            sleep(Duration::from_secs(1)).await;
                        }
                    };
                    let mut bytes = Vec::new();
                    tokio::select! {
                        _ = reads.read_to_end(&mut bytes) => {}
                        () = dawdle => panic!("a preface of 24 s was taken"),
                    }
                    return;
                }
            }
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
        });
    }
    let all = async { while slow.join_next().await.transpose().unwrap().is_some() {} };
    timeout(Duration::from_secs(12), all)
        .await
        .expect("some are still there");
    client(address).await.list_workers().await.unwrap();
}

/// F38: without descriptors the coordinator serves those it has, and takes others again once there are some.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_without_descriptors_serves_on_and_recovers() {
    const DESCRIPTORS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let program = Binaries::built(Profile::Dev)
        .unwrap()
        .path("toolwave-coordinator");
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" --listen 127.0.0.1:0");
    let arguments = ["-c".to_owned(), limited, program.to_string_lossy().into_owned()];
    let mut coordinator =
        Process::start(Path::new("/bin/sh"), &arguments, folder.path(), "coordinator").unwrap();
    let address = coordinator
        .wait_for(|log| {
            let (_, rest) = log.split_once("coordinator listens")?;
            let (_, rest) = rest.split_once("127.0.0.1:")?;
            let port = rest.split_once(|c: char| !c.is_ascii_digit())?.0.parse().ok()?;
            Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)))
        })
        .unwrap();
    let builder = toolwave_worker::Worker::builder()
        .name("w")
        .slots(4)
        .tools([filler()]);
    let _hosted = host(&format!("http://{address}"), builder).await;
    let before = client(address).await;
    let mut crowd = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        // the kernel takes them, the process cannot
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{}/fd", coordinator.id()))
            .unwrap()
            .count()
    };
    until("no descriptor is left", async || {
        (descriptors() >= DESCRIPTORS).then_some(())
    })
    .await;
    let results = answer(ask(&before, vec![fill(10)])).await;
    assert!(results[0].success, "{results:#?}");
    drop(crowd);
    let recovered = timeout(PATIENCE, async {
        loop {
            if let Ok(after) = toolwave_client::Client::connect(format!("http://{address}")).await
                && after.list_workers().await.is_ok()
            {
                break after;
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
    let after = recovered.await.expect("nobody is let in again");
    assert!(answer(ask(&after, vec![fill(10)])).await[0].success);
}
