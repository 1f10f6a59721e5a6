//! Defaults as the program itself writes them: of its default configuration, and of one that has every table with
//! nothing in it but what it must hold.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

/// By key. `least` is TOML with every table that is not there by default, once each list's and under the name `NAME`
/// each named one, and in it the keys that have no default.
///
/// # Panics
/// `least` cannot be read, or what comes of it cannot be written.
#[must_use]
pub fn defaults<T: Default + Serialize + DeserializeOwned>(least: &str) -> BTreeMap<String, Value> {
    let written = |config: &T| Table::try_from(config).expect("a configuration is a table of TOML");
    let mut defaults = BTreeMap::new();
    let of_least: T = toml::from_str(least).expect("the least configuration can be read");
    flatten("", Value::Table(written(&of_least)), &mut defaults);
    let mut said = BTreeMap::new();
    flatten(
        "",
        toml::from_str(least).expect("it has been read once"),
        &mut said,
    );
    for key in said.keys() {
        defaults.remove(key);
    }
    // Lists that `least` holds an item of are empty without it.
    flatten("", Value::Table(written(&T::default())), &mut defaults);
    defaults
}

fn flatten(prefix: &str, value: Value, values: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                let key = if prefix.is_empty() {
                    key
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, values);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for item in items {
                flatten(&format!("{prefix}[]"), item, values);
            }
        }
        value => {
            values.insert(prefix.to_owned(), value);
        }
    }
}
