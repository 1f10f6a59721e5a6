//! One configuration file: read, turned into a type, and asked where a key stands.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{
    node::{Node, Step, dotted},
    problem::Problem,
};

/// More problems than this are not told at once.
const MAX_PROBLEMS: usize = 50;

/// A file whose TOML is well formed.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    root: Node,
}

/// Reads a file into `T`, which should have `#[serde(default, deny_unknown_fields)]` on each table.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn load<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, Vec<Problem>> {
    File::read(path)?.parse()
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Vec<Problem>> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![Problem {
                file: Some(path.to_owned()),
                ..Problem::new(
                    "",
                    format!("cannot be read: {error}"),
                    "a readable TOML file in UTF-8",
                )
            }]
        })?;
        Self::from_text(path, text)
    }

    /// Takes text as if it had been read from `path`.
    ///
    /// # Errors
    /// The text is no TOML.
    pub fn from_text(path: impl Into<PathBuf>, text: String) -> Result<Self, Vec<Problem>> {
        let path = path.into();
        let (table, errors) = toml::de::DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            let root = Node::table(&table);
            return Ok(Self { path, text, root });
        }
        let problem = |error: &toml::de::Error| Problem {
            file: Some(path.clone()),
            position: error.span().map(|span| position(&text, &span)),
            ..Problem::new("", error.message().replace('\n', ", "), "")
        };
        Err(errors.iter().take(MAX_PROBLEMS).map(problem).collect())
    }

    /// Turns the file into `T`.
    ///
    /// # Errors
    /// Every problem, in the order of the file: what was wrong is set aside and the rest is tried again.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let mut root = self.root.clone();
        let mut problems: Vec<Problem> = Vec::new();
        while problems.len() < MAX_PROBLEMS {
            let fault = match T::deserialize(&root) {
                Ok(value) if problems.is_empty() => return Ok(value),
                Ok(_) => break,
                Err(fault) => fault,
            };
            problems.push(Problem {
                file: Some(self.path.clone()),
                position: fault.span.map(|span| position(&self.text, &span)),
                key: dotted(&fault.path),
                what: fault.what,
                expected: fault.expected,
            });
            // an element that is taken out would shift the others: the whole list goes
            let end = fault.path.iter().position(|step| matches!(step, Step::Index(_)));
            if !root.remove(&fault.path[..end.unwrap_or(fault.path.len())]) {
                break;
            }
        }
        problems.sort_by_key(|problem| problem.position);
        Err(problems)
    }

    /// A problem of a key that has the right type and a wrong value. The place is left out for a key that
    /// is not in the file.
    #[must_use]
    pub fn problem(&self, key: &str, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        let mut problem = Problem::new(key, what, expected);
        if let Some(span) = self.root.find(key) {
            problem.file = Some(self.path.clone());
            problem.position = Some(position(&self.text, &span));
        }
        problem
    }
}

fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
