//! The operators' port, and what is kept for them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use toolwave_config::size;

use super::{Config, Wrong};

/// The operators' port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSection {
    /// Where probes, metrics and the dashboard are served, over plain HTTP; without it nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Serves the dashboard to other hosts too; without it only probes and metrics are.
    pub remote_dashboard: bool,
}

/// What is kept of executions for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySection {
    /// Ended executions kept at most.
    pub executions: usize,
    /// Of all that is kept; the oldest go first.
    #[serde(with = "size")]
    pub bytes: u64,
    /// Keeps parameters and results too, for whoever may see the dashboard.
    pub contents: bool,
    /// Of each parameter and result that is kept.
    #[serde(with = "size")]
    pub contents_bytes: u64,
}

impl Default for HistorySection {
    fn default() -> Self {
        Self {
            executions: 10_000,
            bytes: 32 << 20,
            contents: false,
            contents_bytes: 4 << 10,
        }
    }
}

impl Config {
    /// Who reaches the dashboard may run every tool, as who reaches a listener may.
    pub(super) fn check_dashboard(&self, wrong: &mut Vec<Wrong>) {
        let remote = self.admin.listen.is_some_and(|listen| !listen.ip().is_loopback());
        if remote && self.admin.remote_dashboard && self.auth.is_none() && !self.insecure_allow_remote {
            wrong.push(Wrong {
                key: "admin.remote_dashboard",
                what: "lets other hosts run every tool, without a check of who comes in".to_owned(),
                expected:
                    "a section [auth], or `insecure_allow_remote = true` where the network itself is trusted"
                        .to_owned(),
            });
        }
    }
}
