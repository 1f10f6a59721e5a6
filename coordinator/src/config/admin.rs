//! The operators' port, and what is kept for them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use toolwave_config::size;

use super::Wrong;

/// Of executions kept; each takes some 400 bytes at least.
const MOST_EXECUTIONS: usize = 10_000_000;
/// Of each parameter and result kept.
const MOST_CONTENTS: u64 = 1 << 20;
/// Less holds not even the calls of one execution; 0 keeps nothing.
const LEAST_BYTES: u64 = 64 << 10;

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

// === impl HistorySection ===

impl HistorySection {
    /// Values that cannot be used.
    pub(super) fn check(&self, wrong: &mut Vec<Wrong>) {
        let mut rule = |key, good: bool, what: String, expected: String| {
            if !good {
                wrong.push(Wrong { key, what, expected });
            }
        };
        rule(
            "history.executions",
            self.executions <= MOST_EXECUTIONS,
            format!("{} is too many", self.executions),
            format!("at most {MOST_EXECUTIONS}; 0 keeps none"),
        );
        rule(
            "history.bytes",
            self.executions == 0 || self.bytes >= LEAST_BYTES,
            format!("{} bytes hold no execution with its calls", self.bytes),
            format!("at least {LEAST_BYTES}, or history.executions = 0 to keep none"),
        );
        rule(
            "history.contents_bytes",
            self.contents_bytes <= MOST_CONTENTS,
            format!("{} is too large", self.contents_bytes),
            format!("at most {MOST_CONTENTS}: GetExecution leaves out what does not fit into one message"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl FnOnce(&mut HistorySection)) -> Vec<&'static str> {
        let (mut section, mut wrong) = (HistorySection::default(), Vec::new());
        change(&mut section);
        section.check(&mut wrong);
        wrong.into_iter().map(|wrong| wrong.key).collect()
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_its_key() {
        assert_eq!(wrong(|_| {}), [""; 0]);
        assert_eq!(
            wrong(|section| section.executions = 20_000_000),
            ["history.executions"]
        );
        assert_eq!(wrong(|section| section.bytes = 1024), ["history.bytes"]);
        assert_eq!(
            wrong(|section| section.contents_bytes = 2 << 20),
            ["history.contents_bytes"]
        );
        let none = |section: &mut HistorySection| (section.executions, section.bytes) = (0, 0);
        assert_eq!(wrong(none), [""; 0]);
    }
}
