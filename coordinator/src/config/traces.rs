//! Where traces go, and how many there are.

use serde::{Deserialize, Serialize};
use toolwave_telemetry::traces::Settings;

use super::Wrong;

/// Traces, over OTLP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSection {
    /// The OTLP receiver, over gRPC: `http://HOST:4317`, or `https` where its certificate comes from a CA that the
    /// system trusts; without it nothing is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Of executions whose client brings no trace of its own, the share that is traced: 0 to 1.
    pub sample: f64,
    /// Spans of one execution at most; how many were left out stands in its own span.
    pub max_spans_per_execution: u32,
    /// Spans that wait to be sent at most; what is beyond is dropped and counted.
    pub max_queued_spans: usize,
}

impl Default for TracesSection {
    fn default() -> Self {
        let Settings {
            endpoint,
            sample,
            max_spans_per_execution,
            max_queued_spans,
        } = Settings::default();
        Self {
            endpoint,
            sample,
            max_spans_per_execution,
            max_queued_spans,
        }
    }
}

// === impl TracesSection ===

impl TracesSection {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint.clone(),
            sample: self.sample,
            max_spans_per_execution: self.max_spans_per_execution,
            max_queued_spans: self.max_queued_spans,
        }
    }

    pub(super) fn check(&self, wrong: &mut Vec<Wrong>) {
        wrong.extend(self.settings().check().into_iter().map(Wrong::from));
    }
}

impl From<toolwave_telemetry::traces::Wrong> for Wrong {
    fn from(wrong: toolwave_telemetry::traces::Wrong) -> Self {
        Self {
            key: wrong.key,
            what: wrong.what,
            expected: wrong.expected,
        }
    }
}
