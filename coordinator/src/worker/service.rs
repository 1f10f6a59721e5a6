//! `WorkerService`: answers a stream at once and leaves the rest to the session's task. Waiting for the first
//! frame here would hold back the response headers, which some clients wait for before they send.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming, async_trait};
use toolwave_proto::v1::{self, worker_service_server::WorkerService};
use toolwave_scheduler::SessionKey;

use super::{
    declarations::Declarations,
    outbox::{Answers, Outbox},
    session,
};
use crate::driver::mailbox::Input;

/// What holds for every session.
#[derive(Clone, Debug)]
pub(crate) struct SessionTerms {
    /// Random, new with each coordinator.
    pub(crate) coordinator_id: Arc<str>,
    pub(crate) register_within: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) self_fence: Duration,
    /// Of a message from a worker, in bytes.
    pub(crate) max_message: usize,
    /// Of a result, in bytes.
    pub(crate) max_result: u64,
    pub(crate) max_slots: u32,
    pub(crate) max_tools: usize,
}

/// What the sessions share.
pub(crate) struct Workers {
    pub(super) terms: SessionTerms,
    pub(super) driver: mpsc::Sender<Input>,
    pub(super) declarations: Arc<Declarations>,
    sessions: AtomicU64,
    /// Owns the readers.
    readers: TaskTracker,
}

// === impl Workers ===

impl Workers {
    pub(crate) fn new(
        terms: SessionTerms,
        driver: mpsc::Sender<Input>,
        declarations: Arc<Declarations>,
        readers: TaskTracker,
    ) -> Self {
        Self {
            terms,
            driver,
            declarations,
            sessions: AtomicU64::new(1),
            readers,
        }
    }

    pub(super) fn next_session(&self) -> SessionKey {
        SessionKey(self.sessions.fetch_add(1, Ordering::Relaxed))
    }
}

/// The service, for a server.
pub(crate) struct Service(pub(crate) Arc<Workers>);

#[async_trait]
impl WorkerService for Service {
    type OpenSessionStream = Outbox;

    async fn open_session(
        &self,
        request: Request<Streaming<v1::OpenSessionRequest>>,
    ) -> Result<Response<Self::OpenSessionStream>, Status> {
        let workers = self.0.clone();
        let address = request.remote_addr();
        // An attempt in flight is at most said once and aborted once, and takes a slot until it has ended:
        // a fuller outbox belongs to a worker that does not read. Room is taken only as it is used.
        let room = (workers.terms.max_slots as usize)
            .saturating_mul(2)
            .saturating_add(16);
        let (outbox, arriving) = mpsc::channel(room);
        let answers = Arc::new(Answers::default());
        let writer = Outbox::new(arriving, answers.clone());
        self.0.readers.spawn(session::serve(
            workers,
            request.into_inner(),
            address,
            outbox,
            answers,
        ));
        Ok(Response::new(writer))
    }
}
