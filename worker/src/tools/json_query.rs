//! `json_query`: JSONPath (RFC 9535) over JSON that the call brings along.
//!
//! A query cannot be interrupted, so what it may cost is bounded before it starts, from its shape and the document's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::answers;
use toolwave_tool::{BlockingTool, CallContext, Safety, Tool, ToolError};

const MAX_PATH_CHARS: usize = 1_000;
const MAX_TEXT_BYTES: usize = 8 << 20;
const MAX_MATCHES: usize = 10_000;
const DEFAULT_MATCHES: usize = 1_000;
/// Visits of values: some seconds.
const MAX_COST: u128 = 50_000_000;

const DESCRIPTION: &str = "Selects values from JSON with a JSONPath expression (RFC 9535), such as \
$.items[?@.price < 10].name, $..id or $.rows[0,2]. Give the JSON as `value`, or as text in `text`. Returns {matches: [...], \
count, truncated}; no match is an empty list, not an error.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JsonQueryParameters {
    /// The JSONPath; begins with `$`. At most 1,000 characters.
    #[schemars(length(min = 1, max = MAX_PATH_CHARS))]
    path: String,
    /// The JSON to search. Give either this or `text`.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    /// The JSON to search, as text. Give either this or `value`.
    #[serde(default)]
    text: Option<String>,
    /// The most matches to return; default 1,000, at most 10,000.
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_MATCHES))]
    max_matches: Option<usize>,
}

/// Tells `null` from nothing.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Serialize, JsonSchema)]
struct Matches {
    /// What was selected, in document order.
    matches: Vec<Value>,
    /// How many values match, returned or not.
    count: usize,
    /// There are more than `max_matches`.
    truncated: bool,
}

/// The tool.
pub(super) fn tool() -> impl Tool {
    let mut tool = BlockingTool::new(
        "json_query",
        DESCRIPTION,
        |parameters: JsonQueryParameters, _: CallContext| query(parameters),
    )
    .safety(Safety::ReadOnly);
    answers::<Matches>(tool.declaration_mut());
    tool
}

fn query(parameters: JsonQueryParameters) -> Result<Matches, ToolError> {
    let most = parameters.max_matches.unwrap_or(DEFAULT_MATCHES);
    if !(1..=MAX_MATCHES).contains(&most) {
        return Err(limit(format!("max_matches is {most}; it is 1 to {MAX_MATCHES}")));
    }
    if parameters.path.chars().count() > MAX_PATH_CHARS {
        return Err(limit(format!("path is longer than {MAX_PATH_CHARS} characters")));
    }
    let path = JsonPath::parse(&parameters.path).map_err(|error| {
        ToolError::new(
            "INVALID_PATH",
            format!("path is no JSONPath: {error}; one that is: $.items[0].name"),
        )
    })?;
    let value = match (parameters.value, parameters.text) {
        (Some(value), None) => value,
        (None, Some(text)) if text.len() > MAX_TEXT_BYTES => {
            return Err(limit(format!(
                "text has {} bytes; the limit is {MAX_TEXT_BYTES}",
                text.len()
            )));
        }
        (None, Some(text)) => serde_json::from_str(&text)
            .map_err(|error| ToolError::new("INVALID_JSON", format!("text is no JSON: {error}")))?,
        _ => {
            return Err(ToolError::new(
                "INVALID_PARAMETERS",
                "give either `value` or `text`, not both or neither",
            ));
        }
    };
    let cost = cost(&parameters.path, &value);
    if cost > MAX_COST {
        return Err(limit(format!(
            "the query may visit {cost} values; the limit is {MAX_COST}: use fewer `..`, or narrow it first with a plain path"
        )));
    }
    let found = path.query(&value);
    let count = found.len();
    let matches = found.into_iter().take(most).cloned().collect();
    Ok(Matches {
        matches,
        count,
        truncated: count > most,
    })
}

fn limit(message: String) -> ToolError {
    ToolError::new("LIMIT_EXCEEDED", message)
}

/// The most values that the query visits: each `..` may come to a value once for each of its ancestors, and a filter
/// that holds a query over many values runs it for each candidate.
fn cost(path: &str, value: &Value) -> u128 {
    let (nodes, depth) = size(value);
    let (descendants, filters) = shape(path);
    let descent = depth.saturating_pow(descendants.saturating_sub(1));
    nodes.saturating_pow(1 + filters).saturating_mul(descent)
}

/// How many values, and how deep.
fn size(value: &Value) -> (u128, u128) {
    let mut nodes = 0;
    let mut deepest = 1;
    let mut waiting = vec![(value, 1_u128)];
    while let Some((value, depth)) = waiting.pop() {
        nodes += 1;
        deepest = deepest.max(depth);
        match value {
            Value::Array(items) => waiting.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => waiting.extend(members.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    (nodes, deepest)
}

/// How many `..`, and how many filters with a query over many values in them.
fn shape(path: &str) -> (u32, u32) {
    let bytes = path.as_bytes();
    let (mut descendants, mut filters) = (0, 0);
    let mut brackets: Vec<Bracket> = Vec::new();
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'[') => brackets.push(Bracket::default()),
            (None, b']') => {
                filters += u32::from(
                    brackets
                        .pop()
                        .is_some_and(|bracket| bracket.filter && bracket.expands),
                );
            }
            (None, b'?') => {
                // A filter inside a filter's query is a query over many values.
                brackets
                    .iter_mut()
                    .for_each(|bracket| bracket.expands |= bracket.filter);
                brackets
                    .iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(|bracket| bracket.filter = true);
            }
            (None, b'*' | b':') => brackets
                .iter_mut()
                .for_each(|bracket| bracket.expands |= bracket.filter),
            (None, b'.') if bytes.get(at + 1) == Some(&b'.') => {
                descendants += 1;
                brackets
                    .iter_mut()
                    .for_each(|bracket| bracket.expands |= bracket.filter);
                at += 1;
            }
            (None, _) => {}
        }
        at += 1;
    }
    (descendants, filters)
}

#[derive(Default)]
struct Bracket {
    filter: bool,
    expands: bool,
}
