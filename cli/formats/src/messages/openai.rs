//! What goes back to OpenAI: a message for each call of a chat completion, an input item for each of a response. Neither
//! has a place that says that a call failed: the text says it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{error_text, raw};
use crate::{
    Ending, ReplyCall,
    content::{self, Block, Shown},
};

// === chat completions ===

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
}

/// The message for one call. Text is all that it may hold.
pub(super) fn chat(call: &ReplyCall, ending: &Ending) -> Box<RawValue> {
    let content = match ending {
        Ending::Error(error) => Texts::One(error_text(error)),
        Ending::Result(result) => match content::shown(result) {
            Shown::Json(json) => Texts::One(content::text(json)),
            Shown::Blocks { blocks, .. } => texts(
                blocks
                    .into_iter()
                    .map(|block| Part::Text {
                        text: block.into_text(),
                    })
                    .collect(),
            ),
        },
    };
    raw(&ToolMessage {
        role: "tool",
        tool_call_id: call.id(),
        content,
    })
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

// === responses ===

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

/// The input item for one call.
pub(super) fn response(call: &ReplyCall, ending: &Ending) -> Box<RawValue> {
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
    raw(&FunctionCallOutput {
        r#type: "function_call_output",
        call_id: call.id(),
        output,
        caller: call.echoed("caller"),
        namespace: call.echoed("namespace"),
    })
}
