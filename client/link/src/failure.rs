//! Why a connection did not come about, or broke before anything was heard: which side is wrong, and what would be
//! right. Decided by types, never by the text of another's error.

use std::{io, time::Duration};

use rustls::{AlertDescription, CertificateError, InvalidMessage, pki_types::UnixTime};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFailure {
    /// The system could not connect.
    #[error("{0}")]
    Connect(String),
    /// Nobody answered in time.
    #[error("no connection within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The TCP connection stands, and the TLS handshake took too long.
    #[error(
        "it did not answer the TLS handshake within {} s; expected a coordinator that serves TLS there, or http:// \
         for one that does not", .0.as_secs()
    )]
    HandshakeTimeout(Duration),
    /// TLS was spoken to a server that speaks plaintext.
    #[error("it speaks plaintext, not TLS; expected http:// for it, or a coordinator that serves TLS")]
    PlaintextServer,
    /// Plaintext was spoken to a server that speaks TLS.
    #[error("it speaks TLS, not plaintext; expected https:// for it")]
    TlsServer,
    /// The server speaks HTTP/1.
    #[error("it speaks HTTP/1, not gRPC; expected the address of a coordinator")]
    Http1,
    /// The server speaks TLS, and HTTP/2 is none of its protocols.
    #[error("it speaks TLS but not HTTP/2, which gRPC needs; expected the address of a coordinator")]
    NoHttp2,
    /// None of the CAs trusted here has signed the server's certificate.
    #[error(
        "its certificate is signed by no CA that is trusted here; expected the coordinator's CA to be given"
    )]
    UnknownCa,
    /// The server's certificate names another server.
    #[error(
        "its certificate is for {presented}, not for `{expected}`; expected one of its names to be asked for"
    )]
    NameMismatch {
        /// The name that was asked for.
        expected: String,
        /// The names that it has.
        presented: String,
    },
    /// The server's certificate is too old.
    #[error("its certificate expired {0}; expected the coordinator to have a new one")]
    Expired(String),
    /// The server's certificate is too young.
    #[error("its certificate is not valid yet; expected the clocks of both sides to be right")]
    NotValidYet,
    /// The server's certificate is a client's.
    #[error("its certificate is not made for servers; expected one for server authentication")]
    NotForServers,
    /// The server's certificate is wrong otherwise.
    #[error("its certificate is refused: {0}")]
    ServerCertificate(String),
    /// The server wants to know who connects.
    #[error(
        "it requires a client certificate and none was shown; expected a certificate and its key to be given"
    )]
    ClientCertificateRequired,
    /// The server does not take the certificate that it was shown.
    #[error("it refuses the client certificate that it was shown: {0}")]
    ClientCertificateRefused(&'static str),
    /// The server ended the connection in the middle of the handshake.
    #[error(
        "it closed the connection during the TLS handshake; expected a coordinator that serves TLS there"
    )]
    ClosedInHandshake,
    /// The server ended the connection before it said anything.
    #[error(
        "it closed the connection right after the TLS handshake: it may require a client certificate, or refuse the \
         one that it was shown"
    )]
    ClosedUnheard,
    /// Anything else that TLS is about.
    #[error("TLS failed: {0}")]
    Tls(String),
}

// === impl LinkFailure ===

impl LinkFailure {
    /// The server is there and refuses who connects: trying again changes nothing unless somebody acts.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::ClientCertificateRequired | Self::ClientCertificateRefused(_) | Self::ClosedUnheard
        )
    }

    /// Nobody is there, as far as can be told: neither side's settings are known to be wrong.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout(_))
    }

    /// It was noticed on a connection that stood, so that a request may have been on its way already.
    #[must_use]
    pub fn is_after_connect(&self) -> bool {
        self.is_refusal() || matches!(self, Self::TlsServer | Self::Http1 | Self::Tls(_))
    }

    /// Of a handshake.
    pub(crate) fn of_handshake(error: &io::Error) -> Self {
        match rustls_error(error) {
            Some(error) => Self::of_tls(error),
            None => Self::ClosedInHandshake,
        }
    }

    /// Of a read or a write after the handshake; `None`: it is not about TLS.
    pub(crate) fn of_stream(error: &io::Error) -> Option<Self> {
        match rustls_error(error)? {
            rustls::Error::AlertReceived(alert) => Some(Self::of_alert(*alert)),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use rustls::Error;
        match error {
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) => Self::PlaintextServer,
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::NoApplicationProtocol => Self::NoHttp2,
            error => Self::Tls(error.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // A CA of the same name with another key cannot have signed it either.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownCa,
            CertificateError::NotValidForNameContext { expected, presented } => Self::NameMismatch {
                expected: expected.to_str().into_owned(),
                presented: names(presented),
            },
            CertificateError::ExpiredContext { time, not_after } => Self::Expired(ago(*time, *not_after)),
            CertificateError::Expired => Self::Expired("a while ago".to_owned()),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotValidYet,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::NotForServers
            }
            error => Self::ServerCertificate(error.to_string()),
        }
    }

    /// What the server says of us: the server's own certificate is judged here, never there.
    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::ClientCertificateRequired
            }
            AlertDescription::UnknownCA => {
                Self::ClientCertificateRefused("it does not trust the CA that signed it")
            }
            AlertDescription::CertificateExpired => Self::ClientCertificateRefused("it has expired"),
            AlertDescription::CertificateRevoked => Self::ClientCertificateRefused("it is revoked"),
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError => {
                Self::ClientCertificateRefused("its signature or its content is wrong, in the server's eyes")
            }
            AlertDescription::UnsupportedCertificate => {
                Self::ClientCertificateRefused("it is not made for clients")
            }
            AlertDescription::AccessDenied => Self::ClientCertificateRefused("it has no access there"),
            AlertDescription::NoApplicationProtocol => Self::NoHttp2,
            alert => Self::Tls(format!("the server ended it with the alert {alert:?}")),
        }
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn names(presented: &[String]) -> String {
    const SHOWN: usize = 5;
    match presented {
        [] => "no server".to_owned(),
        _ => {
            // rustls shows a name as `DnsName("a")`, which is no text for people.
            let plain = |name: &String| {
                let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner);
                format!("`{}`", inner.trim_end_matches(')').trim_matches('"'))
            };
            let mut shown: Vec<String> = presented.iter().take(SHOWN).map(plain).collect();
            if presented.len() > SHOWN {
                shown.push(format!("{} more", presented.len() - SHOWN));
            }
            shown.join(", ")
        }
    }
}

fn ago(now: UnixTime, then: UnixTime) -> String {
    let seconds = now.as_secs().saturating_sub(then.as_secs());
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (1, ..) => "a day ago".to_owned(),
        (days @ 2.., ..) => format!("{days} days ago"),
        (0, hours @ 2.., _) => format!("{hours} hours ago"),
        (0, _, minutes @ 2..) => format!("{minutes} minutes ago"),
        _ => "just now".to_owned(),
    }
}
