//! How many connections come in.

use std::{io, time::Duration};

use tokio::io::AsyncWriteExt as _;
use tonic::codegen::http;
use toolwave_coordinator::Config;

use crate::{
    common::{config, soon},
    memory::{Client, Memory, until_closed},
};

async fn with(change: impl FnOnce(&mut Config)) -> (Memory, toolwave_coordinator::Coordinator) {
    let mut config = config();
    change(&mut config);
    Memory::start(config).await
}

/// As many connections from an address as are let in, of so many.
async fn of(memory: &Memory, count: usize, from: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.extend(soon("an answer", memory.lets_in(from)).await);
    }
    clients
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_open_than_allowed_and_one_that_ends_makes_room() {
    let (memory, _coordinator) = with(|config| config.max_connections = 3).await;
    let mut clients = of(&memory, 5, "127.0.0.1").await;
    assert_eq!(clients.len(), 3);
    assert!(memory.lets_in("192.0.2.9").await.is_none());
    drop(clients.pop());
    soon("room", async {
        while memory.lets_in("192.0.2.9").await.is_none() {
            // Paused time goes on only while everybody waits.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_address_has_no_more_than_its_share_and_loopback_has_no_such_limit() {
    let (memory, _coordinator) = with(|config| config.max_connections_per_address = 3).await;
    for (from, other, open) in [
        ("192.0.2.1", "192.0.2.2", 3),
        // One host has a whole network of these.
        ("2001:db8::1", "2001:db8:0:1::1", 3),
        ("127.0.0.1", "127.0.0.1", 5),
        ("::1", "::1", 5),
    ] {
        let clients = of(&memory, 5, from).await;
        assert_eq!(clients.len(), open, "{from}");
        assert!(memory.lets_in(other).await.is_some(), "{other}");
    }
    let mut leaving = of(&memory, 3, "192.0.2.3").await;
    drop(leaving.pop());
    soon("room", async {
        while memory.lets_in("192.0.2.3").await.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let _first = of(&memory, 3, "2001:db8:0:2::1").await;
    assert!(
        memory.lets_in("2001:db8:0:2:ffff::2").await.is_none(),
        "the same network"
    );
    let _second = of(&memory, 3, "198.51.100.1").await;
    assert!(
        memory.lets_in("::ffff:198.51.100.1").await.is_none(),
        "the same address"
    );
}

#[tokio::test(start_paused = true)]
async fn one_address_opens_no_more_connections_in_ten_seconds_than_allowed() {
    let (memory, _coordinator) = with(|config| config.max_new_connections_per_address = 4).await;
    for _ in 0..2 {
        let mut opened = 0;
        for _ in 0..10 {
            // Each ends before the next.
            opened += of(&memory, 1, "192.0.2.1").await.len();
        }
        assert_eq!(opened, 4);
        assert!(memory.lets_in("192.0.2.2").await.is_some());
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_began_makes_room_again() {
    let (memory, _coordinator) = with(|config| config.max_connections = 2).await;
    let mut first = memory.connect("192.0.2.1").await;
    let mut second = memory.connect("192.0.2.2").await;
    second.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    until_closed(&mut second).await;
    until_closed(&mut first).await;
    assert_eq!(of(&memory, 3, "192.0.2.3").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn errors_of_accepting_are_outlived() {
    let (memory, _coordinator) = with(|_| {}).await;
    let start = tokio::time::Instant::now();
    for _ in 0..50 {
        memory.fail(io::ErrorKind::ConnectionAborted.into()).await;
    }
    assert!(memory.lets_in("192.0.2.1").await.is_some());
    assert!(
        start.elapsed() < Duration::from_millis(50),
        "one connection's error holds up nobody"
    );
    // EMFILE: no descriptor is free.
    for _ in 0..10 {
        memory.fail(io::Error::from_raw_os_error(24)).await;
    }
    assert!(memory.lets_in("192.0.2.1").await.is_some());
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(1),
        "it tries again in a loop: {waited:?}"
    );
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_how_many_streams_it_may_open_and_larger_headers_are_refused() {
    let (memory, _coordinator) = with(|_| {}).await;
    let stream = memory.connect("192.0.2.1").await;
    let (requests, mut connection) = h2::client::handshake(stream).await.expect("it is served");
    let mut answered = tokio::spawn(async move {
        let request = http::Request::post("http://listener/grpc.health.v1.Health/Check")
            .header("large", "a".repeat(17 * 1024))
            .body(())
            .expect("a request");
        let mut requests = requests.ready().await.expect("it is open");
        let response = requests.send_request(request, true).expect("sent").0;
        let refused = response.await.expect("an answer").status();
        (refused, requests)
    });
    let (refused, requests) = soon("the answer", async {
        tokio::select! {
            answered = &mut answered => answered.expect("no panic"),
            ended = &mut connection => panic!("{ended:?}"),
        }
    })
    .await;
    assert_eq!(refused, http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(requests.current_max_send_streams(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cancels_all_it_sent_again_and_again_keeps_its_connection() {
    let (memory, _coordinator) = with(|_| {}).await;
    let mut client = memory.lets_in("192.0.2.1").await.expect("it is served");
    for _ in 0..5 {
        client.cancel(1_000).await;
        assert_eq!(
            soon("an answer", client.status("/no.Service/Nothing")).await,
            Some(12)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_cancelled_streams_ends_its_connection_and_no_other() {
    let (memory, _coordinator) = with(|_| {}).await;
    let mut other = memory.lets_in("192.0.2.2").await.expect("it is served");
    let mut flooding = memory.connect("192.0.2.1").await;
    let begun = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    flooding.write_all(begun).await.expect("sent");
    let flood = async {
        for stream in (1..2_000_000_u32).step_by(2) {
            let id = stream.to_be_bytes();
            // POST http /, and CANCEL.
            let headers = [&[0, 0, 3, 1, 4][..], &id, &[0x83, 0x86, 0x84]].concat();
            let reset = [&[0, 0, 4, 3, 0][..], &id, &[0, 0, 0, 8]].concat();
            if flooding.write_all(&[headers, reset].concat()).await.is_err() {
                return stream;
            }
        }
        panic!("a million streams were taken");
    };
    let served = async {
        loop {
            assert_eq!(other.status("/no.Service/Nothing").await, Some(12));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("the end of the flood", async {
        tokio::select! {
            _ = flood => {}
            () = served => {}
        }
    })
    .await;
    assert_eq!(other.status("/no.Service/Nothing").await, Some(12));
}
