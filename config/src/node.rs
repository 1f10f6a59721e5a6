//! A parsed TOML document with the place of every key and value, from which parts can be taken away.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

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

    /// Where the value of a dotted key stands, such as `tools.http.timeout` or `workers[1].name`.
    pub(crate) fn find(&self, key: &str) -> Option<Range<usize>> {
        let mut node = self;
        for part in key.split('.') {
            let (name, indices) = part
                .split_once('[')
                .map_or((part, ""), |(name, rest)| (name, rest));
            let Value::Table(entries) = &node.value else {
                return None;
            };
            node = &entries.iter().find(|entry| entry.key == name)?.node;
            for index in indices.split(['[', ']']).filter(|index| !index.is_empty()) {
                let Value::Array(items) = &node.value else {
                    return None;
                };
                node = items.get(index.parse::<usize>().ok()?)?;
            }
        }
        Some(node.span.clone())
    }
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
