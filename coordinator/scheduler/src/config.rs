//! The numbers that the scheduler goes by, and what it knows of a tool. Checked where they are made.

use std::time::Duration;

/// Limits, waits and health, for the whole coordinator.
#[derive(Clone, Debug)]
pub struct Config {
    /// Attempts in flight at once over all workers, those being aborted included.
    pub max_in_flight: usize,
    /// Calls accepted and not in flight, over all executions.
    pub max_queued_calls: usize,
    /// A worker not heard for this long is suspect: no new dispatch.
    pub suspect_after: Duration,
    /// A worker not heard for this long is lost.
    pub lease: Duration,
    /// How long a call safe to repeat waits for a worker whose stream broke, before it goes elsewhere.
    pub reconnect_grace: Duration,
    /// An abort not confirmed for this long evicts the worker.
    pub abort_confirmation: Duration,
    /// Beyond the attempt's own timeout, the time for the worker to report it itself.
    pub timeout_slack: Duration,
    /// How long a ready call waits for a healthy worker that hosts its tool.
    pub worker_wait: Duration,
    /// Until this long after the origin nothing is refused for want of a worker or an unknown tool.
    pub startup_grace: Duration,
    /// A call whose attempts ended the sessions of so many workers is poison.
    pub max_losses: u32,
    /// A call that lost a worker is watched for so long on the next: no other such call starts there meanwhile, so
    /// that one that ends the sessions of its workers does not take the same others with it twice.
    pub suspicion: Duration,
    /// Refusals of one call before it ends; none is charged as an attempt.
    pub max_refusals: u32,
    /// Waiting this long lifts a call's standing by one priority.
    pub aging: Duration,
    /// Faults of a worker's own in a row before it is taken out.
    pub ejection_threshold: u32,
    /// The first time out; doubles with each ejection in a row, up to `ejection_max`.
    pub ejection_base: Duration,
    /// The longest time out.
    pub ejection_max: Duration,
    /// Seeds placement and jitter.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_in_flight: 100_000,
            max_queued_calls: 1_000_000,
            suspect_after: Duration::from_secs(5),
            lease: Duration::from_secs(10),
            reconnect_grace: Duration::from_secs(2),
            abort_confirmation: Duration::from_secs(15),
            timeout_slack: Duration::from_millis(500),
            worker_wait: Duration::from_secs(20),
            startup_grace: Duration::from_secs(20),
            max_losses: 2,
            suspicion: Duration::from_millis(100),
            max_refusals: 16,
            aging: Duration::from_secs(5),
            ejection_threshold: 5,
            ejection_base: Duration::from_secs(1),
            ejection_max: Duration::from_secs(60),
            seed: 0,
        }
    }
}

/// When an attempt that failed is followed by another. Valid by construction at the edge:
/// `max_attempts >= 1`, `multiplier >= 1` and finite, `initial_backoff <= max_backoff`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all.
    pub max_attempts: u32,
    /// The bound of the first backoff (full jitter: the wait is drawn from zero to the bound).
    pub initial_backoff: Duration,
    /// The largest bound.
    pub max_backoff: Duration,
    /// What the bound grows by.
    pub multiplier: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(30),
            multiplier: 2.0,
        }
    }
}

/// What one tenant may use; `None`: no limit of its own. They come with each of its submissions, and the last one
/// counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TenantLimits {
    /// Attempts in flight at once; what is beyond waits. 0: nothing is admitted.
    pub max_in_flight: Option<u32>,
    /// Calls accepted and not in flight; an execution that would go beyond is refused.
    pub max_queued_calls: Option<u32>,
    /// Calls admitted over time; an execution that comes too early is refused.
    pub rate: Option<CallRate>,
    /// Turns that it has for one of a tenant of weight 1: from 1 to [`Self::HEAVIEST`].
    pub weight: u32,
}

/// How fast calls are admitted. An execution counts with all its calls; one of more than `burst` is admitted when
/// nothing is owed, and what it takes beyond that is owed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallRate {
    /// Calls a second; 0: none.
    pub per_second: f64,
    /// Calls that may come at once after a rest; at least 1.
    pub burst: u32,
}

impl TenantLimits {
    /// The largest weight.
    pub const HEAVIEST: u32 = 100;
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            max_in_flight: None,
            max_queued_calls: None,
            rate: None,
            weight: 1,
        }
    }
}

/// What the scheduler goes by of a tool's declaration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolSpec {
    /// In flight at once over all workers; 0: no limit.
    pub max_concurrency: u32,
    /// In flight at once on one worker; 0: no limit.
    pub max_concurrency_per_worker: u32,
    /// Starts a second over all workers; 0: no limit.
    pub rate_per_second: f64,
    /// Starts that may come at once when the tool was idle; at least 1 where there is a rate.
    pub rate_burst: u32,
}
