//! Requests that are refused reach nobody, however their destination is spelled, found or redirected.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use toolwave_egress::{Lookup, system_lookup};
use toolwave_mounted::http::Network;
use toolwave_tool::{Safety, SharedTool};

use super::support::{
    Authority, Server, Silent, call, declared, local, ok, read_http, resolving, status, told, tool_of,
    with_header,
};

fn tool_on(http: Value, lookup: Lookup) -> SharedTool {
    let network = Network::resolving(lookup);
    read_http(http)
        .tool_on(declared(Safety::ReadOnly), &network)
        .expect("a sound declaration")
}

#[test]
fn no_spelling_of_a_host_inside_is_taken() {
    for host in [
        "127.0.0.1",
        "localhost.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::1%25lo]",
        "[fe80::1%25eth0]",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "a@127.0.0.1",
        "example.com@127.0.0.1",
        "user:word@example.com",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "0.0.0.0",
        "224.0.0.1",
    ] {
        let http = read_http(json!({"url": format!("https://{host}/{{p}}")}));
        let faults = http.check(&declared(Safety::ReadOnly));
        let at: Vec<_> = told(&faults).into_iter().map(|(key, _)| key).collect();
        if host == "localhost." {
            // A name, though it is one of this machine: refused when it is resolved.
            assert!(at.is_empty(), "{faults:?}");
        } else {
            assert_eq!(at, ["url"], "{host}: {faults:?}");
        }
        assert_eq!(
            http.tool(declared(Safety::ReadOnly)).is_ok(),
            host == "localhost.",
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_name_with_any_address_inside_is_not_connected_to() {
    let silent = Silent::listen();
    let url = format!("http://inner.example:{}/", silent.port());
    for addresses in [
        &["127.0.0.1"][..],
        &["93.184.216.34", "127.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["2002:7f00:1::"],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["fe80::1"],
        &["0.0.0.0"],
    ] {
        let (lookup, asked) = resolving(&[addresses]);
        let tool = tool_on(json!({"url": url, "allow_http": true}), lookup);
        let error = call(&tool, json!({})).await.expect_err("denied");
        assert_eq!(
            (error.code.as_str(), error.retryable),
            ("EGRESS_DENIED", false),
            "{addresses:?}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    let tool = tool_on(
        json!({"url": format!("http://localhost:{}/", silent.port()), "allow_http": true}),
        system_lookup(),
    );
    assert_eq!(
        call(&tool, json!({})).await.expect_err("denied").code,
        "EGRESS_DENIED"
    );
    silent.assert_nobody_came();
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_connected_to_where_it_was_checked() {
    let server = Server::answering(with_header(ok(json!(1)), "connection", "close")).await;
    let silent = Silent::listen();
    // First what is permitted, then what is not: each answer is checked, and none is asked for twice.
    let (lookup, asked) = resolving(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let http = json!({
        "url": format!("http://flips.example:{}/", server.port), "allow_http": true,
        "allow_private": [server.address().to_string()],
    });
    let tool = tool_on(http, lookup);
    assert_eq!(call(&tool, json!({})).await.unwrap(), 1);
    assert_eq!((asked.load(Ordering::SeqCst), server.connections()), (1, 1));
    let host = format!("flips.example:{}", server.port);
    assert_eq!(server.last().header("host"), Some(host.as_str()));
    assert_eq!(
        call(&tool, json!({})).await.expect_err("denied").code,
        "EGRESS_DENIED"
    );
    assert_eq!((asked.load(Ordering::SeqCst), server.connections()), (2, 1));
    silent.assert_nobody_came();
}

#[tokio::test]
async fn a_permission_holds_for_its_address_and_port_and_never_for_metadata_services() {
    let server = Server::answering(ok(json!(1))).await;
    for (private, denied) in [
        (server.address().to_string(), false),
        ("127.0.0.1".to_owned(), false),
        ("127.0.0.0/8".to_owned(), false),
        ("127.0.0.1:1".to_owned(), true),
        ("127.0.0.2".to_owned(), true),
        ("10.0.0.0/8".to_owned(), true),
        ("::1".to_owned(), true),
        ("::ffff:127.0.0.1".to_owned(), true),
    ] {
        let (lookup, _) = resolving(&[&["127.0.0.1"]]);
        let http = json!({
            "url": format!("http://inner.example:{}/", server.port), "allow_http": true, "allow_private": [private],
        });
        let got = call(&tool_on(http, lookup), json!({})).await;
        assert_eq!(
            got.is_err_and(|error| error.code == "EGRESS_DENIED"),
            denied,
            "{private}"
        );
    }
    for address in [
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "0.0.0.0",
        "224.0.0.1",
    ] {
        let (lookup, _) = resolving(&[&[address]]);
        let http = json!({"url": "https://inner.example/", "allow_private": ["0.0.0.0/0", "::/0"]});
        let error = call(&tool_on(http, lookup), json!({})).await.expect_err("denied");
        assert_eq!(error.code, "EGRESS_DENIED", "{address}");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn redirects_are_not_followed_unless_declared_and_each_is_checked() {
    let silent = Silent::listen();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "a@127.0.0.1",
        "inner.example",
    ] {
        let location = format!("http://{host}:{}/", silent.port());
        let answer = with_header(status("302 Found", json!({})), "location", &location);
        let server = Server::answering(answer).await;
        for (redirects, code) in [
            (json!(false), "HTTP_302"),
            (json!(true), "EGRESS_DENIED"),
            (json!(["inner.example:*", "localhost"]), ""),
            (
                json!([format!("inner.example:{}", silent.port())]),
                "EGRESS_DENIED",
            ),
        ] {
            let (lookup, _) = resolving(&[&["127.0.0.1"]]);
            let http = json!({
                "url": server.url("/"), "allow_http": true, "redirects": redirects,
                // For the service itself, and no other port of its address.
                "allow_private": [server.address().to_string()],
            });
            if code.is_empty() {
                let faults = read_http(http).check(&declared(Safety::ReadOnly));
                assert_eq!(told(&faults)[0].0, "redirects");
                continue;
            }
            let error = call(&tool_on(http, lookup), json!({})).await.expect_err(host);
            assert_eq!(error.code, code, "{host} {redirects}: {error}");
        }
        assert_eq!(server.requests(), 3);
    }
    silent.assert_nobody_came();
}

#[tokio::test]
async fn credentials_and_bodies_stay_with_their_origin() {
    let last = Server::answering(ok(json!("arrived"))).await;
    let start = |code: &'static str, to: &Server| {
        let answer = with_header(status(code, json!({})), "location", &to.url("/there"));
        Server::answering(answer)
    };
    let first = start("303 See Other", &last).await;
    let keeping = start("307 Temporary Redirect", &last).await;
    let made = |server: &Server| {
        let mut http = json!({
            "url": format!("http://localhost:{}/", server.port), "method": "POST", "body": {"text": "mine"},
            "headers": {"authorization": "Bearer swordfish", "cookie": "c=1", "x-own": "own", "accept": "a/b"},
            "redirects": [last.address().to_string()], "allow_http": true, "allow_private": ["127.0.0.1", "::1"],
        });
        http["idempotency_key_header"] = "x-key".into();
        tool_of(read_http(http), declared(Safety::NotRepeatable))
    };
    assert_eq!(call(&made(&first), json!({})).await.unwrap(), "arrived");
    let arrived = last.last();
    assert_eq!(
        (arrived.method.as_str(), arrived.target.as_str()),
        ("GET", "/there")
    );
    assert_eq!(arrived.header("accept"), Some("a/b"));
    for name in ["authorization", "cookie", "x-own", "x-key"] {
        assert_eq!(arrived.header(name), None, "{name}");
        assert!(first.last().header(name).is_some(), "{name}");
    }
    let error = call(&made(&keeping), json!({})).await.expect_err("with its body");
    assert_eq!(error.code, "EGRESS_DENIED");
    assert_eq!(last.requests(), 1);
}

#[tokio::test]
async fn redirects_within_the_service_keep_its_headers_and_end() {
    let server = Server::start(|received| match received.target.as_str() {
        "/old" => with_header(status("301 Moved Permanently", json!({})), "location", "/new?x=1"),
        "/round" => with_header(status("302 Found", json!({})), "location", "/round"),
        "/up" => with_header(status("302 Found", json!({})), "location", "https://[broken"),
        _ => ok(json!("new")),
    })
    .await;
    let made = |path: &str| {
        let http = json!({"url": server.url(path), "redirects": true, "headers": {"x-own": "own"}});
        tool_of(local(http), declared(Safety::ReadOnly))
    };
    assert_eq!(call(&made("/old"), json!({})).await.unwrap(), "new");
    assert_eq!(server.last().header("x-own"), Some("own"));
    assert_eq!(
        call(&made("/round"), json!({})).await.expect_err("it ends").code,
        "TOO_MANY_REDIRECTS"
    );
    assert_eq!(server.requests(), 2 + 6);
    assert_eq!(
        call(&made("/up"), json!({})).await.expect_err("no URL").code,
        "INVALID_REDIRECT"
    );
}

#[tokio::test]
async fn only_the_authorities_of_the_declaration_are_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start_tls(authority.server("api.example"), |_| ok(json!("safe"))).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, trusted, connects) in [
        ("api.example", &authority, true),
        ("api.example", &other, false),
        ("other.example", &authority, false),
    ] {
        std::fs::write(folder.path().join("ca.pem"), trusted.pem()).unwrap();
        let (lookup, _) = resolving(&[&["127.0.0.1"]]);
        let mut http = read_http(json!({
            "url": format!("https://{name}:{}/", server.port), "ca": "ca.pem", "allow_private": ["127.0.0.1"],
        }));
        http.relative_to(folder.path());
        let tool = http
            .tool_on(declared(Safety::NotRepeatable), &Network::resolving(lookup))
            .unwrap();
        let got = call(&tool, json!({})).await;
        if connects {
            assert_eq!(got.unwrap(), "safe");
        } else {
            let error = got.expect_err("not trusted");
            assert_eq!(error.code, "CONNECT_FAILED", "{error}");
            assert!(error.message.contains("certificate"), "{error}");
        }
    }
    assert_eq!(server.requests(), 1);
}
