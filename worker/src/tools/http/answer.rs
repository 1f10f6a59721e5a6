//! What came back, within bounds: the status, the headers, and the body as far as it is wanted.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Response, header::HeaderMap};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use toolwave_egress::{is_json, read_body};

use super::exchange::{Plan, failed};
use toolwave_tool::ToolError;

const MAX_HEADER_BYTES: usize = 32 << 10;

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
        let url = plan.request.url.to_string();
        let headers = headers(response.headers());
        let is_json = is_json(response.headers());
        let body = read_body(&mut response, plan.max_bytes)
            .await
            .map_err(|failure| failed(&failure, &plan.request.method))?;
        let (body, truncated) = (body.bytes, body.truncated);
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
