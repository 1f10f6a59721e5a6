//! `[audit]`: where records go, how many are kept, and what happens when they cannot be written.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toolwave_config::size;

/// The least that a file may hold: a record, and some more.
const LEAST_BYTES: u64 = 4096;
/// Beyond it a worker that stopped for good would take memory without end.
const MOST_WAITING: usize = 10_000_000;

/// The audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSection {
    /// Records are appended here, a JSON object a line. Unless set there are none.
    pub file: Option<PathBuf>,
    /// A file that would grow beyond is renamed and another begun.
    #[serde(with = "size")]
    pub max_bytes: u64,
    /// Renamed files that are kept; the oldest go.
    pub keep: usize,
    /// No execution is accepted while its records cannot be written.
    pub required: bool,
    /// Records that wait for a slow disk at most.
    pub max_waiting: usize,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            file: None,
            max_bytes: 100 << 20,
            keep: 10,
            required: false,
            max_waiting: 100_000,
        }
    }
}

impl AuditSection {
    /// Every value that cannot be used: its key, what is wrong, what would be right.
    pub(crate) fn check(&self) -> Vec<(&'static str, String, String)> {
        let mut wrong = Vec::new();
        let mut rule = |key, good: bool, what: String, expected: String| {
            if !good {
                wrong.push((key, what, expected));
            }
        };
        rule(
            "audit.max_bytes",
            self.max_bytes >= LEAST_BYTES,
            format!("{} is too small", self.max_bytes),
            format!("at least {LEAST_BYTES}"),
        );
        rule(
            "audit.keep",
            self.keep >= 1,
            "0 would lose a file as soon as it is full".into(),
            "at least 1".into(),
        );
        rule(
            "audit.max_waiting",
            (1..=MOST_WAITING).contains(&self.max_waiting),
            format!("{} records cannot be used", self.max_waiting),
            format!("1 to {MOST_WAITING}"),
        );
        rule(
            "audit.required",
            !self.required || self.file.is_some(),
            "records are required and go nowhere".into(),
            "`audit.file` beside it".into(),
        );
        if let Some(file) = &self.file
            && let Err(what) = may_be_written(file)
        {
            let expected = "a file, there or not, in a folder that is there".to_owned();
            rule(
                "audit.file",
                false,
                format!("`{}` {what}", file.display()),
                expected,
            );
        }
        wrong
    }
}

/// As far as that can be seen without making it.
fn may_be_written(file: &Path) -> Result<(), String> {
    if file.is_dir() {
        return Err("is a directory".into());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Without one it is the folder where the program was started.
    match folder.map_or(Ok(true), |folder| {
        folder.metadata().map(|metadata| metadata.is_dir())
    }) {
        Ok(true) => Ok(()),
        Ok(false) => Err("is in no folder".into()),
        Err(error) => Err(format!("is in a folder that cannot be looked at: {error}")),
    }
}
