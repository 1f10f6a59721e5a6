//! Where traces go.

use serde::{Deserialize, Serialize};

/// Traces, over OTLP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSection {
    /// The OTLP receiver, over gRPC: `http://HOST:4317`; without it nothing is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Of executions whose client brings no trace of its own, the share that is traced: 0 to 1.
    pub sample: f64,
}

impl Default for TracesSection {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample: 0.01,
        }
    }
}
