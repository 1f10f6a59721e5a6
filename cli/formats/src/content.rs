//! What a result shows to a model: text, or the content blocks of an MCP server. Knows no provider.

use serde_json::value::RawValue;

use crate::json::{self, Members};

/// A result as it is shown.
pub(crate) enum Shown<'a> {
    /// Any JSON but an MCP server's answer.
    Json(&'a RawValue),
    /// The blocks of an MCP server's answer, never none.
    Blocks {
        blocks: Vec<Block<'a>>,
        /// The server says that its tool failed.
        is_error: bool,
    },
}

/// One block.
pub(crate) enum Block<'a> {
    Text(String),
    /// Base64, of a type that models take.
    Image {
        media_type: String,
        data: String,
    },
    /// Any other: audio, a resource, an image of an unusual type.
    Other(&'a RawValue),
}

/// Types of images that every provider which takes images takes.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const BLOCKS: [&str; 5] = ["text", "image", "audio", "resource", "resource_link"];
/// The members of a CallToolResult of MCP; an object with any other is something else.
const MEMBERS: [&str; 5] = ["content", "structuredContent", "isError", "_meta", "resultType"];

pub(crate) fn shown(result: &RawValue) -> Shown<'_> {
    mcp(result).unwrap_or(Shown::Json(result))
}

/// A string as the text that it is, any other JSON as its text.
pub(crate) fn text(result: &RawValue) -> String {
    json::string(result).unwrap_or_else(|| result.get().to_owned())
}

/// What an error's details tell beside its message: of an MCP server's answer its structured content, if it has any.
pub(crate) fn besides_text(details: &RawValue) -> Option<&RawValue> {
    match mcp(details) {
        Some(Shown::Json(structured)) => Some(structured),
        Some(Shown::Blocks { .. }) => json::present(&json::members(details)?, "structuredContent"),
        None => Some(details),
    }
}

impl Block<'_> {
    /// The block as text, for a provider that takes no other here.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Image { media_type, data } => {
                serde_json::json!({"type": "image", "data": data, "mimeType": media_type}).to_string()
            }
            Self::Other(raw) => raw.get().to_owned(),
        }
    }
}

fn mcp(result: &RawValue) -> Option<Shown<'_>> {
    let members = json::members(result)?;
    if !members.keys().all(|key| MEMBERS.contains(&key.as_str())) {
        return None;
    }
    let blocks = json::elements(members.get("content")?)?;
    let blocks: Option<Vec<Block<'_>>> = blocks.into_iter().map(block).collect();
    let blocks = blocks?;
    if blocks.is_empty() {
        let structured = json::present(&members, "structuredContent")?;
        return Some(Shown::Json(structured));
    }
    Some(Shown::Blocks {
        blocks,
        is_error: members.get("isError").is_some_and(|raw| raw.get() == "true"),
    })
}

fn block(raw: &RawValue) -> Option<Block<'_>> {
    let members = json::members(raw)?;
    let kind = json::string_of(&members, "type")?;
    match kind.as_str() {
        "text" => json::string_of(&members, "text").map(Block::Text),
        "image" => Some(image(&members).unwrap_or(Block::Other(raw))),
        _ => BLOCKS.contains(&kind.as_str()).then_some(Block::Other(raw)),
    }
}

fn image<'a>(members: &Members<'_>) -> Option<Block<'a>> {
    let media_type = json::string_of(members, "mimeType").filter(|kind| IMAGES.contains(&kind.as_str()))?;
    let data = json::string_of(members, "data")?;
    Some(Block::Image { media_type, data })
}
