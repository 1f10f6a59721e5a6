//! A process without a free file descriptor.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::Command,
    sync::mpsc,
};

use crate::{common::soon, memory::Client};

/// A coordinator that may have so many descriptors, where it listens, and the constant messages of its log.
async fn limited(descriptors: u32) -> (tokio::process::Child, String, mpsc::Receiver<String>) {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_toolwave-coordinator"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
            "--threads",
            "1",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("sh runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (messages, told) = mpsc::channel(1_000);
    let mut next = async move || {
        let line = lines.next_line().await.ok()??;
        serde_json::from_str::<serde_json::Value>(&line).ok()
    };
    let first = soon("its first line", next()).await.expect("JSON");
    let address = first["fields"]["address"]
        .as_str()
        .expect("where it listens")
        .to_owned();
    tokio::spawn(async move {
        while let Some(line) = next().await {
            let message = line["fields"]["message"].as_str().unwrap_or_default().to_owned();
            let _ = messages.send(message).await;
        }
    });
    (child, address, told)
}

#[tokio::test]
async fn a_coordinator_without_a_free_descriptor_goes_on_and_takes_connections_when_there_are_some() {
    let (mut child, address, mut told) = limited(48).await;
    let stream = TcpStream::connect(&address).await.expect("it listens");
    let mut first = Client::open(stream).await.expect("it is served");
    // More than it can accept: the kernel connects them all the same.
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(&address).await.expect("a place in the queue"));
    }
    soon("its word that there are none", async {
        while told.recv().await.expect("it runs") != "no connection can be accepted, trying again" {}
    })
    .await;
    assert_eq!(
        first.status("/no.Service/Nothing").await,
        Some(12),
        "who is in is served"
    );
    drop(crowd);
    let served = soon("room for another", async {
        loop {
            let stream = TcpStream::connect(&address).await.expect("it listens");
            // One that waits in the queue for longer than that tries again.
            let opened = tokio::time::timeout(Duration::from_secs(2), Client::open(stream)).await;
            if let Ok(Some(client)) = opened {
                return client;
            }
        }
    });
    let mut served = served.await;
    assert_eq!(served.status("/no.Service/Nothing").await, Some(12));
    assert_eq!(first.status("/no.Service/Nothing").await, Some(12));
    assert!(child.try_wait().expect("a child").is_none(), "it runs");
    // Lines about it are one a second at most, however often it tries.
    let mut lines = 1;
    while let Ok(message) = told.try_recv() {
        lines += usize::from(message.starts_with("no connection can be accepted"));
    }
    assert!(lines <= 22, "{lines} lines in at most as many seconds");
}
