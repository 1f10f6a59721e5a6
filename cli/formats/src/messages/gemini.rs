//! What goes back to Gemini: one content with a part for each call, whose response has `output` or `error`; images
//! stand beside it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::raw;
use crate::{
    Ending, ReplyCall,
    content::{self, Block, Shown},
};

#[derive(Serialize)]
struct GeminiContent {
    role: &'static str,
    parts: Vec<GeminiPart>,
}

/// One content for all calls.
pub(super) fn content<'a>(calls: impl Iterator<Item = (&'a ReplyCall, &'a Ending)>) -> Box<RawValue> {
    let part = |(call, ending)| GeminiPart {
        function_response: function_response(call, ending),
    };
    raw(&GeminiContent {
        role: "user",
        parts: calls.map(part).collect(),
    })
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
