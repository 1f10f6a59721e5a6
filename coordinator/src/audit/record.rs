//! What is recorded, and how a line of it looks. Names, ids, words of our own, numbers: no text that a client or a
//! tool could have put contents into.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use smallvec::SmallVec;
use toolwave_scheduler::Outcome;

use crate::{execution::outcome_word, tenants::Caller};

/// Tools of a worker that are named in one record.
const NAMED_TOOLS: usize = 64;

/// One line.
pub(crate) struct Record {
    pub(crate) at: SystemTime,
    pub(crate) event: Event,
}

/// Who it was.
#[derive(Clone)]
pub(crate) struct CallerFacts(Caller);

/// What happened.
pub(crate) enum Event {
    CoordinatorStarted {
        address: Option<SocketAddr>,
    },
    CoordinatorDraining,
    CoordinatorStopped,
    ExecutionAccepted {
        caller: CallerFacts,
        execution_id: Arc<str>,
        calls: usize,
        parameter_bytes: u64,
    },
    ExecutionRefused {
        caller: CallerFacts,
        reason: &'static str,
        calls: usize,
    },
    /// A client got the answer of an execution that another request had begun.
    ExecutionJoined {
        caller: CallerFacts,
        execution_id: Arc<str>,
    },
    ExecutionCancelled {
        caller: CallerFacts,
        execution_id: Arc<str>,
    },
    CancelRefused {
        caller: CallerFacts,
        reason: &'static str,
    },
    CallEnded(Box<CallEnd>),
    WorkerRegistered {
        worker: Arc<str>,
        instance_id: String,
        peer: Option<SocketAddr>,
        identity: Option<Arc<str>>,
        session: u64,
        slots: u32,
        tools: Vec<Arc<str>>,
    },
    WorkerToolsChanged {
        worker: Arc<str>,
        session: u64,
        tools: Vec<Arc<str>>,
    },
    WorkerRefused {
        peer: Option<SocketAddr>,
        /// As its certificate says, where it showed one.
        identity: Option<Arc<str>>,
        reason: &'static str,
    },
    /// A worker offered tools that its identity may not; the others were taken.
    WorkerToolsLeftOut {
        worker: Arc<str>,
        identity: Arc<str>,
        tools: Vec<Arc<str>>,
        /// With those that are not named.
        count: usize,
    },
    /// Its session ended, or was closed; it may come back.
    WorkerDisconnected {
        worker: Arc<str>,
        session: u64,
        reason: &'static str,
    },
    WorkerLeft {
        worker: Arc<str>,
    },
    WorkerDrained {
        caller: CallerFacts,
        worker: Arc<str>,
        draining: bool,
    },
    /// A request whose sender could not prove to be anybody, or who may not do that. One record a second at most,
    /// so that nobody can fill the file who may not come in.
    CredentialsRefused {
        peer: Option<SocketAddr>,
        reason: &'static str,
        /// Other refusals since the record before.
        more: u64,
    },
    RecordsLost {
        records: u64,
    },
}

/// The end of a call.
pub(crate) struct CallEnd {
    pub(crate) caller: CallerFacts,
    pub(crate) execution_id: Arc<str>,
    pub(crate) call_id: Arc<str>,
    pub(crate) tool: Arc<str>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) attempts: SmallVec<[AttemptEnd; 1]>,
    pub(crate) queue_time: Duration,
    pub(crate) execution_time: Duration,
    pub(crate) parameter_bytes: u64,
    pub(crate) result_bytes: Option<u64>,
}

/// The end of one attempt.
pub(crate) struct AttemptEnd {
    pub(crate) number: u32,
    pub(crate) worker: Arc<str>,
    /// Why it did not succeed.
    pub(crate) failure: Option<&'static str>,
}

/// A line, less what does not apply.
#[derive(Default, Serialize)]
#[serde(default)]
struct Line<'r> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptLine<'r>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_us: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_us: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<&'r str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

#[derive(Serialize)]
struct AttemptLine<'r> {
    attempt: u32,
    worker: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
}

// === impl Record ===

impl Record {
    pub(crate) fn now(event: Event) -> Self {
        Self {
            at: SystemTime::now(),
            event,
        }
    }

    /// Appends its line, with its end.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let mut line = self.event.line();
        line.time = humantime::format_rfc3339_micros(self.at).to_string();
        let start = into.len();
        if serde_json::to_writer(&mut *into, &line).is_err() {
            // Strings and numbers are always JSON, and memory takes every byte.
            debug_assert!(false, "a record is JSON");
            into.truncate(start);
        }
        into.push(b'\n');
    }
}

impl From<&Caller> for CallerFacts {
    fn from(caller: &Caller) -> Self {
        Self(caller.clone())
    }
}

#[cfg(test)]
impl CallerFacts {
    /// The client of a coordinator that asks nobody who they are.
    pub(super) fn nobody() -> Self {
        let allowances = crate::tenants::Allowances::default();
        Self(allowances.caller(&tonic::Extensions::new()))
    }
}

// === impl Event ===

impl Event {
    /// It belongs to an accepted execution, whose records are promised where they are required.
    pub(super) fn is_of_execution(&self) -> bool {
        matches!(self, Self::ExecutionAccepted { .. } | Self::CallEnded(_))
    }

    fn line(&self) -> Line<'_> {
        match self {
            Self::CoordinatorStarted { address } => Line {
                address: *address,
                ..named("coordinator_started")
            },
            Self::CoordinatorDraining => named("coordinator_draining"),
            Self::CoordinatorStopped => named("coordinator_stopped"),
            Self::ExecutionAccepted {
                caller,
                execution_id,
                calls,
                parameter_bytes,
            } => Line {
                execution_id: Some(execution_id),
                calls: Some(*calls),
                parameter_bytes: Some(*parameter_bytes),
                ..by(caller, "execution_accepted")
            },
            Self::ExecutionRefused {
                caller,
                reason,
                calls,
            } => Line {
                reason: Some(reason),
                calls: Some(*calls),
                ..by(caller, "execution_refused")
            },
            Self::ExecutionJoined { caller, execution_id } => Line {
                execution_id: Some(execution_id),
                ..by(caller, "execution_joined")
            },
            Self::ExecutionCancelled { caller, execution_id } => Line {
                execution_id: Some(execution_id),
                ..by(caller, "execution_cancelled")
            },
            Self::CancelRefused { caller, reason } => Line {
                reason: Some(reason),
                ..by(caller, "cancel_refused")
            },
            Self::CallEnded(end) => end.line(),
            Self::CredentialsRefused { peer, reason, more } => Line {
                peer: *peer,
                reason: Some(reason),
                more: (*more > 0).then_some(*more),
                ..named("credentials_refused")
            },
            Self::RecordsLost { records } => Line {
                records: Some(*records),
                ..named("records_lost")
            },
            _ => self.worker_line(),
        }
    }

    fn worker_line(&self) -> Line<'_> {
        match self {
            Self::WorkerRegistered {
                worker,
                instance_id,
                peer,
                identity,
                session,
                slots,
                tools,
            } => Line {
                worker: Some(worker),
                instance_id: Some(instance_id),
                peer: *peer,
                identity: identity.as_deref(),
                session: Some(*session),
                slots: Some(*slots),
                ..hosting(tools, "worker_registered")
            },
            Self::WorkerToolsChanged {
                worker,
                session,
                tools,
            } => Line {
                worker: Some(worker),
                session: Some(*session),
                ..hosting(tools, "worker_tools_changed")
            },
            Self::WorkerRefused {
                peer,
                identity,
                reason,
            } => Line {
                peer: *peer,
                identity: identity.as_deref(),
                reason: Some(reason),
                ..named("worker_refused")
            },
            Self::WorkerToolsLeftOut {
                worker,
                identity,
                tools,
                count,
            } => Line {
                worker: Some(worker),
                identity: Some(identity),
                tool_count: Some(*count),
                tools: Some(tools.iter().map(AsRef::as_ref).collect()),
                ..named("worker_tools_left_out")
            },
            Self::WorkerDisconnected {
                worker,
                session,
                reason,
            } => Line {
                worker: Some(worker),
                session: Some(*session),
                reason: Some(reason),
                ..named("worker_disconnected")
            },
            Self::WorkerLeft { worker } => Line {
                worker: Some(worker),
                ..named("worker_left")
            },
            Self::WorkerDrained {
                caller,
                worker,
                draining,
            } => Line {
                worker: Some(worker),
                ..by(
                    caller,
                    if *draining {
                        "worker_drained"
                    } else {
                        "worker_resumed"
                    },
                )
            },
            _ => Line::default(),
        }
    }
}

impl CallEnd {
    fn line(&self) -> Line<'_> {
        let attempts = self.attempts.iter().map(|end| AttemptLine {
            attempt: end.number,
            worker: &end.worker,
            failure: end.failure,
        });
        Line {
            execution_id: Some(&self.execution_id),
            call_id: Some(&self.call_id),
            tool: Some(&self.tool),
            outcome: Some(outcome_word(self.outcome)),
            reason: self.reason.as_deref(),
            attempts: Some(attempts.collect()),
            queue_us: Some(self.queue_time.as_micros()),
            execution_us: Some(self.execution_time.as_micros()),
            parameter_bytes: Some(self.parameter_bytes),
            result_bytes: self.result_bytes,
            ..by(&self.caller, "call_ended")
        }
    }
}

fn named(event: &'static str) -> Line<'static> {
    Line {
        event,
        ..Line::default()
    }
}

fn by<'r>(CallerFacts(caller): &'r CallerFacts, event: &'static str) -> Line<'r> {
    Line {
        tenant: Some(&caller.client.tenant),
        subject: Some(&caller.client.subject)
            .filter(|subject| !subject.is_empty())
            .map(AsRef::as_ref),
        peer: caller.peer,
        ..named(event)
    }
}

fn hosting<'r>(tools: &'r [Arc<str>], event: &'static str) -> Line<'r> {
    Line {
        tool_count: Some(tools.len()),
        tools: Some(tools.iter().take(NAMED_TOOLS).map(AsRef::as_ref).collect()),
        ..named(event)
    }
}
