//! What can go wrong between a client and a coordinator, as one enum. The only place that reads a `tonic::Status`.

use std::{error::Error as _, fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use toolwave_link::{Link, LinkFailure};

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, such as `calls[3].depends_on[0]`; empty: the request as a whole.
    pub field: String,
    /// What was wrong and what would be right.
    pub description: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.description),
            field => write!(f, "{field}: {}", self.description),
        }
    }
}

/// Why a request got no answer. Trouble of single calls is in their results, never here.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be one of a coordinator; nothing was dialled.
    #[error("`{address}` is no address of a coordinator: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What the client was told to trust, to show or to send cannot be used; nothing was dialled.
    #[error("{}", problems.join("\n"))]
    Credentials {
        /// Each with the setting, what is wrong and what would be right; never with a secret.
        problems: Vec<String>,
    },
    /// Somebody is there, and both sides do not go together; nothing has run.
    #[error("cannot speak with {address}: {failure}")]
    Link {
        /// Where.
        address: String,
        /// Which side is wrong.
        failure: LinkFailure,
    },
    /// No connection came about; nothing was sent.
    #[error("no coordinator at {address}: {reason}")]
    Unreachable {
        /// Where it was expected.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The connection broke after the request went out: it may or may not have run.
    #[error("the connection to {address} was lost: {reason}")]
    ConnectionLost {
        /// The coordinator's.
        address: String,
        /// What the transport said.
        reason: String,
    },
    /// The coordinator stopped before the execution had ended: it may or may not have run.
    #[error("the coordinator stopped before the end: {message}")]
    Stopped {
        /// The coordinator's words.
        message: String,
    },
    /// The request is wrong as a whole; nothing has run.
    #[error("{}", invalid_request(message, violations))]
    InvalidRequest {
        /// The coordinator's words.
        message: String,
        /// Every violation that it named.
        violations: Vec<Violation>,
    },
    /// The idempotency key belongs to another request.
    #[error("refused: {message}")]
    Conflict {
        /// The coordinator's words.
        message: String,
    },
    /// The coordinator takes no more now; nothing has run.
    #[error("the coordinator is overloaded: {message}")]
    Overloaded {
        /// The coordinator's words.
        message: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The coordinator is going away or not ready; nothing has run.
    #[error("the coordinator takes no work now: {message}")]
    Unavailable {
        /// The coordinator's words.
        message: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The coordinator asks for credentials, or does not take the ones that came; nothing has run.
    #[error("the coordinator does not know who asks: {message}")]
    Unauthenticated {
        /// The coordinator's words.
        message: String,
    },
    /// The coordinator knows who asks, and does not allow it; nothing has run.
    #[error("the coordinator does not allow it: {message}")]
    PermissionDenied {
        /// The coordinator's words.
        message: String,
    },
    /// There is no such execution, worker or method.
    #[error("not found: {message}")]
    NotFound {
        /// The coordinator's words.
        message: String,
    },
    /// The RPC's own deadline passed.
    #[error("the deadline passed: {message}")]
    Deadline {
        /// What said so.
        message: String,
    },
    /// The RPC was cancelled.
    #[error("cancelled: {message}")]
    Cancelled {
        /// What said so.
        message: String,
    },
    /// A message is larger than one side accepts.
    #[error("a message is too large: {message}")]
    TooLarge {
        /// Which, and the limit.
        message: String,
    },
    /// The server lacks the method: it is another program, or a coordinator of an older version.
    #[error("the server does not know what it was asked: {message}")]
    NotToolwave {
        /// What it said, or what it would have to be.
        message: String,
    },
    /// Anything else, as it came.
    #[error("{}: {}", .0.code(), .0.message())]
    Other(Box<Status>),
}

fn invalid_request(message: &str, violations: &[Violation]) -> String {
    let mut text = format!("invalid request: {message}");
    for violation in violations {
        text.push_str("\n  ");
        text.push_str(&violation.to_string());
    }
    text
}

impl ClientError {
    /// Classifies what came back from the coordinator at `address`.
    pub(crate) fn from_status(address: &str, link: &Link, status: Status) -> Self {
        if let Some(error) = Self::from_transport(address, link, &status) {
            return error;
        }
        let message = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition => Self::InvalidRequest {
                message,
                violations: violations(&status),
            },
            Code::AlreadyExists => Self::Conflict { message },
            Code::ResourceExhausted => Self::Overloaded {
                message,
                retry_after: retry_after(&status),
            },
            Code::Unavailable if is_stopped(&status) => Self::Stopped { message },
            Code::Unavailable => Self::Unavailable {
                message,
                retry_after: retry_after(&status),
            },
            Code::NotFound => Self::NotFound { message },
            Code::DeadlineExceeded => Self::Deadline { message },
            Code::Cancelled => Self::Cancelled { message },
            // tonic's word for a message over the receiver's limit.
            Code::OutOfRange => Self::TooLarge { message },
            Code::Unimplemented if message.is_empty() => Self::NotToolwave {
                message: "it is no coordinator of toolwave, or one that is older than this client".to_owned(),
            },
            Code::Unimplemented => Self::NotToolwave { message },
            Code::Unauthenticated => Self::Unauthenticated { message },
            Code::PermissionDenied => Self::PermissionDenied { message },
            Code::Ok | Code::Unknown | Code::Aborted | Code::Internal | Code::DataLoss => {
                Self::Other(Box::new(status))
            }
        }
    }

    /// Where `method`, which coordinators have not always had, is not known: since when they have it.
    pub(crate) fn since(self, method: &str, version: &str) -> Self {
        match self {
            Self::NotToolwave { .. } => Self::NotToolwave {
                message: format!(
                    "coordinators answer {method} since toolwave {version}; this one is older, or none"
                ),
            },
            other => other,
        }
    }

    /// Trouble below gRPC. Its status codes are chance (`Unknown`, `Unavailable`, `Cancelled`, `Internal`), so the
    /// error that the status carries decides, not its code.
    /// What the link noticed says more than what is left of it by then.
    fn from_transport(address: &str, link: &Link, status: &Status) -> Option<Self> {
        let mut source = status.source();
        while let Some(error) = source {
            if error.is::<tonic::TimeoutExpired>() {
                return Some(Self::Deadline {
                    message: status.message().to_owned(),
                });
            }
            if error.is::<tonic::ConnectError>() {
                let failure = link.failure();
                let failure = failure.unwrap_or_else(|| LinkFailure::Connect(root_cause(error)));
                return Some(Self::from_link(address, failure));
            }
            source = error.source();
        }
        let error = status.source()?;
        // What another request's attempt to connect again met since then says nothing of this one.
        if let Some(failure) = link.failure().filter(LinkFailure::is_after_connect) {
            return Some(Self::from_link(address, failure));
        }
        if was_not_taken(error) {
            return Some(Self::Unavailable {
                message: format!("{address} closed the connection before it took the request"),
                retry_after: None,
            });
        }
        Some(Self::ConnectionLost {
            address: address.to_owned(),
            reason: root_cause(error),
        })
    }

    /// A connection that did not come about.
    pub(crate) fn from_link(address: &str, failure: LinkFailure) -> Self {
        let address = address.to_owned();
        match failure.is_absence() {
            true => Self::Unreachable {
                address,
                reason: failure.to_string(),
            },
            false => Self::Link { address, failure },
        }
    }
}

/// Proof that the server has done nothing for a request: it was never sent, the server refused its stream, or closed the
/// connection in order and named an earlier stream as the last that it takes.
fn was_not_taken(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // of HTTP/2: it waited for its turn on a connection that has ended
        if error
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_canceled)
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote()
                && match error.reason() {
                    Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
                    Some(h2::Reason::NO_ERROR) => error.is_go_away(),
                    _ => false,
                };
        }
        cause = error.source();
    }
    false
}

/// The innermost error is the one that says what the system met; the outer ones say `transport error`.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn violations(status: &Status) -> Vec<Violation> {
    let Some(details) = status.get_details_bad_request() else {
        return Vec::new();
    };
    details
        .field_violations
        .into_iter()
        .map(|violation| Violation {
            field: violation.field,
            description: violation.description,
        })
        .collect()
}

/// The one reason of `UNAVAILABLE` that does not mean that nothing has run.
fn is_stopped(status: &Status) -> bool {
    status
        .get_details_error_info()
        .is_some_and(|info| info.reason == "COORDINATOR_STOPPED")
}

fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_broke_is_lost_whatever_connecting_again_met() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("it has one").to_string();
        drop(free);
        let parsed = toolwave_link::Address::parse(&format!("http://{address}")).expect("an address");
        let link = Link::try_new(&parsed, toolwave_link::Tls::new(), |endpoint| endpoint).expect("a link");
        assert!(link.connect().await.is_err());
        let status = Status::from_error(Box::new(std::io::Error::from(
            std::io::ErrorKind::ConnectionReset,
        )));
        let error = ClientError::from_status(&address, &link, status);
        assert!(matches!(error, ClientError::ConnectionLost { .. }), "{error:?}");
    }
}
