//! A model's reply, or the part of it that holds the calls, and why a text is none.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    Ending, Messages, ReplyCall, WrongCount,
    detect::detect,
    find::{self, Found},
    json, messages,
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
        let found = find::calls(provider, root)?;
        let Found { calls, left_alone } = found.ok_or_else(|| no_reply(provider, root))?;
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
