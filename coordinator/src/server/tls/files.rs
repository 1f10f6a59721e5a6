//! From a listener's files to what a handshake needs, with everything that is wrong with them at once. Never says
//! what a key file holds.

use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use webpki::{EndEntityCert, KeyUsage};

use crate::{
    config::{ClientCertificate, Tls},
    files::is_open_to_others,
};

/// Of one file: hundreds of certificates.
const LARGEST_FILE: u64 = 1 << 20;

/// The last second of the year 9999, beyond which no certificate can say anything.
const FAR: Duration = Duration::from_secs(253_402_300_799);

/// A file of a listener's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Certificate,
    Key,
    ClientCa,
}

/// What is wrong with one, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; expected {expected}")]
pub(crate) struct Flaw {
    pub(crate) part: Part,
    pub(crate) what: String,
    pub(crate) expected: String,
}

/// What the files of a listener come to.
pub(crate) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
}

/// Reads a listener's files.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load(tls: &Tls) -> Result<Loaded, Vec<Flaw>> {
    let provider = Arc::new(ring::default_provider());
    let chain = chain(&tls.certificate);
    let key = key(&tls.key);
    let verifier = match &tls.client_ca {
        Some(path) => verifier(path, tls.client_certificate, &provider),
        None => Ok(WebPkiClientVerifier::no_client_auth()),
    };
    match (chain, key, verifier) {
        (Ok(chain), Ok(key), Ok(verifier)) => {
            assemble(tls, provider, chain, key, verifier).map_err(|flaw| vec![flaw])
        }
        (chain, key, verifier) => Err([chain.err(), key.err(), verifier.err()]
            .into_iter()
            .flatten()
            .collect()),
    }
}

// === impl Loaded ===

impl Loaded {
    /// What time has done to the certificates since.
    pub(super) fn check(&self) -> Result<(), String> {
        check_now(&self.chain)
    }

    /// When the first of the certificates expires, in seconds since 1970; `None`: not as far as can be seen.
    pub(super) fn not_after(&self) -> Option<u64> {
        let expires = |certificate: &CertificateDer<'_>| {
            let parsed = EndEntityCert::try_from(certificate).ok()?;
            // At a time when every certificate has expired: as `check_now` does.
            let (then, usage) = (UnixTime::since_unix_epoch(FAR), KeyUsage::server_auth());
            match parsed.verify_for_usage(&[], &[], &[], then, usage, None, None) {
                Err(webpki::Error::CertExpired { not_after, .. }) => Some(not_after.as_secs()),
                _ => None,
            }
        };
        self.chain.iter().filter_map(expires).min()
    }
}

fn assemble(
    tls: &Tls,
    provider: Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Loaded, Flaw> {
    let flaw = |part, what| Flaw {
        part,
        what,
        expected: "the private key (RSA, ECDSA or Ed25519) of the certificate".into(),
    };
    let of_key = |error| {
        let what = match error {
            rustls::Error::InconsistentKeys(_) => format!(
                "`{}` is not the key of `{}`",
                tls.key.display(),
                tls.certificate.display()
            ),
            error => format!("`{}` cannot be used: {error}", tls.key.display()),
        };
        flaw(Part::Key, what)
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(of_key)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key)
        .map_err(of_key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not look at the client's certificate again, which may have expired since.
    config.send_tls13_tickets = 0;
    Ok(Loaded {
        config: Arc::new(config),
        chain,
    })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let certificates = certificates(Part::Certificate, path)?;
    check_now(&certificates).map_err(|what| Flaw {
        part: Part::Certificate,
        what: format!("`{}` holds {what}", path.display()),
        expected: "a certificate for servers that is valid now, and those that lead to its CA".into(),
    })?;
    Ok(certificates)
}

/// What is wrong with certificates at this time.
fn check_now(certificates: &[CertificateDer<'_>]) -> Result<(), String> {
    for certificate in certificates {
        let parsed = EndEntityCert::try_from(certificate)
            .map_err(|error| format!("a certificate that cannot be read: {error}"))?;
        let (now, usage) = (UnixTime::now(), KeyUsage::server_auth());
        // Without an anchor, since whoever comes in decides whom it trusts: it always fails, but first for what
        // the certificate says of itself.
        match parsed.verify_for_usage(&[], &[], &[], now, usage, None, None) {
            Err(webpki::Error::CertExpired { not_after, .. }) => {
                return Err(format!("a certificate that expired at {}", time(not_after)));
            }
            Err(webpki::Error::CertNotValidYet { not_before, .. }) => {
                return Err(format!(
                    "a certificate that is valid from {} only",
                    time(not_before)
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn time(time: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    time.map_or_else(
        || "a time out of range".into(),
        |time| humantime::format_rfc3339_seconds(time).to_string(),
    )
}

fn verifier(
    path: &Path,
    wanted: ClientCertificate,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Flaw> {
    let wrong = |error: &dyn std::fmt::Display| Flaw {
        part: Part::ClientCa,
        what: format!("`{}` cannot be used: {error}", path.display()),
        expected: "the certificates of the CAs that sign those of clients".into(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(Part::ClientCa, path)? {
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match wanted {
        ClientCertificate::Required => builder,
        ClientCertificate::Optional => builder.allow_unauthenticated(),
    };
    let verifier = builder.build().map_err(|error| wrong(&error))?;
    Ok(verifier)
}

fn certificates(part: Part, path: &Path) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let expected = "a PEM file with at least one certificate";
    let pem = read(part, path, expected)?;
    let wrong = |what| Flaw {
        part,
        what: format!("`{}` {what}", path.display()),
        expected: expected.into(),
    };
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("cannot be read as PEM: {}", broken(&error))))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate".into()));
    }
    Ok(found)
}

/// In words: the parser shows lines as lists of numbers.
fn broken(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let kind = String::from_utf8_lossy(end_marker);
            format!("`-----END {}-----` is missing", kind.escape_debug())
        }
        pem::Error::IllegalSectionStart { .. } => "a line `-----BEGIN ...` does not end in `-----`".into(),
        error => error.to_string(),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Flaw> {
    let pem = read(Part::Key, path, "a PEM file with one private key")?;
    let wrong = |what: &str, expected: &str| Flaw {
        part: Part::Key,
        what: format!("`{}` {what}", path.display()),
        expected: expected.into(),
    };
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        // Either kind of PEM says so in clear text.
        let encrypted = pem.windows(9).any(|word| word == b"ENCRYPTED");
        match error {
            _ if encrypted => wrong(
                "is encrypted, and nobody is there to give its passphrase",
                "a key without a passphrase, readable by its owner alone",
            ),
            pem::Error::NoItemsFound => wrong("holds no private key", "a PEM file with one private key"),
            _ => wrong("cannot be read as PEM", "a PEM file with one private key"),
        }
    })
}

fn read(part: Part, path: &Path, expected: &str) -> Result<Vec<u8>, Flaw> {
    let shown = path.display();
    let wrong = |what| Flaw {
        part,
        what,
        expected: expected.into(),
    };
    let unreadable = |error| wrong(format!("`{shown}` cannot be read: {error}"));
    // Before it is opened: to open a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(wrong(format!("`{shown}` is no file")));
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if part == Part::Key && is_open_to_others(&metadata) {
        let mode = metadata.permissions().mode() & 0o777;
        return Err(Flaw {
            part,
            what: format!("`{shown}` has mode {mode:04o}: others than its owner can get at the key"),
            expected: "mode 0600 or 0400 (0640 or 0440 where root owns it)".into(),
        });
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(wrong(format!("`{shown}` is larger than 1 MiB")));
    }
    Ok(bytes)
}
