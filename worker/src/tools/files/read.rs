//! `read_file`: a part of a file, by bytes or by lines, as text or as base64.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Root;
use crate::tools::{answers, stop::Stop};
use toolwave_tool::{BlockingTool, CallContext, Effect, Safety, Tool, ToolError};

const MAX_BYTES: u64 = 1 << 20;
const DEFAULT_BYTES: u64 = 64 << 10;
const MAX_LINES: u64 = 20_000;

const DESCRIPTION: &str = "Reads a file below the allowed directory. Returns up to `limit` bytes from byte `offset`; or, \
with `start_line`, whole lines. When `truncated` is true, go on at `next_offset` or `next_line`. Text must be UTF-8; ask \
for `base64` for other files.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadParameters {
    /// Relative to the allowed directory, such as `src/main.rs`; without `.`, `..` or a leading `/`.
    path: String,
    /// `text` (default) or `base64`.
    #[serde(default)]
    encoding: Encoding,
    /// First byte to read, from 0; default 0. Not together with start_line.
    #[serde(default)]
    offset: Option<u64>,
    /// The most bytes to return; default 65,536, at most 1,048,576.
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_BYTES))]
    limit: Option<u64>,
    /// First line to read, from 1: reads whole lines. Text only.
    #[serde(default)]
    #[schemars(range(min = 1))]
    start_line: Option<u64>,
    /// The most lines to return, with start_line; at most 20,000, the default.
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_LINES))]
    max_lines: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    #[default]
    Text,
    Base64,
}

#[derive(Serialize, JsonSchema)]
struct FilePart {
    path: String,
    content: String,
    encoding: Encoding,
    /// Bytes in the whole file.
    size: u64,
    /// Bytes of the file in `content`.
    bytes: u64,
    /// There is more after this part.
    truncated: bool,
    /// Where to go on, by bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// Where to go on, by lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_line: Option<u64>,
}

/// The tool.
pub(in crate::tools) fn tool(root: Root) -> impl Tool {
    let mut tool = BlockingTool::new(
        "read_file",
        DESCRIPTION,
        move |parameters: ReadParameters, context: CallContext| read(&root, &parameters, &Stop::new(context)),
    )
    .safety(Safety::ReadOnly)
    .effect(Effect::Reads("file:{path}".to_owned()));
    answers::<FilePart>(tool.declaration_mut());
    tool
}

fn read(root: &Root, parameters: &ReadParameters, stop: &Stop) -> Result<FilePart, ToolError> {
    let limit = within("limit", parameters.limit.unwrap_or(DEFAULT_BYTES), MAX_BYTES)?;
    let max_lines = within("max_lines", parameters.max_lines.unwrap_or(MAX_LINES), MAX_LINES)?;
    let conflicting = |message| Err(ToolError::new("INVALID_PARAMETERS", message));
    let path = root.file_path(&parameters.path)?;
    let (file, size) = root.open_file(&path)?;
    match parameters.start_line {
        Some(0) => conflicting("start_line counts from 1"),
        Some(_) if parameters.offset.is_some() => conflicting("give offset or start_line, not both"),
        Some(_) if parameters.encoding == Encoding::Base64 => {
            conflicting("base64 has no lines: give offset in place of start_line")
        }
        Some(first) => read_lines(file, path, size, first, max_lines, limit, stop),
        None if parameters.max_lines.is_some() => conflicting("max_lines needs start_line"),
        None => {
            let offset = parameters.offset.unwrap_or(0);
            read_bytes(file, path, size, offset, limit, parameters.encoding)
        }
    }
}

fn within(name: &str, value: u64, most: u64) -> Result<u64, ToolError> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(ToolError::new(
        "LIMIT_EXCEEDED",
        format!("{name} is {value}; it is 1 to {most}: read the file in parts"),
    ))
}

fn read_bytes(
    mut file: File,
    path: String,
    size: u64,
    offset: u64,
    limit: u64,
    encoding: Encoding,
) -> Result<FilePart, ToolError> {
    let refused = |error: io::Error| Root::refusal(&path, &error);
    file.seek(SeekFrom::Start(offset)).map_err(refused)?;
    let mut bytes = Vec::new();
    file.by_ref()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    let content = match encoding {
        Encoding::Base64 => BASE64_STANDARD.encode(&bytes),
        Encoding::Text => {
            let more = offset + (bytes.len() as u64) < size;
            let text = whole_characters(&path, bytes, more)?;
            bytes = text.clone().into_bytes();
            text
        }
    };
    let end = offset.saturating_add(bytes.len() as u64);
    let truncated = end < size;
    let next_offset = truncated.then_some(end);
    Ok(FilePart {
        path,
        content,
        encoding,
        size,
        bytes: bytes.len() as u64,
        truncated,
        next_offset,
        next_line: None,
    })
}

/// The text, without a character that the limit has cut.
fn whole_characters(path: &str, mut bytes: Vec<u8>, cut: bool) -> Result<String, ToolError> {
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
        && cut
        && error.valid_up_to() > 0
    {
        bytes.truncate(error.valid_up_to());
    }
    String::from_utf8(bytes).map_err(|error| not_text(path, error.utf8_error().valid_up_to()))
}

fn not_text(path: &str, at: usize) -> ToolError {
    ToolError::new(
        "NOT_TEXT",
        format!(
            "{path:?} is not UTF-8 at byte {at} of the part read: ask for encoding base64, or begin elsewhere"
        ),
    )
}

fn read_lines(
    file: File,
    path: String,
    size: u64,
    first: u64,
    max_lines: u64,
    limit: u64,
    stop: &Stop,
) -> Result<FilePart, ToolError> {
    let refused = |error: io::Error| Root::refusal(&path, &error);
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut line = 1;
    while line < first {
        stop.check()?;
        match reader.skip_until(b'\n').map_err(refused)? {
            0 => break,
            _ => line += 1,
        }
    }
    let mut content = Vec::new();
    let mut lines = 0;
    let mut truncated = false;
    while lines < max_lines {
        let before = content.len();
        let room = limit - before as u64;
        // One byte more than there is room for shows that the line does not fit.
        let read = reader
            .by_ref()
            .take(room + 1)
            .read_until(b'\n', &mut content)
            .map_err(refused)? as u64;
        if read == 0 {
            break;
        }
        if read > room {
            content.truncate(before);
            truncated = true;
            break;
        }
        lines += 1;
    }
    if truncated && lines == 0 {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!(
                "line {first} of {path:?} is longer than limit, {limit} bytes: raise limit or read by offset"
            ),
        ));
    }
    truncated = truncated || !reader.fill_buf().map_err(refused)?.is_empty();
    let bytes = content.len() as u64;
    let content =
        String::from_utf8(content).map_err(|error| not_text(&path, error.utf8_error().valid_up_to()))?;
    let next_line = truncated.then_some(first + lines);
    Ok(FilePart {
        path,
        content,
        encoding: Encoding::Text,
        size,
        bytes,
        truncated,
        next_offset: None,
        next_line,
    })
}
