//! A coordinator without a listener, for the fuzz targets: the same services, sessions, driver and scheduler, spoken
//! to by requests whose bodies are in memory. It opens no socket, and draws nothing at random that decides.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use tonic::codegen::{Body, Service as _, StdError, http};
use toolwave_proto::v1::worker_service_server::SERVICE_NAME as WORKER_SERVICE;
use toolwave_telemetry::traces::Tracer;

pub use crate::worker::{
    frame::Frame,
    outbox::{Assignment, CallWords, Words},
};
use crate::{
    audit::Audit,
    config::Config,
    execution::server::ExecutionServer,
    handle::Handle,
    parts::{Chance, assemble},
    worker::Service as Sessions,
};

/// It runs in tasks of the current runtime until it is dropped.
pub struct Unlistened {
    handle: Handle,
    executions: ExecutionServer,
    sessions: Sessions,
    payload_bytes: Arc<AtomicU64>,
    driver: AbortOnDropHandle<()>,
}

impl Unlistened {
    /// Starts with a configuration that is good.
    #[must_use]
    pub fn start(config: &Config) -> Self {
        let chance = Chance {
            first_execution: 1,
            seed: 1,
        };
        let parts = assemble(config, chance, Audit::default(), Tracer::off());
        Self {
            executions: ExecutionServer::new(parts.executions, config.requests.max_request_bytes),
            handle: parts.handle,
            sessions: parts.sessions,
            payload_bytes: parts.payload_bytes,
            driver: AbortOnDropHandle::new(tokio::spawn(parts.run)),
        }
    }

    /// What a server would be given.
    pub async fn call<B>(&self, request: http::Request<B>) -> http::Response<tonic::body::Body>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send + 'static,
    {
        let of_workers = request
            .uri()
            .path()
            .strip_prefix('/')
            .is_some_and(|path| path.starts_with(WORKER_SERVICE));
        let answer = if of_workers {
            self.sessions.clone().call(request).await
        } else {
            self.executions.clone().call(request).await
        };
        match answer {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Slots taken of each worker that is connected or waited for; `None` when the driver has ended.
    pub async fn slots_taken(&self) -> Option<Vec<u32>> {
        let workers = self.handle.workers().await?;
        Some(workers.iter().map(|worker| worker.status.in_flight).collect())
    }

    /// Calls that wait and attempts in flight, by the tools' own counts.
    pub async fn calls_open(&self) -> u32 {
        let tools = self.handle.tool_statuses().await;
        tools.iter().map(|(_, tool)| tool.queued + tool.in_flight).sum()
    }

    /// Bytes of parameters and results that are held.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes.load(Ordering::Relaxed)
    }

    /// Whether the driver runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.driver.is_finished()
    }
}
