//! What is wrong, and with which object.

use std::fmt;

use crate::manifest::Manifest;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Such as `Deployment/worker`.
    pub object: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Problem {
    pub(crate) fn of(manifest: &Manifest, what: impl Into<String>) -> Self {
        Self {
            object: manifest.id(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}
