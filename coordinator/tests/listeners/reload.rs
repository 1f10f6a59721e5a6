//! Certificates that change while a coordinator runs.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use toolwave_coordinator::{
    Config, Coordinator,
    config::{ClientCertificate, Tls},
};

use crate::{
    common::{config, soon},
    memory::{Client, Memory, SOMEWHERE},
    pki::{Ca, Dialler, Files, replace},
};

/// Looks at least once in the time that passes, and reads what it found.
async fn a_look() {
    tokio::time::sleep(Duration::from_secs(21)).await;
}

async fn serve(files: &Files, ca: Option<&Ca>) -> (Memory, Coordinator) {
    let tls = match ca {
        Some(ca) => files.mutual(ca, ClientCertificate::Required),
        None => files.tls(),
    };
    let tls = Some(tls);
    Memory::start(Config { tls, ..config() }).await
}

/// A connection of its own, and the certificate that the listener showed.
async fn connected(memory: &Memory, dialler: &Dialler) -> Option<(Client, CertificateDer<'static>)> {
    let stream = dialler.dial(memory.connect(SOMEWHERE).await).await.ok()?;
    let shown = stream.get_ref().1.peer_certificates()?.first()?.clone();
    Some((Client::open(stream).await?, shown))
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_is_shown_without_a_restart_and_open_connections_live_on() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = serve(&files, None).await;
    let dialler = Dialler::new(&ca, None);
    let (mut before, old) = connected(&memory, &dialler).await.expect("the first");
    files.serve(&ca.server());
    a_look().await;
    let (_, new) = connected(&memory, &dialler).await.expect("the second");
    assert!(old != new, "the same certificate");
    assert_eq!(before.status("/no.Service/Nothing").await, Some(12), "it is open");
}

#[tokio::test(start_paused = true)]
async fn clients_of_a_new_ca_come_in_and_those_of_the_old_do_not_any_more() {
    let (server, old, new) = (Ca::new("server"), Ca::new("old"), Ca::new("new"));
    let files = Files::new(&server.server());
    let (memory, _coordinator) = serve(&files, Some(&old)).await;
    let of_old = Dialler::new(&server, Some(old.client()));
    let of_new = Dialler::new(&server, Some(new.client()));
    let mut before = connected(&memory, &of_old).await.expect("of the old CA").0;
    assert!(connected(&memory, &of_new).await.is_none());

    // Both, for the time in which clients change.
    let both = old.certificate.pem() + &new.certificate.pem();
    replace(&files.path("ca.pem"), &both, 0o644);
    a_look().await;
    assert!(connected(&memory, &of_old).await.is_some());
    assert!(connected(&memory, &of_new).await.is_some());

    files.trust(&new);
    a_look().await;
    assert!(connected(&memory, &of_old).await.is_none());
    assert!(connected(&memory, &of_new).await.is_some());
    assert_eq!(before.status("/no.Service/Nothing").await, Some(12), "it is open");
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_used_leave_the_certificate_as_it_is_until_they_can() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (memory, _coordinator) = serve(&files, None).await;
    let dialler = Dialler::new(&ca, None);
    let old = connected(&memory, &dialler).await.expect("the first").1;
    let new = ca.server();
    let expired = ca.expired(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    for (name, text) in [
        ("server.pem", ""),
        (
            "server.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        ("server.pem", &*expired.certificate),
        // Half of a renewal: the key is still that of the certificate before.
        ("server.pem", &*new.certificate),
    ] {
        replace(&files.path(name), text, 0o600);
        a_look().await;
        let shown = connected(&memory, &dialler).await.expect("it is served").1;
        assert!(shown == old, "another certificate after {text:?}");
    }
    replace(&files.path("server.key"), &new.key, 0o600);
    a_look().await;
    let shown = connected(&memory, &dialler).await.expect("it is served").1;
    assert!(shown != old, "the other half came");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_taken_when_it_is() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let reload_interval = Duration::from_millis(100);
    let tls = Some(Tls {
        reload_interval,
        ..files.tls()
    });
    let (memory, _coordinator) = Memory::start(Config { tls, ..config() }).await;
    let dialler = Dialler::new(&ca, None);
    let old = connected(&memory, &dialler).await.expect("the first").1;
    files.serve(&ca.server_from(SystemTime::now() + Duration::from_secs(2)));
    soon("the new certificate", async {
        while connected(&memory, &dialler).await.expect("it is served").1 == old {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
