//! What placeholders may name, and where: checked before the first call, against the tool's schema and secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{fill::is_secret, secrets::SECRETS};
use crate::{
    fault::Fault,
    template::{Place, Template},
    value::Source,
};

/// What the templates of one tool may name, and what was found wrong with them.
pub(super) struct Scope<'a> {
    input_schema: &'a Value,
    secrets: &'a BTreeMap<String, Source>,
    /// Names of secrets that templates use.
    used: BTreeSet<String>,
    pub(super) faults: Vec<Fault>,
}

/// Where a placeholder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// In the path of the URL: it has to be there.
    Path,
    /// In a header: no line ends.
    Header,
    /// Inside of some text.
    Text,
    /// A value of its own that may be a list.
    List,
    /// A JSON value of its own.
    Json,
}

impl<'a> Scope<'a> {
    pub(super) fn new(input_schema: &'a Value, secrets: &'a BTreeMap<String, Source>) -> Self {
        Self {
            input_schema,
            secrets,
            used: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, key: &str, what: impl Into<String>, expected: impl Into<String>) {
        self.faults.push(Fault::error(key, what, expected));
    }

    pub(super) fn warning(&mut self, key: &str, what: impl Into<String>, expected: impl Into<String>) {
        self.faults.push(Fault::warning(key, what, expected));
    }

    /// Parses a text, and checks its places as those of `spot`.
    pub(super) fn template(&mut self, key: &str, text: &str, spot: Spot) -> Option<Template> {
        let template = self.parse(key, text)?;
        let sole = template.sole_place().is_some();
        for place in template.places() {
            let spot = match spot {
                Spot::List | Spot::Json if !sole => Spot::Text,
                spot => spot,
            };
            self.place(key, place, spot);
        }
        Some(template)
    }

    /// Parses a text whose places are checked one by one.
    pub(super) fn parse(&mut self, key: &str, text: &str) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => Some(template),
            Err(error) => {
                self.error(key, error.to_string(), "");
                None
            }
        }
    }

    pub(super) fn place(&mut self, key: &str, place: &Place, spot: Spot) {
        if is_secret(place) {
            return self.secret(key, place);
        }
        let Some(schema) = place.schema(self.input_schema) else {
            let expected = format!(
                "a property of input_schema{}",
                names(self.input_schema.get("properties"))
            );
            return self.error(
                key,
                format!("`{{{place}}}` names no property of input_schema"),
                expected,
            );
        };
        let is = |kind: &str| match schema.get("type") {
            Some(Value::String(own)) => own == kind,
            Some(Value::Array(kinds)) => kinds.iter().any(|own| own == kind),
            _ => false,
        };
        let array = is("array") && !matches!(spot, Spot::List | Spot::Json);
        let object = is("object") && spot != Spot::Json;
        if array || object {
            let kind = if array { "an array" } else { "an object" };
            let expected = "text, a number or a boolean; lists stand as the whole value of a query or form \
                            parameter, both as a whole value of a json body";
            self.error(
                key,
                format!("`{{{place}}}` is {kind} and stands inside of text"),
                expected,
            );
        }
        if spot == Spot::Path && !self.is_required(place) {
            let expected = "a parameter that is named in `required`, or its place in the query";
            self.error(
                key,
                format!("`{{{place}}}` stands in the path and may be absent"),
                expected,
            );
        }
        if spot == Spot::Header && is("string") && !is_header_safe(schema) {
            let expected =
                "`format = \"header-safe\"`, a pattern or an enum in its schema, so that callers know";
            let what = format!("`{{{place}}}` stands in a header, where line ends are refused");
            self.warning(key, what, expected);
        }
    }

    fn secret(&mut self, key: &str, place: &Place) {
        if self.input_schema.pointer("/properties/secrets").is_some() {
            let what = format!("`{{{place}}}` may be the secret or the parameter");
            return self.error(key, what, "another name for the parameter `secrets`");
        }
        match place.path() {
            [_, name] if self.secrets.contains_key(name) => {
                self.used.insert(name.clone());
            }
            _ => self.error(
                key,
                format!("`{{{place}}}` names no secret"),
                format!("an entry such as `{SECRETS}.token = {{ env = \"TOKEN\" }}` beside it"),
            ),
        }
    }

    /// Whether templates can name it, and do.
    pub(super) fn check_secret_name(&mut self, key: &str, name: &str) {
        let template = Template::parse(&format!("{{{SECRETS}.{name}}}"));
        let place = template.as_ref().ok().and_then(Template::sole_place);
        if !place.is_some_and(|place| matches!(place.path(), [_, own] if own == name)) {
            let what = format!("`{name}` cannot stand in a template");
            self.error(key, what, "a name of letters, digits, `_` and `-`");
        } else if !self.used.contains(name) {
            let expected = format!("`{{{SECRETS}.{name}}}` in url, headers or body");
            self.warning(key, "no template names it", expected);
        }
    }

    fn is_required(&self, place: &Place) -> bool {
        let mut schema = self.input_schema;
        place.path().iter().all(|name| {
            let required = schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|own| own == name));
            if let Some(next) = schema
                .get("properties")
                .and_then(|properties| properties.get(name))
            {
                schema = next;
            }
            required
        })
    }
}

/// Whether the schema leaves room for no line end.
fn is_header_safe(schema: &Value) -> bool {
    schema.get("format").is_some_and(|format| format == "header-safe")
        || ["enum", "const", "pattern"]
            .iter()
            .any(|key| schema.get(key).is_some())
}

fn names(properties: Option<&Value>) -> String {
    let names: Vec<&str> = properties
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).take(8).collect())
        .unwrap_or_default();
    if names.is_empty() {
        String::new()
    } else {
        format!(", such as {}", names.join(", "))
    }
}
