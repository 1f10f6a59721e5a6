//! What is wrong with a plan, and where. Collected rather than thrown: a reader wants all of it at once.

use std::fmt;

/// A place in a file, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Position {
    /// For what concerns the file as a whole.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Diagnostic {
    pub(crate) at: Position,
    pub(crate) message: String,
}

impl Diagnostic {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

/// All that is wrong with one file.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn add(&mut self, at: Position, message: impl Into<String>) {
        self.found.push(Diagnostic::new(at, message));
    }

    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.found.iter().map(|found| found.at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In the order of the file, one a line: `file:line:column: what`.
    pub(crate) fn lines(mut self, file: &str) -> Vec<String> {
        self.found.sort();
        self.found.dedup();
        self.found
            .into_iter()
            .map(|found| format!("{file}:{}: {}", found.at, found.message))
            .collect()
    }
}
