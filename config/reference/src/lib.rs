//! The reference page of a program's configuration, made from its code: keys, types and meanings from the structs
//! that are read, defaults as they are written, flags and variables as they are taken. It is for tests, which keep
//! the page as new as the code; no program holds it.

mod accepted;
mod defaults;
mod page;
mod said;
mod source;

pub use accepted::differences;
pub use defaults::defaults;
pub use page::{Program, is_documented};
pub use said::{Said, said, variables_are_named_after_keys};
pub use source::{Source, SourceError};

/// A key that a file may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Dotted; `[]` behind a list's, `NAME` where any name may stand.
    pub key: String,
    /// What its value looks like.
    pub kind: Kind,
    /// What it means, in Markdown.
    pub meaning: String,
    /// It may be left out without a default.
    pub is_optional: bool,
}

/// What the value of a key looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In words, with its unit.
    Value(String),
    /// `[key]`.
    Table,
    /// `[[key]]`.
    Tables,
    /// `[key.NAME]`.
    Named,
}

// === impl Key ===

impl Key {
    /// It holds further keys.
    #[must_use]
    pub fn is_table(&self) -> bool {
        !matches!(self.kind, Kind::Value(_))
    }

    /// What the keys in it begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        let end = match self.kind {
            Kind::Value(_) | Kind::Table => ".",
            Kind::Tables => "[].",
            Kind::Named => ".NAME.",
        };
        format!("{}{end}", self.key)
    }
}
