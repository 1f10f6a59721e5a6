//! What is read of a source, and that a key which is forgotten, or is none, is found.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(dead_code, reason = "they are read by their source")]

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use toolwave_reference::{Key, Kind, Source, SourceError, defaults, differences};

/// A configuration.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// How many,
    /// at most.
    limit: u32,
    /// A whole size.
    body_bytes: u64,
    /// Which.
    word: Option<Word>,
    /// One of each name.
    named: BTreeMap<String, Item>,
    /// Several.
    items: Vec<Item>,
}

/// In a table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    /// What it is called.
    name: String,
    /// Whether it is used.
    #[serde(default)]
    used: bool,
}

/// A choice.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    One,
    Two,
}

/// The same keys but for two.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Renamed {
    /// How many.
    #[serde(rename = "most")]
    limit: u32,
}

#[derive(Deserialize)]
struct Undocumented {
    bare: u32,
}

#[derive(Deserialize)]
struct Unknown {
    /// Of no type that is known.
    odd: (u8, u8),
}

fn keys(root: &str) -> Result<Vec<Key>, SourceError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    Source::read(&folder, &[], &[])?.keys(root, "reference.rs")
}

#[test]
fn keys_have_their_types_units_and_meanings_in_the_order_of_the_source() {
    let found = keys("Settings").unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|key| match &key.kind {
            Kind::Value(kind) => (key.key.as_str(), kind.as_str(), key.meaning.as_str()),
            _ => (key.key.as_str(), "table", key.meaning.as_str()),
        })
        .collect();
    assert_eq!(
        found,
        [
            ("limit", "whole number", "How many, at most."),
            ("body_bytes", "whole number, bytes", "A whole size."),
            ("word", "\"one\" or \"two\"", "Which."),
            ("named", "table", "One of each name."),
            ("named.NAME.name", "text", "What it is called."),
            ("named.NAME.used", "true or false", "Whether it is used."),
            ("items", "table", "Several."),
            ("items[].name", "text", "What it is called."),
            ("items[].used", "true or false", "Whether it is used."),
        ]
    );
}

#[test]
fn a_key_without_a_meaning_or_of_an_unknown_type_is_refused() {
    assert!(matches!(keys("Undocumented"), Err(SourceError::Undocumented(key)) if key == "bare"));
    assert!(matches!(keys("Unknown"), Err(SourceError::UnknownType(key, _)) if key == "odd"));
}

#[test]
fn what_is_listed_is_what_a_file_may_hold() {
    assert_eq!(differences::<Settings>(&keys("Settings").unwrap()), [""; 0]);
    assert_eq!(
        differences::<Renamed>(&keys("Renamed").unwrap()),
        [
            "`limit` is listed, and no file may hold it",
            "`most` is not listed, and a file may hold it"
        ]
    );
    let mut forgotten = keys("Settings").unwrap();
    forgotten.retain(|key| key.key != "items[].used");
    assert_eq!(
        differences::<Settings>(&forgotten),
        ["`items[].used` is not listed, and a file may hold it"]
    );
}

#[test]
fn defaults_are_those_of_every_table_without_what_must_be_said() {
    let found = defaults::<Settings>("[named.NAME]\nname = 'a'\n[[items]]\nname = 'b'\n");
    let found: Vec<_> = found
        .iter()
        .map(|(key, value)| (key.as_str(), value.to_string()))
        .collect();
    let expected = [
        ("body_bytes", "0"),
        ("items", "[]"),
        ("items[].used", "false"),
        ("limit", "0"),
        ("named", "{}"),
        ("named.NAME.used", "false"),
    ];
    assert_eq!(found, expected.map(|(key, value)| (key, value.to_owned())));
}
