//! What is wrong with a declaration, before it is known where in a file it stands.

/// One thing that is wrong, at a key of the table that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Dotted path below the table: `argv[2]`, `headers.accept`; empty: the table itself.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right; empty where `what` leaves no question.
    pub expected: String,
    /// Whether the declaration can be used nevertheless.
    pub severity: Severity,
}

/// What becomes of a declaration with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is refused.
    Error,
    /// It is taken, and the fault told; with `strict` it is refused.
    Warning,
}

impl Fault {
    /// A fault for which the declaration is refused.
    #[must_use]
    pub fn error(key: impl Into<String>, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
            expected: expected.into(),
            severity: Severity::Error,
        }
    }

    /// A fault that is told, and refused only with `strict`.
    #[must_use]
    pub fn warning(key: impl Into<String>, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(key, what, expected)
        }
    }
}
