//! Holds a page against the code: its text against what would be written now, and its keys against what serde itself
//! says that a file may hold. Makes no text of its own.

use std::{env, fs, io, path::Path};

use serde::de::DeserializeOwned;

use super::{Key, replace_section};
use crate::File;

/// No table has such a key.
const UNKNOWN: &str = "no_such_key";

/// Whether the section of a page is this one; with `UPDATE_GENERATED` set it is made so.
///
/// # Errors
/// The page cannot be read or written, or has no place for the section.
pub fn is_as_new(path: &Path, name: &str, section: &str) -> io::Result<bool> {
    let page = fs::read_to_string(path)?;
    let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("no place for `{name}`"));
    let new = replace_section(&page, name, section).ok_or_else(missing)?;
    if page != new && env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(path, new)?;
        return Ok(true);
    }
    Ok(page == new)
}

/// What a file of this type may hold beside these keys: every table is asked for a key that it cannot have, and says
/// which it can.
#[must_use]
pub fn unlisted<T: DeserializeOwned>(keys: &[Key]) -> Vec<String> {
    let tables = keys.iter().filter(|key| key.is_table()).map(Key::prefix);
    let prefixes = std::iter::once(String::new()).chain(tables);
    let mut unlisted = Vec::new();
    for prefix in prefixes {
        let known = known_by::<T>(&prefix);
        if known.is_empty() {
            unlisted.push(format!("{prefix}{UNKNOWN}"));
        }
        for name in known {
            let key = format!("{prefix}{name}");
            if !keys.iter().any(|listed| listed.key == key) {
                unlisted.push(key);
            }
        }
    }
    unlisted
}

/// The names that a table may hold, by what it says to one that it may not.
fn known_by<T: DeserializeOwned>(prefix: &str) -> Vec<String> {
    let mut text = String::new();
    let mut path = String::new();
    for part in prefix.split_terminator('.') {
        let part = if part == "NAME" { "a" } else { part };
        path = if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
        match path.strip_suffix("[]") {
            Some(list) => {
                text += &format!("[[{list}]]\n");
                path = list.to_owned();
            }
            None => text += &format!("[{path}]\n"),
        }
    }
    text += &format!("{UNKNOWN} = 1\n");
    let Ok(file) = File::from_text("asked.toml", text) else {
        return Vec::new();
    };
    let problems = file.parse::<T>().err().unwrap_or_default();
    let told = problems.iter().find(|problem| problem.key.ends_with(UNKNOWN));
    let expected = told.map_or("", |problem| problem.expected.as_str());
    // Names stand between backticks.
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
