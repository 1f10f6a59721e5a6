//! One tool call of a model's reply, in any provider's words. What cannot be read of it is its own error.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    CallError, Names,
    json::{self, Members},
    literal::literal_parameters,
    provider::Provider,
};

/// One call, as the model wrote it.
#[derive(Clone, Debug)]
pub struct ReplyCall {
    /// Where it stands among the reply's calls.
    index: usize,
    id: Option<String>,
    name: String,
    parameters: Result<String, CallError>,
    item: Box<RawValue>,
}

impl ReplyCall {
    /// Reads an item that the reply shows to be a call.
    pub(crate) fn read(provider: Provider, index: usize, item: &RawValue) -> Self {
        let members = json::members(item).unwrap_or_default();
        let inner = |key: &str| members.get(key).and_then(|raw| json::members(raw));
        let (id, function, arguments) = match provider {
            Provider::OpenAiChat => ("id", inner("function").unwrap_or_default(), "arguments"),
            Provider::OpenAiResponses => ("call_id", members.clone(), "arguments"),
            Provider::Anthropic => ("id", members.clone(), "input"),
            Provider::Gemini => ("id", members.clone(), "args"),
        };
        let name = json::string_of(&function, "name").unwrap_or_default();
        let parameters = match name.as_str() {
            "" => Err(CallError::bad_tool_name("")),
            _ => parameters(&function, arguments),
        };
        Self {
            index,
            id: json::string_of(&members, id).filter(|id| !id.is_empty()),
            name,
            parameters,
            item: item.to_owned(),
        }
    }

    /// The provider's id of it, where it has one.
    #[must_use]
    pub fn provider_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The provider's id, else its index among the reply's calls, in decimal.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.index.to_string())
    }

    /// The tool, by the name that the model used; [`crate::Names::tool`] says which that is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters, a JSON object, as the model wrote them; [`ReplyCall::to_run`] makes them safe to send.
    ///
    /// # Errors
    /// When the call cannot be run: it names no tool, or its arguments are no JSON object.
    pub fn parameters(&self) -> Result<&str, CallError> {
        self.parameters.as_deref().map_err(Clone::clone)
    }

    /// What goes to a coordinator: the tool by the catalogue's name, and the parameters with every `${` made literal.
    ///
    /// # Errors
    /// When the call cannot be run; the error is its ending, and the other calls are not concerned.
    pub fn to_run<'a>(&'a self, names: &'a Names) -> Result<(&'a str, Cow<'a, str>), CallError> {
        let parameters = self.parameters()?;
        Ok((names.tool(&self.name)?, literal_parameters(parameters)))
    }

    /// The whole call as it stands in the reply, with whatever else the provider says there.
    #[must_use]
    pub fn item(&self) -> &RawValue {
        &self.item
    }

    /// A member of it, to be sent back with the result.
    pub(crate) fn echoed(&self, key: &str) -> Option<Box<RawValue>> {
        json::present(&json::members(&self.item)?, key).map(ToOwned::to_owned)
    }
}

/// An object, or a string that holds one. Models leave it out, or empty, for a tool without parameters.
fn parameters(function: &Members<'_>, key: &str) -> Result<String, CallError> {
    let Some(raw) = json::present(function, key) else {
        return Ok("{}".to_owned());
    };
    if !raw.get().starts_with('"') {
        return object(raw.get().to_owned());
    }
    match json::string(raw) {
        Some(text) if text.trim().is_empty() => Ok("{}".to_owned()),
        Some(text) if json::is_json(&text) => object(text),
        _ => Err(CallError::not_json()),
    }
}

fn object(text: String) -> Result<String, CallError> {
    match text.trim_start().starts_with('{') {
        true => Ok(text),
        false => Err(CallError::not_an_object(&text)),
    }
}
