//! What a program trusts and shows over TLS: checked when it starts, read again for each connection.
//!
//! rustls with ring, TLS 1.2 and 1.3, HTTP/2 only. It never trusts a server that it cannot verify: there is no way to
//! switch that off.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, InconsistentKeys, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::pem::{Pem, Wrong};

/// What a client or a worker trusts, and what it shows.
///
/// Without a CA the system's are trusted; with one, only that one is.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca: Option<Pem>,
    certificate: Option<Pem>,
    key: Option<Pem>,
    server_name: Option<String>,
}

/// Which of the settings of [`Tls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    /// Which CA is trusted.
    Ca,
    /// What is shown to the server.
    Certificate,
    /// The certificate's key.
    Key,
    /// Which name the server's certificate must have.
    ServerName,
}

/// One thing that is wrong with a [`Tls`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {what}; expected {expected}")]
pub struct TlsProblem {
    /// Of which setting.
    pub part: TlsPart,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub expected: String,
}

/// Everything that is wrong with a [`Tls`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct TlsProblems(pub Vec<TlsProblem>);

fn lines(problems: &[TlsProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

// === impl TlsPart ===

impl TlsPart {
    /// As configuration files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::ServerName => "server_name",
        }
    }

    fn wrong(self, (what, expected): Wrong) -> TlsProblem {
        TlsProblem {
            part: self,
            what,
            expected: expected.to_owned(),
        }
    }
}

impl fmt::Display for TlsPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Tls ===

impl Tls {
    /// The system's CAs, no certificate of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the CAs of this PEM file and no others.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Pem::File(path.into()));
        self
    }

    /// Trusts the CAs of this PEM text and no others.
    #[must_use]
    pub fn ca_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.ca = Some(Pem::Text(text.as_ref().into()));
        self
    }

    /// Shows the certificate chain of this PEM file.
    #[must_use]
    pub fn certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.certificate = Some(Pem::File(path.into()));
        self
    }

    /// With the certificate: its key, in a PEM file that others cannot read.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key = Some(Pem::File(path.into()));
        self
    }

    /// Shows this certificate chain, whose key this is; both PEM texts.
    #[must_use]
    pub fn identity_pem(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.certificate = Some(Pem::Text(certificate.as_ref().into()));
        self.key = Some(Pem::Text(key.as_ref().into()));
        self
    }

    /// The name that the server's certificate must have, where it is not the address's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Which of the settings are made; none of them means anything without TLS.
    #[must_use]
    pub fn parts(&self) -> Vec<TlsPart> {
        let parts = [
            (self.ca.is_some(), TlsPart::Ca),
            (self.certificate.is_some(), TlsPart::Certificate),
            (self.key.is_some(), TlsPart::Key),
            (self.server_name.is_some(), TlsPart::ServerName),
        ];
        let parts = parts.into_iter().filter(|(made, _)| *made);
        parts.map(|(_, part)| part).collect()
    }

    /// Reads everything and checks it, for a server at `host`.
    ///
    /// # Errors
    /// Every problem.
    pub fn check(&self, host: &str) -> Result<(), TlsProblems> {
        match (self.load(), self.name(host)) {
            (Ok(_), Ok(_)) => Ok(()),
            (Ok(_), Err(problem)) => Err(TlsProblems(vec![problem])),
            (Err(problems), Ok(_)) => Err(problems),
            (Err(mut problems), Err(problem)) => {
                problems.0.push(problem);
                Err(problems)
            }
        }
    }

    /// The name that the server must prove.
    pub(crate) fn name(&self, host: &str) -> Result<ServerName<'static>, TlsProblem> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| {
            let what = format!("`{name}` cannot be the name of a server in a certificate");
            TlsPart::ServerName.wrong((what, "a DNS name or an IP address"))
        })
    }

    /// Reads the files.
    pub(crate) fn load(&self) -> Result<ClientConfig, TlsProblems> {
        let provider = Arc::new(ring::default_provider());
        let mut problems = Vec::new();
        let roots = self.roots().unwrap_or_else(|problem| {
            problems.push(problem);
            RootCertStore::empty()
        });
        let identity = self.identity(&provider, &mut problems);
        if !problems.is_empty() {
            return Err(TlsProblems(problems));
        }
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                let what = format!("TLS cannot be set up: {error}");
                TlsProblems(vec![TlsPart::Ca.wrong((what, "TLS 1.2 or 1.3"))])
            })?
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(identity)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, TlsProblem> {
        let mut roots = RootCertStore::empty();
        let Some(ca) = &self.ca else {
            // One that cannot be parsed is no reason to trust none of the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return match roots.is_empty() {
                false => Ok(roots),
                true => {
                    let what = "is not given, and this system has no CAs of its own".to_owned();
                    Err(TlsPart::Ca.wrong((what, "the coordinator's CA")))
                }
            };
        };
        let certificates = ca.certificates().map_err(|wrong| TlsPart::Ca.wrong(wrong))?;
        for (number, certificate) in certificates.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                let what = format!("certificate {} of {ca} cannot be trusted: {error}", number + 1);
                TlsPart::Ca.wrong((what, "an X.509 v3 certificate"))
            })?;
        }
        Ok(roots)
    }

    fn identity(
        &self,
        provider: &Arc<CryptoProvider>,
        problems: &mut Vec<TlsProblem>,
    ) -> Option<SingleCertAndKey> {
        let mut taken = |part: TlsPart, wrong: Wrong| problems.push(part.wrong(wrong));
        let (certificate, key) = match (&self.certificate, &self.key) {
            (None, None) => return None,
            (Some(_), None) => {
                taken(TlsPart::Key, ("is not given".to_owned(), "the certificate's key"));
                return None;
            }
            (None, Some(_)) => {
                taken(
                    TlsPart::Certificate,
                    ("is not given".to_owned(), "the key's certificate"),
                );
                return None;
            }
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let chain = certificate
            .certificates()
            .map_err(|wrong| taken(TlsPart::Certificate, wrong));
        let secret = key.key().map_err(|wrong| taken(TlsPart::Key, wrong));
        let (chain, secret) = (chain.ok()?, secret.ok()?);
        if let Err(wrong) = usable(certificate, &chain, provider) {
            taken(TlsPart::Certificate, wrong);
        }
        match certified(key, chain, secret, provider) {
            Ok(identity) => Some(identity.into()),
            Err(wrong) => {
                taken(TlsPart::Key, wrong);
                None
            }
        }
    }
}

fn certified(
    key: &Pem,
    chain: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Wrong> {
    CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => (
            format!("{key} is not the certificate's key"),
            "the key that it was made with",
        ),
        error => (
            format!("{key} cannot be used: {error}"),
            "an ECDSA, Ed25519 or RSA key",
        ),
    })
}

/// Whether a server could take the certificate today, whoever signed it.
fn usable(
    certificate: &Pem,
    chain: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<(), Wrong> {
    let malformed = |error: &dyn fmt::Display| {
        let what = format!("{certificate} cannot be used: {error}");
        (what, "an X.509 v3 certificate")
    };
    // Its own root, so that only its dates and its purpose are judged.
    let mut roots = RootCertStore::empty();
    let own = chain.first().ok_or_else(|| malformed(&"it is empty"))?;
    roots.add(own.clone()).map_err(|error| malformed(&error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| malformed(&error))?;
    let Err(rustls::Error::InvalidCertificate(error)) =
        verifier.verify_client_cert(own, &chain[1..], UnixTime::now())
    else {
        return Ok(());
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Err((
            format!("{certificate} has expired"),
            "a certificate that is valid now",
        )),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Err((
            format!("{certificate} is not valid yet"),
            "a certificate that is valid now",
        )),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Err((
            format!("{certificate} is not made for clients"),
            "a certificate for client authentication",
        )),
        CertificateError::BadEncoding => Err(malformed(&"it is malformed")),
        // A CA's certificate, an unknown issuer: the server's to judge.
        _ => Ok(()),
    }
}
