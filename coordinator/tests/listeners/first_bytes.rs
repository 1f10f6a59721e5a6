//! How a connection begins, or does not.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt as _,
    time::{Instant, sleep},
};

use crate::{
    common::config,
    memory::{Memory, SOMEWHERE, until_closed},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Empty settings.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn a_connection_whose_first_bytes_do_not_all_come_in_five_seconds_is_closed() {
    let (memory, _coordinator) = Memory::start(config()).await;
    let begun = [PREFACE, SETTINGS].concat();
    let longer = [PREFACE, &[0, 0, 6, 4, 0, 0, 0, 0, 0], &[0, 1, 0]].concat();
    for sent in [
        &b""[..],
        &PREFACE[..12],
        PREFACE,
        &begun[..begun.len() - 1],
        &longer,
    ] {
        let mut stream = memory.connect(SOMEWHERE).await;
        stream.write_all(sent).await.expect("sent");
        let open = until_closed(&mut stream).await;
        assert!(open >= Duration::from_millis(4_990), "{sent:?} {open:?}");
        assert!(open <= Duration::from_millis(5_010), "{sent:?} {open:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_one_by_one_do_not_prolong_it() {
    let (memory, _coordinator) = Memory::start(config()).await;
    let mut stream = memory.connect(SOMEWHERE).await;
    let start = Instant::now();
    for byte in PREFACE {
        sleep(Duration::from_secs(1)).await;
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
    }
    let open = start.elapsed();
    assert!(
        open >= Duration::from_secs(5) && open <= Duration::from_secs(7),
        "{open:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_closed_at_once() {
    let (memory, _coordinator) = Memory::start(config()).await;
    for sent in [
        &b"GET / HTTP/1.1\r\nHost: coordinator\r\n\r\n"[..],
        // As TLS begins.
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3],
        &[0; 100],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!",
    ] {
        let mut stream = memory.connect(SOMEWHERE).await;
        stream.write_all(sent).await.expect("sent");
        let open = until_closed(&mut stream).await;
        assert!(open < Duration::from_millis(10), "{sent:?} {open:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_connects_early_and_answers_pings_may_wait_with_its_first_request() {
    let (memory, _coordinator) = Memory::start(config()).await;
    let stream = memory.connect(SOMEWHERE).await;
    let (requests, connection) = h2::client::handshake(stream).await.expect("it is served");
    let connection = tokio::spawn(connection);
    sleep(Duration::from_secs(600)).await;
    assert!(!connection.is_finished());
    drop(requests);
}

#[tokio::test(start_paused = true)]
async fn one_that_connects_and_does_not_answer_pings_is_closed() {
    let (memory, _coordinator) = Memory::start(config()).await;
    for more in [
        &b""[..],
        // Headers that go on, of a stream, and never end.
        &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83],
    ] {
        let mut stream = memory.connect(SOMEWHERE).await;
        stream
            .write_all(&[PREFACE, SETTINGS, more].concat())
            .await
            .expect("sent");
        let open = until_closed(&mut stream).await;
        assert!(open <= Duration::from_secs(16), "{open:?}");
    }
}
