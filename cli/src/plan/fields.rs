//! What the keys of a plan mean: turns a tree into a request, and says everything that is wrong with it on the way.
//!
//! Only shapes are judged here (names of keys, types, units). Whether ids exist, graphs have cycles or numbers are in
//! range is the coordinator's to say, so that a plan meets the same rules however it arrives.

use std::time::Duration;

use toolwave_client::{proto_duration, v1};

use super::{
    diagnostics::{Diagnostics, Position},
    source::{Key, Kind, Node},
};

/// The names that a mapping may use; in the order in which hints list them.
pub(crate) const PLAN_KEYS: &[&str] = &[
    "max_concurrency",
    "schedule",
    "on_failure",
    "timeout",
    "retry",
    "idempotency_key",
    "allow",
    "calls",
];
const CALL_KEYS: &[&str] = &[
    "id",
    "tool",
    "parameters",
    "depends_on",
    "priority",
    "timeout",
    "queue_timeout",
    "retry",
    "idempotency_key",
];
const RETRY_KEYS: &[&str] = &["max_attempts", "initial_backoff", "max_backoff", "multiplier"];

/// What the plan says it needs, such as `files=src`, and where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) at: Position,
    pub(crate) grant: String,
}

/// Reads the tree. The request holds what could be read even when something is wrong, so that the coordinator can
/// judge the rest in the same go.
pub(crate) fn read(root: &Node, wrong: &mut Diagnostics) -> (v1::ExecuteParallelRequest, Vec<Need>) {
    let mut request = v1::ExecuteParallelRequest::default();
    let mut needs = Vec::new();
    let Some(fields) = mapping(root, "a plan", wrong) else {
        return (request, needs);
    };
    for (key, value) in fields {
        match key.name.as_str() {
            "max_concurrency" => max_concurrency(value, &mut request, wrong),
            "schedule" => request.schedule = schedule(value, wrong),
            "on_failure" => request.on_failure = on_failure(value, wrong),
            "timeout" => request.timeout = duration(value, wrong),
            "retry" => request.retry = retry(value, wrong),
            "idempotency_key" => request.idempotency_key = text(value, wrong),
            "allow" => needs = allow(value, wrong),
            "calls" => request.calls = calls(value, wrong),
            _ => unknown(key, PLAN_KEYS, "a plan", wrong),
        }
    }
    if root.field("calls").is_none() {
        wrong.add(
            root.at,
            "`calls` is missing: a plan is a list of calls under `calls:`",
        );
    }
    (request, needs)
}

fn calls(node: &Node, wrong: &mut Diagnostics) -> Vec<v1::Call> {
    list(node, "calls, each starting with `- tool: NAME`", wrong)
        .iter()
        .map(|node| call(node, wrong))
        .collect()
}

fn call(node: &Node, wrong: &mut Diagnostics) -> v1::Call {
    let mut call = v1::Call::default();
    let Some(fields) = mapping(node, "a call", wrong) else {
        return call;
    };
    for (key, value) in fields {
        match key.name.as_str() {
            "id" => call.id = Some(id(value, wrong)),
            "tool" => call.tool_name = text(value, wrong),
            "parameters" => call.parameters_form = parameters(value, wrong),
            "depends_on" => {
                call.depends_on = list(value, "ids", wrong)
                    .iter()
                    .map(|value| id(value, wrong))
                    .collect();
            }
            "priority" => call.priority = integer(value, wrong),
            "timeout" => call.timeout = duration(value, wrong),
            "queue_timeout" => call.queue_timeout = duration(value, wrong),
            "retry" => call.retry = retry(value, wrong),
            "idempotency_key" => call.idempotency_key = text(value, wrong),
            _ => unknown(key, CALL_KEYS, "a call", wrong),
        }
    }
    if node.field("tool").is_none() {
        wrong.add(node.at, "`tool` is missing: a call names the tool that it runs");
    }
    call
}

fn parameters(node: &Node, wrong: &mut Diagnostics) -> Option<v1::call::ParametersForm> {
    match node.kind {
        Kind::Map(_) => Some(v1::call::ParametersForm::ParametersJson(
            node.to_json().to_string().into(),
        )),
        // `parameters:` with nothing behind it.
        Kind::Null => None,
        _ => {
            wrong.add(
                node.at,
                format!(
                    "parameters are a mapping of names to values, not {}",
                    node.describe()
                ),
            );
            None
        }
    }
}

fn max_concurrency(node: &Node, request: &mut v1::ExecuteParallelRequest, wrong: &mut Diagnostics) {
    match &node.kind {
        Kind::Text(word) if word == "auto" => request.max_concurrency_auto = true,
        Kind::Number(number) if number.as_u64().is_some_and(|n| u32::try_from(n).is_ok()) => {
            request.max_concurrency = number.as_u64().and_then(|n| u32::try_from(n).ok());
        }
        _ => wrong.add(node.at, "`max_concurrency` is a whole number from 1, or `auto`"),
    }
}

fn schedule(node: &Node, wrong: &mut Diagnostics) -> i32 {
    let words = [
        ("pipelined", v1::Schedule::PipelinedWaves as i32),
        ("barrier", v1::Schedule::BarrierWaves as i32),
    ];
    word(node, &words, wrong)
}

fn on_failure(node: &Node, wrong: &mut Diagnostics) -> i32 {
    let words = [
        ("continue", v1::OnFailure::Continue as i32),
        ("fail_fast", v1::OnFailure::FailFast as i32),
    ];
    word(node, &words, wrong)
}

fn retry(node: &Node, wrong: &mut Diagnostics) -> Option<v1::RetryPolicy> {
    let mut policy = v1::RetryPolicy::default();
    for (key, value) in mapping(node, "a retry policy", wrong)? {
        match key.name.as_str() {
            "max_attempts" => match integer(value, wrong) {
                // The wire's zero means "unset"; a reader of the file would not expect 0 to mean 3.
                0 => wrong.add(
                    value.at,
                    "`max_attempts` counts the first attempt too: at least 1",
                ),
                attempts => policy.max_attempts = u32::try_from(attempts).unwrap_or(u32::MAX),
            },
            "initial_backoff" => policy.initial_backoff = duration(value, wrong),
            "max_backoff" => policy.max_backoff = duration(value, wrong),
            "multiplier" => match &value.kind {
                Kind::Number(number) if number.as_f64().is_some_and(|n| n >= 1.0) => {
                    policy.multiplier = number.as_f64().unwrap_or_default();
                }
                _ => wrong.add(value.at, "`multiplier` is a number from 1"),
            },
            _ => unknown(key, RETRY_KEYS, "a retry policy", wrong),
        }
    }
    Some(policy)
}

fn allow(node: &Node, wrong: &mut Diagnostics) -> Vec<Need> {
    let entries = list(node, "what the plan needs, such as `files=DIR`", wrong);
    entries
        .iter()
        .map(|entry| Need {
            at: entry.at,
            grant: text(entry, wrong),
        })
        .collect()
}

// === shapes ===

fn mapping<'a>(node: &'a Node, what: &str, wrong: &mut Diagnostics) -> Option<&'a [(Key, Node)]> {
    match &node.kind {
        Kind::Map(fields) => Some(fields),
        _ => {
            wrong.add(
                node.at,
                format!("{what} is a mapping of names to values, not {}", node.describe()),
            );
            None
        }
    }
}

fn list<'a>(node: &'a Node, of: &str, wrong: &mut Diagnostics) -> &'a [Node] {
    match &node.kind {
        Kind::List(elements) => elements,
        _ => {
            wrong.add(
                node.at,
                format!("expected a list of {of}, not {}", node.describe()),
            );
            &[]
        }
    }
}

fn text(node: &Node, wrong: &mut Diagnostics) -> String {
    match &node.kind {
        Kind::Text(text) => text.clone(),
        _ => {
            wrong.add(
                node.at,
                format!(
                    "expected a string, not {}; quote it if it is one",
                    node.describe()
                ),
            );
            String::new()
        }
    }
}

/// A call without a name is named by its index, so ids may be written as numbers.
fn id(node: &Node, wrong: &mut Diagnostics) -> String {
    match &node.kind {
        Kind::Number(number) if number.is_u64() => number.to_string(),
        _ => text(node, wrong),
    }
}

fn integer(node: &Node, wrong: &mut Diagnostics) -> i32 {
    match &node.kind {
        Kind::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => number
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or_default(),
        _ => {
            wrong.add(
                node.at,
                format!("expected a whole number, not {}", node.describe()),
            );
            // Neither the wire's "unset" nor a value that the coordinator would find fault with.
            1
        }
    }
}

fn word(node: &Node, words: &[(&str, i32)], wrong: &mut Diagnostics) -> i32 {
    let Kind::Text(text) = &node.kind else {
        wrong.add(
            node.at,
            format!("expected {}, not {}", alternatives(words), node.describe()),
        );
        return 0;
    };
    match words.iter().find(|(word, _)| word == text) {
        Some((_, value)) => *value,
        None => {
            wrong.add(
                node.at,
                format!("`{text}` is unknown here; expected {}", alternatives(words)),
            );
            0
        }
    }
}

fn alternatives(words: &[(&str, i32)]) -> String {
    words
        .iter()
        .map(|(word, _)| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(" or ")
}

fn duration(node: &Node, wrong: &mut Diagnostics) -> Option<prost_types::Duration> {
    let text = match &node.kind {
        Kind::Text(text) => text,
        Kind::Number(number) => {
            wrong.add(
                node.at,
                format!("a duration needs a unit, such as `{number}s` or `{number}ms`"),
            );
            return None;
        }
        _ => {
            wrong.add(
                node.at,
                format!("expected a duration such as `30s`, not {}", node.describe()),
            );
            return None;
        }
    };
    match parse_duration(text) {
        Ok(duration) => Some(proto_duration(duration)),
        Err(message) => {
            wrong.add(node.at, message);
            None
        }
    }
}

/// A duration with its unit; the same rule for files and flags.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!(
            "a duration needs a unit, such as `{text}s` or `{text}ms`"
        ));
    }
    humantime::parse_duration(text).map_err(|error| {
        format!("`{text}` is no duration ({error}); expected one such as `30s`, `500ms` or `2m`")
    })
}

fn unknown(key: &Key, known: &[&str], of: &str, wrong: &mut Diagnostics) {
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&key.name, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("it knows {}", known.join(", ")),
    };
    wrong.add(key.at, format!("`{}` is no key of {of}; {hint}", key.name));
}
