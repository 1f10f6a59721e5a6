//! The proxy does what its flows say: otherwise a test of faults tests nothing.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Flow, Proxy};
use crate::PATIENCE;

/// Long enough for what would come to come over loopback; only what must not come waits for it.
const A_WHILE: Duration = Duration::from_millis(200);

struct Ends {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
}

async fn ends() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    Ends {
        proxy,
        client,
        server,
    }
}

async fn arrives(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    timeout(PATIENCE, stream.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bytes, expected);
}

async fn is_silent(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(A_WHILE, stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?}");
}

async fn is_reset(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted() {
    let mut ends = ends().await;
    ends.client.write_all(b"question").await.unwrap();
    arrives(&mut ends.server, b"question").await;
    ends.server.write_all(b"answer").await.unwrap();
    arrives(&mut ends.client, b"answer").await;
    ends.proxy.to_server().until_bytes(8).await.unwrap();
    ends.proxy.to_client().until_bytes(6).await.unwrap();
    assert_eq!((ends.proxy.accepted(), ends.proxy.open()), (1, 1));
    drop((ends.client, ends.server));
    ends.proxy.until_open(0).await.unwrap();
}

#[tokio::test]
async fn what_is_stopped_arrives_when_it_is_open_again_and_the_other_way_goes_on() {
    let mut ends = ends().await;
    ends.proxy.to_server().set(Flow::Stopped);
    ends.client.write_all(b"held").await.unwrap();
    ends.server.write_all(b"passes").await.unwrap();
    arrives(&mut ends.client, b"passes").await;
    is_silent(&mut ends.server).await;
    ends.proxy.heal();
    arrives(&mut ends.server, b"held").await;
}

#[tokio::test]
async fn a_sender_to_a_direction_that_is_stopped_is_blocked_in_the_end() {
    let mut ends = ends().await;
    ends.proxy.to_server().set(Flow::Stopped);
    let much = vec![7; 64 << 20];
    let sent = timeout(A_WHILE, ends.client.write_all(&much)).await;
    assert!(sent.is_err(), "64 MiB went into the buffers");
}

#[tokio::test]
async fn what_is_blackholed_is_gone_and_its_connection_is_reset_with_the_next_change() {
    let mut ends = ends().await;
    ends.proxy.to_server().set(Flow::Blackholed);
    // far more than buffers hold: it is taken
    timeout(PATIENCE, ends.client.write_all(&vec![7; 32 << 20]))
        .await
        .unwrap()
        .unwrap();
    is_silent(&mut ends.server).await;
    assert_eq!(ends.proxy.to_server().bytes(), 0);
    ends.proxy.heal();
    is_reset(&mut ends.server).await;
    ends.proxy.until_open(0).await.unwrap();
}

#[tokio::test]
async fn what_is_delayed_comes_in_order_and_later() {
    let mut ends = ends().await;
    ends.proxy
        .to_server()
        .set(Flow::Delayed(Duration::from_millis(300)));
    let sent = tokio::time::Instant::now();
    for piece in [b"one", b"two", b"six"] {
        ends.client.write_all(piece).await.unwrap();
    }
    arrives(&mut ends.server, b"onetwosix").await;
    let late = sent.elapsed();
    // a floor only: a busy machine makes everything later
    assert!(late >= Duration::from_millis(300), "{late:?}");
}

#[tokio::test]
async fn a_throttled_direction_passes_no_more_than_its_rate() {
    let mut ends = ends().await;
    ends.proxy.to_server().set(Flow::Throttled(100_000));
    let sent = tokio::time::Instant::now();
    ends.client.write_all(&[7; 30_000]).await.unwrap();
    arrives(&mut ends.server, &[7; 30_000]).await;
    let took = sent.elapsed();
    // the first piece is free
    assert!(took >= Duration::from_millis(250), "{took:?}");
}

#[tokio::test]
async fn a_connection_is_cut_after_exactly_so_many_bytes() {
    let mut ends = ends().await;
    ends.proxy.to_server().set(Flow::CutAfter(5));
    ends.client.write_all(b"123456789").await.unwrap();
    ends.proxy.until_open(0).await.unwrap();
    assert_eq!(ends.proxy.to_server().bytes(), 5);
    is_reset(&mut ends.client).await;
}

#[tokio::test]
async fn a_half_closed_direction_ends_and_the_other_goes_on() {
    let mut ends = ends().await;
    ends.proxy.to_server().set(Flow::HalfClosed);
    let mut rest = Vec::new();
    timeout(PATIENCE, ends.server.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, b"");
    ends.client.write_all(b"unheard").await.unwrap();
    ends.server.write_all(b"heard").await.unwrap();
    arrives(&mut ends.client, b"heard").await;
}

#[tokio::test]
async fn reset_and_close_end_both_ends_each_in_its_way() {
    let mut ends_of = ends().await;
    ends_of.proxy.reset();
    is_reset(&mut ends_of.client).await;
    is_reset(&mut ends_of.server).await;
    let mut ends_of = ends().await;
    ends_of.proxy.close();
    let mut rest = Vec::new();
    for stream in [&mut ends_of.client, &mut ends_of.server] {
        timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn whoever_is_turned_away_is_reset_and_let_in_once_it_is_healed() {
    let ends = ends().await;
    ends.proxy.turn_away(true);
    let mut turned = TcpStream::connect(ends.proxy.address()).await.unwrap();
    let mut byte = [0];
    // the connection may be reset before it was looked at
    let read = timeout(PATIENCE, turned.read(&mut byte)).await.unwrap();
    assert!(read.is_err(), "{read:?}");
    assert_eq!(ends.proxy.accepted(), 1);
    ends.proxy.heal();
    let _let_in = TcpStream::connect(ends.proxy.address()).await.unwrap();
    ends.proxy.until_accepted(2).await.unwrap();
}
