//! A model's reply, or the part of it that holds the calls: finds the calls and leaves all else alone.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    Ending, Messages, ReplyCall, WrongCount,
    detect::detect,
    json::{self, Members},
    messages,
    provider::Provider,
};

/// The tool calls of one reply.
#[derive(Clone, Debug)]
pub struct Reply {
    provider: Provider,
    calls: Vec<ReplyCall>,
    left_alone: Vec<String>,
}

/// Why a text holds no reply whose calls could be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// No JSON.
    #[error("the reply is no JSON: {what}")]
    NotJson {
        /// What is wrong, and where.
        what: String,
    },
    /// JSON, but nothing that this provider says.
    #[error("this is no reply of {provider}: expected {}{}", provider.expected(), hint(*looks_like))]
    NotAReply {
        /// Whose reply was expected.
        provider: Provider,
        /// Whose it may be.
        looks_like: Option<Provider>,
    },
    /// The provider answered with an error.
    #[error("this is an error of the provider and no reply: {message}")]
    ProviderError {
        /// What it says.
        message: String,
    },
    /// Several answers to one question, of which one must be chosen.
    #[error("the reply holds {count} {what}, whose calls are alternatives; give the message of one of them")]
    Alternatives {
        /// How many.
        count: usize,
        /// What the provider calls them.
        what: &'static str,
    },
    /// What came before `tool_calls`.
    #[error("the message holds `function_call`, which has no id to answer to; expected `tool_calls`")]
    FunctionCall,
}

fn hint(looks_like: Option<Provider>) -> String {
    looks_like.map_or_else(String::new, |provider| {
        format!("; it looks like {provider} (`{}`)", provider.word())
    })
}

/// What a reply holds.
#[derive(Default)]
struct Found<'a> {
    calls: Vec<&'a RawValue>,
    left_alone: Vec<String>,
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

impl Reply {
    /// Reads a whole reply, the message in it, or the bare list of its calls.
    ///
    /// # Errors
    /// When it is none of these. A call that is broken is no error of the reply: see [`ReplyCall::parameters`].
    pub fn read(provider: Provider, text: &str) -> Result<Self, ReplyError> {
        Self::of(provider, parse(text)?)
    }

    /// Reads a reply of OpenAI: a chat completion or a response, whichever it is.
    ///
    /// # Errors
    /// As [`Reply::read`].
    pub fn read_openai(text: &str) -> Result<Self, ReplyError> {
        let root = parse(text)?;
        let provider = match detect(root) {
            Some(Provider::OpenAiResponses) => Provider::OpenAiResponses,
            _ => Provider::OpenAiChat,
        };
        Self::of(provider, root)
    }

    fn of(provider: Provider, root: &RawValue) -> Result<Self, ReplyError> {
        let found = match provider {
            Provider::OpenAiChat => chat(root),
            Provider::OpenAiResponses => responses(root),
            Provider::Anthropic => anthropic(root),
            Provider::Gemini => gemini(root),
        };
        let Found { calls, left_alone } = found?.ok_or_else(|| no_reply(provider, root))?;
        let calls = calls.into_iter().enumerate();
        Ok(Self {
            provider,
            calls: calls
                .map(|(index, item)| ReplyCall::read(provider, index, item))
                .collect(),
            left_alone,
        })
    }

    /// Whose it is.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The calls, in the reply's order.
    #[must_use]
    pub fn calls(&self) -> &[ReplyCall] {
        &self.calls
    }

    /// The kinds of calls in it that are no function calls, such as `custom`: whoever offered those tools to the
    /// model answers them.
    #[must_use]
    pub fn left_alone(&self) -> &[String] {
        &self.left_alone
    }

    /// An id for each call in an execution: the provider's, where all calls have one that is legal there and no two
    /// have the same; else their indices.
    #[must_use]
    pub fn call_ids(&self) -> Vec<String> {
        let legal = |id: &&str| {
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
            (1..=128).contains(&id.len()) && id.bytes().all(allowed)
        };
        let ids: BTreeSet<&str> = self
            .calls
            .iter()
            .filter_map(ReplyCall::provider_id)
            .filter(legal)
            .collect();
        let all = ids.len() == self.calls.len();
        let indices = 0..self.calls.len();
        match all {
            true => self.calls.iter().map(ReplyCall::id).collect(),
            false => indices.map(|index| index.to_string()).collect(),
        }
    }

    /// The messages to send back: `endings` has one for each of [`Reply::calls`], in their order, those included that
    /// could not be run.
    ///
    /// # Errors
    /// When the numbers differ.
    pub fn messages(&self, endings: &[Ending]) -> Result<Messages, WrongCount> {
        messages::write(self.provider, &self.calls, endings)
    }
}

fn parse(text: &str) -> Result<&RawValue, ReplyError> {
    serde_json::from_str(text).map_err(|error| ReplyError::NotJson {
        what: error.to_string(),
    })
}

fn no_reply(provider: Provider, root: &RawValue) -> ReplyError {
    let members = json::members(root).unwrap_or_default();
    if let Some(error) = json::present(&members, "error") {
        let message = json::members(error).and_then(|error| json::string_of(&error, "message"));
        return ReplyError::ProviderError {
            message: message.unwrap_or_else(|| error.get().to_owned()),
        };
    }
    ReplyError::NotAReply {
        provider,
        looks_like: detect(root).filter(|&found| found != provider),
    }
}

type Search<'a> = Result<Option<Found<'a>>, ReplyError>;

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
