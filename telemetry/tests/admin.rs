//! The admin port by itself: what it answers, whom it refuses, and how little it lets anybody hold.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/page.rs"]
mod page;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue},
    routing::get as answering,
};
use page::{ask, get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};
use toolwave_telemetry::admin::{AdminPort, Guard, Refusal, probes};

async fn serve(routes: Router) -> (SocketAddr, JoinSet<()>) {
    let port = AdminPort::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = port.address();
    let mut serving = JoinSet::new();
    serving.spawn(port.serve(routes));
    (address, serving)
}

fn plain() -> Router {
    Router::new().route("/livez", answering(async || "alive\n"))
}

#[tokio::test]
async fn what_is_not_ready_names_every_check_that_fails_and_is_alive() {
    let broken = Arc::new(AtomicBool::new(true));
    let checked = broken.clone();
    let failing = move || {
        if checked.load(Ordering::Relaxed) {
            vec!["starting", "driver"]
        } else {
            vec![]
        }
    };
    let (address, _serving) = serve(probes(failing, async || "page\n".to_owned())).await;
    assert_eq!(
        get(address, "/readyz").await,
        (503, "not ready: starting, driver\n".to_owned())
    );
    assert_eq!(get(address, "/livez").await, (200, "alive\n".to_owned()));
    broken.store(false, Ordering::Relaxed);
    assert_eq!(get(address, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(get(address, "/metrics").await, (200, "page\n".to_owned()));
    assert_eq!(get(address, "/other").await.0, 404);
    assert_eq!(ask(address, "POST /livez", &[], "").await.0, 405);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_no_headers_is_closed_and_so_is_one_that_sends_no_further_request() {
    let (address, _serving) = serve(plain()).await;
    for sent in [
        "",
        "GET /livez HTTP/1.1\r\nHost: x",
        "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
        assert!(
            closed.is_ok(),
            "`{sent}` holds a connection for more than {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn one_address_holds_so_many_connections_and_has_its_turn_again_when_they_are_closed() {
    let (address, _serving) = serve(plain()).await;
    let mut held = Vec::new();
    for _ in 0..128 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Answered, so it is served and open.
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    let ended = timeout(Duration::from_secs(20), refused.read(&mut [0]))
        .await
        .expect("it is closed");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    drop(held);
    let served = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let mut first = [0; 12];
            if stream.read_exact(&mut first).await.is_ok() {
                return first;
            }
        }
    };
    assert_eq!(
        &timeout(Duration::from_secs(20), served).await.unwrap(),
        b"HTTP/1.1 200"
    );
}

#[tokio::test]
async fn an_address_whose_requests_break_a_handler_keeps_its_turn() {
    let breaks = answering(async || -> &'static str { panic!("a handler that breaks, as it is meant to") });
    let (address, _serving) = serve(plain().route("/breaks", breaks)).await;
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET /breaks HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let ended = timeout(Duration::from_secs(20), stream.read(&mut [0])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
    assert_eq!(get(address, "/livez").await, (200, "alive\n".to_owned()));
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn operators_come_from_this_host_and_not_from_another_sites_page() {
    let guard = Guard::default();
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    let admit = |peer: &str, pairs: &[(&'static str, &'static str)]| {
        guard.admit(peer.parse().unwrap(), &headers(pairs))
    };
    for host in ["localhost:7422", "127.0.0.1:7422", "[::1]:7422", "LOCALHOST"] {
        assert_eq!(guard.admit(here, &headers(&[("host", host)])), Ok(()), "{host}");
    }
    assert_eq!(admit("::1", &[("host", "localhost")]), Ok(()));
    assert_eq!(admit("::ffff:127.0.0.1", &[("host", "localhost")]), Ok(()));
    assert_eq!(admit("10.0.0.7", &[("host", "localhost")]), Err(Refusal::Remote));
    assert_eq!(
        admit("::ffff:10.0.0.7", &[("host", "localhost")]),
        Err(Refusal::Remote)
    );
    for host in ["evil.example:7422", "localhost.evil.example", "10.0.0.7", ""] {
        assert_eq!(
            guard.admit(here, &headers(&[("host", host)])),
            Err(Refusal::Host),
            "{host}"
        );
    }
    assert_eq!(admit("127.0.0.1", &[]), Err(Refusal::Host));
    let local = ("host", "localhost:7422");
    for origin in ["http://evil.example", "http://localhost:8000", "null", "nonsense"] {
        let of_page = headers(&[local, ("origin", origin)]);
        assert_eq!(guard.admit(here, &of_page), Err(Refusal::Origin), "{origin}");
    }
    assert_eq!(
        admit("127.0.0.1", &[local, ("sec-fetch-site", "cross-site")]),
        Err(Refusal::Origin)
    );
    assert_eq!(
        admit("127.0.0.1", &[local, ("sec-fetch-site", "same-site")]),
        Err(Refusal::Origin)
    );
    let own = [
        local,
        ("origin", "http://localhost:7422"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(admit("127.0.0.1", &own), Ok(()));
}

#[tokio::test]
async fn a_guard_asks_what_it_is_told_to_and_says_how_to_answer() {
    let asking = Guard::default()
        .remote(true)
        .asking(|headers| match headers.get("authorization") {
            None => Err(Refusal::Unauthenticated("send a token".into())),
            Some(token) if token == "Bearer guest" => Err(Refusal::Denied("for operators".into())),
            Some(_) => Ok(()),
        });
    let (address, _serving) = serve(asking.before(plain())).await;
    assert_eq!(get(address, "/livez").await, (401, "send a token\n".to_owned()));
    let with = |token: &'static str| async move {
        ask(address, "GET /livez", &[("Authorization", token)], "").await
    };
    assert_eq!(with("Bearer guest").await, (403, "for operators\n".to_owned()));
    assert_eq!(with("Bearer operator").await.0, 200);
}
