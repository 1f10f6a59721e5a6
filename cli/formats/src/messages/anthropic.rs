//! What goes back to Anthropic: one message with a block for each call, failures flagged, images as images.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{error_text, raw};
use crate::{
    Ending, ReplyCall,
    content::{self, Block, Shown},
};

#[derive(Serialize)]
struct UserMessage {
    role: &'static str,
    content: Vec<ToolResult>,
}

/// One message for all calls.
pub(super) fn message<'a>(calls: impl Iterator<Item = (&'a ReplyCall, &'a Ending)>) -> Box<RawValue> {
    raw(&UserMessage {
        role: "user",
        content: calls.map(|(call, ending)| tool_result(call, ending)).collect(),
    })
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    Image { source: ImageSource },
}

#[derive(Serialize)]
struct ImageSource {
    r#type: &'static str,
    media_type: String,
    data: String,
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
