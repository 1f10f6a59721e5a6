//! What a coordinator refuses to start with.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, process::Command};

use rcgen::ExtendedKeyUsagePurpose;
use toolwave_coordinator::{
    Config,
    config::{ClientCertificate, Tls},
};

use crate::{
    common::config,
    pki::{Ca, Files, replace},
};

/// The keys and words of what is wrong.
fn wrong(config: &Config) -> Vec<(&'static str, String)> {
    let wrong = config.check().into_iter();
    wrong
        .map(|wrong| (wrong.key, format!("{}; expected {}", wrong.what, wrong.expected)))
        .collect()
}

fn keys(config: &Config) -> Vec<&'static str> {
    wrong(config).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn other_hosts_come_in_only_where_each_proves_who_it_is_or_an_operator_says_so() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let plain = None;
    let anonymous = Some(files.tls());
    let optional = Some(files.mutual(&ca, ClientCertificate::Optional));
    let proven = Some(files.mutual(&ca, ClientCertificate::Required));
    let remote = |port| SocketAddr::from(([0, 0, 0, 0], port));
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    for (listen, tls, worker_listen, worker_tls, refused) in [
        (local(1), &plain, None, &plain, &[][..]),
        (remote(1), &plain, None, &plain, &["listen"]),
        (remote(1), &anonymous, None, &plain, &["listen"]),
        (remote(1), &optional, None, &plain, &["listen"]),
        (remote(1), &proven, None, &plain, &[]),
        (remote(1), &proven, Some(remote(2)), &plain, &["worker_listen"]),
        (
            remote(1),
            &proven,
            Some(remote(2)),
            &anonymous,
            &["worker_listen"],
        ),
        (remote(1), &proven, Some(remote(2)), &proven, &[]),
        (
            remote(1),
            &plain,
            Some(remote(2)),
            &plain,
            &["listen", "worker_listen"],
        ),
        (local(1), &plain, Some(remote(2)), &proven, &[]),
        (remote(1), &proven, Some(local(2)), &plain, &[]),
    ] {
        let mut config = Config {
            listen,
            worker_listen,
            tls: tls.clone(),
            worker_tls: worker_tls.clone(),
            ..config()
        };
        assert_eq!(keys(&config), refused, "{listen} {worker_listen:?}");
        config.insecure_allow_remote = true;
        assert_eq!(keys(&config), [""; 0], "{listen} {worker_listen:?}");
    }
}

#[test]
fn keys_of_listeners_that_contradict_each_other_are_refused() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let tls = Some(files.tls());
    let worker_tls = tls.clone();
    assert_eq!(
        keys(&Config {
            worker_tls,
            ..config()
        }),
        ["worker_tls"]
    );
    let listen = SocketAddr::from(([127, 0, 0, 1], 7420));
    let worker_listen = Some(listen);
    assert_eq!(
        keys(&Config {
            listen,
            worker_listen,
            ..config()
        }),
        ["worker_listen"]
    );
    let optional = Tls {
        client_certificate: ClientCertificate::Optional,
        reload_interval: std::time::Duration::ZERO,
        ..files.tls()
    };
    assert_eq!(
        keys(&Config {
            tls: Some(optional),
            ..config()
        }),
        ["tls.client_certificate", "tls.reload_interval"]
    );
    for zero in [
        Config {
            max_connections: 0,
            ..config()
        },
        Config {
            max_connections_per_address: 0,
            ..config()
        },
        Config {
            max_new_connections_per_address: 0,
            ..config()
        },
    ] {
        assert_eq!(wrong(&zero).len(), 1);
    }
}

/// A case: the file, what it holds, its mode, and words of what is said.
type Case<'a> = (&'a str, &'a str, u32, &'a str);

#[test]
fn files_that_cannot_be_used_are_refused_with_what_would_be_right() {
    let ca = Ca::new("ca");
    let good = ca.server();
    let expired = ca.expired(ExtendedKeyUsagePurpose::ServerAuth);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                 -----END RSA PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    let other = ca.server();
    let huge = "#".repeat((1 << 20) + 1);
    let cases: &[Case<'_>] = &[
        ("server.pem", "", 0o644, "holds no certificate"),
        ("server.pem", &good.key, 0o644, "holds no certificate"),
        ("server.pem", broken, 0o644, "cannot be read as PEM"),
        ("server.pem", &huge, 0o644, "larger than 1 MiB"),
        ("server.key", "", 0o600, "holds no private key"),
        ("server.key", &other.key, 0o600, "is not the key of"),
        ("server.key", encrypted, 0o600, "is encrypted"),
        ("server.key", older, 0o600, "is encrypted"),
        ("server.key", &good.key, 0o604, "has mode 0604"),
        ("server.key", &good.key, 0o604, "mode 0600 or 0400"),
        ("ca.pem", "", 0o644, "holds no certificate"),
        ("ca.pem", &good.key, 0o644, "holds no certificate"),
        (
            "ca.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            0o644,
            "cannot be used",
        ),
    ];
    for (file, text, mode, said) in cases {
        let files = Files::new(&good);
        let tls = Some(files.mutual(&ca, ClientCertificate::Required));
        let config = Config { tls, ..config() };
        assert_eq!(wrong(&config), [], "before");
        replace(&files.path(file), text, *mode);
        let found = wrong(&config);
        let [(key, words)] = &found[..] else {
            panic!("{said}: {found:?}");
        };
        let expected_key = match *file {
            "server.pem" => "tls.certificate",
            "server.key" => "tls.key",
            _ => "tls.client_ca",
        };
        assert_eq!(*key, expected_key, "{words}");
        assert!(words.contains(said) && words.contains(file), "{words}");
        assert!(
            !words.contains(good.key.lines().nth(1).expect("a line")),
            "{words}"
        );
    }
    let files = Files::new(&expired);
    let tls = Some(files.tls());
    let found = wrong(&Config { tls, ..config() });
    assert!(found[0].1.contains("expired at 20"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn every_missing_or_unreadable_file_is_told_at_once() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let tls = Tls {
        certificate: "/no/such/file".into(),
        key: "/dev/zero".into(),
        client_ca: Some(files.path("")),
        ..files.tls()
    };
    let found = wrong(&Config {
        tls: Some(tls),
        ..config()
    });
    let keys: Vec<_> = found.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["tls.certificate", "tls.key", "tls.client_ca"]);
    for ((_, words), said) in found.iter().zip(["No such file", "is no file", "is no file"]) {
        assert!(words.contains(said), "{words}");
    }
}

#[test]
fn the_program_tells_each_problem_with_its_place_and_ends_with_78() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    fs::set_permissions(files.path("server.key"), fs::Permissions::from_mode(0o644)).expect("chmod");
    let written = format!(
        "listen = \"0.0.0.0:7420\"\nworker_listen = \"0.0.0.0:7421\"\n[tls]\ncertificate = \"/no/such/file\"\nkey = {:?}\n\
         client_certificate = \"maybe\"\n",
        files.path("server.key")
    );
    let tried = |text: &str| {
        let path = files.path("coordinator.toml");
        fs::write(&path, text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_toolwave-coordinator"))
            .env_clear()
            .arg("--check-config")
            .arg("--config")
            .arg(&path)
            .output()
            .expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = tried(&written);
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains(".toml:6:22: tls.client_certificate: ") && said.contains("optional"),
        "{said}"
    );
    let (code, said) = tried(&written.replace("maybe", "required"));
    assert_eq!(code, Some(78), "{said}");
    for line in [
        ".toml:1:10: listen: `0.0.0.0:7420` can be reached from other hosts",
        ".toml:2:17: worker_listen: `0.0.0.0:7421` can be reached from other hosts",
        ".toml:4:15: tls.certificate: `/no/such/file` cannot be read",
        ".toml:5:7: tls.key: `",
        "0644",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let (code, said) = tried("[tls]\nkey = \"key.pem\"\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("certificate"), "{said}");
    let good = "max_connections = 5\n[tls]\n".to_owned();
    fs::set_permissions(files.path("server.key"), fs::Permissions::from_mode(0o600)).expect("chmod");
    let good = good
        + &format!(
            "certificate = {:?}\nkey = {:?}\nreload_interval = \"1s\"\n",
            files.path("server.pem"),
            files.path("server.key")
        );
    let (code, said) = tried(&good);
    assert_eq!(code, Some(0), "{said}");
}
