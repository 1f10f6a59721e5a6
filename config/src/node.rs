//! A parsed TOML or YAML document with the place of every key and value, from which parts can be taken away.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::yaml::Yaml;

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The dotted form of a path, as people write it: `tools.http.hosts[2]`.
pub(crate) fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A key of YAML with nothing behind it.
    Null,
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date or time, or a number that fits no type, as it is written.
    Other(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn table(table: &Spanned<DeTable<'_>>) -> Self {
        Self {
            span: table.span(),
            value: Value::Table(entries(table.get_ref())),
        }
    }

    fn value(value: &Spanned<DeValue<'_>>) -> Self {
        let span = value.span();
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other(number.to_string()),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => Value::Other(number.to_string()),
            },
            DeValue::Datetime(datetime) => Value::Other(datetime.to_string()),
            DeValue::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            DeValue::Table(table) => Value::Table(entries(table)),
        };
        Self { span, value }
    }

    /// `text` is the document.
    pub(crate) fn yaml(node: serde_saphyr::Spanned<Yaml>, text: &str) -> Self {
        let start = offset(node.referenced, text);
        let value = match node.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(flag) => Value::Boolean(flag),
            Yaml::Signed(number) => Value::Integer(number),
            Yaml::Unsigned(number) => match i64::try_from(number) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other(number.to_string()),
            },
            Yaml::Float(number) => Value::Float(number),
            Yaml::Text(text) => Value::String(text),
            Yaml::List(items) => Value::Array(items.into_iter().map(|item| Self::yaml(item, text)).collect()),
            Yaml::Map(fields) => Value::Table(
                fields
                    .into_iter()
                    .map(|(key, value)| {
                        let start = offset(key.referenced, text);
                        Entry {
                            key_span: start..start + key.value.len(),
                            key: key.value,
                            node: Self::yaml(value, text),
                        }
                    })
                    .collect(),
            ),
        };
        Self {
            span: start..start,
            value,
        }
    }

    /// Takes away what `path` leads to. False when there is nothing.
    pub(crate) fn remove(&mut self, path: &[Step]) -> bool {
        match (path, &mut self.value) {
            ([Step::Key(key)], Value::Table(entries)) => {
                let before = entries.len();
                entries.retain(|entry| entry.key != *key);
                entries.len() < before
            }
            ([Step::Index(index)], Value::Array(items)) if *index < items.len() => {
                items.remove(*index);
                true
            }
            ([Step::Key(key), rest @ ..], Value::Table(entries)) => entries
                .iter_mut()
                .find(|entry| entry.key == *key)
                .is_some_and(|entry| entry.node.remove(rest)),
            ([Step::Index(index), rest @ ..], Value::Array(items)) => {
                items.get_mut(*index).is_some_and(|item| item.remove(rest))
            }
            _ => false,
        }
    }

    /// The value of a dotted key, such as `tools.http.timeout` or `workers[1].name`, or the nearest thing around it
    /// that is there; and whether it is the value itself. Keys may have dots in them.
    pub(crate) fn find(&self, key: &str) -> (&Self, bool) {
        if key.is_empty() {
            return (self, true);
        }
        let (next, rest) = match &self.value {
            Value::Table(entries) => {
                let entry = entries
                    .iter()
                    .filter_map(|entry| Some((entry, rest_of(key, &entry.key)?)))
                    .max_by_key(|(entry, _)| entry.key.len());
                match entry {
                    Some((entry, rest)) => (&entry.node, rest),
                    None => return (self, false),
                }
            }
            Value::Array(items) => {
                let split = key.strip_prefix('[').and_then(|key| key.split_once(']'));
                let item =
                    split.and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest)));
                match item {
                    Some((item, rest)) => (item, rest.strip_prefix('.').unwrap_or(rest)),
                    None => return (self, false),
                }
            }
            _ => return (self, false),
        };
        next.find(rest)
    }
}

/// What is left of a dotted key behind its first part.
fn rest_of<'a>(key: &'a str, first: &str) -> Option<&'a str> {
    let rest = key.strip_prefix(first)?;
    match rest.strip_prefix('.') {
        Some(rest) => Some(rest),
        None => (rest.is_empty() || rest.starts_with('[')).then_some(rest),
    }
}

/// Where a location begins, in bytes.
fn offset(location: serde_saphyr::Location, text: &str) -> usize {
    let start = location.span().byte_offset();
    start
        .and_then(|start| usize::try_from(start).ok())
        .filter(|start| *start <= text.len())
        .unwrap_or_default()
}

fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: Node::value(value),
        })
        .collect();
    // problems are told in the order of the file
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}
