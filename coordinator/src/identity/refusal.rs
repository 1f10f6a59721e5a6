//! Why a request is refused before anything of it is read. A client is told what kind of thing is missing; what
//! exactly was wrong with its credential is for the operator's log alone.

use tonic::Status;

use crate::error::{Reason, refused};

/// A request that goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no credential: send `authorization: Bearer <token>`, or show a client certificate")]
    NoCredentials,
    #[error("no credential: workers show the client certificate of their identity")]
    NoCertificate,
    /// One text, whatever was wrong.
    #[error(
        "the token is not good here: it must be one that this coordinator knows, unexpired and meant for it"
    )]
    BadToken(BadToken),
    #[error("not permitted: {0}")]
    NotPermitted(Denied),
}

/// What was wrong with a token; never shown to who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("no single `authorization: Bearer ...` of at most 8 KiB")]
    NotBearer,
    #[error("not in the tokens file, and no JWT")]
    Unknown,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYet,
    #[error("of no key that is configured")]
    Key,
    #[error("an algorithm that is not its key's")]
    Algorithm,
    #[error("wrong signature")]
    Signature,
    #[error("for another audience")]
    Audience,
    #[error("of another issuer")]
    Issuer,
    #[error("a claim is missing or malformed: {0}")]
    Claim(&'static str),
    #[error("lives longer than max_lifetime")]
    Lifetime,
}

/// What somebody who is known may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("AdminService is for operators")]
    OperatorsOnly,
    #[error("a worker's certificate is no client's")]
    WorkerAsClient,
    #[error("a client's credential is no worker's")]
    ClientAsWorker,
    #[error("the certificate's identity is not configured here")]
    NoEntry,
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::NoCredentials | Self::NoCertificate => Reason::NoCredentials,
            Self::BadToken(_) => Reason::BadToken,
            Self::NotPermitted(_) => Reason::NotPermitted,
        }
    }

    /// All that is known, for the operator.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::BadToken(cause) => cause.to_string(),
            Self::NotPermitted(denied) => denied.to_string(),
            Self::NoCredentials | Self::NoCertificate => String::new(),
        }
    }
}

impl From<BadToken> for Refusal {
    fn from(cause: BadToken) -> Self {
        Self::BadToken(cause)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::NotPermitted(denied)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refused(refusal.reason(), refusal.to_string())
    }
}
