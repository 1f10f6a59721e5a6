//! Collects what is wrong with the file, finds its place, and decides in the end whether the file can be used.

use toolwave_config::{File, Problem};

use crate::fault::{Fault, Severity};

/// What was found so far.
pub(super) struct Judge<'f> {
    file: &'f File,
    strict: bool,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'f> Judge<'f> {
    pub(super) fn new(file: &'f File, strict: bool) -> Self {
        Self {
            file,
            strict,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds what is wrong below a key.
    pub(super) fn faults(&mut self, at: &str, faults: Vec<Fault>) {
        for fault in faults {
            let key = match (at, fault.key.as_str()) {
                (at, "") => at.to_owned(),
                ("", key) => key.to_owned(),
                (at, key) if key.starts_with('[') => format!("{at}{key}"),
                (at, key) => format!("{at}.{key}"),
            };
            let problem = self.file.problem_near(&key, fault.what, fault.expected);
            match fault.severity {
                Severity::Warning if !self.strict => self.warnings.push(problem),
                Severity::Warning | Severity::Error => self.errors.push(problem),
            }
        }
    }

    /// Adds what is wrong elsewhere.
    pub(super) fn add(&mut self, problems: Vec<Problem>) {
        self.errors.extend(problems);
    }

    /// How many problems there are.
    pub(super) fn len(&self) -> usize {
        self.errors.len()
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_content(&self) -> bool {
        self.errors.is_empty()
    }

    /// The warnings of a file that can be used.
    pub(super) fn verdict(mut self) -> Result<Vec<Problem>, Vec<Problem>> {
        let place = |problem: &Problem| problem.position.unwrap_or((usize::MAX, 0));
        if self.errors.is_empty() {
            self.warnings.sort_by_key(place);
            return Ok(self.warnings);
        }
        self.errors.sort_by_key(place);
        Err(self.errors)
    }
}
