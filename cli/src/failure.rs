//! Why a command did not do what it was asked for, and the exit code that says so to scripts.

use std::{fmt, io, process::ExitCode};

use toolwave_client::ClientError;
use toolwave_config::Problem;

use crate::{plan::ReadError, text};

const CREDENTIALS_HINT: &str = "\nhint: give a token with --token-file FILE or TOOLWAVE_TOKEN, or a certificate with --certificate and --key";

/// How a command ended that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it succeeded.
    Success,
    /// It ran, and some call did not succeed.
    SomeCallsFailed,
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The plan is wrong: each line names its place.
    Plan(Vec<String>),
    /// The file of tools is wrong.
    ToolsFile(Vec<Problem>),
    /// The environment is wrong.
    Configuration(String),
    /// No coordinator answers, or none that can be spoken with.
    NoCoordinator(String),
    /// A coordinator does not know or does not allow who asks.
    NotPermitted(String),
    /// The output could not be written.
    Output(io::Error),
    /// The user interrupted twice.
    Interrupted,
    /// Anything else.
    Other(String),
}

impl Verdict {
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Success => ExitCode::SUCCESS,
            Self::SomeCallsFailed => ExitCode::from(1),
        }
    }
}

impl Failure {
    /// Codes from 64 on are those of `sysexits.h`; 130 is what shells use for SIGINT.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Other(_) => 1,
            Self::Usage(_) | Self::Plan(_) => 2,
            Self::NoCoordinator(_) => 69,
            Self::Output(_) => 74,
            Self::NotPermitted(_) => 77,
            Self::Configuration(_) | Self::ToolsFile(_) => 78,
            Self::Interrupted => 130,
        })
    }
}

impl Failure {
    /// A file that cannot be read is a wrong argument; one that makes no sense is a wrong plan.
    pub(crate) fn from_read(error: ReadError) -> Self {
        match &error {
            ReadError::Io { .. } | ReadError::TooLarge { .. } => Self::Usage(error.to_string()),
            ReadError::Syntax { file, .. } if file.ends_with(".toml") => Self::Plan(vec![format!(
                "{error}; a plan is YAML or JSON, and a file of tools is given with `--tools FILE`"
            )]),
            ReadError::NotUtf8 { .. } | ReadError::Syntax { .. } | ReadError::Empty { .. } => {
                Self::Plan(vec![error.to_string()])
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(lines) => {
                for line in lines {
                    writeln!(f, "{}", text::printable(line))?;
                }
                match lines.len() {
                    1 => write!(f, "error: the plan is wrong; nothing has run"),
                    count => write!(
                        f,
                        "error: {count} things are wrong with the plan; nothing has run"
                    ),
                }
            }
            Self::ToolsFile(problems) => {
                for problem in problems {
                    writeln!(f, "{problem}")?;
                }
                match problems.len() {
                    1 => write!(f, "error: the file of tools is wrong; nothing has run"),
                    count => write!(
                        f,
                        "error: {count} things are wrong with the file of tools; nothing has run"
                    ),
                }
            }
            Self::Usage(message)
            | Self::Configuration(message)
            | Self::NoCoordinator(message)
            | Self::NotPermitted(message)
            | Self::Other(message) => write!(f, "error: {}", text::printable_lines(message)),
            Self::Output(error) => write!(f, "error: the output could not be written: {error}"),
            Self::Interrupted => write!(f, "interrupted"),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Address { address, .. } => {
                // The same slip is the caller's on the command line and the operator's in the environment.
                match std::env::var("TOOLWAVE_COORDINATOR") {
                    Ok(variable) if variable == address => {
                        Self::Configuration(format!("TOOLWAVE_COORDINATOR: {message}"))
                    }
                    _ => Self::Usage(message),
                }
            }
            ClientError::Unreachable { .. } => Self::NoCoordinator(format!(
                "{message}\nhint: start one with `toolwave-coordinator`, or name it with --coordinator URL; \
                 `toolwave run` without either needs none"
            )),
            ClientError::Credentials { .. } => Self::Configuration(message),
            ClientError::Link { failure, .. } => match failure.is_refusal() {
                true => Self::NotPermitted(format!("{message}{CREDENTIALS_HINT}")),
                false => Self::NoCoordinator(message),
            },
            ClientError::Unauthenticated { .. } => Self::NotPermitted(format!("{message}{CREDENTIALS_HINT}")),
            ClientError::PermissionDenied { .. } => Self::NotPermitted(message),
            ClientError::ConnectionLost { .. }
            | ClientError::Stopped { .. }
            | ClientError::Unavailable { .. } => Self::NoCoordinator(message),
            ClientError::InvalidRequest { .. } => Self::Usage(message),
            ClientError::Overloaded {
                retry_after: Some(wait),
                ..
            } => Self::Other(format!("{message}; try again in {}", text::duration(wait))),
            ClientError::Conflict { .. }
            | ClientError::Overloaded {
                retry_after: None, ..
            }
            | ClientError::NotFound { .. }
            | ClientError::Deadline { .. }
            | ClientError::Cancelled { .. }
            | ClientError::TooLarge { .. }
            | ClientError::NotToolwave { .. }
            | ClientError::Other(_) => Self::Other(message),
        }
    }
}
