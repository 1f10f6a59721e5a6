//! What can be wrong with a worker before it runs, and what ends it early.

use std::net::SocketAddr;

/// Why a worker cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The coordinator's address is no URL that can be dialled.
    #[error("coordinator `{url}`: {reason}; expected http://HOST:PORT")]
    Coordinator {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
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
    Connect(String),
    #[error("no answer to register within {0:?}")]
    NoAnswer(std::time::Duration),
    #[error("the coordinator refused the session ({code:?}): {message}")]
    Refused { code: tonic::Code, message: String },
    #[error("the stream ended: {0}")]
    Broken(String),
    #[error("the stream ended without a reason")]
    Ended,
    #[error("the coordinator broke the protocol: {0}")]
    Protocol(String),
    #[error("no heartbeat was answered for {0:?}")]
    Silent(std::time::Duration),
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
