//! The file as serde sees it: its tables and their keys, before anything but types is checked.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use toolwave_tool::{Effect, Rate, RetryPolicy, Safety};

use crate::{command::Command, http::Http, mcp::Server};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Document {
    /// Warnings are errors.
    pub(super) strict: bool,
    /// What was not approved does not run.
    pub(super) require_pins: bool,
    /// Where approved definitions stand, beside the file.
    pub(super) pins: Option<PathBuf>,
    pub(super) tools: BTreeMap<String, ToolTable>,
    pub(super) servers: BTreeMap<String, Server>,
}

/// The table `tools.NAME`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolTable {
    /// Required; without it the rest is checked all the same.
    pub(super) description: Option<String>,
    pub(super) input_schema: Option<Schema>,
    pub(super) output_schema: Option<Schema>,
    timeout: Option<Span>,
    max_concurrency: Option<u32>,
    max_concurrency_per_worker: Option<u32>,
    rate: Option<RateTable>,
    #[serde(default)]
    pub(super) reads: Vec<String>,
    #[serde(default)]
    pub(super) writes: Vec<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    idempotent: bool,
    #[serde(default)]
    honours_idempotency_key: bool,
    max_result: Option<Size>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    retry: Option<RetryTable>,
    pub(super) command: Option<Command>,
    pub(super) http: Option<Http>,
}

/// A schema: a table, or the path of a file that holds it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Schema {
    Here(Value),
    File(PathBuf),
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Span(#[serde(with = "toolwave_config::duration")] Duration);

#[derive(Clone, Copy, Debug, Deserialize)]
struct Size(#[serde(with = "toolwave_config::size")] u64);

/// The table `rate`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateTable {
    per_second: f64,
    #[serde(default = "one")]
    burst: u32,
}

/// The table `retry`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetryTable {
    max_attempts: Option<u32>,
    initial_backoff: Option<Span>,
    max_backoff: Option<Span>,
    multiplier: Option<f64>,
}

fn one() -> u32 {
    1
}

// === impl ToolTable ===

impl ToolTable {
    /// All that it says of the tool, but for its schemas, which may stand elsewhere.
    pub(super) fn declaration(&self, name: &str) -> toolwave_tool::Declaration {
        let mut declaration =
            toolwave_tool::Declaration::new(name, self.description.as_deref().unwrap_or_default());
        let reads = self.reads.iter().cloned().map(Effect::Reads);
        declaration.effects = reads
            .chain(self.writes.iter().cloned().map(Effect::Writes))
            .collect();
        // The strongest promise holds the others in it.
        declaration.safety = match (self.read_only, self.idempotent, self.honours_idempotency_key) {
            (true, _, _) => Safety::ReadOnly,
            (_, true, _) => Safety::Idempotent,
            (_, _, true) => Safety::HonoursIdempotencyKey,
            _ => Safety::NotRepeatable,
        };
        declaration.timeout = self.timeout.map(|Span(timeout)| timeout);
        declaration.max_concurrency = self.max_concurrency;
        declaration.max_concurrency_per_worker = self.max_concurrency_per_worker;
        declaration.rate = self.rate.map(|rate| Rate {
            per_second: rate.per_second,
            burst: rate.burst,
        });
        declaration.max_result_bytes = self.max_result.map(|Size(bytes)| bytes);
        declaration.retry = self.retry.map(|retry| RetryPolicy {
            max_attempts: retry.max_attempts,
            initial_backoff: retry.initial_backoff.map(|Span(wait)| wait),
            max_backoff: retry.max_backoff.map(|Span(wait)| wait),
            multiplier: retry.multiplier,
        });
        declaration.labels.clone_from(&self.labels);
        declaration
    }
}

// === impl Schema ===

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;

        impl<'de> Visitor<'de> for Spelling {
            type Value = Schema;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Schema as a table, or the path of a JSON file that holds it")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<Schema, E> {
                Ok(Schema::File(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schema, A::Error> {
                Value::deserialize(MapAccessDeserializer::new(map)).map(Schema::Here)
            }
        }

        deserializer.deserialize_any(Spelling)
    }
}
