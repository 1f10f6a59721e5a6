//! What is written to standard error, and how.

use serde::{Deserialize, Serialize};

use super::Wrong;

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A level, or directives of tracing's filter.
    pub level: String,
    /// For people or for programs.
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
        let level = &self.level;
        if level.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
            let expected =
                "error, warn, info, debug, trace, or directives such as \"info,toolwave=debug\"".into();
            wrong.push(Wrong {
                key: "log.level",
                what: format!("`{level}` is no filter"),
                expected,
            });
        }
    }
}
