//! Where the calls are in a reply of each provider: in the whole of it, in the message, or in the bare list. Finds them
//! and leaves all else alone; what is in a call is not looked at.

use serde_json::value::RawValue;

use crate::{
    ReplyError,
    detect::detect,
    json::{self, Members},
    provider::Provider,
};

/// What a reply holds.
#[derive(Default)]
pub(crate) struct Found<'a> {
    pub(crate) calls: Vec<&'a RawValue>,
    pub(crate) left_alone: Vec<String>,
}

/// What an application answers itself, in OpenAI responses: nothing here knows how.
const RESPONSES_OF_OTHERS: [&str; 6] = [
    "apply_patch_call",
    "computer_call",
    "custom_tool_call",
    "local_shell_call",
    "mcp_approval_request",
    "shell_call",
];

/// `None`: this is no reply of the provider.
type Search<'a> = Result<Option<Found<'a>>, ReplyError>;

/// Finds the calls.
///
/// # Errors
/// When it is a reply of the provider, whose calls are not to be run as they stand.
pub(crate) fn calls(provider: Provider, root: &RawValue) -> Search<'_> {
    match provider {
        Provider::OpenAiChat => chat(root),
        Provider::OpenAiResponses => responses(root),
        Provider::Anthropic => anthropic(root),
        Provider::Gemini => gemini(root),
    }
}

/// The one of a list of answers; an error for several.
fn only<'a>(answers: Vec<&'a RawValue>, what: &'static str) -> Result<Option<Members<'a>>, ReplyError> {
    match answers.as_slice() {
        [] => Ok(Some(Members::new())),
        [one] => Ok(json::members(one)),
        several => Err(ReplyError::Alternatives {
            count: several.len(),
            what,
        }),
    }
}

fn chat(root: &RawValue) -> Search<'_> {
    if let Some(items) = json::elements(root) {
        return Ok(chat_calls(items));
    }
    let Some(mut members) = json::members(root) else {
        return Ok(None);
    };
    if let Some(choices) = json::present(&members, "choices").and_then(json::elements) {
        match only(choices, "choices")? {
            Some(choice) if choice.is_empty() => return Ok(Some(Found::default())),
            Some(choice) => members = choice,
            None => return Ok(None),
        }
    }
    if let Some(message) = members.get("message").and_then(|raw| json::members(raw)) {
        members = message;
    }
    match json::present(&members, "tool_calls") {
        Some(calls) => Ok(json::elements(calls).and_then(chat_calls)),
        None if json::present(&members, "function_call").is_some() => Err(ReplyError::FunctionCall),
        None => {
            let text_alone = json::string_of(&members, "role").as_deref() == Some("assistant")
                && json::present(&members, "content")
                    .is_none_or(|content| detect(content) != Some(Provider::Anthropic) || no_calls(content));
            Ok(text_alone.then(Found::default))
        }
    }
}

/// True for a list of parts without a call of Anthropic's: OpenAI's content may be such a list too.
fn no_calls(content: &RawValue) -> bool {
    let parts = json::elements(content).unwrap_or_default();
    parts
        .into_iter()
        .all(|part| kind_of(part).as_deref() != Some("tool_use"))
}

fn chat_calls(items: Vec<&RawValue>) -> Option<Found<'_>> {
    let mut found = Found::default();
    for item in items {
        let members = json::members(item)?;
        match json::string_of(&members, "type").as_deref() {
            None | Some("function") if members.contains_key("function") => found.calls.push(item),
            // What names a function and is none of them is broken, and says so in its own answer.
            Some("function") => found.calls.push(item),
            Some(other) if members.contains_key(other) => found.left_alone.push(other.to_owned()),
            _ => return None,
        }
    }
    Some(found)
}

fn kind_of(item: &RawValue) -> Option<String> {
    json::string_of(&json::members(item)?, "type")
}

fn responses(root: &RawValue) -> Search<'_> {
    let items = match json::elements(root) {
        Some(items) => items,
        None => {
            let members = json::members(root).unwrap_or_default();
            match json::present(&members, "output").and_then(json::elements) {
                // A response that failed has an empty output.
                Some(items) if items.is_empty() && json::present(&members, "error").is_some() => {
                    return Ok(None);
                }
                Some(items) => items,
                None => return Ok(None),
            }
        }
    };
    let mut found = Found::default();
    for item in items {
        let Some(kind) = kind_of(item) else {
            return Ok(None);
        };
        match kind.as_str() {
            "function_call" => found.calls.push(item),
            // The shape of a chat completion.
            "function" | "tool_use" => return Ok(None),
            other if RESPONSES_OF_OTHERS.contains(&other) => found.left_alone.push(kind),
            _ => {}
        }
    }
    Ok(Some(found))
}

fn anthropic(root: &RawValue) -> Search<'_> {
    let blocks = match json::elements(root) {
        Some(blocks) => blocks,
        None => {
            let members = json::members(root).unwrap_or_default();
            if json::present(&members, "tool_calls").is_some() {
                return Ok(None);
            }
            match json::present(&members, "content") {
                Some(text) if json::string(text).is_some() => Vec::new(),
                content => match content.and_then(json::elements) {
                    Some(blocks) => blocks,
                    None => return Ok(None),
                },
            }
        }
    };
    let mut found = Found::default();
    for block in blocks {
        match kind_of(block).as_deref() {
            Some("tool_use") => found.calls.push(block),
            // The shapes of OpenAI's.
            None | Some("function" | "function_call") => return Ok(None),
            Some(_) => {}
        }
    }
    Ok(Some(found))
}

fn gemini(root: &RawValue) -> Search<'_> {
    let mut found = Found::default();
    if let Some(elements) = json::elements(root) {
        for element in elements {
            let Some(members) = json::members(element) else {
                return Ok(None);
            };
            let streamed = members.contains_key("candidates");
            let call = members.contains_key("name") && !members.contains_key("type");
            match streamed {
                // The chunks of a streamed response, one after another.
                true => match gemini(element)? {
                    Some(chunk) => found.calls.extend(chunk.calls),
                    None => return Ok(None),
                },
                false if call => found.calls.push(element),
                false if members.contains_key("type") => return Ok(None),
                false => found.calls.extend(function_call(&members)),
            }
        }
        return Ok(Some(found));
    }
    let Some(mut members) = json::members(root) else {
        return Ok(None);
    };
    match json::present(&members, "candidates").and_then(json::elements) {
        Some(candidates) => match only(candidates, "candidates")? {
            Some(candidate) if candidate.is_empty() => return Ok(Some(found)),
            Some(candidate) => members = candidate,
            None => return Ok(None),
        },
        // A question that was blocked has no candidates.
        None if members.contains_key("promptFeedback") || members.contains_key("prompt_feedback") => {
            return Ok(Some(found));
        }
        None => {}
    }
    if let Some(content) = members.get("content").and_then(|raw| json::members(raw)) {
        members = content;
    }
    let Some(parts) = json::present(&members, "parts").and_then(json::elements) else {
        // A candidate that was stopped, for its safety or its length, may have no parts.
        let stopped = ["finishReason", "finish_reason"]
            .iter()
            .any(|key| members.contains_key(*key))
            || json::string_of(&members, "role").as_deref() == Some("model");
        return Ok(stopped.then_some(found));
    };
    for part in parts {
        match json::members(part) {
            Some(part) => found.calls.extend(function_call(&part)),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn function_call<'a>(part: &Members<'a>) -> Option<&'a RawValue> {
    json::present(part, "functionCall").or_else(|| json::present(part, "function_call"))
}
