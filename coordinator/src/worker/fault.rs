//! Why a session's stream ends, in words that the worker's operator can act on. The code of each is what a
//! worker goes by: anything but `UNAVAILABLE` and `ABORTED` needs somebody to change something.

use std::{sync::Arc, time::Duration};

use tonic::{Code, Status};
use toolwave_scheduler::{AttemptKey, EvictReason};

use super::convert;

/// Of what the decoder says of a frame, in bytes.
const UNREADABLE_BYTES: usize = 256;

/// Why the coordinator ends a stream.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum SessionFault {
    #[error("no register within {0:?} of opening the session")]
    RegisterLate(Duration),
    #[error("the first frame must hold `register` and nothing else; this one {0}")]
    RegisterNotFirst(&'static str),
    #[error("a second `register`: a session registers once")]
    RegisteredTwice,
    #[error(
        "no protocol version in common: the worker speaks {worker_min} to {worker_max}, \
         this coordinator {min} to {max}; {}",
        which_to_upgrade((*worker_min, *worker_max), (*min, *max))
    )]
    UnsupportedProtocol {
        worker_min: u32,
        worker_max: u32,
        min: u32,
        max: u32,
    },
    #[error("{field} is `{value}`; it must be 1 to 128 bytes of [A-Za-z0-9._:-]")]
    BadName { field: &'static str, value: String },
    #[error("register.max_message_bytes is {0}; frames need at least {least} bytes", least = super::outbox::LEAST_MESSAGE)]
    MessageLimitTooLow(u32),
    #[error("{listed} attempts are listed as in flight; with {slots} slots at most {limit} are possible")]
    TooManyInFlight { listed: usize, slots: u32, limit: usize },
    #[error("{listed} tools are declared; at most {limit} are accepted of one worker")]
    TooManyTools { listed: usize, limit: usize },
    #[error("register.worker is `{worker}`, which {identity} may not use as its name")]
    IdentityMismatch { worker: Arc<str>, identity: Arc<str> },
    #[error("{identity} may not offer {tools}")]
    ToolsNotPermitted { identity: Arc<str>, tools: String },
    #[error(
        "a worker of another identity has the name, or is still waited for; names are unique in the cluster"
    )]
    WorkerIdTaken,
    #[error("this coordinator is one of those that the worker is connected to")]
    AlreadyConnected,
    #[error("{0}")]
    BadFrame(String),
    #[error("a frame cannot be read: {0}")]
    Unreadable(String),
    #[error("a frame is larger than {limit} bytes, the most that is accepted")]
    FrameTooLarge { limit: usize },
    #[error("a result of attempt {0}, which was never dispatched")]
    NeverDispatched(AttemptKey),
    #[error("more than {0} heartbeats within a second")]
    HeartbeatFlood(u32),
    #[error("closed by the coordinator: {0}")]
    Evicted(&'static str),
    #[error("a worker of the same name and another instance registered; names are unique in the cluster")]
    Replaced,
    #[error("the outbox is full: the worker does not read its stream")]
    NotReading,
    #[error("the coordinator is going away")]
    CoordinatorGone,
}

/// Which side lacks versions that the other one has.
fn which_to_upgrade(worker: (u32, u32), here: (u32, u32)) -> &'static str {
    if worker.0 > worker.1 {
        "expected register.min_protocol to be at most register.max_protocol"
    } else if worker.1 < here.0 {
        "upgrade the worker"
    } else {
        "upgrade this coordinator, or give the worker back its former version"
    }
}

// === impl SessionFault ===

impl SessionFault {
    /// Why a frame could not be read; `None` where it is the connection that broke, so that nobody is there to
    /// be told.
    pub(super) fn unread(status: &Status, limit: usize) -> Option<Self> {
        if std::error::Error::source(status).is_some() {
            return None;
        }
        match status.code() {
            Code::OutOfRange => Some(Self::FrameTooLarge { limit }),
            Code::Internal | Code::Unimplemented => Some(Self::Unreadable(convert::clean(
                status.message().to_owned(),
                UNREADABLE_BYTES,
            ))),
            _ => None,
        }
    }

    /// The code that the stream ends with.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::RegisterLate(_) => Code::DeadlineExceeded,
            Self::RegisterNotFirst(_)
            | Self::RegisteredTwice
            | Self::UnsupportedProtocol { .. }
            | Self::MessageLimitTooLow(_) => Code::FailedPrecondition,
            Self::BadName { .. }
            | Self::TooManyInFlight { .. }
            | Self::TooManyTools { .. }
            | Self::BadFrame(_)
            | Self::Unreadable(_)
            | Self::NeverDispatched(_) => Code::InvalidArgument,
            Self::FrameTooLarge { .. } => Code::OutOfRange,
            Self::IdentityMismatch { .. } | Self::ToolsNotPermitted { .. } => Code::PermissionDenied,
            Self::WorkerIdTaken => Code::AlreadyExists,
            Self::HeartbeatFlood(_) => Code::ResourceExhausted,
            Self::Evicted(_) | Self::Replaced | Self::NotReading | Self::AlreadyConnected => Code::Aborted,
            Self::CoordinatorGone => Code::Unavailable,
        }
    }

    /// Stable, for programs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::RegisterLate(_) => "REGISTER_LATE",
            Self::RegisterNotFirst(_)
            | Self::RegisteredTwice
            | Self::BadFrame(_)
            | Self::Unreadable(_)
            | Self::NeverDispatched(_) => "PROTOCOL_ERROR",
            Self::FrameTooLarge { .. } => "MESSAGE_TOO_LARGE",
            Self::UnsupportedProtocol { .. } => "UNSUPPORTED_PROTOCOL",
            Self::BadName { .. } => "INVALID_NAME",
            Self::MessageLimitTooLow(_) => "MESSAGE_LIMIT_TOO_LOW",
            Self::TooManyInFlight { .. } => "TOO_MANY_IN_FLIGHT",
            Self::TooManyTools { .. } => "TOO_MANY_TOOLS",
            Self::IdentityMismatch { .. } => "IDENTITY_MISMATCH",
            Self::ToolsNotPermitted { .. } => "TOOLS_NOT_PERMITTED",
            Self::WorkerIdTaken => "WORKER_ID_TAKEN",
            Self::AlreadyConnected => "ALREADY_CONNECTED",
            Self::HeartbeatFlood(_) => "HEARTBEAT_FLOOD",
            Self::Evicted(_) => "EVICTED",
            Self::Replaced => "REPLACED",
            Self::NotReading => "NOT_READING",
            Self::CoordinatorGone => "DRAINING",
        }
    }
}

impl From<EvictReason> for SessionFault {
    fn from(reason: EvictReason) -> Self {
        Self::Evicted(match reason {
            EvictReason::Superseded => "a newer session of this worker took its place",
            EvictReason::LeaseExpired => "no heartbeat for the whole lease",
            EvictReason::AbortUnconfirmed => "an abort was not confirmed in time",
        })
    }
}
