//! A worker and its coordinator over TLS: whom it trusts, what it shows, and what it says when it is not wanted.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;
#[path = "../../client/link/tests/support/mod.rs"]
mod support;

use std::{path::Path, process::Stdio};

use common::{FakeCoordinator, registered, within};
use support::{Authority, Issued, TlsServer, When, server_config};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStderr, Command},
};
use tonic::Status;
use toolwave_proto::v1::{Coordinators, OpenSessionResponse, Registered};
use toolwave_worker::{Tls, Worker};

async fn coordinator(own: &Issued, client_ca: &Authority) -> FakeCoordinator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, own, client_ca)
}

fn serve(listener: TcpListener, own: &Issued, client_ca: &Authority) -> FakeCoordinator {
    let address = listener.local_addr().unwrap();
    let (routes, sessions) = FakeCoordinator::routes();
    let server = TlsServer::serve(listener, routes, server_config(own, Some(client_ca)));
    FakeCoordinator::served(address, sessions, server)
}

/// The program, with what it says.
struct Running {
    _child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(configuration: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolwave-worker"))
            .env_clear()
            .arg("--config")
            .arg(configuration)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { _child: child, log }
    }

    /// The next line that holds `what`; all lines up to it.
    async fn until(&mut self, what: &str) -> Vec<String> {
        let reading = async {
            let mut lines = Vec::new();
            while let Some(line) = self.log.next_line().await.unwrap() {
                lines.push(line);
                if lines.last().is_some_and(|line| line.contains(what)) {
                    return lines;
                }
            }
            panic!("it ended before `{what}`: {lines:#?}");
        };
        within(reading).await
    }
}

/// A configuration file for a coordinator on `port`, with certificate and CA beside it.
fn configuration(directory: &Path, port: u16, ca: &Authority, identity: &Issued) -> std::path::PathBuf {
    let (certificate, key) = identity.write(directory, "worker");
    let ca_file = directory.join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).unwrap();
    let text = format!(
        "coordinator = \"https://127.0.0.1:{port}\"\nname = \"a\"\n[log]\nformat = \"json\"\n\
         [tls]\nca = {ca_file:?}\ncertificate = {certificate:?}\nkey = {key:?}\n"
    );
    let path = directory.join("worker.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_worker_registers_over_tls_by_its_certificate() {
    let ca = Authority::new();
    let own = ca.server(&["coordinator.example"], When::Now);
    let mut coordinator = coordinator(&own, &ca).await;
    let identity = ca.client("spiffe://toolwave/worker/a", When::Now);
    let tls = Tls::new()
        .ca_pem(ca.pem())
        .identity_pem(&identity.certificate, &identity.key)
        .server_name("coordinator.example");
    let worker = Worker::builder()
        .coordinator(format!("https://{}", coordinator.address))
        .name("a")
        .tls(tls)
        .build()
        .unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    let (session, register) = coordinator.accept().await;
    assert_eq!(register.worker, "a");
    assert!(within(handle.registered()).await);
    handle.drain();
    let mut session = session;
    session.until(|said| said.goodbye).await;
    drop(session);
    within(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_new_certificate_counts_from_the_next_session_on() {
    let (ca, next) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let first = ca.client("spiffe://toolwave/worker/a", When::Now);
    let path = configuration(directory.path(), address.port(), &ca, &first);
    let mut coordinator = serve(listener, &ca.server(&["127.0.0.1"], When::Now), &ca);
    let _worker = Running::start(&path);
    let (session, _) = coordinator.accept().await;

    // Everything is replaced, on both sides, while the session goes on; then the coordinator starts anew.
    next.client("spiffe://toolwave/worker/a", When::Now)
        .write(directory.path(), "worker");
    std::fs::write(directory.path().join("ca.pem"), next.pem()).unwrap();
    drop(session);
    drop(coordinator);
    let listener = listen_again(address).await;
    let mut coordinator = serve(listener, &next.server(&["127.0.0.1"], When::Now), &next);
    let (_session, register) = coordinator.accept().await;
    assert_eq!(register.worker, "a");
}

/// The port is free once the server's task has ended.
async fn listen_again(address: std::net::SocketAddr) -> TcpListener {
    within(async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_coordinator_that_cannot_be_verified_is_told_and_not_registered_with() {
    let (ca, other) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    for (own, said) in [
        (
            other.server(&["127.0.0.1"], When::Now),
            "no CA that is trusted here",
        ),
        (
            ca.server(&["elsewhere.example"], When::Now),
            "`elsewhere.example`",
        ),
        (ca.server(&["127.0.0.1"], When::Past), "expired"),
    ] {
        let coordinator = coordinator(&own, &ca).await;
        let identity = ca.client("spiffe://toolwave/worker/a", When::Now);
        let path = configuration(directory.path(), coordinator.address.port(), &ca, &identity);
        let mut worker = Running::start(&path);
        let lines = worker.until("no session").await;
        assert!(lines.last().unwrap().contains(said), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_refused_identity_is_told_once_and_tried_on_and_told_again_when_it_changes() {
    let ca = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let own = ca.server(&["127.0.0.1"], When::Now);
    let mut coordinator = coordinator(&own, &ca).await;
    let identity = ca.client("spiffe://toolwave/worker/b", When::Now);
    let path = configuration(directory.path(), coordinator.address.port(), &ca, &identity);
    let mut worker = Running::start(&path);
    for _ in 0..3 {
        let (session, _) = coordinator.session().await;
        session
            .refuse(Status::permission_denied("the name is not the certificate's"))
            .await;
    }
    let (session, _) = coordinator.session().await;
    session.refuse(Status::already_exists("the name is taken")).await;
    let lines = worker.until("the name is taken").await;
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(told("the name is not the certificate's"), 1, "{lines:#?}");
    assert_eq!(told("the coordinator refuses this worker"), 2, "{lines:#?}");
    let (session, _) = coordinator.accept().await;
    worker.until("registered").await;
    drop(session);
}

#[tokio::test]
async fn a_certificate_that_the_coordinator_refuses_is_told_once() {
    let (ca, other) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let own = ca.server(&["127.0.0.1"], When::Now);
    let coordinator = coordinator(&own, &ca).await;
    let foreign = other.client("spiffe://toolwave/worker/a", When::Now);
    let path = configuration(directory.path(), coordinator.address.port(), &ca, &foreign);
    let mut worker = Running::start(&path);
    let lines = worker.until("the coordinator refuses this worker").await;
    assert!(lines.last().unwrap().contains("certificate"), "{lines:#?}");
}

#[tokio::test]
async fn everything_wrong_with_the_files_is_told_at_once_with_its_place_and_ends_with_78() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let identity = ca.client("spiffe://toolwave/worker/a", When::Past);
    let path = configuration(directory.path(), 7420, &ca, &identity);
    std::fs::remove_file(directory.path().join("ca.pem")).unwrap();
    #[cfg(unix)]
    support::mode(&directory.path().join("worker.key"), 0o644);
    let output = Command::new(env!("CARGO_BIN_EXE_toolwave-worker"))
        .env_clear()
        .arg("--check-config")
        .arg("--config")
        .arg(&path)
        .args(["--tls-server-name", "not a name", "--slots", "200000"])
        .output();
    let output = within(output).await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{text}");
    let shown = path.display();
    let lines: Vec<&str> = text.lines().collect();
    for (line, start, said) in [
        (
            lines[0],
            format!("{shown}:6:6: tls.ca: "),
            "ca.pem cannot be read",
        ),
        (lines[1], format!("{shown}:8:7: tls.key: "), "mode 0644"),
        (lines[2], "--slots: is 200000".to_owned(), "expected"),
        (lines[3], "--tls-server-name: ".to_owned(), "`not a name`"),
    ] {
        assert!(line.starts_with(&start) && line.contains(said), "{text}");
    }
    assert_eq!(lines.len(), 4, "{text}");
}

#[tokio::test]
async fn settings_for_tls_without_tls_are_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("worker.toml");
    std::fs::write(&path, "[tls]\nca = \"ca.pem\"\nverify = false\n").unwrap();
    let check = async || {
        let output = Command::new(env!("CARGO_BIN_EXE_toolwave-worker"))
            .env_clear()
            .arg("--check-config")
            .arg("--config")
            .arg(&path)
            .output();
        let output = within(output).await.unwrap();
        assert_eq!(output.status.code(), Some(78));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(check().await.contains("tls.verify: unknown key"));
    std::fs::write(&path, "[tls]\nca = \"ca.pem\"\n").unwrap();
    let said = check().await;
    assert!(said.contains(":2:6: tls.ca: means nothing without TLS"), "{said}");
    assert!(said.contains("expected https://HOST:PORT"), "{said}");
}

/// An address that a coordinator tells of is only where is dialled: who is there must prove the name that was given.
#[tokio::test]
async fn a_coordinator_that_another_tells_of_must_prove_the_same_name() {
    let ca = Authority::new();
    let own = ca.server(&["coordinator.example"], When::Now);
    let mut teller = coordinator(&own, &ca).await;
    let mut another = coordinator(&own, &ca).await;
    let liar = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let identity = ca.client("spiffe://toolwave/worker/a", When::Now);
    let tls = Tls::new()
        .ca_pem(ca.pem())
        .identity_pem(&identity.certificate, &identity.key)
        .server_name("coordinator.example");
    let worker = Worker::builder()
        .coordinator(format!("https://{}", teller.address))
        .name("a")
        .tls(tls)
        .build()
        .unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    let (session, _) = teller.accept().await;
    let told = [
        format!("https://{}", liar.local_addr().unwrap()),
        format!("http://{}", plain.local_addr().unwrap()),
        format!("https://{}", another.address),
    ];
    session
        .send(OpenSessionResponse {
            coordinators: Some(Coordinators {
                addresses: told.to_vec(),
            }),
            ..OpenSessionResponse::default()
        })
        .await;
    let (second, register) = another.session().await;
    assert_eq!(register.connected_to, ["coordinator"]);
    let coordinator_id = "another".to_owned();
    second
        .register(Registered {
            coordinator_id,
            ..registered()
        })
        .await;
    assert!(within(handle.connected_to(2)).await);
    // signed by the same CA, for another name
    let other = ca.server(&["liar.example"], When::Now);
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(server_config(&other, Some(&ca))));
    let (stream, _) = within(liar.accept()).await.unwrap();
    assert!(
        within(acceptor.accept(stream)).await.is_err(),
        "the worker ends the handshake"
    );
    let in_plaintext = plain.accept();
    tokio::pin!(in_plaintext);
    assert!(
        futures_util::poll!(&mut in_plaintext).is_pending(),
        "nobody came in plaintext"
    );
    assert_eq!(handle.coordinators_connected(), 2);
    running.abort();
}
