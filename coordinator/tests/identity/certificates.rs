//! Clients and workers that come with a certificate, beside clients that come with a token.

use toolwave_coordinator::{
    Config, Coordinator,
    config::ClientCertificate as Wanted,
    identity::{Auth, ClientCertificate, WorkerIdentityEntry},
};

use crate::{
    ask::{Answer, CLIENT_METHODS, HEALTH, OPERATOR_METHODS, WORKER_METHOD, ask, certificate, dial},
    common::{config, start},
    pki::{Ca, Files},
    tokens::{asking, entry, file},
};

fn client(identity: &str, operator: bool) -> ClientCertificate {
    ClientCertificate {
        identity: identity.into(),
        tools: Default::default(),
        operator,
    }
}

fn worker(identity: &str) -> WorkerIdentityEntry {
    WorkerIdentityEntry {
        identity: identity.into(),
        names: None,
        tools: Default::default(),
        strict: false,
    }
}

/// What is answered to clients, operators and workers.
type Row<'a> = (Option<&'a [&'a str]>, &'a [&'a str], [Answer; 3]);

async fn expect(coordinator: &Coordinator, ca: &Ca, rows: &[Row<'_>]) {
    for (uris, headers, [client, operator, worker]) in rows {
        let identity = uris.map(|uris| certificate(ca, uris));
        let channel = dial(coordinator.address(), ca, identity).await;
        for method in CLIENT_METHODS {
            assert_eq!(
                ask(&channel, method, headers).await,
                *client,
                "{method} {uris:?} {headers:?}"
            );
        }
        for method in OPERATOR_METHODS {
            assert_eq!(
                ask(&channel, method, headers).await,
                *operator,
                "{method} {uris:?} {headers:?}"
            );
        }
        assert_eq!(
            ask(&channel, WORKER_METHOD, headers).await,
            *worker,
            "{uris:?} {headers:?}"
        );
        assert_eq!(ask(&channel, HEALTH, headers).await, Answer::LetIn);
    }
}

#[tokio::test]
async fn a_certificate_is_worth_what_is_configured_for_its_name() {
    use Answer::{BadToken, LetIn, NoCredentials, NotPermitted};
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (_folder, path) = file(&(entry("token", "") + &entry("chief", "operator = true")));
    let mut config = Config {
        tls: Some(files.mutual(&ca, Wanted::Optional)),
        worker_identities: vec![worker("spiffe://t/worker/gpu")],
        ..asking(path)
    };
    config.auth.as_mut().expect("it asks").client_certificates = vec![
        client("spiffe://t/tenant/a", false),
        client("spiffe://t/tenant/a/ops", true),
        client("spiffe://t/tenant/b", true),
    ];
    let coordinator = start(config).await;
    let rows: &[Row<'_>] = &[
        (None, &[], [NoCredentials, NoCredentials, NoCredentials]),
        (None, &["Bearer token"], [LetIn, NotPermitted, NotPermitted]),
        (None, &["Bearer chief"], [LetIn, LetIn, NotPermitted]),
        (None, &["Bearer wrong"], [BadToken, BadToken, BadToken]),
        // A certificate without a name is no credential.
        (Some(&[]), &[], [NoCredentials, NoCredentials, NotPermitted]),
        (Some(&[]), &["Bearer token"], [LetIn, NotPermitted, NotPermitted]),
        (
            Some(&["https://t/tenant/a"]),
            &[],
            [NoCredentials, NoCredentials, NotPermitted],
        ),
        (
            Some(&["spiffe://t/tenant/a"]),
            &[],
            [LetIn, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/tenant/a/ci"]),
            &[],
            [LetIn, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/tenant/a/ops"]),
            &[],
            [LetIn, LetIn, NotPermitted],
        ),
        (Some(&["spiffe://t/tenant/b"]), &[], [LetIn, LetIn, NotPermitted]),
        (
            Some(&["spiffe://t/tenant/c"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://other/tenant/a"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/nobody/a"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/tenant/a", "spiffe://t/worker/gpu"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/worker/gpu"]),
            &[],
            [NotPermitted, NotPermitted, LetIn],
        ),
        (
            Some(&["spiffe://t/worker/cpu"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
        // The token decides where there is one; a bad one is not made good by a certificate.
        (
            Some(&["spiffe://t/tenant/b"]),
            &["Bearer token"],
            [LetIn, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/tenant/b"]),
            &["Bearer wrong"],
            [BadToken, BadToken, BadToken],
        ),
        (
            Some(&["spiffe://t/worker/gpu"]),
            &["Bearer token"],
            [LetIn, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/worker/gpu"]),
            &["Bearer wrong"],
            [BadToken, BadToken, BadToken],
        ),
    ];
    expect(&coordinator, &ca, rows).await;
}

#[tokio::test]
async fn without_auth_a_certificate_of_the_ca_lets_clients_in_and_a_name_does_not() {
    use Answer::{LetIn, NotPermitted};
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let coordinator = start(Config {
        tls: Some(files.mutual(&ca, Wanted::Required)),
        ..config()
    })
    .await;
    let rows: &[Row<'_>] = &[
        (Some(&[]), &[], [LetIn, LetIn, NotPermitted]),
        (
            Some(&["spiffe://t/tenant/a"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
        (
            Some(&["spiffe://t/worker/gpu"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
    ];
    expect(&coordinator, &ca, rows).await;
}

#[tokio::test]
async fn certificates_alone_are_enough_to_know_clients_by() {
    use Answer::{BadToken, LetIn, NoCredentials, NotPermitted};
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let coordinator = start(Config {
        tls: Some(files.mutual(&ca, Wanted::Optional)),
        auth: Some(Auth {
            client_certificates: vec![client("spiffe://t/tenant/a", true)],
            ..Auth::default()
        }),
        ..config()
    })
    .await;
    let rows: &[Row<'_>] = &[
        // Loopback, and no identities of workers: any is welcome that shows nothing.
        (None, &[], [NoCredentials, NoCredentials, LetIn]),
        (None, &["Bearer token"], [BadToken, BadToken, BadToken]),
        (Some(&["spiffe://t/tenant/a"]), &[], [LetIn, LetIn, NotPermitted]),
        (
            Some(&["spiffe://t/worker/gpu"]),
            &[],
            [NotPermitted, NotPermitted, NotPermitted],
        ),
    ];
    expect(&coordinator, &ca, rows).await;
}
