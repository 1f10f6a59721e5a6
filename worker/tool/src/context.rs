//! What a running attempt knows of itself: its call, its deadline, whether it is still wanted.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use toolwave_proto::v1::AttemptRef;

/// Handed to [`Tool::call`](crate::Tool::call). Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallContext {
    call: Arc<CallIdentity>,
    deadline: Instant,
    cancelled: CancellationToken,
    progress: ProgressSink,
    trace: Option<Arc<Trace>>,
}

/// The trace that a call is part of, for what its tool calls.
#[derive(Debug)]
struct Trace {
    parent: Box<str>,
    state: Box<str>,
}

/// Which attempt of which call.
#[derive(Clone, Debug, Default)]
pub struct CallIdentity {
    /// The execution's id.
    pub execution_id: String,
    /// The call's id in it.
    pub call_id: String,
    /// From 1.
    pub attempt: u32,
    /// The same for every attempt of the call.
    pub idempotency_key: String,
}

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// 0 to 1, where it is known.
    pub fraction: Option<f64>,
    /// At most 1 KiB is kept.
    pub message: String,
}

/// Where progress goes.
#[derive(Clone, Debug)]
enum ProgressSink {
    Nowhere,
    Channel(mpsc::Sender<Progress>),
    /// One channel for all attempts of a worker: a channel for each would cost more than most calls.
    Worker(AttemptRef, mpsc::Sender<(AttemptRef, Progress)>),
}

impl CallContext {
    /// For an attempt that must end by `deadline`; `cancelled` fires when it is no longer wanted.
    #[must_use]
    pub fn new(
        call: CallIdentity,
        deadline: Instant,
        cancelled: CancellationToken,
        progress: Option<mpsc::Sender<Progress>>,
    ) -> Self {
        let progress = progress.map_or(ProgressSink::Nowhere, ProgressSink::Channel);
        Self {
            call: Arc::new(call),
            deadline,
            cancelled,
            progress,
            trace: None,
        }
    }

    /// For an attempt of a worker; no part of the interface for tools.
    #[doc(hidden)]
    #[must_use]
    pub fn of_attempt(
        call: CallIdentity,
        deadline: Instant,
        cancelled: CancellationToken,
        attempt: AttemptRef,
        progress: mpsc::Sender<(AttemptRef, Progress)>,
    ) -> Self {
        Self {
            call: Arc::new(call),
            deadline,
            cancelled,
            progress: ProgressSink::Worker(attempt, progress),
            trace: None,
        }
    }

    /// As part of a trace: `traceparent` and `tracestate` as W3C Trace Context has them, the second empty where there
    /// is none.
    #[must_use]
    pub fn traced(mut self, traceparent: &str, tracestate: &str) -> Self {
        let (parent, state) = (traceparent.into(), tracestate.into());
        self.trace = Some(Arc::new(Trace { parent, state }));
        self
    }

    /// Hand it on to what you call, in the header of this name, so that it appears in the caller's trace. `None`: the
    /// call is part of no trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.trace.as_deref().map(|trace| &*trace.parent)
    }

    /// Goes with [`traceparent`](Self::traceparent); `None` where there is nothing to hand on.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        let state = self.trace.as_deref().map(|trace| &*trace.state);
        state.filter(|state| !state.is_empty())
    }

    /// Which attempt of which call.
    #[must_use]
    pub fn call(&self) -> &CallIdentity {
        &self.call
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.call.attempt
    }

    /// The same for every attempt of the call: hand it on to what you call.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.call.idempotency_key
    }

    /// When the attempt times out.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time left until the attempt times out.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// True once the attempt is no longer wanted or its time is over: a blocking tool asks this between
    /// steps, and returns.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Ends when the attempt is no longer wanted or its time is over.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Tells watchers how far it is. Dropped when they are slow.
    pub fn progress(&self, fraction: Option<f64>, message: impl Into<String>) {
        let progress = |message: String| Progress { fraction, message };
        match &self.progress {
            ProgressSink::Nowhere => {}
            ProgressSink::Channel(sender) => {
                let _ = sender.try_send(progress(message.into()));
            }
            ProgressSink::Worker(attempt, sender) => {
                let _ = sender.try_send((*attempt, progress(message.into())));
            }
        }
    }
}
