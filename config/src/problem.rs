//! One thing that is wrong with a configuration: where, what, and what would be right.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use crate::secret::said_without_secrets;

/// `EX_CONFIG`: how a program ends whose configuration is refused.
pub const EXIT_BAD_CONFIGURATION: u8 = 78;

/// The most of a text that is shown: what a file holds may be long.
const SHOWN: usize = 500;

/// Shown as `file:line:column: key: what; expected ...`; parts that are not known are left out, and what may be a
/// secret is masked.
/// It takes one line, whatever the file holds: what would break it, or act on a terminal, is escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None`: it comes from a flag, the environment or a default.
    pub file: Option<PathBuf>,
    /// Line and column, from 1, the column in characters.
    pub position: Option<(usize, usize)>,
    /// Dotted path of the key; empty: the file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right; empty where `what` leaves no question.
    pub expected: String,
}

impl Problem {
    /// A problem of a value that stands in no file.
    #[must_use]
    pub fn new(key: impl Into<String>, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            file: None,
            position: None,
            key: key.into(),
            what: what.into(),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            // It may be a value of another file, which a key was written into instead of its name.
            printable(&said_without_secrets("", &file.to_string_lossy()), f)?;
            f.write_char(':')?;
            if let Some((line, column)) = self.position {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        if !self.key.is_empty() {
            printable(&self.key, f)?;
            f.write_str(": ")?;
        }
        printable(&said_without_secrets(&self.key, &self.what), f)?;
        if !self.expected.is_empty() {
            // Words of the program, not of the file: lists of keys are told to their end.
            write!(f, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

fn printable(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, char) in text.chars().enumerate() {
        if at == SHOWN {
            return f.write_char('…');
        }
        match char {
            // Quotes stay as they are: only what is not printed by itself is escaped.
            '"' | '\'' | '\\' => f.write_char(char)?,
            _ => write!(f, "{}", char.escape_debug())?,
        }
    }
    Ok(())
}

/// Writes each problem to standard error, one line each, those of a file in its order, and says how the process
/// should end.
#[must_use]
pub fn report(problems: &[Problem]) -> std::process::ExitCode {
    let mut in_order: Vec<&Problem> = problems.iter().collect();
    in_order.sort_by_key(|problem| problem.position.unwrap_or((usize::MAX, 0)));
    for problem in in_order {
        eprintln!("{problem}");
    }
    std::process::ExitCode::from(EXIT_BAD_CONFIGURATION)
}
