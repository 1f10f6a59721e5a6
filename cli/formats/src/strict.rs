//! Whether a schema lies in the subset of JSON Schema that OpenAI takes with `strict: true`.
//!
//! A schema that breaks one of these rules is refused by the provider together with the whole request, so doubt means
//! no. The rules: OpenAI's guide "Structured model outputs", "Supported schemas"; in words in
//! docs/provider-formats.md.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Properties of all objects together.
const PROPERTIES: usize = 5_000;
/// Levels of objects and arrays inside one another.
const LEVELS: usize = 10;
/// Characters of names of properties and definitions, of enum and of const values together.
const CHARACTERS: usize = 120_000;
/// Values of all enums together.
const ENUM_VALUES: usize = 1_000;
/// Values of one enum of strings, beyond which their characters are bounded too.
const MANY_ENUM_VALUES: usize = 250;
/// Characters of such an enum.
const ENUM_CHARACTERS: usize = 15_000;

const FORMATS: [&str; 9] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
];

/// True when `schema`, that of a tool's parameters, may go out with `strict: true`.
#[must_use]
pub fn is_strict(schema: &Value) -> bool {
    let root_is_object = schema.get("type").is_some_and(|name| name == "object");
    let mut spent = Spent::default();
    root_is_object && spent.schema(schema, schema, 1) && spent.within_bounds()
}

/// What a schema has used of OpenAI's bounds.
#[derive(Default)]
struct Spent {
    properties: usize,
    characters: usize,
    enum_values: usize,
}

impl Spent {
    fn within_bounds(&self) -> bool {
        self.properties <= PROPERTIES && self.characters <= CHARACTERS && self.enum_values <= ENUM_VALUES
    }

    fn schema(&mut self, schema: &Value, root: &Value, level: usize) -> bool {
        let Some(schema) = schema.as_object() else {
            return false;
        };
        if level > LEVELS {
            return false;
        }
        if schema.contains_key("$ref") {
            // Nothing may stand beside a reference.
            return schema.len() == 1 && leads_somewhere(&schema["$ref"], root);
        }
        if let Some(alternatives) = schema.get("anyOf") {
            return only(schema, &["anyOf", "description", "title"])
                && alternatives.as_array().is_some_and(|alternatives| {
                    !alternatives.is_empty() && alternatives.iter().all(|each| self.schema(each, root, level))
                });
        }
        let Some(types) = types(schema) else {
            return false;
        };
        schema
            .iter()
            .all(|(keyword, value)| self.keyword(keyword, value, &types, root, level))
            && (!types.contains("object") || closed(schema))
            && (!types.contains("array") || schema.contains_key("items"))
    }

    fn keyword(
        &mut self,
        keyword: &str,
        value: &Value,
        types: &BTreeSet<&str>,
        root: &Value,
        level: usize,
    ) -> bool {
        let number = types.contains("number") || types.contains("integer");
        match keyword {
            "type" => true,
            "description" | "title" => value.is_string(),
            "enum" => self.values(value),
            "const" => {
                self.characters += characters(value);
                !value.is_object() && !value.is_array()
            }
            "properties" => types.contains("object") && self.named(value, root, level + 1, true),
            // Judged with the properties.
            "required" | "additionalProperties" => types.contains("object"),
            "$defs" | "definitions" => self.named(value, root, 1, false),
            "items" => types.contains("array") && self.schema(value, root, level + 1),
            "minItems" | "maxItems" => types.contains("array") && value.is_u64(),
            "pattern" => types.contains("string") && value.is_string(),
            "format" => {
                types.contains("string") && value.as_str().is_some_and(|format| FORMATS.contains(&format))
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                number && value.is_number()
            }
            _ => false,
        }
    }

    /// Schemas by name: properties or definitions.
    fn named(&mut self, schemas: &Value, root: &Value, level: usize, properties: bool) -> bool {
        let Some(schemas) = schemas.as_object() else {
            return false;
        };
        if properties {
            self.properties += schemas.len();
        }
        schemas.iter().all(|(name, schema)| {
            self.characters += name.chars().count();
            self.schema(schema, root, level)
        })
    }

    fn values(&mut self, values: &Value) -> bool {
        let Some(values) = values.as_array().filter(|values| !values.is_empty()) else {
            return false;
        };
        let characters: usize = values.iter().map(characters).sum();
        self.enum_values += values.len();
        self.characters += characters;
        values.iter().all(|value| !value.is_object() && !value.is_array())
            && (values.len() <= MANY_ENUM_VALUES || characters <= ENUM_CHARACTERS)
    }
}

fn only(schema: &Map<String, Value>, keywords: &[&str]) -> bool {
    schema.keys().all(|keyword| keywords.contains(&keyword.as_str()))
}

/// The types that it names; `None` without any, or with one that does not exist.
fn types(schema: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    const KNOWN: [&str; 7] = [
        "string", "number", "integer", "boolean", "object", "array", "null",
    ];
    let named = match schema.get("type")? {
        Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        name => BTreeSet::from([name.as_str()?]),
    };
    let fine = !named.is_empty() && named.iter().all(|name| KNOWN.contains(name));
    fine.then_some(named)
}

/// Nothing besides its properties, and all of them always there.
fn closed(schema: &Map<String, Value>) -> bool {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return false;
    };
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.and_then(|names| names.iter().map(Value::as_str).collect::<Option<_>>());
    let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    schema.get("additionalProperties") == Some(&Value::Bool(false)) && required == Some(names)
}

/// A reference to the whole, or to a definition at its top.
fn leads_somewhere(reference: &Value, root: &Value) -> bool {
    let Some(pointer) = reference.as_str().and_then(|text| text.strip_prefix('#')) else {
        return false;
    };
    let definition = pointer.starts_with("/$defs/") || pointer.starts_with("/definitions/");
    pointer.is_empty() || (definition && root.pointer(pointer).is_some())
}

fn characters(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}
