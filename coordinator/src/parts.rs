//! The parts of a coordinator, put together and not yet reached by anybody: what its listeners serve, and the one
//! task that decides. Opens no socket.

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicU64},
    time::SystemTime,
};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use toolwave_scheduler::Scheduler;
use toolwave_telemetry::traces::Tracer;
use uuid::Uuid;

use crate::{
    audit::Audit,
    config::{Config, InForce},
    driver::{Driver, Inputs, Terms, feed::Abandoned, mailbox, resolving::Resolving},
    execution::service::Service as Executions,
    handle::{Handle, Limits, Shared},
    observe::{history::History, metrics::Metrics},
    scaler::Activity,
    worker::{Service as Sessions, SessionTerms, Workers, declarations::Declarations},
};

/// What is one of a kind in each coordinator, and drawn at random outside of tests.
pub(crate) struct Chance {
    /// The key of the first execution: those of an earlier coordinator, of which a worker may still speak, have
    /// other keys.
    pub(crate) first_execution: u64,
    /// For placement and backoff.
    pub(crate) seed: u64,
}

/// The parts.
pub(crate) struct Parts<Run> {
    pub(crate) handle: Handle,
    pub(crate) executions: Executions,
    pub(crate) sessions: Sessions,
    /// Readers of sessions.
    pub(crate) readers: TaskTracker,
    /// Parameters and results held.
    pub(crate) payload_bytes: Arc<AtomicU64>,
    /// The driver: to be spawned.
    pub(crate) run: Run,
}

// === impl Chance ===

impl Chance {
    /// From the thread's generator: a test that seeds it sees the same again.
    pub(crate) fn draw() -> Self {
        Self {
            first_execution: ((fastrand::u64(..) >> 44) << 32) + 1,
            seed: fastrand::u64(..),
        }
    }
}

/// Puts them together.
pub(crate) fn assemble(
    config: &Config,
    chance: Chance,
    audit: Audit,
    tracer: Tracer,
) -> Parts<impl Future<Output = ()> + use<>> {
    let (inputs, from_sessions) = mpsc::channel(mailbox::INPUTS);
    let (requests, from_edge) = mpsc::channel(mailbox::REQUESTS);
    let abandoned = Arc::new(Abandoned::default());
    let metrics = Metrics::new();
    let declarations = Arc::new(Declarations::default());
    let payload_bytes = Arc::new(AtomicU64::new(0));
    let history = Arc::new(History::new(config.history.clone()));
    let coordinator_id: Arc<str> = Uuid::new_v4().to_string().into();
    let handle = Handle::new(Shared {
        requests,
        abandoned: abandoned.clone(),
        next_execution: AtomicU64::new(chance.first_execution),
        payload_bytes: payload_bytes.clone(),
        declarations: declarations.clone(),
        limits: arc_swap::ArcSwap::from_pointee(Limits::of(config)),
        activity: Activity::default(),
        in_force: InForce::new(config),
        audit: audit.clone(),
        metrics: metrics.clone(),
        history: history.clone(),
        coordinator_id: coordinator_id.clone(),
        started_at: SystemTime::now(),
    });
    let readers = TaskTracker::new();
    let workers = Workers::new(
        terms(config, coordinator_id),
        inputs.clone(),
        declarations.clone(),
        readers.clone(),
        audit.clone(),
    );
    let attempt_timeout = config.default_timeout;
    let scheduler = toolwave_scheduler::Config {
        seed: chance.seed,
        ..config.scheduler()
    };
    let driver = Driver::new(
        Scheduler::new(scheduler),
        Terms {
            max_payload_bytes: config.max_payload_bytes,
            attempt_timeout,
        },
        declarations.clone(),
        payload_bytes.clone(),
        Resolving::start(&inputs, &declarations, attempt_timeout),
        (audit, tracer, history),
    )
    .counting(metrics.numbers().clone());
    Parts {
        executions: Executions::new(handle.clone()),
        handle,
        sessions: Sessions(Arc::new(workers)),
        readers,
        payload_bytes,
        run: driver.run(Inputs {
            inputs: from_sessions,
            requests: from_edge,
            abandoned,
        }),
    }
}

fn terms(config: &Config, coordinator_id: Arc<str>) -> SessionTerms {
    SessionTerms {
        coordinator_id,
        register_within: config.register_timeout,
        heartbeat_interval: config.heartbeat_interval,
        self_fence: config.self_fence,
        max_message: config.requests.max_request_bytes,
        max_result: config.max_result_bytes,
        max_slots: config.max_slots_per_worker,
        max_tools: config.max_tools_per_worker,
        peers: config.peers.clone().into(),
    }
}
