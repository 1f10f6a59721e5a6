//! Whom a link trusts, what it shows, and what it says of a connection that does not come about.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{net::SocketAddr, time::Duration};

use support::{Authority, Issued, TlsServer, When, server_config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tonic::{body::Body, codegen::http, service::Routes, transport::server::TcpIncoming};
use toolwave_link::{Address, Link, LinkFailure, Tls};
use tower::{Service as _, ServiceExt as _};

/// Nothing here takes so long.
const HANG: Duration = Duration::from_secs(20);

fn link(scheme: &str, host: &str, address: SocketAddr, tls: Tls) -> Link {
    let address = Address::parse(&format!("{scheme}://{host}:{}", address.port())).unwrap();
    Link::try_new(&address, tls, |endpoint| endpoint).unwrap()
}

/// Connects and asks once: over TLS 1.3 a client hears only then what the server thinks of its certificate.
async fn ask(link: &Link) -> Result<(), LinkFailure> {
    let asked = async {
        let mut channel = link.connect().await?;
        let request = http::Request::post("/a.B/C").body(Body::empty()).unwrap();
        match channel.ready().await.unwrap().call(request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(link
                .failure()
                .unwrap_or_else(|| panic!("no reason is known: {error:?}"))),
        }
    };
    tokio::time::timeout(HANG, asked)
        .await
        .expect("an answer or a reason")
}

fn trusting(ca: &Authority) -> Tls {
    Tls::new().ca_pem(ca.pem())
}

fn showing(tls: Tls, identity: &Issued) -> Tls {
    tls.identity_pem(&identity.certificate, &identity.key)
}

async fn plaintext_server() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_routes(Routes::default())
        .serve_with_incoming(TcpIncoming::from(listener));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.await.unwrap() });
    (address, tasks)
}

#[tokio::test]
async fn a_server_that_a_given_ca_signed_is_reached_by_each_of_its_names() {
    let ca = Authority::new();
    let own = ca.server(&["localhost", "127.0.0.1"], When::Now);
    let server = TlsServer::start(Routes::default(), server_config(&own, None)).await;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(
            ask(&link("https", host, server.address, trusting(&ca))).await,
            Ok(())
        );
    }
}

#[tokio::test]
async fn the_name_to_expect_can_be_told() {
    let ca = Authority::new();
    let own = ca.server(&["coordinator.example"], When::Now);
    let server = TlsServer::start(Routes::default(), server_config(&own, None)).await;
    let told = trusting(&ca).server_name("coordinator.example");
    assert_eq!(
        ask(&link("https", "127.0.0.1", server.address, told)).await,
        Ok(())
    );
    assert_eq!(
        ask(&link("https", "127.0.0.1", server.address, trusting(&ca))).await,
        Err(LinkFailure::NameMismatch {
            expected: "127.0.0.1".to_owned(),
            presented: "`coordinator.example`".to_owned(),
        })
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_verified_is_not_spoken_to_and_the_reason_is_named() {
    let (ca, other) = (Authority::new(), Authority::new());
    for (own, tls, failure) in [
        (
            ca.server(&["127.0.0.1"], When::Now),
            trusting(&other),
            LinkFailure::UnknownCa,
        ),
        // Nobody's system trusts a CA that a test has just made.
        (
            ca.server(&["127.0.0.1"], When::Now),
            Tls::new(),
            LinkFailure::UnknownCa,
        ),
        (
            ca.server(&["127.0.0.1"], When::Future),
            trusting(&ca),
            LinkFailure::NotValidYet,
        ),
        (
            ca.client("spiffe://toolwave/worker/a", When::Now),
            trusting(&ca).server_name("localhost"),
            LinkFailure::NotForServers,
        ),
    ] {
        let server = TlsServer::start(Routes::default(), server_config(&own, None)).await;
        let failed = ask(&link("https", "127.0.0.1", server.address, tls)).await;
        assert_eq!(failed, Err(failure));
    }
    let own = ca.server(&["127.0.0.1"], When::Past);
    let server = TlsServer::start(Routes::default(), server_config(&own, None)).await;
    let failed = ask(&link("https", "127.0.0.1", server.address, trusting(&ca))).await;
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("expired") && text.contains("days ago"), "{text}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_a_refused_one_is_told_from_a_missing_one() {
    let (ca, other) = (Authority::new(), Authority::new());
    let own = ca.server(&["127.0.0.1"], When::Now);
    let server = TlsServer::start(Routes::default(), server_config(&own, Some(&ca))).await;
    let tries = async |tls: Tls| ask(&link("https", "127.0.0.1", server.address, tls)).await;

    let good = ca.client("spiffe://toolwave/worker/a", When::Now);
    assert_eq!(tries(showing(trusting(&ca), &good)).await, Ok(()));

    // The alert may be overtaken by the end of the connection; that it is about the certificate is said either way.
    let missing = tries(trusting(&ca)).await.unwrap_err();
    assert!(
        matches!(
            missing,
            LinkFailure::ClientCertificateRequired | LinkFailure::ClosedUnheard
        ),
        "{missing:?}"
    );
    assert!(missing.is_refusal() && missing.to_string().contains("client certificate"));
    let foreign = other.client("spiffe://toolwave/worker/a", When::Now);
    let refused = tries(showing(trusting(&ca), &foreign)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            LinkFailure::ClientCertificateRefused(_) | LinkFailure::ClosedUnheard
        ),
        "{refused:?}"
    );
    assert!(refused.is_refusal());
}

#[tokio::test]
async fn the_wrong_scheme_is_told_by_what_the_server_speaks() {
    let ca = Authority::new();
    let (plain, _tasks) = plaintext_server().await;
    let failed = ask(&link("https", "127.0.0.1", plain, trusting(&ca))).await;
    assert_eq!(failed, Err(LinkFailure::PlaintextServer));

    let own = ca.server(&["127.0.0.1"], When::Now);
    let server = TlsServer::start(Routes::default(), server_config(&own, None)).await;
    let failed = ask(&link("http", "127.0.0.1", server.address, Tls::new())).await;
    assert_eq!(failed, Err(LinkFailure::TlsServer));

    let mut config = server_config(&own, None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = TlsServer::start(Routes::default(), config).await;
    let failed = ask(&link("https", "127.0.0.1", server.address, trusting(&ca))).await;
    assert_eq!(failed, Err(LinkFailure::NoHttp2));
}

/// Accepts, reads a little, answers with `bytes` and closes.
async fn answering(bytes: &'static [u8]) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_server_that_is_no_coordinator_is_told_by_its_first_bytes() {
    let ca = Authority::new();
    let (web, _tasks) = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let failed = ask(&link("http", "127.0.0.1", web, Tls::new())).await;
    assert_eq!(failed, Err(LinkFailure::Http1));
    let failed = ask(&link("https", "127.0.0.1", web, trusting(&ca))).await;
    assert_eq!(failed, Err(LinkFailure::PlaintextServer));
    let (silent, _tasks) = answering(b"").await;
    let failed = ask(&link("https", "127.0.0.1", silent, trusting(&ca))).await;
    assert_eq!(failed, Err(LinkFailure::ClosedInHandshake));
}

#[tokio::test]
async fn nobody_there_is_an_absence_and_no_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "https"] {
        let tls = match scheme {
            "https" => trusting(&Authority::new()),
            _ => Tls::new(),
        };
        let failure = ask(&link(scheme, "127.0.0.1", address, tls)).await.unwrap_err();
        assert!(failure.is_absence() && !failure.is_refusal(), "{failure:?}");
        assert!(failure.to_string().contains("refused"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_handshake_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link(
        "https",
        "127.0.0.1",
        listener.local_addr().unwrap(),
        trusting(&Authority::new()),
    );
    let failed = link.connect().await.unwrap_err();
    // Paused time does not wait for a system's answer: the TCP connection may be what is too late.
    assert!(
        matches!(failed, LinkFailure::HandshakeTimeout(_) | LinkFailure::Timeout(_)),
        "{failed:?}"
    );
}

#[tokio::test]
async fn replaced_files_count_from_the_next_connection_on_and_broken_ones_do_not() {
    let (ca, other) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, other.pem()).unwrap();
    let (certificate, key) = other
        .client("spiffe://toolwave/worker/a", When::Now)
        .write(directory.path(), "worker");
    let own = ca.server(&["127.0.0.1"], When::Now);
    let server = TlsServer::start(Routes::default(), server_config(&own, Some(&ca))).await;
    let tls = Tls::new()
        .ca_file(&ca_file)
        .certificate_file(&certificate)
        .key_file(&key);
    let link = link("https", "127.0.0.1", server.address, tls);
    assert_eq!(ask(&link).await, Err(LinkFailure::UnknownCa));

    std::fs::write(&ca_file, ca.pem()).unwrap();
    assert!(ask(&link).await.unwrap_err().is_refusal());

    ca.client("spiffe://toolwave/worker/a", When::Now)
        .write(directory.path(), "worker");
    assert_eq!(ask(&link).await, Ok(()));

    std::fs::write(&key, "half a ke").unwrap();
    assert_eq!(ask(&link).await, Ok(()), "what was right is used");
}
