//! The definitions of a catalogue's tools, as each provider wants to be told of them.

use serde_json::{Map, Value, json};

use crate::{Names, provider::Provider, strict::is_strict};

/// A tool, as far as a model is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// The catalogue's name.
    pub name: &'a str,
    /// For models.
    pub description: &'a str,
    /// JSON Schema of the parameters, JSON text; empty: any object.
    pub input_schema: &'a str,
}

/// What goes into the request as `tools`: a list with one definition for each tool, of Gemini with one for all.
#[must_use]
pub fn definitions(provider: Provider, tools: &[Tool<'_>], names: &Names) -> Value {
    let each = tools.iter().map(|tool| {
        // A catalogue and its names are made of the same list.
        let name = names.name(tool.name).unwrap_or(tool.name);
        definition(provider, tool, name)
    });
    match provider {
        Provider::Gemini if tools.is_empty() => json!([]),
        Provider::Gemini => json!([{"functionDeclarations": each.collect::<Vec<_>>()}]),
        Provider::OpenAiChat | Provider::OpenAiResponses | Provider::Anthropic => each.collect(),
    }
}

fn definition(provider: Provider, tool: &Tool<'_>, name: &str) -> Value {
    let schema = object_schema(tool.input_schema);
    let mut function = Map::new();
    function.insert("name".to_owned(), name.into());
    if !tool.description.is_empty() {
        function.insert("description".to_owned(), tool.description.into());
    }
    match provider {
        Provider::OpenAiChat | Provider::OpenAiResponses => {
            let strict = is_strict(&schema);
            function.insert("parameters".to_owned(), schema);
            // Always said: where it is not, OpenAI responses take every schema for a strict one.
            function.insert("strict".to_owned(), strict.into());
        }
        Provider::Anthropic => {
            function.insert("input_schema".to_owned(), schema);
        }
        Provider::Gemini => {
            function.insert("parametersJsonSchema".to_owned(), schema);
        }
    }
    match provider {
        Provider::OpenAiChat => json!({"type": "function", "function": function}),
        Provider::OpenAiResponses => {
            let mut flat = Map::new();
            flat.insert("type".to_owned(), "function".into());
            flat.extend(function);
            Value::Object(flat)
        }
        Provider::Anthropic | Provider::Gemini => Value::Object(function),
    }
}

/// The schema as providers take it: that of an object, with `properties`, and without `$schema`, of which some make
/// an error. A schema of anything else stays what it is: the provider will say what it thinks of it.
fn object_schema(text: &str) -> Value {
    let mut schema = match serde_json::from_str(text) {
        Ok(Value::Object(schema)) => schema,
        _ => Map::new(),
    };
    schema.shift_remove("$schema");
    let object = match schema.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|name| name == "object"),
        Some(name) => name == "object",
    };
    if !object {
        return Value::Object(schema);
    }
    let mut whole = Map::new();
    whole.insert("type".to_owned(), "object".into());
    for (keyword, value) in schema {
        if keyword != "type" {
            whole.insert(keyword, value);
        }
    }
    whole
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    Value::Object(whole)
}
