//! Who gets through the handshake of TLS, and what becomes of those that do not.

use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use toolwave_coordinator::{
    Config,
    config::{ClientCertificate, Tls},
};

use crate::{
    common::{config, soon, start},
    memory::{Client, Memory, SOMEWHERE, until_closed},
    pki::{Ca, Dialler, Files, Identity},
};

/// Each alone.
static VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS13], &[&TLS12]];

fn with(tls: Tls) -> Config {
    Config {
        tls: Some(tls),
        ..config()
    }
}

/// Whether a client is served.
async fn served(memory: &Memory, dialler: &Dialler) -> bool {
    let stream = memory.connect(SOMEWHERE).await;
    match soon("the client's handshake", dialler.dial(stream)).await {
        Ok(stream) => soon("an answer", Client::open(stream)).await.is_some(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn only_certificates_of_the_clients_ca_come_in() {
    let (ca, other) = (Ca::new("ca"), Ca::new("ca"));
    let files = Files::new(&ca.server());
    let expired = ca.expired(ExtendedKeyUsagePurpose::ClientAuth);
    let cases: [(&str, Option<Identity>, bool, bool); 5] = [
        ("of the CA", Some(ca.client()), true, true),
        ("none", None, false, true),
        ("of another CA", Some(other.client()), false, false),
        ("expired", Some(expired), false, false),
        ("of a server", Some(ca.server()), false, false),
    ];
    for (mode, column) in [(ClientCertificate::Required, 0), (ClientCertificate::Optional, 1)] {
        let (memory, _coordinator) = Memory::start(with(files.mutual(&ca, mode))).await;
        for (which, identity, required, optional) in &cases {
            for versions in VERSIONS {
                let mut dialler = Dialler::new(&ca, identity.clone());
                dialler.versions = versions;
                let expected = [*required, *optional][column];
                assert_eq!(
                    served(&memory, &dialler).await,
                    expected,
                    "{which}, {mode:?}, {versions:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_client_finds_out_that_a_server_is_another() {
    let (ca, other) = (Ca::new("ca"), Ca::new("ca"));
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = Memory::start(with(files.tls())).await;
    assert!(served(&memory, &Dialler::new(&ca, None)).await);
    assert!(!served(&memory, &Dialler::new(&other, None)).await, "another CA");
    let mut dialler = Dialler::new(&ca, None);
    dialler.name = "other.test";
    assert!(!served(&memory, &dialler).await, "another name");
}

#[tokio::test]
async fn a_client_that_wants_another_protocol_gets_no_handshake() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = Memory::start(with(files.tls())).await;
    let mut dialler = Dialler::new(&ca, None);
    dialler.protocols = vec![b"http/1.1".to_vec()];
    let dialled = dialler.dial(memory.connect(SOMEWHERE).await).await;
    assert!(dialled.is_err(), "no protocol in common");
    let mut dialler = Dialler::new(&ca, None);
    dialler.protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let stream = dialler.dial(memory.connect(SOMEWHERE).await).await;
    let stream = stream.expect("one protocol in common");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn what_is_not_tls_is_closed_at_once() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let coordinator = start(with(files.tls())).await;
    for sent in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
        b"GET / HTTP/1.1\r\nHost: coordinator\r\n\r\n",
        &[0xFF; 64],
    ] {
        let mut stream = TcpStream::connect(coordinator.address())
            .await
            .expect("it listens");
        stream.write_all(sent).await.expect("sent");
        let mut said = Vec::new();
        // Well before the deadline of the handshake; what it says is at most an alert.
        let closed = tokio::time::timeout(Duration::from_secs(4), stream.read_to_end(&mut said)).await;
        assert!(closed.is_ok(), "open after {sent:?}");
        assert!(said.len() < 16, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_done_in_five_seconds_is_given_up_and_holds_up_nobody() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = Memory::start(with(files.tls())).await;
    let mut silent = memory.connect(SOMEWHERE).await;
    let mut half = memory.connect(SOMEWHERE).await;
    // The header of a record of 200 bytes, of which none comes.
    half.write_all(&[0x16, 3, 1, 0, 200]).await.expect("sent");
    assert!(served(&memory, &Dialler::new(&ca, None)).await, "while both wait");
    let (silent, half) = tokio::join!(until_closed(&mut silent), until_closed(&mut half));
    for open in [silent, half] {
        assert!(open <= Duration::from_millis(5_010), "{open:?}");
        assert!(open >= Duration::from_millis(4_900), "{open:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_after_its_handshake_is_closed_too() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = Memory::start(with(files.tls())).await;
    let stream = memory.connect(SOMEWHERE).await;
    let mut stream = Dialler::new(&ca, None).dial(stream).await.expect("a handshake");
    let open = until_closed(&mut stream).await;
    assert!(open <= Duration::from_millis(5_010), "{open:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_handshakes_than_the_limit_are_under_way_and_they_make_room_again() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = Memory::start(with(files.tls())).await;
    let mut silent = Vec::new();
    for _ in 0..4_096 {
        silent.push(memory.connect("127.0.0.1").await);
    }
    let mut refused = memory.connect("127.0.0.1").await;
    let open = until_closed(&mut refused).await;
    assert!(
        open < Duration::from_secs(4),
        "no place, so no handshake: {open:?}"
    );
    assert!(!served(&memory, &Dialler::new(&ca, None)).await);
    until_closed(&mut silent[0]).await;
    soon("a place, as the others are given up", async {
        while !served(&memory, &Dialler::new(&ca, None)).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
