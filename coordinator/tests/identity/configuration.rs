//! What a coordinator says of files and sections that it cannot use.

use toolwave_coordinator::{
    Config,
    identity::{Auth, ClientCertificate, WorkerIdentityEntry},
};

use crate::{
    common::config,
    pki::{Ca, Files},
    tokens::{asking, entry, file, sha256},
};

fn said(config: &Config) -> Vec<String> {
    let wrong = config.check().into_iter();
    wrong
        .map(|wrong| match &wrong.expected[..] {
            "" => format!("{}: {}", wrong.key, wrong.what),
            expected => format!("{}: {}; expected {expected}", wrong.key, wrong.what),
        })
        .collect()
}

#[test]
fn every_problem_of_a_tokens_file_is_told_with_its_place() {
    let hash = sha256("one");
    let text = format!(
        "[[token]]\nname = \"two words\"\nsha256 = \"{hash}\"\ntenant = \"\"\n\
         [[token]]\nname = \"b\"\nsha256 = \"hunter2\"\ntenant = \"a\"\ntools = [\"a*b\"]\n\
         [[token]]\nname = \"b\"\nsha256 = \"{hash}\"\ntenant = \"a\"\nexpires = \"tomorrow\"\n\
         [[token]]\nname = \"c\"\nsha256 = \"{}\"\ntenant = \"a\"\n",
        sha256("")
    );
    let (_folder, path) = file(&text);
    let said = said(&asking(path.clone()));
    let place = format!("auth.tokens_file: {}:", path.display());
    let expected = [
        "2:8: token[0].name: `two words` is no name; expected 1 to 128 bytes of [A-Za-z0-9._:-]",
        "4:10: token[0].tenant: `` is no name",
        "7:10: token[1].sha256: is no SHA-256 (7 bytes long); expected 64 hexadecimal digits",
        "9:9: token[1].tools: `a*b` is no pattern of names; expected",
        "11:8: token[2].name: is the name of token[1] too",
        "14:11: token[2].expires: is no time",
        "12:10: token[2].sha256: is the token of token[0] too",
        "17:10: token[3].sha256: is the SHA-256 of nothing",
    ];
    for line in expected {
        let line = format!("{place}{line}");
        assert!(
            said.iter().any(|said| said.starts_with(&line)),
            "{line} in {said:#?}"
        );
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    assert!(!said.concat().contains("hunter2"), "it may be the token itself");
}

#[test]
fn a_tokens_file_that_is_no_small_regular_file_is_refused() {
    let comment = format!("#{}\n", "x".repeat(1 << 20));
    let (folder, large) = file(&comment);
    for (path, what) in [
        (large, "is larger than 1048576 bytes"),
        ("/dev/zero".into(), "is no regular file"),
        (folder.path().into(), "is no regular file"),
        (folder.path().join("missing"), "No such file"),
    ] {
        let said = said(&asking(path));
        assert!(said.len() == 1 && said[0].contains(what), "{what} in {said:?}");
    }
}

#[test]
fn sections_that_let_nobody_in_or_name_nobody_are_refused() {
    let with = |auth: Auth| Config {
        auth: Some(auth),
        ..config()
    };
    assert!(said(&with(Auth::default()))[0].starts_with("auth: nobody could come in"));
    let client = |identity: &str| ClientCertificate {
        identity: identity.into(),
        tools: Default::default(),
        operator: false,
    };
    let worker = |identity: &str| WorkerIdentityEntry {
        identity: identity.into(),
        names: None,
        tools: Default::default(),
        strict: false,
    };
    let mut config = with(Auth {
        client_certificates: vec![
            client("spiffe://t/worker/a"),
            client("a"),
            client("spiffe://t/tenant/a"),
            client("spiffe://t/tenant/a"),
        ],
        ..Auth::default()
    });
    config.worker_identities = vec![
        worker("spiffe://t/tenant/a"),
        worker("spiffe://t/worker/a"),
        worker("spiffe://t/worker/a"),
    ];
    let said = said(&config);
    for (index, expected) in [
        "auth.client_certificates: `spiffe://t/worker/a` is no client's identity",
        "auth.client_certificates: `a` is no client's identity",
        "auth.client_certificates: `spiffe://t/tenant/a` is there twice",
        "worker_identities: `spiffe://t/tenant/a` is no worker's identity",
        "worker_identities: `spiffe://t/worker/a` is there twice",
        "auth.client_certificates: nobody could show a certificate; expected [tls] with a client_ca too",
        "worker_identities: nobody could show a certificate; expected [tls] with a client_ca too",
    ]
    .iter()
    .enumerate()
    {
        assert!(said[index].starts_with(expected), "{expected} in {said:#?}");
    }
    assert_eq!(said.len(), 7, "{said:#?}");
}

#[test]
fn beyond_loopback_tokens_need_tls_and_workers_need_certificates() {
    let (_folder, path) = file(&entry("token", ""));
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let (tls, mutual) = (
        files.tls(),
        files.mutual(&ca, toolwave_coordinator::config::ClientCertificate::Optional),
    );
    let worker = toolwave_coordinator::identity::WorkerIdentityEntry {
        identity: "spiffe://t/worker/w".into(),
        names: None,
        tools: Default::default(),
        strict: false,
    };
    let remote = |tls, workers: bool, split: bool| {
        let mut config = Config {
            listen: ([0, 0, 0, 0], 7420).into(),
            tls,
            ..asking(path.clone())
        };
        if split {
            config.worker_listen = Some(([127, 0, 0, 1], 7421).into());
        }
        if workers {
            config.worker_identities = vec![worker.clone()];
        }
        config
            .check()
            .into_iter()
            .map(|wrong| wrong.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(remote(None, false, false), ["listen"]);
    assert_eq!(remote(Some(tls.clone()), false, false), ["listen"]);
    assert_eq!(remote(Some(mutual.clone()), false, false), ["listen"]);
    assert_eq!(remote(Some(mutual), true, false), [""; 0]);
    // With the workers elsewhere, on loopback.
    assert_eq!(remote(None, false, true), ["listen"]);
    assert_eq!(remote(Some(tls), false, true), [""; 0]);
}

#[test]
fn the_sections_are_written_as_the_documentation_has_them() {
    let text = r#"
        [auth]
        tokens_file = "tokens.toml"
        reload_interval = "5s"
        [auth.jwt]
        audience = "toolwave"
        issuer = "https://issuer.example"
        leeway = "10s"
        max_lifetime = "1h"
        tenant_claim = "https://issuer.example/tenant"
        keys = [{ kid = "2026", algorithm = "ES256", public_key_file = "issuer.pem" }]
        [[auth.client_certificates]]
        identity = "spiffe://toolwave/tenant/a"
        tools = ["echo", "files.*"]
        [[worker_identities]]
        identity = "spiffe://toolwave/worker/gpu"
        names = ["gpu", "gpu-*"]
        tools = ["gpu.*"]
        strict = true
    "#;
    let config: Config = toml::from_str(text).expect("it is in order");
    let auth = config.auth.as_ref().expect("it is there");
    let jwt = auth.jwt.as_ref().expect("it is there");
    assert_eq!(jwt.max_lifetime, Some(std::time::Duration::from_secs(3600)));
    assert_eq!(jwt.operator_claim, "operator");
    assert!(auth.client_certificates[0].tools.allow("files.read"));
    assert!(config.worker_identities[0].strict);
    let unknown = toml::from_str::<Config>("[auth]\ntoken_file = \"x\"\n");
    assert!(unknown.is_err());
    let none = "[auth.jwt]\naudience = \"a\"\nkeys = [{ algorithm = \"none\", secret_file = \"x\" }]\n";
    let none = toml::from_str::<Config>(none)
        .expect_err("no such algorithm")
        .to_string();
    assert!(none.contains("HS256"), "{none}");
}
