//! The messages that carry results back, in each provider's shape. Decides nothing about results themselves.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    CallError, Ending, ReplyCall,
    content::{self, Block, Shown},
    provider::Provider,
};

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
    let pairs = calls.iter().zip(endings);
    let messages = match provider {
        Provider::OpenAiChat => pairs.map(|(call, ending)| raw(&chat(call, ending))).collect(),
        Provider::OpenAiResponses => pairs
            .map(|(call, ending)| raw(&function_call_output(call, ending)))
            .collect(),
        Provider::Anthropic => {
            let content = pairs.map(|(call, ending)| tool_result(call, ending)).collect();
            together(&UserMessage {
                role: "user",
                content,
            })
        }
        Provider::Gemini => {
            let parts = pairs
                .map(|(call, ending)| GeminiPart {
                    function_response: function_response(call, ending),
                })
                .collect();
            together(&GeminiContent { role: "user", parts })
        }
    };
    Ok(Messages(messages))
}

/// No results, no message: providers refuse an empty one.
fn together(message: &(impl Serialize + IsEmpty)) -> Vec<Box<RawValue>> {
    match message.is_empty() {
        true => Vec::new(),
        false => vec![raw(message)],
    }
}

trait IsEmpty {
    fn is_empty(&self) -> bool;
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

// === OpenAI chat completions ===

#[derive(Serialize)]
struct ToolMessage {
    role: &'static str,
    tool_call_id: String,
    content: Texts,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Parts(Vec<Part>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    InputText { text: String },
    InputImage { image_url: String },
    Image { source: ImageSource },
}

#[derive(Serialize)]
struct ImageSource {
    r#type: &'static str,
    media_type: String,
    data: String,
}

fn chat(call: &ReplyCall, ending: &Ending) -> ToolMessage {
    let content = match ending {
        Ending::Error(error) => Texts::One(error_text(error)),
        Ending::Result(result) => match content::shown(result) {
            Shown::Json(json) => Texts::One(content::text(json)),
            Shown::Blocks { blocks, .. } => {
                // Text is all that such a message may hold.
                texts(
                    blocks
                        .into_iter()
                        .map(|block| Part::Text {
                            text: block.into_text(),
                        })
                        .collect(),
                )
            }
        },
    };
    ToolMessage {
        role: "tool",
        tool_call_id: call.id(),
        content,
    }
}

/// A single text needs no list.
fn texts(mut parts: Vec<Part>) -> Texts {
    match (parts.len(), parts.pop()) {
        (1, Some(Part::Text { text } | Part::InputText { text })) => Texts::One(text),
        (_, last) => {
            parts.extend(last);
            Texts::Parts(parts)
        }
    }
}

// === OpenAI responses ===

#[derive(Serialize)]
struct FunctionCallOutput {
    r#type: &'static str,
    call_id: String,
    output: Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<Box<RawValue>>,
}

fn function_call_output(call: &ReplyCall, ending: &Ending) -> FunctionCallOutput {
    let output = match ending {
        Ending::Error(error) => Texts::One(error_text(error)),
        Ending::Result(result) => match content::shown(result) {
            Shown::Json(json) => Texts::One(content::text(json)),
            Shown::Blocks { blocks, .. } => texts(
                blocks
                    .into_iter()
                    .map(|block| match block {
                        Block::Image { media_type, data } => Part::InputImage {
                            image_url: format!("data:{media_type};base64,{data}"),
                        },
                        text => Part::InputText {
                            text: text.into_text(),
                        },
                    })
                    .collect(),
            ),
        },
    };
    FunctionCallOutput {
        r#type: "function_call_output",
        call_id: call.id(),
        output,
        caller: call.echoed("caller"),
        namespace: call.echoed("namespace"),
    }
}

// === Anthropic ===

#[derive(Serialize)]
struct UserMessage {
    role: &'static str,
    content: Vec<ToolResult>,
}

impl IsEmpty for UserMessage {
    fn is_empty(&self) -> bool {
        self.content.is_empty()
    }
}

#[derive(Serialize)]
struct ToolResult {
    r#type: &'static str,
    tool_use_id: String,
    content: Vec<Part>,
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    toolset_name: Option<Box<RawValue>>,
}

fn tool_result(call: &ReplyCall, ending: &Ending) -> ToolResult {
    let (content, is_error) = match ending {
        Ending::Error(error) => (vec![visible(error_text(error))], true),
        Ending::Result(result) => match content::shown(result) {
            Shown::Json(json) => (vec![visible(content::text(json))], false),
            Shown::Blocks { blocks, is_error } => {
                let blocks = blocks.into_iter().map(|block| match block {
                    Block::Image { media_type, data } => Part::Image {
                        source: ImageSource {
                            r#type: "base64",
                            media_type,
                            data,
                        },
                    },
                    text => visible(text.into_text()),
                });
                (blocks.collect(), is_error)
            }
        },
    };
    ToolResult {
        r#type: "tool_result",
        tool_use_id: call.id(),
        content,
        is_error,
        toolset_name: call.echoed("toolset_name"),
    }
}

/// Anthropic refuses text without a visible character: such text goes as the JSON string that it was.
fn visible(text: String) -> Part {
    let text = match text.trim().is_empty() {
        true => serde_json::Value::String(text).to_string(),
        false => text,
    };
    Part::Text { text }
}

// === Gemini ===

#[derive(Serialize)]
struct GeminiContent {
    role: &'static str,
    parts: Vec<GeminiPart>,
}

impl IsEmpty for GeminiContent {
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiPart {
    function_response: FunctionResponse,
}

#[derive(Serialize)]
struct FunctionResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    response: GeminiResponse,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<InlinePart>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum GeminiResponse {
    Output(Box<RawValue>),
    Error(Box<RawValue>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlinePart {
    inline_data: InlineData,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData {
    mime_type: String,
    data: String,
}

fn function_response(call: &ReplyCall, ending: &Ending) -> FunctionResponse {
    let mut parts = Vec::new();
    let response = match ending {
        Ending::Error(error) => GeminiResponse::Error(raw(error)),
        Ending::Result(result) => match content::shown(result) {
            Shown::Json(json) => GeminiResponse::Output(json.to_owned()),
            Shown::Blocks { blocks, is_error } => {
                let mut said = Vec::new();
                for block in blocks {
                    match block {
                        Block::Text(text) => said.push(raw(&text)),
                        Block::Other(block) => said.push(block.to_owned()),
                        Block::Image { media_type, data } => parts.push(InlinePart {
                            inline_data: InlineData {
                                mime_type: media_type,
                                data,
                            },
                        }),
                    }
                }
                let said = match (said.len(), said.pop()) {
                    (1, Some(one)) => one,
                    (_, last) => {
                        said.extend(last);
                        raw(&said)
                    }
                };
                match is_error {
                    true => GeminiResponse::Error(said),
                    false => GeminiResponse::Output(said),
                }
            }
        },
    };
    FunctionResponse {
        id: call.provider_id().map(str::to_owned),
        name: call.name().to_owned(),
        response,
        parts,
    }
}
