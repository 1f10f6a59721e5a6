//! What is said of certificates and keys that cannot be used, before anything is dialled.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::path::Path;

use support::{Authority, When};
use toolwave_link::{Address, Link, Tls};

/// Every problem, one in a line.
fn problems(tls: &Tls) -> Vec<String> {
    match tls.check("localhost") {
        Ok(()) => Vec::new(),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

fn assert_said(said: &[String], expected: &[&str]) {
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (line, part) in said.iter().zip(expected) {
        assert!(line.contains(part), "{line}\ndoes not say: {part}");
        assert!(line.contains("; expected "), "{line}");
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        support::mode(&path, 0o600);
        path
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let place = Place::new();
    let tls = Tls::new()
        .ca_file(place.path().join("missing.pem"))
        .certificate_file(place.file("empty.pem", ""))
        .key_file(place.file("none.key", "nothing"))
        .server_name("not a name");
    assert_said(
        &problems(&tls),
        &[
            "missing.pem cannot be read: No such file",
            "empty.pem holds no certificate",
            "none.key holds no private key",
            "`not a name` cannot be the name of a server",
        ],
    );
}

#[test]
fn a_certificate_and_its_key_come_together_and_belong_together() {
    let (ca, place) = (Authority::new(), Place::new());
    let (certificate, key) = ca
        .client("spiffe://toolwave/worker/a", When::Now)
        .write(place.path(), "a");
    let (_, other) = ca
        .client("spiffe://toolwave/worker/b", When::Now)
        .write(place.path(), "b");
    let base = || Tls::new().ca_pem(ca.pem());
    assert_said(
        &problems(&base().certificate_file(&certificate)),
        &["key: is not given"],
    );
    assert_said(&problems(&base().key_file(&key)), &["certificate: is not given"]);
    let mixed = base().certificate_file(&certificate).key_file(&other);
    assert_said(&problems(&mixed), &["b.key is not the certificate's key"]);
    assert_said(
        &problems(&base().certificate_file(&certificate).key_file(&key)),
        &[],
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused_with_its_mode() {
    let (ca, place) = (Authority::new(), Place::new());
    let (certificate, key) = ca
        .client("spiffe://toolwave/worker/a", When::Now)
        .write(place.path(), "a");
    for mode in [0o644, 0o604, 0o660] {
        support::mode(&key, mode);
        let tls = Tls::new()
            .ca_pem(ca.pem())
            .certificate_file(&certificate)
            .key_file(&key);
        assert_said(
            &problems(&tls),
            &[&format!("can be read by others (mode {mode:04o})")],
        );
    }
}

#[test]
fn a_certificate_that_no_server_could_take_today_is_refused() {
    let (ca, place) = (Authority::new(), Place::new());
    for (issued, said) in [
        (ca.client("spiffe://toolwave/worker/a", When::Past), "has expired"),
        (
            ca.client("spiffe://toolwave/worker/a", When::Future),
            "is not valid yet",
        ),
        (ca.server(&["localhost"], When::Now), "is not made for clients"),
    ] {
        let (certificate, key) = issued.write(place.path(), "a");
        let tls = Tls::new()
            .ca_pem(ca.pem())
            .certificate_file(certificate)
            .key_file(key);
        assert_said(&problems(&tls), &[said]);
    }
}

#[test]
fn an_encrypted_key_is_told_from_a_broken_one_and_neither_is_repeated() {
    let (ca, place) = (Authority::new(), Place::new());
    let (certificate, key) = ca
        .client("spiffe://toolwave/worker/a", When::Now)
        .write(place.path(), "a");
    let secret = std::fs::read_to_string(&key).unwrap();
    let body = secret.lines().nth(1).unwrap().to_owned();
    for (text, said) in [
        (
            secret.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            "is encrypted",
        ),
        (
            secret.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n"),
            "is encrypted",
        ),
        (secret.replace("-----END PRIVATE KEY-----", ""), "is no PEM"),
        (secret.replace(&body, &body[4..]), "cannot be used"),
        (secret.replace(&body, "=!"), "is no PEM"),
    ] {
        let key = place.file("a.key", text);
        let tls = Tls::new()
            .ca_pem(ca.pem())
            .certificate_file(&certificate)
            .key_file(&key);
        let problems = problems(&tls);
        assert_said(&problems, &[said]);
        assert!(!problems[0].contains(&body[8..24]), "{problems:?}");
    }
    let tls = Tls::new().identity_pem(std::fs::read_to_string(certificate).unwrap(), &secret);
    assert!(!format!("{tls:?}").contains(&body), "{tls:?}");
}

#[test]
fn what_is_no_file_of_certificates_is_not_read_without_bound() {
    let place = Place::new();
    for (path, said) in [
        (place.path().to_owned(), "is no file"),
        (
            place.file("large.pem", vec![b'a'; (1 << 20) + 1]),
            "is larger than 1 MiB",
        ),
        (place.file("text.pem", "hello"), "holds no certificate"),
        (
            place.file(
                "bad.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            "certificate 1 of",
        ),
    ] {
        assert_said(&problems(&Tls::new().ca_file(path)), &[said]);
    }
    #[cfg(unix)]
    assert_said(&problems(&Tls::new().ca_file("/dev/zero")), &["is no file"]);
}

#[test]
fn settings_for_tls_are_refused_where_the_address_means_plaintext() {
    let address = Address::parse("http://127.0.0.1:7420").unwrap();
    let tls = Tls::new().ca_file("ca.pem").server_name("a");
    let problems = Link::try_new(&address, tls, |endpoint| endpoint).unwrap_err();
    let said: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_said(
        &said,
        &["ca: means nothing without TLS", "server_name: means nothing"],
    );
}
