//! Whose reply a JSON value is, by the names of its members. Used to tell OpenAI's two formats apart, and for hints.

use serde_json::value::RawValue;

use crate::{
    json::{self, Members},
    provider::Provider,
};

/// The provider whose shapes it has; `None` where no shape is known, or where there is nothing to go by.
pub(crate) fn detect(root: &RawValue) -> Option<Provider> {
    if let Some(elements) = json::elements(root) {
        return elements
            .iter()
            .find_map(|element| json::members(element).and_then(|members| element_of(&members)));
    }
    let members = json::members(root)?;
    let has = |key: &str| members.contains_key(key);
    let content = || json::present(&members, "content");
    if has("choices") || has("tool_calls") || has("message") {
        Some(Provider::OpenAiChat)
    } else if has("output") {
        Some(Provider::OpenAiResponses)
    } else if has("candidates") || has("parts") || content().is_some_and(|raw| json::members(raw).is_some()) {
        Some(Provider::Gemini)
    } else if content().is_some_and(|raw| json::elements(raw).is_some()) {
        Some(Provider::Anthropic)
    } else if json::string_of(&members, "role").as_deref() == Some("assistant") {
        Some(Provider::OpenAiChat)
    } else {
        None
    }
}

/// Of an element of a list.
fn element_of(members: &Members<'_>) -> Option<Provider> {
    let has = |key: &str| members.contains_key(key);
    let kind = json::string_of(members, "type");
    if has("function") || kind.as_deref() == Some("custom") {
        return Some(Provider::OpenAiChat);
    }
    match kind.as_deref() {
        Some("tool_use" | "text" | "thinking" | "redacted_thinking" | "server_tool_use") => {
            Some(Provider::Anthropic)
        }
        Some("message" | "reasoning") => Some(Provider::OpenAiResponses),
        Some(kind) if kind.ends_with("_call") => Some(Provider::OpenAiResponses),
        Some(_) => None,
        None => ["functionCall", "function_call", "text", "candidates", "args"]
            .into_iter()
            .any(has)
            .then_some(Provider::Gemini),
    }
}
