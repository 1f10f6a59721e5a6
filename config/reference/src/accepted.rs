//! What serde itself says that a file may hold: each table is asked for a key that no table has, and its refusal
//! names those that it knows. Reads no source.

use serde::de::DeserializeOwned;
use toolwave_config::File;

use crate::Key;

/// No table has such a key.
const UNKNOWN: &str = "no_such_key";

/// Keys that are listed and refused, or accepted and not listed, each with which of both.
#[must_use]
pub fn differences<T: DeserializeOwned>(keys: &[Key]) -> Vec<String> {
    let tables = keys.iter().filter(|key| key.is_table()).map(Key::prefix);
    let mut differences = Vec::new();
    for prefix in std::iter::once(String::new()).chain(tables) {
        let accepted = accepted::<T>(&prefix);
        let below = |key: &&Key| {
            key.key
                .strip_prefix(&prefix)
                .is_some_and(|rest| !rest.contains('.'))
        };
        let listed: Vec<&str> = keys
            .iter()
            .filter(below)
            .map(|key| &key.key[prefix.len()..])
            .collect();
        for name in &listed {
            if !accepted.iter().any(|other| other == name) {
                differences.push(format!("`{prefix}{name}` is listed, and no file may hold it"));
            }
        }
        for name in &accepted {
            if !listed.contains(&name.as_str()) {
                differences.push(format!("`{prefix}{name}` is not listed, and a file may hold it"));
            }
        }
    }
    differences
}

/// The names that a table may hold; none where it takes every name, or where there is no such table.
fn accepted<T: DeserializeOwned>(prefix: &str) -> Vec<String> {
    let mut text = String::new();
    let mut path = String::new();
    for part in prefix.split_terminator('.') {
        if !path.is_empty() {
            path.push('.');
        }
        path += part.trim_end_matches("[]");
        let heading = if part.ends_with("[]") {
            format!("[[{path}]]\n")
        } else {
            format!("[{path}]\n")
        };
        text += &heading;
    }
    text += &format!("{UNKNOWN} = 1\n");
    let Ok(file) = File::from_text("asked.toml", text) else {
        return Vec::new();
    };
    let problems = file.parse::<T>().err().unwrap_or_default();
    let told = problems.iter().find(|problem| problem.key.ends_with(UNKNOWN));
    let expected = told.map_or("", |problem| problem.expected.as_str());
    // Names stand between backticks.
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
