//! Whose format it is, and what that provider allows in the name of a tool.

use std::{fmt, str::FromStr};

/// A provider's way to say tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// OpenAI chat completions, and the many servers that speak it.
    OpenAiChat,
    /// OpenAI responses.
    OpenAiResponses,
    /// Anthropic messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
}

/// The longest name that goes to any provider; Gemini and Anthropic would take 128.
pub(crate) const NAME_LIMIT: usize = 64;

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::Anthropic,
        Self::Gemini,
    ];

    /// The word for it on the command line and in the table of cases.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// The first of what a reply of it may be, for messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::OpenAiChat => {
                "a chat completion (an object with `choices`), its assistant message, or the list `tool_calls`"
            }
            Self::OpenAiResponses => "a response (an object with `output`), or the list of its output items",
            Self::Anthropic => "a message (an object with `content`), or the list of its content blocks",
            Self::Gemini => "a response (an object with `candidates`), its content, or the list of its parts",
        }
    }

    /// True for what may stand anywhere in the name of a tool.
    pub(crate) fn allows(self, c: char) -> bool {
        let everywhere = c.is_ascii_alphanumeric() || c == '_' || c == '-';
        everywhere || (self == Self::Gemini && (c == '.' || c == ':'))
    }

    /// True for what may stand at the beginning.
    pub(crate) fn allows_first(self, c: char) -> bool {
        match self {
            Self::Gemini => c.is_ascii_alphabetic() || c == '_',
            Self::OpenAiChat | Self::OpenAiResponses | Self::Anthropic => self.allows(c),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenAiChat => "OpenAI chat completions",
            Self::OpenAiResponses => "OpenAI responses",
            Self::Anthropic => "Anthropic messages",
            Self::Gemini => "Gemini generateContent",
        })
    }
}

/// A word that names no provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no provider; expected openai, openai-responses, anthropic or gemini")]
pub struct UnknownProvider(String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|provider| provider.word() == word);
        found.ok_or_else(|| UnknownProvider(word.to_owned()))
    }
}
