//! The names that certificates carry: `spiffe://<trust domain>/tenant/<tenant>[/<subject>]` of a client,
//! `spiffe://<trust domain>/worker/<name>` of a worker. Whether a certificate is to be trusted was decided before,
//! by the listener; whether its name may do anything is decided elsewhere.

use std::fmt;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// A longer URI names nobody.
const LONGEST: usize = 512;

/// Who a certificate says its holder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateUri {
    text: Box<str>,
    kind: Kind,
    /// Where in `text` the tenant, or the worker's name, ends.
    named_until: usize,
    named_from: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tenant,
    Worker,
}

/// Why a certificate names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nameless {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("the certificate carries no spiffe:// URI")]
    None,
    #[error("the certificate carries several spiffe:// URIs")]
    Several,
    #[error("the certificate's spiffe:// URI is of neither a tenant nor a worker")]
    Other,
}

/// What is no identity of the kind that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no such identity")]
pub(super) struct BadUri(String);

// === impl CertificateUri ===

impl CertificateUri {
    /// The one name of a certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Nameless> {
        let certificate = EndEntityCert::try_from(certificate).map_err(|_| Nameless::Unreadable)?;
        let mut uris = certificate.valid_uri_names().filter(|uri| {
            uri.get(..9)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe://"))
        });
        let uri = uris.next().ok_or(Nameless::None)?;
        if uris.next().is_some() {
            return Err(Nameless::Several);
        }
        Self::parse(uri).map_err(|_| Nameless::Other)
    }

    /// Reads a URI in the one form that it has: no case folding, no escapes, no empty parts.
    pub(super) fn parse(text: &str) -> Result<Self, BadUri> {
        let bad = || BadUri(text.chars().take(160).collect());
        let mut parts = text
            .strip_prefix("spiffe://")
            .filter(|_| text.len() <= LONGEST)
            .ok_or_else(bad)?
            .split('/');
        let domain = parts.next().unwrap_or_default();
        let domain_byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if domain.is_empty() || !domain.bytes().all(domain_byte) {
            return Err(bad());
        }
        let kind = match parts.next() {
            Some("tenant") => Kind::Tenant,
            Some("worker") => Kind::Worker,
            _ => return Err(bad()),
        };
        let named_from = "spiffe://".len() + domain.len() + "/tenant/".len();
        let mut rest = parts;
        let named = rest.next().filter(|part| is_segment(part)).ok_or_else(bad)?;
        let subject = rest.next();
        let good = match (kind, subject) {
            (_, None) => true,
            (Kind::Tenant, Some(subject)) => is_segment(subject),
            (Kind::Worker, Some(_)) => false,
        };
        if !good || rest.next().is_some() || named.len() > 128 {
            return Err(bad());
        }
        Ok(Self {
            text: text.into(),
            kind,
            named_until: named_from + named.len(),
            named_from,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The tenant, or the worker's name.
    pub(super) fn named(&self) -> &str {
        &self.text[self.named_from..self.named_until]
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Itself, or all subjects of itself, a tenant without one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.text == other.text || (self.kind == other.kind && *self.text == other.text[..other.named_until])
    }
}

impl fmt::Display for CertificateUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The rule of SPIFFE for a part of a path.
fn is_segment(part: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(byte)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(uris: &[&str]) -> CertificateDer<'static> {
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        for uri in uris {
            let name = SanType::URI((*uri).try_into().unwrap());
            parameters.subject_alt_names.push(name);
        }
        let key = KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_names_a_tenant_with_or_without_a_subject_or_a_worker() {
        let of = |uri: &str| {
            let uri = CertificateUri::of(&certificate(&[uri])).unwrap();
            (uri.kind(), uri.named().to_owned())
        };
        assert_eq!(of("spiffe://toolwave/tenant/a"), (Kind::Tenant, "a".to_owned()));
        assert_eq!(
            of("spiffe://toolwave/tenant/a/ci"),
            (Kind::Tenant, "a".to_owned())
        );
        assert_eq!(
            of("spiffe://x.y-z/worker/gpu-1"),
            (Kind::Worker, "gpu-1".to_owned())
        );
    }

    #[test]
    fn a_certificate_without_one_clear_name_names_nobody() {
        let of = |uris: &[&str]| CertificateUri::of(&certificate(uris)).unwrap_err();
        assert_eq!(of(&[]), Nameless::None);
        assert_eq!(of(&["https://toolwave/tenant/a"]), Nameless::None);
        let two = ["spiffe://toolwave/tenant/a", "SPIFFE://toolwave/worker/b"];
        assert_eq!(of(&two), Nameless::Several);
        for other in [
            "spiffe://toolwave/admin/a",
            "spiffe://toolwave/worker/a/b",
            "spiffe://toolwave/tenant/a/b/c",
            "spiffe://toolwave/tenant/",
            "spiffe://toolwave/tenant/..",
            "spiffe://toolwave/tenant/a%2fb",
            "spiffe://toolwave/tenant/a?x",
            "spiffe://Toolwave/tenant/a",
            "spiffe:///tenant/a",
            "SPIFFE://toolwave/tenant/a",
        ] {
            assert_eq!(of(&[other]), Nameless::Other, "{other}");
        }
        let nonsense = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(CertificateUri::of(&nonsense), Err(Nameless::Unreadable));
    }

    #[test]
    fn a_tenant_covers_its_subjects_and_no_other_tenant() {
        let uri = |text: &str| CertificateUri::parse(text).unwrap();
        let tenant = uri("spiffe://t/tenant/a");
        assert!(tenant.covers(&tenant) && tenant.covers(&uri("spiffe://t/tenant/a/ci")));
        assert!(!tenant.covers(&uri("spiffe://t/tenant/ab")));
        assert!(!tenant.covers(&uri("spiffe://u/tenant/a")));
        assert!(!uri("spiffe://t/tenant/a/ci").covers(&tenant));
    }
}
