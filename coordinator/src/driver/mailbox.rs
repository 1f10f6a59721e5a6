//! The driver's two inputs: what sessions and the resolver pool say (taken first), and what the edge asks.
//! Plain data; a session's frame is one message however much it carries.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use toolwave_proto::v1::Registered;
use toolwave_scheduler::{AttemptFailure, AttemptKey, ExecutionKey, SessionKey, ToolStatus, WorkerStatus};

use crate::{
    driver::{
        feed::FeedWriter,
        history::{ClusterState, LiveExecution, Running, Wanted},
        resolving::Resolved,
    },
    execution::{
        answer::Shape,
        prepared::{CallFault, PreparedExecution},
    },
    handle::{Cancelled, UnknownExecution, WholeLimits},
    observe::load::Load,
    tenants::Caller,
    worker::outbox::{Answers, Outbound},
};

/// Frames and answers that wait for the driver. Senders wait for room: a slow driver slows its workers.
pub(crate) const INPUTS: usize = 4096;

/// Requests of the edge that wait for the driver; a submission over it is refused.
pub(crate) const REQUESTS: usize = 4096;

/// What sessions and the pool say.
pub(crate) enum Input {
    /// A worker opened a session.
    Joined(Box<Joined>),
    /// A frame of a session.
    Frame(Box<Frame>),
    /// The stream of a session ended without goodbye.
    Broken(SessionKey),
    /// The pool resolved a call.
    Resolved(Resolved),
}

/// A session whose first frame was good.
pub(crate) struct Joined {
    /// Chosen by the service.
    pub(crate) session: SessionKey,
    /// What it is answered, when it may have the name.
    pub(crate) registered: Box<Registered>,
    /// The name in its certificate, where it needs one.
    pub(crate) identity: Option<Arc<str>>,
    /// The worker's name.
    pub(crate) name: Arc<str>,
    /// Names the process.
    pub(crate) instance_id: String,
    /// Attempts it runs at once.
    pub(crate) slots: u32,
    /// The names of tools that were declared well.
    pub(crate) tools: Vec<Arc<str>>,
    /// What it lists as in flight, for this coordinator.
    pub(crate) in_flight: Vec<AttemptKey>,
    /// The worker drains.
    pub(crate) draining: bool,
    /// The largest parameters it takes, in bytes.
    pub(crate) max_parameters: usize,
    /// For operators.
    pub(crate) description: Description,
    /// Other coordinators, which it is told of.
    pub(crate) peers: Arc<[String]>,
    /// To the writer of its stream.
    pub(crate) outbox: mpsc::Sender<Vec<Outbound>>,
    /// Ends its stream at once, whatever waits.
    pub(crate) answers: Arc<Answers>,
}

/// What operators are told of a worker.
#[derive(Clone, Default)]
pub(crate) struct Description {
    pub(crate) labels: HashMap<String, String>,
    pub(crate) build: String,
    pub(crate) address: Option<SocketAddr>,
}

/// A frame, checked and without its wire form. Handled in the order of the fields.
pub(crate) struct Frame {
    pub(crate) session: SessionKey,
    pub(crate) started: Vec<AttemptKey>,
    pub(crate) progress: Vec<Progress>,
    pub(crate) ended: Vec<Report>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) tools: Option<Vec<Arc<str>>>,
    pub(crate) draining: bool,
    /// Those that this coordinator may use from now on.
    pub(crate) slots: Option<u32>,
    pub(crate) goodbye: bool,
}

/// A tool says how far it is.
pub(crate) struct Progress {
    pub(crate) attempt: AttemptKey,
    pub(crate) fraction: Option<f64>,
    pub(crate) message: String,
}

/// The end of an attempt.
pub(crate) struct Report {
    pub(crate) attempt: AttemptKey,
    pub(crate) end: ReportedEnd,
    /// As the worker measured it.
    pub(crate) execution_time: Option<Duration>,
}

/// How it ended.
pub(crate) enum ReportedEnd {
    /// JSON text, checked.
    Result(Bytes),
    /// With what the tool, or the session, said of it.
    Failure(AttemptFailure, Option<Box<CallFault>>),
}

/// A sign of life.
pub(crate) struct Heartbeat {
    pub(crate) in_flight: Vec<AttemptKey>,
    pub(crate) dispatches_read: u64,
}

/// What the edge asks.
pub(crate) enum Request {
    /// Answered through the feed.
    Submit(Box<Submitted>),
    Cancel {
        id: u128,
        caller: Caller,
        reply: oneshot::Sender<Result<Cancelled, UnknownExecution>>,
    },
    /// Of any tenant.
    CancelAny {
        id: u128,
        caller: Caller,
        reply: oneshot::Sender<Result<Cancelled, UnknownExecution>>,
    },
    Running {
        wanted: Wanted,
        reply: oneshot::Sender<Running>,
    },
    Live {
        id: u128,
        reply: oneshot::Sender<Option<Box<LiveExecution>>>,
    },
    ClusterState(oneshot::Sender<ClusterState>),
    ToolStatuses(oneshot::Sender<Vec<(Arc<str>, ToolStatus)>>),
    /// How busy each tool is, and how many of the calls that wait for it would start if there were workers.
    ToolDemand(oneshot::Sender<Vec<(Arc<str>, ToolStatus, f64)>>),
    ListWorkers(oneshot::Sender<Vec<ListedWorker>>),
    Load(oneshot::Sender<Load>),
    DrainWorker {
        worker: Box<str>,
        resume: bool,
        caller: Caller,
        reply: oneshot::Sender<Option<DrainedWorker>>,
    },
    /// Answered once they hold.
    SetLimits {
        limits: WholeLimits,
        reply: oneshot::Sender<()>,
    },
    /// Answered when no execution is left.
    Drain {
        reconnect_after: Duration,
        reply: oneshot::Sender<()>,
    },
    /// Answered, when all have ended, with their number.
    CancelAll(oneshot::Sender<usize>),
    Stop(oneshot::Sender<()>),
}

/// An execution on its way to the scheduler.
pub(crate) struct Submitted {
    pub(crate) key: ExecutionKey,
    pub(crate) uuid: u128,
    /// The same as text.
    pub(crate) id: Arc<str>,
    pub(crate) execution: PreparedExecution,
    /// What is needed to answer it.
    pub(crate) shape: Arc<Shape>,
    pub(crate) caller: Caller,
    pub(crate) feed: FeedWriter,
}

/// A worker, for operators.
pub(crate) struct ListedWorker {
    pub(crate) name: Arc<str>,
    pub(crate) instance_id: String,
    pub(crate) description: Description,
    pub(crate) tools: Vec<Arc<str>>,
    pub(crate) status: WorkerStatus,
}

/// A worker that was told to drain, or not to.
pub(crate) struct DrainedWorker {
    pub(crate) in_flight: u32,
}

// === impl Frame ===

impl Frame {
    /// It says nothing: only pieces of a result that is not complete came.
    pub(crate) fn is_empty(&self) -> bool {
        self.started.is_empty()
            && self.progress.is_empty()
            && self.ended.is_empty()
            && self.heartbeat.is_none()
            && self.tools.is_none()
            && self.slots.is_none()
            && !self.draining
            && !self.goodbye
    }
}

// === impl ReportedEnd ===

impl ReportedEnd {
    /// Bytes of the result.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Result(payload) => payload.len(),
            Self::Failure(..) => 0,
        }
    }
}
