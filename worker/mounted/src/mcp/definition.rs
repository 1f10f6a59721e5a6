//! One tool as a server defines it: what is hashed of it, what is wrong with it, and how it is declared here.

use std::sync::Arc;

use serde_json::{Value, json};
use toolwave_tool::{Declaration, Safety};

use super::{canonical, server::Server, text};

/// Longer descriptions are for a model's whole attention.
const MAX_DESCRIPTION: usize = 16 << 10;
/// Where the schema of structured content is known under its own name, so that references in it hold.
const OUTPUT_ID: &str = "urn:toolwave:structured-content";

/// A tool that a server lists.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// As the server names it.
    pub(super) name: String,
    pub(super) description: String,
    pub(super) input_schema: Value,
    pub(super) output_schema: Option<Value>,
    pub(super) annotations: Value,
    /// Over all of the above and the server's name.
    pub(super) hash: String,
    /// What is hashed.
    pub(super) text: String,
    /// Why it is not used whoever approves it.
    pub(super) unsafe_because: Option<String>,
    /// It can only be called as a task of the protocol of 2025-11-25, which rmcp does not speak.
    pub(super) needs_old_task: bool,
}

/// Checks structured content against its schema.
#[derive(Clone)]
pub(super) struct OutputCheck(Arc<jsonschema::Validator>);

impl Listed {
    /// `None`: it has no name.
    pub(super) fn read(server: &str, tool: &Value) -> Option<Self> {
        let name = tool.get("name")?.as_str()?.to_owned();
        let part = |key: &str| tool.get(key).cloned().unwrap_or(Value::Null);
        let (description, input_schema) = (part("description"), part("inputSchema"));
        let (output_schema, annotations) = (part("outputSchema"), part("annotations"));
        let text = canonical::text(&json!({
            "server": server,
            "name": name,
            "description": description,
            "inputSchema": input_schema,
            "outputSchema": output_schema,
            "annotations": annotations,
        }));
        let hash = canonical::hash(&text);
        let unsafe_because = [
            ("name", tool.get("name")),
            ("description", Some(&description)),
            ("inputSchema", Some(&input_schema)),
            ("outputSchema", Some(&output_schema)),
            ("annotations", Some(&annotations)),
        ]
        .into_iter()
        .find_map(|(key, value)| {
            let char = hidden(value?)?;
            Some(format!(
                "its {key} holds the invisible character U+{:04X}",
                u32::from(char)
            ))
        });
        Some(Self {
            name,
            description: description.as_str().unwrap_or_default().to_owned(),
            input_schema,
            output_schema: (!output_schema.is_null()).then_some(output_schema),
            annotations,
            hash,
            text,
            unsafe_because,
            needs_old_task: tool
                .pointer("/execution/taskSupport")
                .is_some_and(|support| support == "required"),
        })
    }

    /// How it is declared here under `name`.
    ///
    /// # Errors
    /// It cannot be: says why.
    pub(super) fn declare(&self, name: String, server: &Server) -> Result<Declaration, String> {
        let mut declaration = Declaration::new(name, self.description.clone());
        declaration.input_schema = self.input_schema.clone();
        declaration.output_schema = Some(result_schema(self.output_schema.as_ref()));
        if server.trust_annotations {
            let hint = |name: &str| self.annotations.get(name) == Some(&Value::Bool(true));
            declaration.safety = match (hint("readOnlyHint"), hint("idempotentHint")) {
                (true, _) => Safety::ReadOnly,
                (_, true) => Safety::Idempotent,
                _ => Safety::NotRepeatable,
            };
        }
        server.apply(&self.name, &mut declaration);
        if declaration.description.len() > MAX_DESCRIPTION {
            return Err(format!("its description has more than {MAX_DESCRIPTION} bytes"));
        }
        declaration.check()?;
        Ok(declaration)
    }

    /// What checks its structured content.
    ///
    /// # Errors
    /// The schema is none.
    pub(super) fn output_check(&self) -> Result<Option<OutputCheck>, String> {
        let Some(schema) = &self.output_schema else {
            return Ok(None);
        };
        jsonschema::validator_for(schema)
            .map(|validator| Some(OutputCheck(Arc::new(validator))))
            .map_err(|error| format!("the output schema is no JSON Schema: {error}"))
    }
}

impl OutputCheck {
    /// # Errors
    /// Where the content differs from the schema, without what it holds there.
    pub(super) fn check(&self, content: Option<&Value>) -> Result<(), String> {
        let Some(content) = content else {
            return Err("there is no structured content, though the tool declares its schema".to_owned());
        };
        match self.0.iter_errors(content).next() {
            None => Ok(()),
            Some(error) => {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() {
                    "its root".to_owned()
                } else {
                    place
                };
                let rule = error.schema_path().to_string();
                Err(format!(
                    "the structured content breaks the tool's schema at {place} (rule {rule})"
                ))
            }
        }
    }
}

impl std::fmt::Debug for OutputCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OutputCheck(..)")
    }
}

/// The schema of what a call returns here: the server's answer, of which its own schema describes a part.
fn result_schema(structured: Option<&Value>) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": {"content": {"type": "array", "items": {"type": "object"}}},
        "required": ["content"],
    });
    if let Some(structured) = structured {
        let mut structured = structured.clone();
        if let Some(object) = structured.as_object_mut() {
            object.entry("$id").or_insert_with(|| OUTPUT_ID.into());
        }
        schema["properties"]["structuredContent"] = structured;
        schema["required"] = json!(["content", "structuredContent"]);
    }
    schema
}

fn hidden(value: &Value) -> Option<char> {
    match value {
        Value::String(string) => text::hidden(string),
        Value::Array(values) => values.iter().find_map(hidden),
        Value::Object(members) => members
            .iter()
            .find_map(|(name, value)| text::hidden(name).or_else(|| hidden(value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_definition_changes_its_hash_and_no_order_of_members_does() {
        let tool = json!({"name": "n", "description": "d", "inputSchema": {"type": "object", "title": "t"}});
        let hash = |server: &str, tool: &Value| Listed::read(server, tool).expect("a tool").hash;
        let first = hash("s", &tool);
        let reordered =
            json!({"inputSchema": {"title": "t", "type": "object"}, "description": "d", "name": "n"});
        assert_eq!(hash("s", &reordered), first);
        assert_ne!(hash("other", &tool), first);
        for (key, value) in [
            ("name", json!("m")),
            ("description", json!("e")),
            ("inputSchema", json!({"type": "object"})),
            ("outputSchema", json!({})),
            ("annotations", json!({"readOnlyHint": true})),
        ] {
            let mut other = tool.clone();
            other[key] = value;
            assert_ne!(hash("s", &other), first, "{key}");
        }
    }

    #[test]
    fn references_inside_an_output_schema_hold_where_it_stands_inside_another() {
        let structured = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/number"}}, "$defs": {"number": {"type": "number"}}});
        let schema = result_schema(Some(&structured));
        let valid = |result: Value| jsonschema::is_valid(&schema, &result);
        assert!(valid(json!({"content": [], "structuredContent": {"a": 1}})));
        assert!(!valid(json!({"content": [], "structuredContent": {"a": "text"}})));
        assert!(!valid(json!({"content": []})));
    }
}
