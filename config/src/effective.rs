//! A configuration as it is in force: written as TOML, its secrets masked, each value with where it came from; and
//! told apart from another. It knows a secret by its key, or by what a value looks like.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde::Serialize;
use toml::{Table, Value};

use crate::{
    File,
    secret::{MASK, is_secret, split, without_secrets},
};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said it.
    Default,
    /// The file.
    File,
    /// A variable of the environment.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        })
    }
}

/// Where each value came from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// By the words of the key, with `_` between all of them, as flags and variables are called.
    said: BTreeMap<String, Source>,
    file: Option<File>,
}

// === impl Sources ===

impl Sources {
    /// Where nothing else was said, the file's word counts.
    #[must_use]
    pub fn new(file: Option<File>) -> Self {
        Self {
            said: BTreeMap::new(),
            file,
        }
    }

    /// A flag or variable said this key, or all below it.
    pub fn say(&mut self, key: &str, source: Source) {
        self.said.insert(key.replace('.', "_"), source);
    }

    /// Of a dotted key.
    #[must_use]
    pub fn of(&self, key: &str) -> Source {
        let key = key.replace('"', "");
        let mut rest = key.as_str();
        loop {
            if let Some(said) = self.said.get(&rest.replace('.', "_")) {
                return *said;
            }
            match rest.rsplit_once('.') {
                Some((above, _)) => rest = above,
                None => break,
            }
        }
        match &self.file {
            Some(file) if file.has(&key) => Source::File,
            _ => Source::Default,
        }
    }
}

/// Every value under its dotted key; empty tables and lists too, since they say something.
///
/// # Errors
/// The value is no table of TOML.
pub fn values<T: Serialize>(config: &T) -> Result<BTreeMap<String, Value>, toml::ser::Error> {
    let mut values = BTreeMap::new();
    flatten("", Value::Table(Table::try_from(config)?), &mut values);
    Ok(values)
}

/// Keys whose values differ.
///
/// # Errors
/// One of them is no table of TOML.
pub fn differences<T: Serialize>(before: &T, after: &T) -> Result<Vec<String>, toml::ser::Error> {
    let (before, after) = (values(before)?, values(after)?);
    let keys = before.keys().chain(after.keys());
    let mut keys: Vec<String> = keys
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// A configuration as TOML, secrets masked; behind each value where it came from.
///
/// # Errors
/// It is no table of TOML.
pub fn effective<T: Serialize>(config: &T, sources: &Sources) -> Result<String, toml::ser::Error> {
    let mut text = String::new();
    let mut table = String::new();
    let mut values: Vec<_> = values(config)?.into_iter().collect();
    // A table's own keys come before those of its tables, as TOML needs it.
    values.sort_by_cached_key(|(key, _)| {
        let (table, last) = split(key);
        (table, last)
    });
    for (key, value) in values {
        let (of, last) = split(&key);
        if of != table {
            let _ = writeln!(text, "\n[{of}]");
            table = of;
        }
        let value = masked(&key, value);
        let _ = writeln!(text, "{last} = {value}  # {}", sources.of(&key));
    }
    Ok(text)
}

fn flatten(prefix: &str, value: Value, values: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) if !table.is_empty() || prefix.is_empty() => {
            for (key, value) in table {
                let bare = key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
                let key = if bare && !key.is_empty() {
                    key
                } else {
                    Value::String(key).to_string()
                };
                let key = if prefix.is_empty() {
                    key
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, values);
            }
        }
        value => {
            values.insert(prefix.to_owned(), value);
        }
    }
}

/// With secrets hidden, however deep they are.
fn masked(key: &str, value: Value) -> Value {
    match value {
        Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| {
                let hidden = masked(&key, value);
                (key, hidden)
            });
            Value::Table(entries.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| masked(key, item)).collect()),
        Value::String(_) if is_secret(key) => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(without_secrets(&text)),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-5f1e";

    fn shown(text: &str) -> String {
        let table: Table = toml::from_str(text).unwrap();
        effective(&table, &Sources::default()).unwrap()
    }

    #[test]
    fn no_secret_is_shown_wherever_it_stands() {
        for line in [
            "token = 'X'",
            "bearer_token = 'X'",
            "[auth]\nclient_secret = 'X'",
            "[[list]]\npassword = 'X'",
            "[a]\nlist = [{ api_key = 'X' }]",
            "secrets = ['X', 'y']",
            "endpoint = 'https://user:X@host:4317/v1'",
            "endpoint = 'https://X@host'",
            "endpoint = 'https://host/path?key=X'",
            "pem = '-----BEGIN PRIVATE KEY-----X'",
            "[tenants.a]\nprivate_key = 'X'",
        ] {
            let shown = shown(&line.replace('X', CANARY));
            assert!(!shown.contains(CANARY), "{line}: {shown}");
            assert!(shown.contains(MASK), "{line}: {shown}");
        }
    }

    #[test]
    fn what_only_names_a_secret_is_shown() {
        for line in [
            "tokens_file = '/etc/tokens.toml'",
            "secret_file = '/etc/secret'",
            "tenant_claim = 'tenant'",
            "endpoint = 'https://host:4317/v1'",
            "key = '/etc/tls/key.pem'",
        ] {
            assert!(!shown(line).contains(MASK), "{line}: {}", shown(line));
        }
    }

    #[test]
    fn what_is_shown_is_the_same_configuration_with_its_sources() {
        let text =
            "a = 1\nempty = []\n[t]\nx = 'y'\n[t.u]\nz = true\n[[l]]\nb = 2\n[tenants.\"a.b\"]\nweight = 3\n";
        let file = File::from_text("f.toml", "[t]\nx = 'y'\n".to_owned()).unwrap();
        let mut sources = Sources::new(Some(file));
        sources.say("a", Source::Flag);
        sources.say("t_u", Source::Environment);
        let table: Table = toml::from_str(text).unwrap();
        let shown = effective(&table, &sources).unwrap();
        assert_eq!(toml::from_str::<Table>(&shown).unwrap(), table, "{shown}");
        assert!(shown.contains("a = 1  # flag\n"), "{shown}");
        assert!(shown.contains("z = true  # environment\n"), "{shown}");
        assert!(shown.contains("x = \"y\"  # file\n"), "{shown}");
        assert!(shown.contains("empty = []  # default\n"), "{shown}");
    }

    #[test]
    fn differences_are_named_by_their_keys() {
        let of = |text: &str| toml::from_str::<Table>(text).unwrap();
        let before = of("a = 1\n[t]\nx = 1\ny = 2\n[tenants.a]\nweight = 1");
        let after = of("a = 1\n[t]\nx = 2\n[tenants.a]\nweight = 1\n[tenants.b]\nweight = 1");
        assert_eq!(
            differences(&before, &after).unwrap(),
            ["t.x", "t.y", "tenants.b.weight"]
        );
    }
}
