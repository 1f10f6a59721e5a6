//! `toolwave certs` and `toolwave token`: what they make is what a coordinator, a worker and a client can use.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]
#![cfg(unix)]

mod support;
#[path = "../../client/link/tests/support/mod.rs"]
mod tls;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use support::{Finished, Running, finish, toolwave};
use toolwave_client::{Client, ClientError, Tls};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_worker::{
    Worker,
    tools::{Builtin, builtin_tools},
};

/// A directory with what `toolwave certs` made in it.
struct Made {
    directory: tempfile::TempDir,
    said: String,
}

fn certs(directory: &Path, arguments: &[&str]) -> Finished {
    finish(toolwave(directory).args(["certs", "pki"]).args(arguments))
}

impl Made {
    fn new(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let finished = certs(directory.path(), arguments);
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{finished:?}"
        );
        Self {
            directory,
            said: finished.stdout,
        }
    }

    fn more(&self, arguments: &[&str]) -> Finished {
        certs(self.directory.path(), arguments)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("pki").join(name)
    }

    fn files(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// As a coordinator with these files would meet who connects.
    fn server(&self) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        let certificate = |name: &str| CertificateDer::from_pem_file(self.path(name)).unwrap();
        roots.add(certificate("ca.pem")).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate("coordinator.pem")],
                PrivateKeyDer::from_pem_file(self.path("coordinator.key")).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    fn tls(&self, name: &str) -> Tls {
        Tls::new()
            .ca_file(self.path("ca.pem"))
            .certificate_file(self.path(&format!("{name}.pem")))
            .key_file(self.path(&format!("{name}.key")))
    }
}

/// Connected and known: the server has no services, which it says only to who was let in.
async fn let_in(url: &str, tls: Tls) -> bool {
    let client = Client::builder(url).tls(tls).connect().await;
    let asked = match client {
        Ok(client) => client.list_tools().await,
        Err(error) => Err(error),
    };
    match asked {
        Err(ClientError::NotToolwave { .. }) => true,
        Err(ClientError::Link { .. }) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_command_makes_what_coordinator_worker_and_client_need_for_each_other() {
    let made = Made::new(&["--host", "coordinator.example"]);
    let server = tls::TlsServer::start(tonic::service::Routes::default(), made.server()).await;
    let port = server.address.port();
    for name in ["worker", "client"] {
        for host in ["localhost", "127.0.0.1"] {
            assert!(
                let_in(&format!("https://{host}:{port}"), made.tls(name)).await,
                "{name}"
            );
        }
        let told = made.tls(name).server_name("coordinator.example");
        assert!(let_in(&format!("https://127.0.0.1:{port}"), told).await);
    }
    let url = format!("https://127.0.0.1:{port}");
    assert!(!let_in(&url, made.tls("client").server_name("other.example")).await);
    assert!(!let_in(&url, Tls::new().ca_file(made.path("ca.pem"))).await);
    assert!(!let_in(&url, Made::new(&[]).tls("client")).await, "of another CA");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_that_is_shown_makes_a_cluster_that_serves_its_own_and_nobody_else() {
    let made = Made::new(&[]);
    let parts: Vec<&str> = made.said.split("\n# --- ").collect();
    let local = parts[1]
        .split_once('\n')
        .unwrap()
        .1
        .replace("0.0.0.0:7420", "127.0.0.1:0");
    let config: Config = toml::from_str(&local.replace("0.0.0.0:7421", "127.0.0.1:0")).unwrap();
    let coordinator = Coordinator::start(config).await.unwrap();
    let worker = |name: &str| {
        Worker::builder()
            .coordinator(format!("https://{}", coordinator.worker_address()))
            .name(name)
            .tools(builtin_tools(&Builtin::default()).unwrap())
    };
    let own = worker("worker").tls(made.tls("worker")).build().unwrap();
    let handle = own.handle();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(own.run());
    assert!(handle.registered().await);

    let url = format!("https://{}", coordinator.address());
    let run = async |identity: &'static str| {
        let (certificate, key) = (
            made.path(&format!("{identity}.pem")),
            made.path(&format!("{identity}.key")),
        );
        fs::write(
            made.path("plan.yaml"),
            "calls: [{tool: echo, parameters: {a: 1}}]",
        )
        .unwrap();
        let mut command = toolwave(&made.path(""));
        command.args([
            "run",
            "plan.yaml",
            "--output",
            "json",
            "--coordinator",
            &url,
            "--ca",
            "ca.pem",
        ]);
        command
            .arg("--certificate")
            .arg(certificate)
            .arg("--key")
            .arg(key);
        tokio::task::spawn_blocking(move || finish(&mut command))
            .await
            .unwrap()
    };
    let finished = run("client").await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.json()["results"][0]["result"]["a"], 1);
    // What proves a worker proves no client.
    let finished = run("worker").await;
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(77), ""),
        "{finished:?}"
    );
    coordinator.shutdown().await;
}

#[tokio::test]
async fn a_ca_that_is_there_signs_more_and_leaves_the_rest_alone() {
    let made = Made::new(&[]);
    let ca = fs::read(made.path("ca.pem")).unwrap();
    let before = made.files();
    let finished = made.more(&["--worker", "gpu", "--tenant", "acme", "--days", "1"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let new: Vec<String> = made.files().difference(&before).cloned().collect();
    assert_eq!(
        new,
        [
            "client-acme.key",
            "client-acme.pem",
            "worker-gpu.key",
            "worker-gpu.pem"
        ]
    );
    assert_eq!(fs::read(made.path("ca.pem")).unwrap(), ca);
    let server = tls::TlsServer::start(tonic::service::Routes::default(), made.server()).await;
    let url = format!("https://{}", server.address);
    for name in ["worker-gpu", "client-acme", "worker"] {
        assert!(let_in(&url, made.tls(name)).await, "{name}");
    }
}

#[test]
fn keys_are_their_owners_alone_and_nothing_is_overwritten() {
    let made = Made::new(&["--worker", "a", "--worker", "b", "--worker", "a"]);
    let names: Vec<String> = made.files().into_iter().collect();
    assert_eq!(
        names,
        [
            "ca.key",
            "ca.pem",
            "client.key",
            "client.pem",
            "coordinator.key",
            "coordinator.pem",
            "worker-a.key",
            "worker-a.pem",
            "worker-b.key",
            "worker-b.pem"
        ]
    );
    let mode = |name: &str| fs::metadata(made.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for name in names.iter().filter(|name| name.ends_with(".key")) {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let content = || {
        names
            .iter()
            .map(|name| fs::read(made.path(name)).unwrap())
            .collect::<Vec<_>>()
    };
    let before = content();
    let refused = made.more(&["--worker", "new", "--worker", "a"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("worker-a.pem"), "{refused:?}");
    assert_eq!(content(), before);
    assert!(!made.path("worker-new.pem").exists(), "all or nothing");
}

#[test]
fn what_is_shown_is_configuration_as_it_stands() {
    let made = Made::new(&[]);
    let parts: Vec<&str> = made.said.split("\n# --- ").collect();
    let table = |part: &str| {
        let text = part.split_once('\n').unwrap().1;
        toml::from_str::<toml::Table>(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let coordinator = table(parts[1]);
    for listener in ["tls", "worker_tls"] {
        for (key, name) in [
            ("certificate", "coordinator.pem"),
            ("key", "coordinator.key"),
            ("client_ca", "ca.pem"),
        ] {
            let path = coordinator[listener][key].as_str().unwrap();
            assert_eq!(
                fs::canonicalize(path).unwrap(),
                fs::canonicalize(made.path(name)).unwrap()
            );
        }
    }
    let identity = |list: &toml::Value| list[0]["identity"].as_str().unwrap().to_owned();
    assert_eq!(
        identity(&coordinator["worker_identities"]),
        "spiffe://toolwave/worker/worker"
    );
    assert_eq!(
        identity(&coordinator["auth"]["client_certificates"]),
        "spiffe://toolwave/tenant/default"
    );
    let worker = table(parts[2]);
    assert_eq!(worker["name"].as_str(), Some("worker"));
    assert!(worker["coordinator"].as_str().unwrap().starts_with("https://"));
    assert!(parts[3].contains("toolwave tools --coordinator https://localhost:7420 --ca "));
    let secret = fs::read_to_string(made.path("ca.key")).unwrap();
    assert!(!made.said.contains(secret.lines().nth(1).unwrap()));
}

#[test]
fn a_token_is_told_once_beside_an_entry_that_holds_only_its_hash() {
    let directory = tempfile::tempdir().unwrap();
    let token = |arguments: &[&str]| finish(toolwave(directory.path()).arg("token").args(arguments));
    let finished = token(&[
        "ci",
        "--tenant",
        "acme",
        "--tools",
        "echo,files.*",
        "--operator",
        "--expires-in",
        "30d",
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let secret = finished.stderr.lines().last().unwrap().to_owned();
    assert!(secret.starts_with("tw_") && secret.len() == 46, "{secret}");
    assert!(!finished.stdout.contains(&secret));
    let entries: toml::Table = toml::from_str(&finished.stdout).unwrap();
    let entry = &entries["token"][0];
    let hash: String = Sha256::digest(secret.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(entry["sha256"].as_str(), Some(hash.as_str()));
    assert_eq!(entry["name"].as_str(), Some("ci"));
    assert_eq!(entry["tenant"].as_str(), Some("acme"));
    assert_eq!(entry["tools"].as_array().unwrap().len(), 2);
    assert_eq!(entry["operator"].as_bool(), Some(true));
    assert!(entry["expires"].as_str().unwrap().ends_with('Z'));
    let again = token(&["ci", "--tools", "*"]);
    assert_ne!(again.stderr.lines().last(), Some(secret.as_str()));
    let nothing = token(&["ci"]);
    assert!(nothing.stdout.contains("tools = []") && nothing.stderr.contains("may call no tool"));
}

#[test]
fn a_token_can_go_to_a_file_and_from_there_to_a_coordinator() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["token", "ci", "--tools", "*", "--file", "ci.token"];
    let finished = Running::start(toolwave(directory.path()).args(arguments), None).finish();
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:?}"
    );
    let path = directory.path().join("ci.token");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&path).unwrap();
    let hash: String = Sha256::digest(secret.trim_end().as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(finished.stdout.contains(&hash), "{finished:?}");
}
