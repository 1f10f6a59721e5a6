//! The CA: made anew or read from its files, and what it signs.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use time::{Duration, OffsetDateTime};

use crate::{
    certs::{Subject, TRUST_DOMAIN},
    failure::Failure,
};

/// Ten years.
pub(super) const CA_DAYS: u16 = 3650;
/// By these a coordinator is reached from its own machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Clocks that are a little slow take new certificates too.
const BEFORE: Duration = Duration::hours(1);

/// Signs certificates.
pub(super) struct Authority(Issuer<'static, KeyPair>);

/// PEM of a certificate and its key.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    /// A new one; its certificate and its key, as PEM.
    pub(super) fn create() -> Result<(Self, String, String), Failure> {
        // Two CAs of one name cannot be told apart by what they signed.
        let number = uuid::Uuid::new_v4().simple().to_string();
        let mut params = params(&format!("toolwave development CA {}", &number[..8]), CA_DAYS);
        // It signs certificates that sign none.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?.pem();
        let secret = key.serialize_pem();
        let issuer = Issuer::new(params, key);
        Ok((Self(issuer), certificate, secret))
    }

    /// The one of these files.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, Failure> {
        let wrong = |path: &Path, what: &str| Failure::Configuration(format!("{}: {what}", path.display()));
        let text = |path: &Path| {
            fs::read_to_string(path).map_err(|error| wrong(path, &format!("cannot be read: {error}")))
        };
        let (pem, secret) = (text(certificate)?, text(key)?);
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong(certificate, "is no PEM certificate; expected the CA's"))?;
        let secret_der = PrivateKeyDer::from_pem_slice(secret.as_bytes())
            .map_err(|_| wrong(key, "is no PEM key; expected the CA's"))?;
        CertifiedKey::from_der(vec![der], secret_der, &ring::default_provider()).map_err(|_| {
            wrong(
                key,
                "is not the key of ca.pem; expected the one that it was made with",
            )
        })?;
        let key_pair = KeyPair::from_pem(&secret)
            .map_err(|_| wrong(key, "is no key that can sign; expected the CA's"))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key_pair).map_err(|error| {
            wrong(
                certificate,
                &format!("cannot be used: {error}; expected a CA's certificate"),
            )
        })?;
        Ok(Self(issuer))
    }

    pub(super) fn issue(&self, subject: &Subject, days: u16) -> Result<Issued, Failure> {
        let params = leaf(subject, days).map_err(|error| failed(&error))?;
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.signed_by(&key, &self.0).map_err(|error| failed(&error))?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Subject {
    /// Who it is, as its certificate says; a coordinator is known by its hosts.
    pub(super) fn identity(&self) -> Option<String> {
        match self {
            Self::Coordinator { .. } => None,
            Self::Worker(name) => Some(format!("spiffe://{TRUST_DOMAIN}/worker/{name}")),
            Self::Client { tenant } => Some(format!("spiffe://{TRUST_DOMAIN}/tenant/{tenant}")),
        }
    }
}

fn leaf(subject: &Subject, days: u16) -> Result<CertificateParams, rcgen::Error> {
    let (mut params, purpose) = match subject {
        Subject::Coordinator { hosts } => {
            let mut params = params("toolwave coordinator", days);
            let mut names: Vec<String> = LOCAL.iter().map(|&name| name.to_owned()).collect();
            names.extend(
                hosts
                    .iter()
                    .filter(|host| !LOCAL.contains(&host.as_str()))
                    .cloned(),
            );
            params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
            (params, ExtendedKeyUsagePurpose::ServerAuth)
        }
        Subject::Worker(name) => (params(name, days), ExtendedKeyUsagePurpose::ClientAuth),
        Subject::Client { tenant } => (params(tenant, days), ExtendedKeyUsagePurpose::ClientAuth),
    };
    if let Some(identity) = subject.identity() {
        params.subject_alt_names = vec![SanType::URI(identity.try_into()?)];
    }
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    Ok(params)
}

fn params(name: &str, days: u16) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // X.520 ends names after 64 characters, and nobody goes by them here.
    let name: String = name.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BEFORE;
    params.not_after = now + Duration::days(i64::from(days));
    params
}

fn failed(error: &rcgen::Error) -> Failure {
    Failure::Other(format!("the certificate cannot be made: {error}"))
}
