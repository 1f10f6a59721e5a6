//! Values drawn from the bytes of an input: texts that like to look like references, JSON of them, small numbers.
//! Out of bytes, everything drawn is the plainest there is.

use arbitrary::Unstructured;
use serde_json::{Map, Value};

/// What strings are put together from, besides what is drawn.
const PARTS: [&str; 16] = [
    "${a.result}",
    "${0.result.k[0]}",
    "${b.result[\"k\"]}",
    "${c.result[-1].x}",
    "$${",
    "${",
    "$",
    "}",
    "\",\"x\":\"",
    "\\",
    "\\u0024{",
    "k",
    "\u{0}",
    "é\u{202e}",
    ".result",
    "[0]",
];
/// Keys of objects.
const KEYS: [&str; 6] = ["k", "x", "a", "odd key", "${a.result}", ""];

/// The inputs that are drawn from.
pub(crate) type Bytes<'d> = Unstructured<'d>;

/// 0 to `below`, without it.
pub(crate) fn below(from: &mut Bytes<'_>, below: usize) -> usize {
    from.int_in_range(0..=below.saturating_sub(1)).unwrap_or(0)
}

/// True for one in `of`.
pub(crate) fn one_in(from: &mut Bytes<'_>, of: usize) -> bool {
    below(from, of) == of - 1
}

/// One of `choices`.
pub(crate) fn one_of<T: Copy>(from: &mut Bytes<'_>, choices: &[T]) -> T {
    choices[below(from, choices.len())]
}

/// Any number.
pub(crate) fn number(from: &mut Bytes<'_>) -> u64 {
    from.arbitrary().unwrap_or(0)
}

/// A number that is mostly small, and at times at an edge.
pub(crate) fn edge(from: &mut Bytes<'_>) -> u64 {
    match below(from, 8) {
        0..=4 => below(from, 16) as u64,
        5 => one_of(
            from,
            &[
                u64::MAX,
                i64::MAX as u64,
                u64::from(u32::MAX),
                1 << 53,
                1 << 32,
                1 << 31,
            ],
        ),
        6 => u64::from(from.arbitrary::<u16>().unwrap_or(0)),
        _ => number(from),
    }
}

/// A text that likes to look like references and to break out of strings.
pub(crate) fn text(from: &mut Bytes<'_>) -> String {
    let mut text = String::new();
    for _ in 0..below(from, 6) {
        if one_in(from, 4) {
            text.push(from.arbitrary().unwrap_or('x'));
        } else {
            text.push_str(one_of(from, &PARTS));
        }
    }
    text
}

/// A JSON value, at most so deep.
pub(crate) fn value(from: &mut Bytes<'_>, depth: usize) -> Value {
    match below(from, if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(one_in(from, 2)),
        2 => Value::from(edge(from)),
        3 | 4 => Value::from(text(from)),
        5 => Value::Array((0..below(from, 5)).map(|_| value(from, depth - 1)).collect()),
        _ => Value::Object(object(from, depth - 1)),
    }
}

/// A JSON object whose values are at most so deep.
pub(crate) fn object(from: &mut Bytes<'_>, depth: usize) -> Map<String, Value> {
    (0..below(from, 5))
        .map(|_| {
            let key = if one_in(from, 4) {
                text(from)
            } else {
                one_of(from, &KEYS).to_owned()
            };
            (key, value(from, depth))
        })
        .collect()
}

/// What is left of the input.
pub(crate) fn rest<'d>(from: &mut Bytes<'d>) -> &'d [u8] {
    from.bytes(from.len()).unwrap_or_default()
}

/// The same as a client of Google's types sends it.
pub(crate) fn to_struct(object: Map<String, Value>) -> prost_types::Struct {
    prost_types::Struct {
        fields: object
            .into_iter()
            .map(|(key, value)| (key, to_value(value)))
            .collect(),
    }
}

fn to_value(value: Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => Kind::ListValue(prost_types::ListValue {
            values: items.into_iter().map(to_value).collect(),
        }),
        Value::Object(object) => Kind::StructValue(to_struct(object)),
    };
    prost_types::Value { kind: Some(kind) }
}
