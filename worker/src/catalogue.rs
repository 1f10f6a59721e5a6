//! The tools of one worker, checked when it is built: what is in here can be registered and called.

use std::time::Duration;

use rustc_hash::FxHashMap;
use toolwave_proto::v1;

use crate::{
    convert,
    error::BuildError,
    tool::{Declaration, Effect, SharedTool, Stopping},
};

/// No attempt may take longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Tools by name.
pub(crate) struct Catalogue {
    hosted: FxHashMap<String, Hosted>,
    declared: Vec<v1::Tool>,
}

/// What running an attempt needs to know of its tool; the rest of the declaration is the coordinator's.
#[derive(Clone)]
pub(crate) struct Hosted {
    pub(crate) tool: SharedTool,
    pub(crate) stopping: Stopping,
    pub(crate) quick: bool,
    pub(crate) max_result_bytes: u64,
}

impl Catalogue {
    /// Checks every declaration. `max_result_bytes` holds for tools that declare no limit, and above theirs.
    pub(crate) fn try_new(tools: Vec<SharedTool>, max_result_bytes: u64) -> Result<Self, BuildError> {
        let mut hosted = FxHashMap::default();
        let mut declared = Vec::with_capacity(tools.len());
        for tool in tools {
            let declaration = tool.declaration();
            let name = declaration.name.clone();
            check(&declaration).map_err(|reason| BuildError::Tool {
                name: name.clone(),
                reason,
            })?;
            declared.push(convert::tool(&declaration));
            let limit = declaration
                .max_result_bytes
                .map_or(max_result_bytes, |limit| limit.min(max_result_bytes));
            let entry = Hosted {
                stopping: tool.stopping(),
                quick: tool.quick(),
                max_result_bytes: limit,
                tool,
            };
            if hosted.insert(name.clone(), entry).is_some() {
                return Err(BuildError::DuplicateTool { name });
            }
        }
        Ok(Self { hosted, declared })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Hosted> {
        self.hosted.get(name)
    }

    /// As they are registered.
    pub(crate) fn declared(&self) -> &[v1::Tool] {
        &self.declared
    }
}

/// True for 1 to 128 bytes of `[A-Za-z0-9._:-]`.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-'))
}

fn check(declaration: &Declaration) -> Result<(), String> {
    if !is_name(&declaration.name) {
        return Err("the name is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]".to_owned());
    }
    check_input_schema(declaration)?;
    if let Some(schema) = &declaration.output_schema {
        compile(schema).map_err(|error| format!("the output schema is no JSON Schema: {error}"))?;
    }
    for Effect::Reads(key) | Effect::Writes(key) in &declaration.effects {
        check_effect(key).map_err(|what| format!("the effect `{key}` {what}"))?;
    }
    if declaration
        .timeout
        .is_some_and(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT)
    {
        return Err("the timeout is out of range; expected more than 0 and at most 24 h".to_owned());
    }
    for (name, limit) in [
        ("max_concurrency", declaration.max_concurrency.map(u64::from)),
        (
            "max_concurrency_per_worker",
            declaration.max_concurrency_per_worker.map(u64::from),
        ),
        ("max_result_bytes", declaration.max_result_bytes),
    ] {
        if limit == Some(0) {
            return Err(format!("{name} is 0; expected at least 1, or none for no limit"));
        }
    }
    if let Some(rate) = declaration.rate {
        if !(rate.per_second.is_finite() && rate.per_second > 0.0) {
            return Err(format!(
                "the rate is {} a second; expected more than 0",
                rate.per_second
            ));
        }
        if rate.burst == 0 {
            return Err("the rate's burst is 0; expected at least 1".to_owned());
        }
    }
    Ok(())
}

fn check_input_schema(declaration: &Declaration) -> Result<(), String> {
    let schema = &declaration.input_schema;
    let Some(object) = schema.as_object() else {
        return Err(
            "the input schema is no JSON object; expected a schema such as {\"type\": \"object\"}".to_owned(),
        );
    };
    let takes_objects = match object.get("type") {
        None => true,
        Some(serde_json::Value::String(kind)) => kind == "object",
        Some(serde_json::Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(_) => false,
    };
    if !takes_objects {
        return Err("the input schema takes no objects; expected \"type\": \"object\"".to_owned());
    }
    compile(schema).map_err(|error| format!("the input schema is no JSON Schema: {error}"))
}

fn compile(schema: &serde_json::Value) -> Result<(), String> {
    jsonschema::validator_for(schema)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The key's text with names of parameters in braces: `file:{path}`.
fn check_effect(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("is empty; expected a key such as `file:{path}`");
    }
    let mut rest = key;
    while let Some(at) = rest.find(['{', '}']) {
        if rest[at..].starts_with('}') {
            return Err("closes a brace that is not open; expected a key such as `file:{path}`");
        }
        let Some(length) = rest[at + 1..].find(['{', '}']) else {
            return Err("opens a brace and does not close it; expected a key such as `file:{path}`");
        };
        if length == 0 || rest[at + 1 + length..].starts_with('{') {
            return Err("has braces without a parameter's name; expected a key such as `file:{path}`");
        }
        rest = &rest[at + length + 2..];
    }
    Ok(())
}
