//! A YAML or JSON document as a tree in which every key and value knows its line and column.
//!
//! One parser serves both formats, JSON being YAML. It knows nothing of plans: `fields` gives the tree a meaning.

use serde_json::{Number, Value};
use serde_saphyr::{Error, Location, Spanned};
use toolwave_config::{Yaml, parse_yaml};

use super::diagnostics::{Diagnostic, Position};

/// The largest document that is read.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) at: Position,
    pub(crate) name: String,
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Kind::Map(fields) = &self.kind else {
            return None;
        };
        fields
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    /// The element of a list.
    pub(crate) fn element(&self, index: usize) -> Option<&Self> {
        let Kind::List(elements) = &self.kind else {
            return None;
        };
        elements.get(index)
    }

    /// Without positions.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(elements) => Value::Array(elements.iter().map(Self::to_json).collect()),
            Kind::Map(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.name.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// In words, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Node, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = parse_yaml(text).map_err(|error| diagnose(&error, text))?;
    let mut rounded = Vec::new();
    let node = settle(root, text, &mut rounded);
    match rounded.pop() {
        Some(diagnostic) => Err(diagnostic),
        None => Ok(node),
    }
}

fn diagnose(error: &Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let at = error.location().map_or(Position::START, position);
    // The parser speaks to programmers of its options; these three are met by people who write plans.
    let message = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is there twice"),
        Error::MultipleDocuments { .. } => "a plan is one document; here a second one begins".to_owned(),
        Error::NonFiniteFloat { value, .. } => {
            format!("`{value}` is no JSON number; quote it to send it as text")
        }
        other => {
            // The position stands in front already.
            let text = other.to_string();
            let text = text.split(" at line ").next().unwrap_or(&text);
            let line = usize::try_from(at.line)
                .ok()
                .and_then(|line| source.lines().nth(line.saturating_sub(1)));
            // The brace of a reference that is not quoted opens a mapping; the parser only sees that it goes wrong.
            let hint = match line.is_some_and(|line| line.contains("${")) {
                true => "; quote references inside {} and []: '${id.result}'",
                false => "",
            };
            format!("{}{hint}", text.trim_start_matches("error: ").trim())
        }
    };
    Diagnostic::new(at, message)
}

fn position(location: Location) -> Position {
    let (line, column) = (location.line(), location.column());
    if line == 0 {
        Position::START
    } else {
        Position { line, column }
    }
}

/// Turns what the parser gave into the tree, and finds integers that did not fit: they came as floating point and
/// would be sent as another number than was written.
fn settle(raw: Spanned<Yaml>, text: &str, rounded: &mut Vec<Diagnostic>) -> Node {
    let at = position(raw.referenced);
    let kind = match raw.value {
        Yaml::Null => Kind::Null,
        Yaml::Bool(flag) => Kind::Bool(flag),
        Yaml::Text(text) => Kind::Text(text),
        Yaml::Signed(number) => Kind::Number(number.into()),
        Yaml::Unsigned(number) => Kind::Number(number.into()),
        Yaml::Float(number) => {
            let written = written(raw.defined, text);
            let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
            if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let what = format!("{written} does not fit into 64 bits; write it as a string, in quotes");
                rounded.push(Diagnostic::new(at, what));
            }
            Number::from_f64(number).map_or(Kind::Null, Kind::Number)
        }
        Yaml::List(elements) => Kind::List(
            elements
                .into_iter()
                .map(|element| settle(element, text, rounded))
                .collect(),
        ),
        Yaml::Map(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                let key = Key {
                    at: position(key.referenced),
                    name: key.value,
                };
                (key, settle(value, text, rounded))
            });
            Kind::Map(fields.collect())
        }
    };
    Node { at, kind }
}

/// The source text of a scalar.
fn written(location: Location, text: &str) -> &str {
    let span = location.span();
    let Some(start) = span.byte_offset().and_then(|start| usize::try_from(start).ok()) else {
        return "";
    };
    let rest = text.get(start..).unwrap_or_default();
    let end = rest
        .find(|c: char| c.is_whitespace() || ",]}#".contains(c))
        .unwrap_or(rest.len());
    &rest[..end]
}
