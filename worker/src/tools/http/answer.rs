//! What came back, within bounds: the status, the headers, and the body as far as it is wanted.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::exchange::{Plan, failure};
use toolwave_tool::ToolError;

const MAX_HEADER_BYTES: usize = 32 << 10;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// The result of a request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    status: u16,
    /// The URL that answered, after redirects.
    url: String,
    /// By lower-case name; repeated ones joined by a comma.
    headers: BTreeMap<String, String>,
    /// Parsed JSON, text, or base64, as `body_encoding` says; null when empty.
    body: Value,
    body_encoding: BodyEncoding,
    /// Bytes of the body that were read.
    bytes: u64,
    /// The body goes on after max_bytes.
    truncated: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum BodyEncoding {
    None,
    Json,
    Text,
    Base64,
}

// === impl Answer ===

impl Answer {
    /// Reads the body until it ends or is as long as wanted, and no further.
    pub(super) async fn read(mut response: Response, plan: &Plan) -> Result<Self, ToolError> {
        let status = response.status().as_u16();
        let url = plan.url.to_string();
        let headers = headers(response.headers());
        let is_json = is_json(response.headers());
        let most = usize::try_from(plan.max_bytes).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        let mut truncated = false;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failure(&error, &plan.method))?
        {
            let room = most - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        let bytes = body.len() as u64;
        let (body, body_encoding) = body_value(body, is_json && !truncated, truncated);
        Ok(Self {
            status,
            url,
            headers,
            body,
            body_encoding,
            bytes,
            truncated,
        })
    }
}

fn body_value(body: Vec<u8>, is_json: bool, truncated: bool) -> (Value, BodyEncoding) {
    if body.is_empty() {
        return (Value::Null, BodyEncoding::None);
    }
    if is_json && let Ok(value) = serde_json::from_slice(&body) {
        return (value, BodyEncoding::Json);
    }
    let end = match std::str::from_utf8(&body) {
        Ok(text) => text.len(),
        // The limit may have cut a character.
        Err(error) if truncated && error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return (BASE64_STANDARD.encode(&body).into(), BodyEncoding::Base64),
    };
    (String::from_utf8_lossy(&body[..end]).into(), BodyEncoding::Text)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        bytes += name.as_str().len() + value.len();
        if bytes > MAX_HEADER_BYTES {
            break;
        }
        kept.entry(name.as_str().to_owned())
            .and_modify(|present| {
                present.push_str(", ");
                present.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    kept
}

/// How long the server asks to wait: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}
