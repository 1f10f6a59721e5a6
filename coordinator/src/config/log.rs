//! What is written to standard error, and how.

use serde::{Deserialize, Serialize};
use toolwave_telemetry::logs::{BadFilter, EXPECTED, Logs};

use super::Wrong;

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Which lines there are: a level, or directives such as `info,toolwave_coordinator=debug`.
    pub level: String,
    /// How they look: for people, or a JSON object a line.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}

// === impl Log ===

impl Log {
    pub(super) fn check(&self, wrong: &mut Vec<Wrong>) {
        if let Err(BadFilter { directive }) = Logs::check(&self.level) {
            wrong.push(Wrong {
                key: "log.level",
                what: format!("`{directive}` is no filter"),
                expected: EXPECTED.into(),
            });
        }
    }
}
