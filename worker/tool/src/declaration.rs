//! What is said of a tool to the coordinator and, through it, to clients; and whether it may be said so.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

/// No attempt may take longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// No call is tried more often.
const MAX_ATTEMPTS: u32 = 10;

/// What is said of a tool to the coordinator and, through it, to clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// 1 to 128 bytes of `[A-Za-z0-9._:-]`.
    pub name: String,
    /// For people and models.
    pub description: String,
    /// JSON Schema of the parameters; an object schema.
    pub input_schema: Value,
    /// JSON Schema of the result.
    pub output_schema: Option<Value>,
    /// What a call touches, to order the calls of one execution.
    pub effects: Vec<Effect>,
    /// What makes a call safe to repeat.
    pub safety: Safety,
    /// Of one attempt; `None`: 30 s.
    pub timeout: Option<Duration>,
    /// In flight at once over all workers.
    pub max_concurrency: Option<u32>,
    /// In flight at once on one worker.
    pub max_concurrency_per_worker: Option<u32>,
    /// Starts a second over all workers.
    pub rate: Option<Rate>,
    /// A larger result, in bytes of JSON, is a failure; `None`: the worker's limit.
    pub max_result_bytes: Option<u64>,
    /// For calls and executions that name no policy.
    pub retry: Option<RetryPolicy>,
    /// For operators and placement.
    pub labels: BTreeMap<String, String>,
}

impl Declaration {
    /// A tool that takes any object and about which nothing is promised.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            input_schema: serde_json::json!({"type": "object"}),
            output_schema: None,
            effects: Vec::new(),
            safety: Safety::default(),
            timeout: None,
            max_concurrency: None,
            max_concurrency_per_worker: None,
            rate: None,
            max_result_bytes: None,
            retry: None,
            labels: BTreeMap::new(),
        }
    }
}

/// One thing that a call touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads what the key names, such as `file:{path}`; braces hold names of parameters.
    Reads(String),
    /// Changes what the key names.
    Writes(String),
}

/// What the operator promises of repeated calls. Nothing, unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Safety {
    /// A call may have an effect each time that it runs.
    #[default]
    NotRepeatable,
    /// It changes nothing.
    ReadOnly,
    /// Twice is as once.
    Idempotent,
    /// Calls with the same idempotency key have their effect once.
    HonoursIdempotencyKey,
}

/// Starts over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// A second, over all workers.
    pub per_second: f64,
    /// At once, after a pause; at least 1.
    pub burst: u32,
}

/// When an attempt that failed is followed by another; what is `None` is the coordinator's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, 1 to 10; else 3.
    pub max_attempts: Option<u32>,
    /// Else 200 ms.
    pub initial_backoff: Option<Duration>,
    /// Else 30 s.
    pub max_backoff: Option<Duration>,
    /// At least 1; else 2.
    pub multiplier: Option<f64>,
}

impl Declaration {
    /// Whether it may be registered as it is.
    ///
    /// # Errors
    /// Says what is wrong, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err("the name is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]".to_owned());
        }
        check_input_schema(&self.input_schema)?;
        if let Some(schema) = &self.output_schema {
            compile(schema).map_err(|error| format!("the output schema is no JSON Schema: {error}"))?;
        }
        for Effect::Reads(key) | Effect::Writes(key) in &self.effects {
            check_effect(key).map_err(|what| format!("the effect `{key}` {what}"))?;
        }
        if self
            .timeout
            .is_some_and(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT)
        {
            return Err("the timeout is out of range; expected more than 0 and at most 24 h".to_owned());
        }
        self.check_limits()?;
        self.retry.as_ref().map_or(Ok(()), check_retry)
    }

    fn check_limits(&self) -> Result<(), String> {
        for (name, limit) in [
            ("max_concurrency", self.max_concurrency.map(u64::from)),
            (
                "max_concurrency_per_worker",
                self.max_concurrency_per_worker.map(u64::from),
            ),
            ("max_result_bytes", self.max_result_bytes),
        ] {
            if limit == Some(0) {
                return Err(format!("{name} is 0; expected at least 1, or none for no limit"));
            }
        }
        let Some(rate) = self.rate else { return Ok(()) };
        if !(rate.per_second.is_finite() && rate.per_second > 0.0) {
            let per_second = rate.per_second;
            return Err(format!("the rate is {per_second} a second; expected more than 0"));
        }
        if rate.burst == 0 {
            return Err("the rate's burst is 0; expected at least 1".to_owned());
        }
        Ok(())
    }
}

fn check_retry(retry: &RetryPolicy) -> Result<(), String> {
    if let Some(attempts) = retry.max_attempts
        && !(1..=MAX_ATTEMPTS).contains(&attempts)
    {
        return Err(format!(
            "retry.max_attempts is {attempts}; expected 1 to {MAX_ATTEMPTS}"
        ));
    }
    if let Some(multiplier) = retry.multiplier
        && !(multiplier.is_finite() && multiplier >= 1.0)
    {
        return Err(format!("retry.multiplier is {multiplier}; expected at least 1"));
    }
    Ok(())
}

/// True for 1 to 128 bytes of `[A-Za-z0-9._:-]`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-'))
}

fn check_input_schema(schema: &Value) -> Result<(), String> {
    let Some(object) = schema.as_object() else {
        return Err(
            "the input schema is no JSON object; expected a schema such as {\"type\": \"object\"}".to_owned(),
        );
    };
    let takes_objects = match object.get("type") {
        None => true,
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(_) => false,
    };
    if !takes_objects {
        return Err("the input schema takes no objects; expected \"type\": \"object\"".to_owned());
    }
    compile(schema).map_err(|error| format!("the input schema is no JSON Schema: {error}"))
}

fn compile(schema: &Value) -> Result<(), String> {
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
