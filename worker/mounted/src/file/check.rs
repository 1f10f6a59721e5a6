//! What may be said of any tool, whatever runs it; and which names there may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use toolwave_tool::{Declaration, is_name};

use super::{Document, Judge, ToolTable, schema, words};
use crate::{fault::Fault, mcp::Server, pins::Pins, template::Template};

/// Names that begin so are toolwave's own.
const RESERVED_PREFIX: &str = "toolwave.";
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_RESULT: u64 = 1 << 30;
const MAX_ATTEMPTS: u32 = 10;
const MAX_BACKOFF: Duration = Duration::from_secs(60 * 60);
const LARGEST_MULTIPLIER: f64 = 100.0;
const MOST_EFFECTS: usize = 16;
const EFFECT_BYTES: usize = 256;
const MAX_LABEL_BYTES: usize = 256;
const NAME: &str = "1 to 128 of [A-Za-z0-9._:-]";

/// No name stands for two things, and none for what another would be taken for.
pub(super) fn names(document: &Document, reserved: &BTreeSet<String>, judge: &mut Judge<'_>) {
    for name in document.tools.keys() {
        let prefix = name.split_once('.').map(|(first, _)| first);
        let server = prefix.and_then(|first| document.servers.get_key_value(first));
        let told = if !is_name(name) {
            Some(("is no name of a tool".to_owned(), NAME.to_owned()))
        } else if name.starts_with(RESERVED_PREFIX) {
            let what = format!("begins with `{RESERVED_PREFIX}`, which is reserved");
            Some((what, "another name".to_owned()))
        } else if reserved.contains(name) {
            Some((
                "is the name of a built-in tool".to_owned(),
                "another name: no tool takes the place of another".to_owned(),
            ))
        } else {
            server.map(|(server, _)| {
                (
                    format!("begins with `{server}.`, as the tools of the server `{server}` do"),
                    "another name for one of them".to_owned(),
                )
            })
        };
        if let Some((what, expected)) = told {
            judge.faults(&format!("tools.{name}"), vec![Fault::error("", what, expected)]);
        }
    }
    if document
        .servers
        .contains_key(RESERVED_PREFIX.trim_end_matches('.'))
    {
        let fault = Fault::error("", "is reserved", "another name");
        judge.faults("servers.toolwave", vec![fault]);
    }
}

/// With `require_pins` nothing runs that was not approved: not another file, and no server of which nothing was.
pub(super) fn pins(
    pins: &Pins,
    digest: &str,
    path: &Path,
    servers: &BTreeMap<String, Server>,
    judge: &mut Judge<'_>,
) {
    let file = path.display();
    let mut unapproved = false;
    for name in servers.keys().filter(|name| pins.hashes(name).is_empty()) {
        unapproved = true;
        let expected = format!("`toolwave approve {file} {name}` after a look at them");
        let fault = Fault::error("", "has no approved tools, and `require_pins` is set", expected);
        judge.faults(&format!("servers.{name}"), vec![fault]);
    }
    if !unapproved && pins.file.as_deref() != Some(digest) {
        let what = match pins.file {
            Some(_) => "the file, or one that it includes, has changed since it was approved",
            None => "the file was not approved, and `require_pins` is set",
        };
        let expected = format!("`toolwave approve {file}` after a look at what changed");
        judge.faults("", vec![Fault::error("", what, expected)]);
    }
}

/// What people and models read of it.
pub(super) fn description(declaration: &Declaration) -> Vec<Fault> {
    let fault = words::check_description(&declaration.description)
        .map_err(|(what, expected)| Fault::error("description", what, expected));
    fault.err().into_iter().collect()
}

/// What else one tool says of itself, whatever its schemas are.
pub(super) fn declaration(declaration: &Declaration) -> Vec<Fault> {
    let mut faults = Vec::new();
    if declaration.effects.len() > MOST_EFFECTS {
        let what = format!("declares {} effects", declaration.effects.len());
        faults.push(Fault::error("", what, "at most 16 in `reads` and `writes`"));
    }
    faults.extend(limits(declaration));
    faults.extend(retry(declaration));
    for (label, value) in &declaration.labels {
        if label.is_empty() || label.len() > MAX_LABEL_BYTES || value.len() > MAX_LABEL_BYTES {
            let expected = "a name and a value of at most 256 bytes each";
            faults.push(Fault::error(
                format!("labels.{label}"),
                "is too long, or has no name",
                expected,
            ));
        }
    }
    faults
}

/// Its schemas, and what needs them.
pub(super) fn schemas(declaration: &Declaration, table: &ToolTable) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(schema::check_input("input_schema", &declaration.input_schema));
    if let Some(output) = &declaration.output_schema {
        faults.extend(schema::check("output_schema", output));
    }
    if schema::is_open(&declaration.input_schema) {
        let what = "lets parameters pass that it does not name";
        faults.push(Fault::warning(
            "input_schema",
            what,
            "`additionalProperties = false`",
        ));
    }
    for (list, keys) in [("reads", &table.reads), ("writes", &table.writes)] {
        for (at, key) in keys.iter().enumerate() {
            if let Err((what, expected)) = effect(key, declaration) {
                faults.push(Fault::error(format!("{list}[{at}]"), what, expected));
            }
        }
    }
    faults
}

fn effect(key: &str, declaration: &Declaration) -> Result<(), (String, String)> {
    let expected = || "a key such as \"file:{path}\"".to_owned();
    if !(1..=EFFECT_BYTES).contains(&key.len()) {
        return Err((
            format!("has {} bytes", key.len()),
            "1 to 256, such as \"file:{path}\"".to_owned(),
        ));
    }
    let template = Template::parse(key).map_err(|error| {
        let text = error.to_string();
        let (what, _) = text.split_once("; expected ").unwrap_or((&text, ""));
        (what.to_owned(), expected())
    })?;
    match template
        .places()
        .find(|place| place.schema(&declaration.input_schema).is_none())
    {
        Some(place) => Err((
            format!("`{{{place}}}` is no property of the input schema"),
            "the name of a parameter".to_owned(),
        )),
        None => Ok(()),
    }
}

fn limits(declaration: &Declaration) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(timeout) = declaration.timeout
        && (timeout.is_zero() || timeout > MAX_TIMEOUT)
    {
        let what = format!("is {}", humantime::format_duration(timeout));
        faults.push(Fault::error("timeout", what, "more than 0 and at most 24h"));
    }
    for (key, limit) in [
        ("max_concurrency", declaration.max_concurrency),
        (
            "max_concurrency_per_worker",
            declaration.max_concurrency_per_worker,
        ),
    ] {
        if limit == Some(0) {
            faults.push(Fault::error(
                key,
                "is 0",
                "at least 1, or no such key for no limit",
            ));
        }
    }
    if let Some(bytes) = declaration.max_result_bytes
        && !(1..=MAX_RESULT).contains(&bytes)
    {
        faults.push(Fault::error(
            "max_result",
            format!("is {bytes} bytes"),
            "1 byte to 1 GiB",
        ));
    }
    if let Some(rate) = declaration.rate {
        if !(rate.per_second.is_finite() && rate.per_second > 0.0) {
            let what = format!("is {}", rate.per_second);
            faults.push(Fault::error("rate.per_second", what, "more than 0"));
        }
        if rate.burst == 0 {
            faults.push(Fault::error("rate.burst", "is 0", "at least 1"));
        }
    }
    faults
}

fn retry(declaration: &Declaration) -> Vec<Fault> {
    let Some(retry) = declaration.retry else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if let Some(attempts) = retry.max_attempts
        && !(1..=MAX_ATTEMPTS).contains(&attempts)
    {
        let expected = format!("1 to {MAX_ATTEMPTS}, the first attempt among them");
        faults.push(Fault::error(
            "retry.max_attempts",
            format!("is {attempts}"),
            expected,
        ));
    }
    for (key, wait) in [
        ("retry.initial_backoff", retry.initial_backoff),
        ("retry.max_backoff", retry.max_backoff),
    ] {
        if let Some(wait) = wait
            && wait > MAX_BACKOFF
        {
            let what = format!("is {}", humantime::format_duration(wait));
            faults.push(Fault::error(key, what, "at most 1h"));
        }
    }
    if let (Some(initial), Some(max)) = (retry.initial_backoff, retry.max_backoff)
        && initial > max
    {
        let what = "is longer than `max_backoff`";
        faults.push(Fault::error("retry.initial_backoff", what, "at most as long"));
    }
    if let Some(multiplier) = retry.multiplier
        && !(1.0..=LARGEST_MULTIPLIER).contains(&multiplier)
    {
        faults.push(Fault::error(
            "retry.multiplier",
            format!("is {multiplier}"),
            "1 to 100",
        ));
    }
    faults
}
