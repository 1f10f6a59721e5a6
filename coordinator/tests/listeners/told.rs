//! What the log says about who came in, and how often.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rcgen::ExtendedKeyUsagePurpose;
use tokio::{io::AsyncWriteExt as _, time::sleep};
use toolwave_coordinator::{
    Config,
    config::{ClientCertificate, Tls},
};
use tracing::subscriber::DefaultGuard;

use crate::{
    common::{config, soon},
    memory::{Client, Memory, SOMEWHERE, until_closed},
    pki::{Ca, Dialler, Files, replace},
};

/// What this thread logs from warnings on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines with a word.
    fn with(&self, word: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().filter(|line| line.contains(word));
        lines.map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_once_a_second_with_their_number_and_the_limit() {
    let (log, _guard) = Log::start();
    let max_connections_per_address = 1;
    let (memory, _coordinator) = Memory::start(Config {
        max_connections_per_address,
        ..config()
    })
    .await;
    let _first = soon("an answer", memory.lets_in("192.0.2.1"))
        .await
        .expect("the first");
    for _ in 0..2 {
        for _ in 0..10 {
            until_closed(&mut memory.connect("192.0.2.1").await).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let lines = log.with("connection refused");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, connections) in lines.iter().zip(["connections=1", "connections=10"]) {
        for word in [
            "listen",
            "192.0.2.1",
            "max_connections_per_address",
            "value=1",
            connections,
        ] {
            assert!(line.contains(word), "{word} in {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_client_is_told_once_a_second() {
    let (log, _guard) = Log::start();
    let (memory, _coordinator) = Memory::start(config()).await;
    for sent in [&[0x16, 3, 1][..], b"GET", b"GET", b"PUT"] {
        let mut stream = memory.connect("192.0.2.1").await;
        stream.write_all(sent).await.expect("sent");
        until_closed(&mut stream).await;
    }
    let mut silent = memory.connect("192.0.2.1").await;
    until_closed(&mut silent).await;
    let lines = log.with("connection closed: no client");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("TLS") && lines[0].contains("connections=1"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("within 5 s") && lines[1].contains("connections=4"),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_insecure_listener_is_told_at_the_start_and_every_hour() {
    let (log, _guard) = Log::start();
    let (_memory, _coordinator) = Memory::start(Config {
        listen: ([0, 0, 0, 0], 7420).into(),
        insecure_allow_remote: true,
        ..config()
    })
    .await;
    for hours in 1..4 {
        sleep(Duration::from_secs(60)).await;
        let lines = log.with("insecure: whoever reaches this address may run every tool");
        assert_eq!(lines.len(), hours, "{lines:?}");
        sleep(Duration::from_secs(59 * 60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn certificates_that_were_read_again_or_cannot_be_used_are_told_without_the_key() {
    let (log, _guard) = Log::start();
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let tls = Some(files.tls());
    let (_memory, _coordinator) = Memory::start(Config { tls, ..config() }).await;
    let (server, other) = (ca.server(), ca.server());
    files.serve(&server);
    sleep(Duration::from_secs(21)).await;
    assert_eq!(log.with("certificates reloaded").len(), 1);
    replace(&files.path("server.key"), &other.key, 0o600);
    sleep(Duration::from_secs(60)).await;
    let lines = log.with("changed certificates cannot be used");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("is not the key of"), "{lines:?}");
    for key in [&server.key, &other.key] {
        let secret = key.lines().nth(1).expect("its first line");
        assert_eq!(log.with(secret), [""; 0]);
    }
}

#[tokio::test]
async fn certificates_that_expire_are_told_and_let_no_further_client_in() {
    let (log, _guard) = Log::start();
    let ca = Ca::new("ca");
    let soon_over = SystemTime::now() + Duration::from_secs(2);
    let of_server = ca.until(ExtendedKeyUsagePurpose::ServerAuth, soon_over);
    let of_client = ca.until(ExtendedKeyUsagePurpose::ClientAuth, soon_over);
    // The listener of this file expires, and the other one's clients do.
    let (files, others) = (Files::new(&of_server), Files::new(&ca.server()));
    let reload_interval = Duration::from_millis(100);
    let tls = Some(Tls {
        reload_interval,
        ..files.tls()
    });
    let (_expiring, _coordinator) = Memory::start(Config { tls, ..config() }).await;
    let tls = Some(others.mutual(&ca, ClientCertificate::Required));
    let (memory, _coordinator) = Memory::start(Config { tls, ..config() }).await;
    let dialler = Dialler::new(&ca, Some(of_client));
    let connect = async || {
        let stream = dialler.dial(memory.connect(SOMEWHERE).await).await.ok()?;
        Client::open(stream).await
    };
    let mut before = soon("an answer", connect()).await.expect("it is valid yet");
    soon("the end of both", async {
        while connect().await.is_some() || log.with("clients refuse this listener").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // Told at a later look than the end of the certificate.
    replace(&files.path("server.key"), "", 0o600);
    soon("a later look", async {
        while log.with("changed certificates cannot be used").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let lines = log.with("clients refuse this listener");
    assert!(lines[0].contains("expired at 20"), "{lines:?}");
    assert_eq!(lines.len(), 1, "once an hour: {lines:?}");
    assert_eq!(before.status("/no.Service/Nothing").await, Some(12), "it is open");
    assert!(!log.with("connection closed: no TLS handshake").is_empty());
}
