//! `toolwave tools --for`: a catalogue as the definitions that a model provider takes. Knows no cluster.

use serde_json::Value;
use toolwave_client::v1;
use toolwave_formats::{Names, Provider, Tool, definitions};

use crate::args::ProviderFormat;

impl ProviderFormat {
    /// The one format of this word; replies of `openai` may be in another too.
    pub(crate) fn provider(self) -> Provider {
        match self {
            Self::Openai => Provider::OpenAiChat,
            Self::OpenaiResponses => Provider::OpenAiResponses,
            Self::Anthropic => Provider::Anthropic,
            Self::Gemini => Provider::Gemini,
        }
    }
}

/// The definitions of all tools that a cluster lists. Its whole list makes the names, as it does for `run --from`.
pub(crate) fn of<'a>(format: ProviderFormat, tools: impl Iterator<Item = &'a v1::Tool>) -> Value {
    let tools: Vec<Tool<'_>> = tools
        .map(|tool| Tool {
            name: &tool.name,
            description: &tool.description,
            // A coordinator keeps no schema that is not text.
            input_schema: std::str::from_utf8(&tool.input_schema_json).unwrap_or_default(),
        })
        .collect();
    let names = Names::of(format.provider(), tools.iter().map(|tool| tool.name));
    definitions(format.provider(), &tools, &names)
}
