//! The bounds of one request. Checked at the edge before anything is accepted; operators may change them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest timeout, backoff or deadline that anybody may ask for.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The most bytes of an id, a tool's name or an idempotency key.
pub const NAME_BYTES: usize = 128;
/// The most attempts of one call.
pub const MOST_ATTEMPTS: u32 = 10;
/// The highest priority.
pub const HIGHEST_PRIORITY: i32 = 3;
/// Calls of an execution in flight at once, where the request does not say.
pub const DEFAULT_CONCURRENCY: u32 = 5;
/// The most bytes of an answer, where the request does not say: what gRPC clients receive by default.
pub const DEFAULT_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// The timeout of an execution whose client sets neither a timeout nor a deadline.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// What one request may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestLimits {
    /// Calls of one execution.
    pub max_calls: usize,
    /// Dependencies of all calls of one execution together.
    pub max_edges: usize,
    /// Dependencies of one call.
    pub max_dependencies_per_call: usize,
    /// Waves of one execution.
    pub max_waves: u32,
    /// Parameters of one call, in bytes of JSON text; the same after references were put in.
    pub max_parameters_bytes: usize,
    /// Nesting of the parameters: the outer object is 1.
    pub max_json_depth: usize,
    /// Values in the parameters of one call.
    pub max_json_nodes: usize,
    /// A whole request, in bytes on the wire.
    pub max_request_bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_calls: 10_000,
            max_edges: 50_000,
            max_dependencies_per_call: 10_000,
            max_waves: 256,
            max_parameters_bytes: 4 * 1024 * 1024,
            max_json_depth: 64,
            max_json_nodes: 100_000,
            max_request_bytes: 16 * 1024 * 1024,
        }
    }
}

impl RequestLimits {
    /// What the JSON of one call may hold.
    #[must_use]
    pub fn json(&self) -> JsonBudget {
        JsonBudget {
            bytes: self.max_parameters_bytes,
            depth: self.max_json_depth,
            nodes: self.max_json_nodes,
        }
    }
}

/// What one JSON text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonBudget {
    /// Its length.
    pub bytes: usize,
    /// Its nesting: a top-level object is 1.
    pub depth: usize,
    /// Its values, containers included.
    pub nodes: usize,
}
