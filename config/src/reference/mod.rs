//! The reference page of a program's settings, made from what is in the code: types and doc comments of the structs
//! that are read, defaults as they are written, flags and variables as they are taken. For tests, which keep the page
//! as new as the code; it is in no program.

mod check;
mod page;
mod source;

use std::collections::BTreeMap;

pub use check::{is_as_new, unlisted};
pub use page::{replace_section, section};
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
    /// It has to be there, in its table.
    pub required: bool,
}

/// What the value of a key looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In words.
    Value(String),
    /// `[key]`.
    Table,
    /// `[[key]]`.
    Tables,
    /// `[key.NAME]`.
    Named,
}

/// How a key is said elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// `--listen`.
    pub flag: Option<String>,
    /// `TOOLWAVE_..._LISTEN`.
    pub variable: Option<String>,
}

/// All that a page says beside the keys.
pub struct Facts<'a> {
    /// What the section is called.
    pub title: &'a str,
    /// Defaults as TOML writes them, by key.
    pub defaults: BTreeMap<String, String>,
    /// Flags and variables of a key.
    pub said: &'a dyn Fn(&str) -> Said,
    /// Whether it takes effect while the program runs.
    pub is_reloadable: &'a dyn Fn(&str) -> bool,
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
