//! Requests that are refused reach nobody. A canary is a listener that nothing may connect to.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as Canary},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use toolwave_egress::Lookup;

use super::{super::tools, Server, allowing, answer, call, call_with, canary};

/// A connection is in the queue of the listener before its maker goes on, so an empty queue shows that there was none.
fn assert_silent(canary: &Canary) {
    let accepted = canary.accept().map(|(_, from)| from);
    assert_eq!(
        accepted.expect_err("nobody connects").kind(),
        io::ErrorKind::WouldBlock
    );
}

/// A resolver with one answer, and how often it was asked.
fn resolving(addresses: &[&str]) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let addresses: Vec<SocketAddr> = addresses
        .iter()
        .map(|address| SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0))
        .collect();
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    });
    (lookup, asked)
}

#[tokio::test]
async fn no_spelling_of_a_url_reaches_what_is_not_allowed() {
    let (canary, port) = canary();
    for authority in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("127.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        format!("[::1]:{port}"),
        format!("[::1%25lo]:{port}"),
        format!("%31%32%37.0.0.1:{port}"),
        format!("example.com@127.0.0.1:{port}"),
        format!("user:word@example.com:{port}"),
        format!("127。0。0。1:{port}"),
        format!("example.com.:{port}"),
        "example.com:81".to_owned(),
        "notexample.com".to_owned(),
        "169.254.169.254".to_owned(),
    ] {
        let url = format!("http://{authority}/");
        let error = call(&["example.com", "*.example.org"], json!({"url": url}))
            .await
            .expect_err(&url);
        assert_eq!(error.code, "EGRESS_DENIED", "{url}: {error}");
    }
    assert_silent(&canary);
}

#[tokio::test]
async fn an_allowed_address_is_not_reached_by_another_spelling() {
    let (canary, port) = canary();
    let allowed = format!("127.0.0.1:{port}");
    for host in [
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "a@127.0.0.1",
    ] {
        let error = call(&[&allowed], json!({"url": format!("http://{host}:{port}/")}))
            .await
            .expect_err(host);
        assert_eq!(error.code, "EGRESS_DENIED", "{host}: {error}");
    }
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd"] {
        assert_eq!(
            call(&[&allowed], json!({"url": url})).await.expect_err(url).code,
            "EGRESS_DENIED"
        );
    }
    for url in [
        "",
        "127.0.0.1",
        "http://a b/",
        "http://127.0.0.1\t/",
        "http://127.0.0.1\\@x/",
        "http://127.0.0.1\r\n/",
    ] {
        assert_eq!(
            call(&[&allowed], json!({"url": url})).await.expect_err(url).code,
            "INVALID_URL"
        );
    }
    assert_silent(&canary);
}

#[tokio::test]
async fn a_redirect_is_checked_as_a_request_is() {
    let (canary, port) = canary();
    for host in [
        "127.0.0.1",
        "2130706433",
        "localhost",
        "[::ffff:127.0.0.1]",
        "user@127.0.0.1",
    ] {
        let server = Server::start(answer(
            "302 Found",
            &format!("location: http://{host}:{port}/\r\n"),
            "",
        ))
        .await;
        let request = json!({"url": server.url("/"), "follow_redirects": true});
        let error = call(&[&server.host()], request).await.expect_err(host);
        assert_eq!(error.code, "EGRESS_DENIED", "{host}: {error}");
        assert_eq!(server.requests().len(), 1);
    }
    assert_silent(&canary);
}

#[tokio::test]
async fn a_name_with_any_address_inside_is_not_connected_to() {
    let (canary, port) = canary();
    let url = format!("http://inner.example:{port}/");
    let allowed = allowing(&[&format!("inner.example:{port}")]);
    for addresses in [
        &["127.0.0.1"][..],
        &["93.184.216.34", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["::1"],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1"],
        &["fd00:ec2::254"],
    ] {
        let (lookup, asked) = resolving(addresses);
        let tools = tools(&allowed, lookup).unwrap();
        for tool in ["http_request", "http_get"] {
            let error = call_with(&tools, tool, json!({"url": url}))
                .await
                .expect_err("denied");
            assert_eq!(error.code, "EGRESS_DENIED", "{addresses:?}: {error}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
    assert_silent(&canary);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_that_answer_is_connected_to() {
    let server = Server::start(answer("200 OK", "", "inside")).await;
    let (lookup, asked) = resolving(&["127.0.0.1"]);
    let mut allowed = allowing(&[&format!("inner.example:{}", server.port)]);
    allowed.private_addresses = true;
    let tools = tools(&allowed, lookup).unwrap();
    let url = format!("http://inner.example:{}/", server.port);
    assert_eq!(
        call_with(&tools, "http_get", json!({"url": url})).await.unwrap()["body"],
        "inside"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(server.requests()[0].contains(&format!("host: inner.example:{}", server.port)));
}

#[tokio::test]
async fn permission_for_private_addresses_does_not_hold_for_metadata_services() {
    for address in [
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "0.0.0.0",
        "fd00:ec2::254",
    ] {
        let (lookup, _) = resolving(&[address]);
        let mut allowed = allowing(&["inner.example"]);
        allowed.private_addresses = true;
        let tools = tools(&allowed, lookup).unwrap();
        let error = call_with(&tools, "http_get", json!({"url": "http://inner.example/"}))
            .await
            .expect_err("denied");
        assert_eq!(error.code, "EGRESS_DENIED", "{address}");
    }
}
