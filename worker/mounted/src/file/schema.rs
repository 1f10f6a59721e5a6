//! Whether a schema can be used: it compiles, refers to nothing outside itself, ends on every input and is quick.
//!
//! Every mistake that can be seen by itself is told with its place. Nothing is fetched.

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Retrieve, Uri};
use serde_json::{Map, Value};

use super::words;
use crate::fault::Fault;

/// As the coordinator has them.
const MAX_BYTES: usize = 256 << 10;
const PATTERN_BYTES: usize = 1 << 20;
/// Deeper than any that a person writes, and far from what would end the stack.
const MAX_DEPTH: usize = 64;

/// The drafts that are known, without `#` at the end and without the scheme, which is written in two ways.
const DRAFTS: [&str; 5] = [
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-04/schema",
];
/// Keywords whose schemas are tried on the same value.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// Keywords whose value is data and no schema.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Checks the schema of the key `key`.
pub(super) fn check(key: &str, schema: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if depth(schema) > MAX_DEPTH {
        return vec![Fault::error(
            key,
            format!("is nested more than {MAX_DEPTH} deep"),
            "",
        )];
    }
    let bytes = schema.to_string().len();
    if bytes > MAX_BYTES {
        return vec![Fault::error(key, format!("has {bytes} bytes"), "at most 256 KiB")];
    }
    if let Some((path, what, expected)) = words::hidden_in_schema(schema) {
        faults.push(fault(key, &path, &what, expected));
    }
    if let Some(draft) = schema.get("$schema") {
        check_draft(key, draft, &mut faults);
    }
    walk(key, "", schema, &mut faults);
    if faults.is_empty() && recurs(schema) {
        let what = "refers to itself without going deeper into the value, and would never end";
        faults.push(Fault::error(
            key,
            what,
            "a reference below `properties` or `items`",
        ));
    }
    // What the compiler says of these is less plain.
    if faults.is_empty()
        && let Err((path, what)) = compile(schema)
    {
        faults.push(fault(key, &path, &format!("is no JSON Schema: {what}"), ""));
    }
    faults
}

/// The same of parameters, which are objects.
pub(super) fn check_input(key: &str, schema: &Value) -> Vec<Fault> {
    let takes_objects = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(_) => false,
        None => schema.is_object(),
    };
    let mut faults = check(key, schema);
    if !takes_objects {
        faults.push(Fault::error(key, "takes no objects", "`type = \"object\"`"));
    }
    faults
}

/// Parameters that nobody has declared reach a tool that lets them pass.
pub(super) fn is_open(schema: &Value) -> bool {
    !closes(schema, "additionalProperties") && !closes(schema, "unevaluatedProperties")
}

fn closes(schema: &Value, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(false))
}

fn check_draft(key: &str, draft: &Value, faults: &mut Vec<Fault>) {
    let known = draft.as_str().is_some_and(|draft| {
        let draft = draft.strip_suffix('#').unwrap_or(draft);
        let name = draft
            .strip_prefix("https://")
            .or_else(|| draft.strip_prefix("http://"));
        name.is_some_and(|name| DRAFTS.contains(&name))
    });
    if !known {
        let expected = "draft 4, 6, 7, 2019-09 or 2020-12, such as \
                        https://json-schema.org/draft/2020-12/schema, or no `$schema`";
        faults.push(fault(
            key,
            ".$schema",
            &format!("is the unknown draft {draft}"),
            expected,
        ));
    }
}

fn walk(key: &str, path: &str, schema: &Value, faults: &mut Vec<Fault>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = format!("{path}.{name}");
                match (name.as_str(), value) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) if !to.starts_with('#') => {
                        let what = format!("refers to `{to}`, which is not in the schema");
                        faults.push(fault(key, &below, &what, "a reference such as #/$defs/NAME"));
                    }
                    ("pattern", Value::String(pattern)) => check_pattern(key, &below, pattern, faults),
                    ("patternProperties", Value::Object(patterns)) => {
                        for pattern in patterns.keys() {
                            check_pattern(key, &below, pattern, faults);
                        }
                        walk(key, &below, value, faults);
                    }
                    // Names of properties are no keywords.
                    ("properties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(named)) => {
                        for (name, schema) in named {
                            walk(key, &format!("{below}.{name}"), schema, faults);
                        }
                    }
                    (name, _) if DATA.contains(&name) => {}
                    _ => walk(key, &below, value, faults),
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(key, &format!("{path}[{at}]"), item, faults);
            }
        }
        _ => {}
    }
}

/// A backreference makes the time that a pattern takes grow with powers of the text that a model sends.
fn check_pattern(key: &str, path: &str, pattern: &str, faults: &mut Vec<Fault>) {
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char == '\\' && chars.next().is_some_and(|next| matches!(next, '1'..='9' | 'k')) {
            let what = format!("`{pattern}` has a backreference");
            faults.push(fault(key, path, &what, "a pattern without one"));
            return;
        }
    }
}

fn fault(key: &str, path: &str, what: &str, expected: &str) -> Fault {
    Fault::error(format!("{key}{path}"), what, expected)
}

fn depth(value: &Value) -> usize {
    // A parser that would follow deeper has refused it before.
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether some reference comes back to itself over keywords that stay at the same value.
fn recurs(schema: &Value) -> bool {
    let mut done = BTreeSet::new();
    references(schema)
        .iter()
        .any(|start| comes_back(schema, start, &mut Vec::new(), &mut done))
}

/// Every target of a `$ref`.
fn references(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                found.extend(target(fields).map(str::to_owned));
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

fn target(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("$ref")?.as_str()?.strip_prefix('#')
}

fn comes_back(root: &Value, pointer: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
    if path.iter().any(|before| before == pointer) {
        return true;
    }
    if !done.insert(pointer.to_owned()) {
        return false;
    }
    let Some(schema) = root.pointer(&pointer.replace("%25", "%")) else {
        return false;
    };
    path.push(pointer.to_owned());
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(next) = target(fields)
                    && comes_back(root, next, path, done)
                {
                    return true;
                }
                open.extend(IN_PLACE.iter().filter_map(|keyword| fields.get(*keyword)));
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    path.pop();
    false
}

/// What the compiler finds wrong first, behind its place.
fn compile(schema: &Value) -> Result<(), (String, String)> {
    let built = jsonschema::options()
        .with_retriever(Nowhere)
        .with_pattern_options(PatternOptions::fancy_regex().size_limit(PATTERN_BYTES))
        .build(schema);
    built.map(drop).map_err(|error| {
        let pointer = error.instance_path().to_string();
        let steps = pointer
            .split('/')
            .skip(1)
            .map(|step| match step.parse::<usize>() {
                Ok(index) => format!("[{index}]"),
                Err(_) => format!(".{}", step.replace("~1", "/").replace("~0", "~")),
            });
        (steps.collect(), error.to_string())
    })
}

struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{uri} is not in the schema").into())
    }
}
