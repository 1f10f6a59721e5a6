//! What can be wrong with a worker before it runs, and what ends it early.

use std::net::SocketAddr;

use tonic::Code;
use toolwave_link::{LinkFailure, TlsProblem};

/// Why a worker cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The coordinator's address is no URL that can be dialled.
    #[error("coordinator `{url}`: {reason}")]
    Coordinator {
        /// As given.
        url: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// What the worker trusts, or shows the coordinator, cannot be used.
    #[error("{}", lines(problems))]
    Tls {
        /// Each with its setting, what is wrong and what would be right.
        problems: Vec<TlsProblem>,
    },
    /// The worker's name is not allowed.
    #[error("worker name `{name}` is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]")]
    Name {
        /// As given.
        name: String,
    },
    /// Two tools have one name.
    #[error("tool `{name}` is given twice; expected one tool of that name")]
    DuplicateTool {
        /// The name.
        name: String,
    },
    /// What a tool declares is wrong.
    #[error("tool `{name}`: {reason}")]
    Tool {
        /// Its name.
        name: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// What the worker says of itself does not fit into a message.
    #[error("the declarations of all tools take {bytes} bytes; expected at most {limit}")]
    TooManyDeclarations {
        /// Encoded.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why a worker ended before it was asked to, or without finishing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address for health checks cannot be bound.
    #[error("health checks cannot be served on {address}: {source}; expected a free local address")]
    Health {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The admin port cannot be bound.
    #[error("the admin port cannot be served on {address}: {source}; expected a free local address")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The process cannot listen for signals.
    #[error("signals cannot be listened for: {0}")]
    Signals(std::io::Error),
    /// A second signal came while the worker drained.
    #[error("stopped by a second signal ({signal}) while attempts were running")]
    Interrupted {
        /// Its number: a process that ends for it says 128 more.
        signal: i32,
    },
}

/// Why a session could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("cannot connect: {0}")]
    Link(LinkFailure),
    #[error("no answer to register within {0:?}")]
    NoAnswer(std::time::Duration),
    #[error("the coordinator refused the session ({code:?}): {message}")]
    Refused { code: Code, message: String },
    #[error("the stream ended: {0}")]
    Broken(String),
    #[error("the stream ended without a reason")]
    Ended,
    #[error("the coordinator broke the protocol: {0}")]
    Protocol(String),
    #[error("another address leads to the same coordinator, and has a session")]
    AlreadyConnected,
    #[error("no heartbeat was answered for {0:?}")]
    Silent(std::time::Duration),
}

impl SessionError {
    /// The coordinator is there, and does not want this worker as it is: trying again changes nothing until somebody
    /// acts, here or there.
    pub(crate) fn is_refusal_of_identity(&self) -> bool {
        match self {
            Self::Link(failure) => failure.is_refusal(),
            Self::Refused { code, .. } => matches!(
                code,
                Code::Unauthenticated | Code::PermissionDenied | Code::AlreadyExists
            ),
            Self::NoAnswer(_)
            | Self::Broken(_)
            | Self::Ended
            | Self::Protocol(_)
            | Self::AlreadyConnected
            | Self::Silent(_) => false,
        }
    }
}

fn lines(problems: &[TlsProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
