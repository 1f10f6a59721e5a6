//! What the RPC edge holds of the coordinator: submit, cancel, watch, ask.
//!
//! Every method answers for itself: no sender and no receiver leaves this file. It never schedules, never
//! parses a payload, and turns nothing into a `tonic::Status`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use toolwave_scheduler::{ExecutionKey, ToolStatus};
use uuid::Uuid;

use crate::{
    audit::Audit,
    catalogue::Catalogue,
    config::{Config, InForce},
    driver::{
        feed::{Abandoned, Feed},
        history::{ClusterState, LiveExecution, Running, Wanted},
        mailbox::{DrainedWorker, ListedWorker, Request, Submitted},
    },
    execution::{
        answer::Shape,
        limits::RequestLimits,
        prepared::{ExecutionNews, PreparedExecution},
    },
    observe::{history::History, load::Load, metrics::Metrics},
    scaler::Activity,
    tenants::{Allowance, Allowances, Caller, Quota},
    worker::declarations::Declarations,
};

/// How soon a refused client may try again when the scheduler says nothing better.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A way to the driver; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What all clones share.
pub(crate) struct Shared {
    /// To the driver; full means that it cannot keep up.
    pub(crate) requests: mpsc::Sender<Request>,
    /// Executions whose client went away.
    pub(crate) abandoned: Arc<Abandoned>,
    /// The next execution's key.
    pub(crate) next_execution: AtomicU64,
    /// Bytes of parameters and results that are held.
    pub(crate) payload_bytes: Arc<AtomicU64>,
    /// The tools that workers declared.
    pub(crate) declarations: Arc<Declarations>,
    /// What may change while it runs.
    pub(crate) limits: ArcSwap<Limits>,
    /// Wakes who watches the load.
    pub(crate) activity: Activity,
    /// What is in force, and how that came to be.
    pub(crate) in_force: InForce,
    /// Where what happens at the edge is recorded.
    pub(crate) audit: Audit,
    /// Where it is counted.
    pub(crate) metrics: Metrics,
    /// What is kept of executions.
    pub(crate) history: Arc<History>,
    /// Random, new with each process.
    pub(crate) coordinator_id: Arc<str>,
    /// When it started.
    pub(crate) started_at: SystemTime,
}

/// What operators allow, as it is now.
pub(crate) struct Limits {
    /// Of one request.
    pub(crate) requests: Arc<RequestLimits>,
    /// Of tenants.
    pub(crate) allowances: Allowances,
    /// Of the scheduler and of what is held.
    pub(crate) whole: WholeLimits,
}

/// Limits of the whole coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WholeLimits {
    /// Attempts in flight at once.
    pub(crate) max_in_flight: usize,
    /// Calls that wait.
    pub(crate) max_queued_calls: usize,
    /// Parameters and results held.
    pub(crate) max_payload_bytes: u64,
}

/// An accepted execution, watched. Dropped before its end, it cancels the execution: its client is gone.
pub struct Ticket {
    feed: Arc<Feed>,
    key: ExecutionKey,
    id: Arc<str>,
    abandoned: Arc<Abandoned>,
    keep_running: bool,
}

/// Why an execution was not accepted; nothing of it has run.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SubmitError {
    /// Too many calls wait.
    #[error("the queue is full: at most {limit} calls wait at once")]
    QueueFull {
        /// The bound, in calls (or, where the driver cannot keep up, in submissions).
        limit: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many bytes of payloads are held.
    #[error("parameters and results held have reached max_payload_bytes, {limit} bytes")]
    PayloadsFull {
        /// The bound, in bytes.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
    },
    /// The tenant is at a limit of its own.
    #[error("{quota}")]
    TenantQuota {
        /// Which, with its value.
        quota: Quota,
        /// When to try again; `None`: as the limits are, it is never accepted.
        retry_after: Option<Duration>,
    },
    /// Its records would have no place in the audit, which are required.
    #[error("the audit cannot be written, and its records are required")]
    AuditUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The coordinator ends; another, or the next one, takes it.
    #[error("the coordinator is draining and accepts no execution")]
    Draining {
        /// When to try again.
        retry_after: Duration,
    },
    /// The coordinator has failed.
    #[error("the coordinator has stopped")]
    Closed,
}

/// What a cancellation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It ran, and ends now.
    Now,
    /// It had ended before.
    AlreadyEnded,
}

/// No such execution, or it ended long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no execution has this id")]
pub struct UnknownExecution;

/// No worker of this name is connected or waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerRequestError {
    /// No such worker.
    #[error("no worker is named `{0}`; ListWorkers names those that there are")]
    Unknown(String),
    /// The coordinator has failed.
    #[error("the coordinator has stopped")]
    Closed,
}

// === impl Limits ===

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            requests: Arc::new(config.requests.clone()),
            allowances: Allowances::new(&config.tenants, &config.tenant_defaults),
            whole: WholeLimits {
                max_in_flight: config.max_in_flight,
                max_queued_calls: config.max_queued_calls,
                max_payload_bytes: config.max_payload_bytes,
            },
        }
    }
}

// === impl Handle ===

impl Handle {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The tools declared so far; does not change under its holder.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.shared.declarations.current()
    }

    /// Who sent a request, and what its tenant may use.
    pub(crate) fn caller(&self, extensions: &tonic::Extensions) -> Caller {
        self.shared.limits.load().allowances.caller(extensions)
    }

    /// Where what happens at the edge is recorded.
    pub(crate) fn audit(&self) -> &Audit {
        &self.shared.audit
    }

    /// Where what happens at the edge is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Bytes of parameters and results that are held.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.shared.payload_bytes.load(Ordering::Relaxed)
    }

    /// The driver has ended: nothing is decided any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.requests.is_closed()
    }

    /// How busy the coordinator is; `None` when the driver has ended.
    pub(crate) async fn load(&self) -> Option<Load> {
        self.ask(Request::Load).await
    }

    /// What a request may be.
    #[must_use]
    pub fn request_limits(&self) -> Arc<RequestLimits> {
        self.shared.limits.load().requests.clone()
    }

    /// The limits of the whole coordinator.
    pub(crate) fn whole_limits(&self) -> WholeLimits {
        self.shared.limits.load().whole
    }

    /// The configuration that is in force.
    pub(crate) fn in_force(&self) -> &InForce {
        &self.shared.in_force
    }

    /// Wakes who watches the load.
    pub(crate) fn activity(&self) -> &Activity {
        &self.shared.activity
    }

    /// Other limits from here on, for what comes: nothing that was accepted ends by them.
    pub(crate) async fn set_limits(&self, limits: Limits) {
        let whole = limits.whole;
        self.shared.limits.store(Arc::new(limits));
        self.ask(|reply| Request::SetLimits { limits: whole, reply })
            .await;
    }

    /// Offers an execution to the scheduler and waits for its answer, which comes at once.
    ///
    /// # Errors
    /// It was not accepted, and nothing of it runs.
    pub(crate) async fn submit(
        &self,
        execution: PreparedExecution,
        shape: Arc<Shape>,
        caller: Caller,
    ) -> Result<Ticket, SubmitError> {
        let key = ExecutionKey(self.shared.next_execution.fetch_add(1, Ordering::Relaxed));
        let uuid = Uuid::new_v4();
        let mut text = Uuid::encode_buffer();
        let id: Arc<str> = uuid.hyphenated().encode_lower(&mut text).to_owned().into();
        let feed = Arc::new(Feed::new(self.shared.payload_bytes.clone()));
        let ticket = Ticket {
            feed: feed.clone(),
            key,
            id: id.clone(),
            abandoned: self.shared.abandoned.clone(),
            keep_running: false,
        };
        let submitted = Submitted {
            key,
            uuid: uuid.as_u128(),
            id,
            execution,
            shape,
            caller,
            feed: feed.clone().into(),
        };
        match self
            .shared
            .requests
            .try_send(Request::Submit(Box::new(submitted)))
        {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                let limit = self.shared.requests.max_capacity();
                return Err(SubmitError::QueueFull {
                    limit,
                    retry_after: RETRY_AFTER,
                });
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(SubmitError::Closed),
        }
        feed.admission().await?;
        self.shared.activity.stir();
        Ok(ticket)
    }

    /// Ends an execution of the caller's tenant early.
    ///
    /// # Errors
    /// No execution of the tenant has this id, or it ended so long ago that it is forgotten.
    pub(crate) async fn cancel(
        &self,
        execution_id: &str,
        caller: Caller,
    ) -> Result<Cancelled, UnknownExecution> {
        let id = Uuid::try_parse(execution_id)
            .map_err(|_| UnknownExecution)?
            .as_u128();
        self.ask(|reply| Request::Cancel { id, caller, reply })
            .await
            .unwrap_or(Err(UnknownExecution))
    }

    /// Ends an execution of any tenant early; `None` when the coordinator has stopped.
    pub(crate) async fn cancel_any(
        &self,
        id: u128,
        caller: Caller,
    ) -> Option<Result<Cancelled, UnknownExecution>> {
        self.ask(|reply| Request::CancelAny { id, caller, reply }).await
    }

    /// The newest executions that run; `None` when the coordinator has stopped.
    pub(crate) async fn running(&self, wanted: Wanted) -> Option<Running> {
        self.ask(|reply| Request::Running { wanted, reply }).await
    }

    /// An execution that runs, of any tenant; `None` within when none has this id, and `None` when the coordinator
    /// has stopped.
    pub(crate) async fn live(&self, id: u128) -> Option<Option<Box<LiveExecution>>> {
        self.ask(|reply| Request::Live { id, reply }).await
    }

    /// The coordinator as a whole; `None` when it has stopped.
    pub(crate) async fn cluster_state(&self) -> Option<ClusterState> {
        self.ask(Request::ClusterState).await
    }

    /// What is kept of executions that ended.
    pub(crate) fn history(&self) -> &History {
        &self.shared.history
    }

    /// What a tenant may use.
    pub(crate) fn allowance(&self, tenant: &str) -> Arc<Allowance> {
        self.shared.limits.load().allowances.of(tenant).clone()
    }

    /// The id of this process, and when it started.
    pub(crate) fn process(&self) -> (&str, SystemTime) {
        (&self.shared.coordinator_id, self.shared.started_at)
    }

    /// Every tool that was declared or called, and how busy it is; empty when the coordinator has stopped.
    pub async fn tool_statuses(&self) -> Vec<(Arc<str>, ToolStatus)> {
        self.ask(Request::ToolStatuses).await.unwrap_or_default()
    }

    /// The same, with how many of the calls that wait for each would start if there were workers.
    pub(crate) async fn tool_demand(&self) -> Vec<(Arc<str>, ToolStatus, f64)> {
        self.ask(Request::ToolDemand).await.unwrap_or_default()
    }

    /// The workers that are connected, or lost and still waited for; `None` when the coordinator has stopped.
    pub(crate) async fn workers(&self) -> Option<Vec<ListedWorker>> {
        self.ask(Request::ListWorkers).await
    }

    /// Stops, or resumes, dispatching to the worker of this name.
    pub(crate) async fn drain_worker(
        &self,
        worker: &str,
        resume: bool,
        caller: Caller,
    ) -> Result<DrainedWorker, WorkerRequestError> {
        self.ask(|reply| Request::DrainWorker {
            worker: worker.into(),
            resume,
            caller,
            reply,
        })
        .await
        .ok_or(WorkerRequestError::Closed)?
        .ok_or_else(|| WorkerRequestError::Unknown(worker.to_owned()))
    }

    /// Refuses every further execution and tells the workers; answers when none is left that runs.
    pub(crate) async fn drain(&self, reconnect_after: Duration) {
        self.shared.activity.drain();
        self.ask(|reply| Request::Drain {
            reconnect_after,
            reply,
        })
        .await;
    }

    /// Cancels what runs; answers how many executions that were, once they have ended.
    pub(crate) async fn cancel_all(&self) -> usize {
        self.ask(Request::CancelAll).await.unwrap_or(0)
    }

    /// Ends every session, and the driver.
    pub(crate) async fn stop(&self) {
        self.ask(Request::Stop).await;
    }

    /// `None`: the driver has ended. These requests are few and wait for room.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.shared.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }
}

// === impl Ticket ===

impl Ticket {
    /// Names the execution for clients.
    #[must_use]
    pub fn execution_id(&self) -> &str {
        &self.id
    }

    /// From here on the execution ends by itself, whoever goes away.
    #[must_use]
    pub fn keep_running(mut self) -> Self {
        self.keep_running = true;
        self
    }

    /// What happened since the last time, as soon as something did. `None` after `Finished`;
    /// `None` without it when the coordinator has failed. Safe to cancel.
    pub async fn next(&mut self) -> Option<Vec<ExecutionNews>> {
        self.feed.next().await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.feed.leave() && !self.keep_running {
            self.abandoned.push(self.key);
        }
    }
}
