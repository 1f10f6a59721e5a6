//! The messages that carry results back, in each provider's shape. Decides nothing about results themselves.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{CallError, Ending, ReplyCall, provider::Provider};

mod anthropic;
mod gemini;
mod openai;

/// What follows the model's reply in the next request: chat messages, input items or contents.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Messages(Vec<Box<RawValue>>);

/// Not as many endings as calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{endings} endings for {calls} calls; expected one for each call of the reply")]
pub struct WrongCount {
    /// Calls of the reply.
    pub calls: usize,
    /// Endings that were given.
    pub endings: usize,
}

impl Messages {
    /// Each as JSON text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|message| message.get())
    }

    /// How many there are. Providers that take all results in one message have one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for a reply without calls.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) fn write(
    provider: Provider,
    calls: &[ReplyCall],
    endings: &[Ending],
) -> Result<Messages, WrongCount> {
    if calls.len() != endings.len() {
        return Err(WrongCount {
            calls: calls.len(),
            endings: endings.len(),
        });
    }
    // No results, no message: providers refuse an empty one.
    if calls.is_empty() {
        return Ok(Messages(Vec::new()));
    }
    let pairs = calls.iter().zip(endings);
    Ok(Messages(match provider {
        Provider::OpenAiChat => pairs.map(|(call, ending)| openai::chat(call, ending)).collect(),
        Provider::OpenAiResponses => pairs
            .map(|(call, ending)| openai::response(call, ending))
            .collect(),
        Provider::Anthropic => vec![anthropic::message(pairs)],
        Provider::Gemini => vec![gemini::content(pairs)],
    }))
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("keys are text and nothing in it can fail to be written")
}

/// What a model reads of a failure where only text goes.
fn error_text(error: &CallError) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        error: &'a CallError,
    }
    raw(&Document { error }).get().to_owned()
}
