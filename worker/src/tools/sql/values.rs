//! SQLite's values as JSON and back: integers keep 64 bits, blobs are `{"base64": "..."}`.

use std::collections::HashSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use rusqlite::types::{Value as SqlValue, ValueRef};
use serde_json::{Value, json};
use toolwave_tool::ToolError;

/// A parameter; the error goes on after the parameter's name.
pub(super) fn to_sql(value: &Value) -> Result<SqlValue, String> {
    match value {
        Value::Null => Ok(SqlValue::Null),
        Value::Bool(truth) => Ok(SqlValue::Integer(i64::from(*truth))),
        Value::String(text) => Ok(SqlValue::Text(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Ok(SqlValue::Integer(integer)),
            (None, Some(large), _) => Err(format!(
                "is {large}, more than a 64-bit signed integer holds: send it as text"
            )),
            (None, None, Some(real)) => Ok(SqlValue::Real(real)),
            (None, None, None) => Err("is no number that SQLite holds".to_owned()),
        },
        Value::Object(object) => match (object.len(), object.get("base64").and_then(Value::as_str)) {
            (1, Some(text)) => BASE64_STANDARD
                .decode(text)
                .map(SqlValue::Blob)
                .map_err(|error| format!("is not standard base64 with padding: {error}")),
            _ => Err("is an object: send JSON as text, and a blob as {\"base64\": \"...\"}".to_owned()),
        },
        Value::Array(_) => Err("is an array: send JSON as text, or one placeholder for each item".to_owned()),
    }
}

/// A cell. What JSON numbers cannot say, and text that is not UTF-8, keep their meaning as text and as a blob.
pub(super) fn to_json(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) if real.is_infinite() => {
            if real > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        ValueRef::Real(real) => real.into(),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => text.into(),
            Err(_) => json!({"base64": BASE64_STANDARD.encode(text)}),
        },
        ValueRef::Blob(blob) => json!({"base64": BASE64_STANDARD.encode(blob)}),
    }
}

/// About how many bytes of JSON it is.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 3,
        Value::Object(object) => object.values().map(|value| weight(value) + 12).sum(),
        _ => 12,
    }
}

/// Rows as objects need a name of its own for each column.
pub(super) fn check_names(columns: &[String]) -> Result<(), ToolError> {
    let mut seen = HashSet::new();
    match columns.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ToolError::new(
            "DUPLICATE_COLUMN",
            format!("two columns are named {name:?}: name one with AS, or set rows_as to arrays"),
        )),
    }
}
