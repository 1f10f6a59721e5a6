//! What is counted of one coordinator, and for whom. The driver alone adds to most of it, without a step that is
//! shared with anybody; scrapes only read.

use std::sync::{Arc, Mutex, PoisonError};

use toolwave_scheduler::{Cause, Outcome};
use toolwave_telemetry::metrics::{COUNTS, Counter, Gauge, Histogram, SECONDS};

use super::grpc::GrpcNumbers;
use crate::error::RequestError;

/// Tools with series of their own; each has some 40. A worker may declare as many tools as it likes, so the rest,
/// and names that nobody declared, are counted together.
pub(crate) const TOOLS_AT_MOST: usize = 500;
/// What the rest is called: no tool can have this name.
pub(crate) const OTHER_TOOLS: &str = "(other)";

/// Ends of calls, in the order in which they are told.
pub(crate) const OUTCOMES: [(Outcome, &str); 9] = [
    (Outcome::Succeeded, "succeeded"),
    (Outcome::Failed, "failed"),
    (Outcome::Rejected, "rejected"),
    (Outcome::TimedOut, "timed_out"),
    (Outcome::DeadlineExceeded, "deadline_exceeded"),
    (Outcome::Cancelled, "cancelled"),
    (Outcome::Skipped, "skipped"),
    (Outcome::Unavailable, "unavailable"),
    (Outcome::Unknown, "unknown"),
];
/// Ends of executions, by [`Ending`].
pub(crate) const ENDINGS: [&str; 4] = ["succeeded", "failed", "deadline_exceeded", "cancelled"];
/// Why executions are refused. All that can be wrong with a request is one of them: what it was, its client is told.
pub(crate) const REFUSALS: [&str; 9] = [
    "invalid",
    "deadline_expired",
    "idempotency_key_reused",
    "queue_full",
    "payloads_full",
    "tenant_quota",
    "audit_unavailable",
    "draining",
    "coordinator_stopped",
];
/// Why sessions end.
pub(crate) const DISCONNECTS: [(&str, &str); 7] = [
    ("GOODBYE", "goodbye"),
    ("BROKEN", "broken"),
    ("LEASE_EXPIRED", "lease_expired"),
    ("ABORT_UNCONFIRMED", "abort_unconfirmed"),
    ("SUPERSEDED", "superseded"),
    ("UNWRITABLE", "unwritable"),
    ("FAULT", "fault"),
];

/// Everything that is counted.
pub(crate) struct Numbers {
    pub(crate) accepted: Counter,
    pub(crate) completed: [Counter; ENDINGS.len()],
    pub(crate) refused: [Counter; REFUSALS.len()],
    pub(crate) calls: Histogram,
    pub(crate) duration: Histogram,
    pub(crate) queue_wait: Histogram,
    pub(crate) dispatch_latency: Histogram,
    pub(crate) late_reports: Counter,
    pub(crate) disconnects: [Counter; DISCONNECTS.len()],
    pub(crate) draining: Gauge,
    pub(crate) serving: Gauge,
    pub(crate) grpc: GrpcNumbers,
    /// Those that no tool has of its own come first.
    tools: Mutex<Vec<Arc<ToolNumbers>>>,
}

/// Of one tool.
pub(crate) struct ToolNumbers {
    pub(crate) name: Arc<str>,
    pub(crate) submitted: Counter,
    pub(crate) completed: [Counter; OUTCOMES.len()],
    pub(crate) first_attempts: Counter,
    pub(crate) retries: Counter,
    pub(crate) duration: Histogram,
    pub(crate) unroutable: Counter,
}

/// How an execution ended. What is further down tells more of it than what is above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// Every call did.
    #[default]
    Succeeded,
    /// Some call did not.
    Failed,
    /// Its time was over before all calls had ended.
    DeadlineExceeded,
    /// By its client, an operator or the end of the coordinator.
    Cancelled,
}

// === impl Numbers ===

impl Numbers {
    pub(crate) fn new() -> Self {
        Self {
            accepted: Counter::default(),
            completed: Default::default(),
            refused: Default::default(),
            calls: Histogram::new(&COUNTS),
            duration: Histogram::new(&SECONDS),
            queue_wait: Histogram::new(&SECONDS),
            dispatch_latency: Histogram::new(&SECONDS),
            late_reports: Counter::default(),
            disconnects: Default::default(),
            draining: Gauge::default(),
            serving: Gauge::default(),
            grpc: GrpcNumbers::new(),
            tools: Mutex::new(vec![Arc::new(ToolNumbers::new(OTHER_TOOLS.into()))]),
        }
    }

    /// An execution was refused, wherever that was decided.
    pub(crate) fn refused(&self, error: &RequestError) {
        let word = match error {
            RequestError::Invalid(_) => "invalid",
            RequestError::DeadlineExpired | RequestError::DeadlinePassed => "deadline_expired",
            RequestError::IdempotencyKeyReused => "idempotency_key_reused",
            RequestError::QueueFull { .. } => "queue_full",
            RequestError::PayloadsFull { .. } => "payloads_full",
            RequestError::TenantQuota { .. } => "tenant_quota",
            RequestError::AuditUnavailable { .. } => "audit_unavailable",
            RequestError::Draining { .. } => "draining",
            RequestError::CoordinatorStopped => "coordinator_stopped",
            // Of no request to execute.
            RequestError::ExecutionNotFound | RequestError::WorkerNotFound => return,
        };
        if let Some(at) = REFUSALS.iter().position(|refusal| *refusal == word) {
            self.refused[at].add(1);
        }
    }

    /// A session ended, for one of [`DISCONNECTS`].
    pub(crate) fn disconnected(&self, reason: &str) {
        let at = DISCONNECTS.iter().position(|(word, _)| *word == reason);
        debug_assert!(at.is_some(), "{reason} is not listed");
        if let Some(at) = at {
            self.disconnects[at].add_alone(1);
        }
    }

    /// The numbers of all tools that have their own, those of the others first.
    pub(crate) fn tools(&self) -> Vec<Arc<ToolNumbers>> {
        self.lock().clone()
    }

    /// The numbers of those that have none of their own.
    pub(crate) fn other_tools(&self) -> Arc<ToolNumbers> {
        self.lock()[0].clone()
    }

    /// Numbers of its own for a tool that was declared; none when there are too many.
    pub(crate) fn declare(&self, name: &Arc<str>) -> Option<Arc<ToolNumbers>> {
        let mut tools = self.lock();
        if tools.len() > TOOLS_AT_MOST {
            return None;
        }
        let numbers = Arc::new(ToolNumbers::new(name.clone()));
        tools.push(numbers.clone());
        Some(numbers)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<ToolNumbers>>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ToolNumbers ===

impl ToolNumbers {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            submitted: Counter::default(),
            completed: Default::default(),
            first_attempts: Counter::default(),
            retries: Counter::default(),
            duration: Histogram::new(&SECONDS),
            unroutable: Counter::default(),
        }
    }

    pub(crate) fn completed(&self, outcome: Outcome) {
        // In the order of OUTCOMES, which a test holds it to.
        self.completed[outcome as usize].add_alone(1);
    }
}

// === impl Ending ===

impl Ending {
    /// What the end of a call makes of it.
    pub(crate) fn after(self, outcome: Outcome, cause: &Cause) -> Self {
        let this = match (outcome, cause) {
            (Outcome::Succeeded, _) => Self::Succeeded,
            (_, Cause::Cancelled { .. }) => Self::Cancelled,
            (_, Cause::Deadline { .. }) => Self::DeadlineExceeded,
            _ => Self::Failed,
        };
        self.max(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_under_its_own_word() {
        for (at, (outcome, word)) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, at, "{word}");
        }
    }
}
