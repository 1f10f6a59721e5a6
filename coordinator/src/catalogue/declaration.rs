//! One tool's declaration, checked and compiled: its schema, its effects, its policies. Fetches nothing: a
//! schema that refers to something outside itself is refused.

use std::{sync::Arc, time::Duration};

use jsonschema::{PatternOptions, Retrieve, Uri, Validator, error::ValidationErrorKind};
use serde_json::Value;
use toolwave_proto::v1;
use toolwave_scheduler::{RetryPolicy, ToolKey, ToolSpec};

use crate::execution::{
    convert,
    effects::{EffectFault, EffectTemplate, MOST_EFFECTS},
    limits::NAME_BYTES,
    reference::is_name_byte,
    text::{clipped, quoted},
};

/// The most bytes of a schema.
pub const SCHEMA_BYTES: usize = 256 * 1024;
/// The most bytes of a description.
const DESCRIPTION_BYTES: usize = 64 * 1024;
/// Steps that a pattern with look-around may take on one string before the string counts as not matching.
const BACKTRACK_LIMIT: usize = 100_000;

/// The most bytes of all patterns of a schema, compiled: a short one can stand for megabytes.
const PATTERNS_BYTES: usize = 16 * 1024 * 1024;
/// Of one of them, as the engine counts by itself.
const PATTERN_BYTES: usize = 10 * 1024 * 1024;

/// A tool as the coordinator goes by it.
#[derive(Debug)]
pub struct DeclaredTool {
    /// As the worker sent it.
    pub proto: v1::Tool,
    /// Its key, for ever.
    pub key: ToolKey,
    /// What the scheduler goes by.
    pub spec: ToolSpec,
    /// Its schema; `None`: any object.
    pub validator: Option<Arc<Validator>>,
    /// What its calls touch.
    pub effects: Vec<EffectTemplate>,
    /// Of one attempt; `None`: the default.
    pub timeout: Option<Duration>,
    /// For calls and executions that name none.
    pub retry: Option<RetryPolicy>,
}

/// Why a tool cannot be hosted as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// There is room for no more.
    #[error("{limit} tools are known already, and no more can be; tools are forgotten when the coordinator starts again", limit = super::DECLARED_TOOLS)]
    TooMany,
    /// Its name.
    #[error("the tool name {0} is not 1 to {NAME_BYTES} bytes of [A-Za-z0-9._:-]")]
    Name(String),
    /// Its description.
    #[error("the description has {0} bytes, at most {DESCRIPTION_BYTES} are allowed")]
    Description(usize),
    /// A schema is too large.
    #[error("{field} has {bytes} bytes, at most {SCHEMA_BYTES} are allowed")]
    SchemaTooLarge {
        /// Which schema.
        field: &'static str,
        /// How large.
        bytes: usize,
    },
    /// A schema is no JSON.
    #[error("{field} is no JSON: {what}")]
    SchemaNotJson {
        /// Which schema.
        field: &'static str,
        /// What the parser says.
        what: String,
    },
    /// A schema is no JSON Schema, or refers to something outside itself.
    #[error("input_schema_json is no JSON Schema that can be used: at {path}: {what}")]
    Schema {
        /// JSON Pointer into the schema.
        path: String,
        /// What is wrong there.
        what: String,
    },
    /// Too many effects.
    #[error("{0} effects, at most {MOST_EFFECTS} are allowed")]
    TooManyEffects(usize),
    /// An effect.
    #[error("effects[{at}]: {fault}")]
    Effect {
        /// Which.
        at: usize,
        /// What is wrong with it.
        fault: EffectFault,
    },
    /// A rate.
    #[error("rate_per_second is {0}: it must be a finite number, 0 (no limit) or more")]
    Rate(String),
    /// A timeout.
    #[error("timeout: {0}")]
    Timeout(String),
    /// A retry policy.
    #[error("retry.{field}: {what}")]
    Retry {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// Whether a tool may have this name.
pub(super) fn check_name(name: &str) -> Result<(), DeclarationError> {
    if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_name_byte) {
        return Err(DeclarationError::Name(quoted(name)));
    }
    Ok(())
}

impl DeclaredTool {
    /// Checks and compiles. `before`: what was declared under this name, whose compiled schema may still do.
    pub(super) fn compile(
        tool: v1::Tool,
        key: ToolKey,
        before: Option<&Self>,
    ) -> Result<Self, DeclarationError> {
        if tool.description.len() > DESCRIPTION_BYTES {
            return Err(DeclarationError::Description(tool.description.len()));
        }
        let validator = match before {
            Some(before) if before.proto.input_schema_json == tool.input_schema_json => {
                before.validator.clone()
            }
            _ => validator(&tool.input_schema_json)?,
        };
        parse_schema("output_schema_json", &tool.output_schema_json)?;
        let timeout = tool
            .timeout
            .as_ref()
            .map(convert::timeout)
            .transpose()
            .map_err(DeclarationError::Timeout)?;
        let retry = tool
            .retry
            .as_ref()
            .map(convert::retry_policy)
            .transpose()
            .map_err(|(field, what)| DeclarationError::Retry { field, what })?;
        Ok(Self {
            spec: spec(&tool)?,
            effects: effects(&tool)?,
            key,
            validator,
            timeout,
            retry,
            proto: tool,
        })
    }

    /// Whether a call of it may run more than once.
    #[must_use]
    pub fn safe_to_repeat(&self, has_idempotency_key: bool) -> bool {
        self.proto.read_only
            || self.proto.idempotent
            || (has_idempotency_key && self.proto.honours_idempotency_key)
    }
}

fn spec(tool: &v1::Tool) -> Result<ToolSpec, DeclarationError> {
    let rate = tool.rate_per_second;
    if !rate.is_finite() || rate < 0.0 {
        return Err(DeclarationError::Rate(rate.to_string()));
    }
    Ok(ToolSpec {
        max_concurrency: tool.max_concurrency,
        max_concurrency_per_worker: tool.max_concurrency_per_worker,
        rate_per_second: rate,
        rate_burst: tool.rate_burst.max(1),
    })
}

fn effects(tool: &v1::Tool) -> Result<Vec<EffectTemplate>, DeclarationError> {
    if tool.effects.len() > MOST_EFFECTS {
        return Err(DeclarationError::TooManyEffects(tool.effects.len()));
    }
    tool.effects
        .iter()
        .enumerate()
        .map(|(at, effect)| {
            EffectTemplate::compile(effect).map_err(|fault| DeclarationError::Effect { at, fault })
        })
        .collect()
}

fn parse_schema(field: &'static str, text: &[u8]) -> Result<Option<Value>, DeclarationError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > SCHEMA_BYTES {
        return Err(DeclarationError::SchemaTooLarge {
            field,
            bytes: text.len(),
        });
    }
    serde_json::from_slice(text)
        .map(Some)
        .map_err(|error| DeclarationError::SchemaNotJson {
            field,
            what: error.to_string(),
        })
}

fn validator(text: &[u8]) -> Result<Option<Arc<Validator>>, DeclarationError> {
    let Some(schema) = parse_schema("input_schema_json", text)? else {
        return Ok(None);
    };
    if allows_any_object(&schema) {
        return Ok(None);
    }
    let each = PATTERN_BYTES.min(PATTERNS_BYTES / pattern_parts(&schema).max(1));
    let patterns = PatternOptions::fancy_regex()
        .backtrack_limit(BACKTRACK_LIMIT)
        .size_limit(each);
    let built = jsonschema::options()
        .with_retriever(Nowhere)
        .with_pattern_options(patterns)
        .build(&schema);
    match built {
        Ok(validator) => Ok(Some(Arc::new(validator))),
        Err(error) => Err(DeclarationError::Schema {
            path: quoted(error.instance_path().as_str()),
            what: match error.kind() {
                ValidationErrorKind::Format { format } if format == "regex" => format!(
                    "no regular expression, or one that takes more than {each} bytes once compiled; the limit \
                     of all patterns of a schema is {PATTERNS_BYTES} bytes"
                ),
                _ => clipped(error.masked().to_string()),
            },
        }),
    }
}

/// How many parts the patterns of a schema have that are compiled, and limited, each by itself: what stands
/// around a look-around or another group of a special kind is at most two more.
fn pattern_parts(schema: &Value) -> usize {
    let parts = |pattern: &str| 1 + 2 * pattern.matches("(?").count();
    match schema {
        Value::Array(items) => items.iter().map(pattern_parts).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let here = match (key.as_str(), value) {
                    ("pattern", Value::String(pattern)) => parts(pattern),
                    ("patternProperties", Value::Object(patterns)) => {
                        patterns.keys().map(|pattern| parts(pattern)).sum()
                    }
                    _ => 0,
                };
                here + pattern_parts(value)
            })
            .sum(),
        _ => 0,
    }
}

/// Parameters are objects whatever the schema says: one that asks for nothing else is not worth a parse of each.
fn allows_any_object(schema: &Value) -> bool {
    const ANNOTATIONS: [&str; 4] = ["$comment", "title", "description", "examples"];
    schema.as_object().is_some_and(|schema| {
        schema.iter().all(|(key, value)| match (key.as_str(), value) {
            ("type", Value::String(kind)) => kind == "object",
            ("$schema", value) => value.is_string(),
            (key, _) => ANNOTATIONS.contains(&key),
        })
    })
}

/// Fetches nothing: a worker's schema must not make the coordinator read files or call hosts.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!(
            "{} lies outside the schema: put it under $defs instead",
            quoted(uri.as_str())
        )
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(tool: v1::Tool) -> Result<DeclaredTool, DeclarationError> {
        check_name(&tool.name)?;
        DeclaredTool::compile(tool, ToolKey(0), None)
    }

    fn with_schema(schema: &str) -> Result<DeclaredTool, DeclarationError> {
        let schema = schema.to_owned().into();
        compile(v1::Tool {
            name: "t".into(),
            input_schema_json: schema,
            ..v1::Tool::default()
        })
    }

    #[test]
    fn schemas_are_compiled_and_nothing_is_fetched() {
        assert!(with_schema("").expect("none").validator.is_none());
        assert!(
            with_schema(r##"{"$defs":{"x":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/x"}}}"##)
                .is_ok()
        );
        assert!(
            with_schema(r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#).is_ok()
        );
        for outside in [
            "http://127.0.0.1:1/schema.json",
            "https://example.com/schema",
            "file:///etc/passwd",
        ] {
            match with_schema(&format!(r#"{{"properties":{{"a":{{"$ref":"{outside}"}}}}}}"#)) {
                Err(DeclarationError::Schema { what, .. }) => {
                    assert!(what.contains("outside the schema"), "{what}");
                }
                other => panic!("{outside}: {other:?}"),
            }
        }
        assert!(
            with_schema(r#"{"$ref":"other.json"}"#).is_err(),
            "a relative reference has no base"
        );
    }

    #[test]
    fn a_schema_that_asks_for_nothing_but_an_object_validates_nothing() {
        for any in [
            r#"{"type":"object"}"#,
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"T","description":"d","type":"object"}"#,
            "{}",
        ] {
            assert!(with_schema(any).expect(any).validator.is_none(), "{any}");
        }
        for some in [
            r#"{"type":"object","required":["a"]}"#,
            r#"{"type":["object","null"]}"#,
            r#"{"maxProperties":1}"#,
            "false",
        ] {
            assert!(with_schema(some).expect(some).validator.is_some(), "{some}");
        }
    }

    #[test]
    fn a_schema_that_is_none_is_refused_with_its_place() {
        assert!(matches!(
            with_schema("{"),
            Err(DeclarationError::SchemaNotJson { .. })
        ));
        match with_schema(r#"{"properties":{"a":{"type":"strange"}}}"#) {
            Err(DeclarationError::Schema { path, .. }) => assert_eq!(path, "\"/properties/a/type\""),
            other => panic!("{other:?}"),
        }
        let large = format!("{{\"title\":\"{}\"}}", "x".repeat(SCHEMA_BYTES));
        assert!(matches!(
            with_schema(&large),
            Err(DeclarationError::SchemaTooLarge { .. })
        ));
        assert!(matches!(
            with_schema(&"[".repeat(10_000)),
            Err(DeclarationError::SchemaNotJson { .. })
        ));
    }

    #[test]
    fn patterns_that_would_fill_the_memory_are_refused() {
        let with_patterns = |count: usize, pattern: &str| {
            let patterns = (0..count).map(|at| format!(r#""p{at}":{{"pattern":"{pattern}"}}"#));
            with_schema(&format!(
                r#"{{"properties":{{{}}}}}"#,
                patterns.collect::<Vec<_>>().join(",")
            ))
        };
        // Some 7 MiB each, once compiled.
        for pattern in [r"(?=a)\\w{120}", r"(?=a)\\w{60}(?=b)\\w{60}"] {
            match with_patterns(40, pattern) {
                Err(DeclarationError::Schema { what, .. }) => assert!(what.contains("limit"), "{what}"),
                other => panic!("{pattern}: {:?}", other.map(|tool| tool.key)),
            }
        }
        assert!(with_patterns(1, r"^\\w{1,64}$").is_ok());
        assert!(with_patterns(200, r"^(?!x)[A-Za-z0-9_.-]{1,64}$").is_ok());
    }

    #[test]
    fn declarations_that_make_no_sense_are_refused() {
        let good = v1::Tool {
            name: "t".into(),
            ..v1::Tool::default()
        };
        for rate in [-1.0, f64::NAN, f64::INFINITY] {
            let tool = v1::Tool {
                rate_per_second: rate,
                ..good.clone()
            };
            assert!(matches!(compile(tool), Err(DeclarationError::Rate(_))));
        }
        let tool = v1::Tool {
            effects: vec![v1::Effect::default()],
            ..good.clone()
        };
        assert!(matches!(
            compile(tool),
            Err(DeclarationError::Effect {
                at: 0,
                fault: EffectFault::NoMode
            })
        ));
        let tool = v1::Tool {
            timeout: Some(prost_types::Duration::default()),
            ..good.clone()
        };
        assert!(matches!(compile(tool), Err(DeclarationError::Timeout(_))));
        for name in ["", "a b", "../etc", &"x".repeat(129)] {
            let tool = v1::Tool {
                name: name.into(),
                ..good.clone()
            };
            assert!(matches!(compile(tool), Err(DeclarationError::Name(_))), "{name}");
        }
    }
}
