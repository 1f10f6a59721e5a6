//! URLs and headers as callers write them: what has two readings, or belongs to the transport, is refused.

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};
use toolwave_tool::ToolError;

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Set by the transport or not the caller's to set.
const RESERVED_HEADERS: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "http2-settings",
];

/// Takes URLs whose host is spelled as it will be read, so that what is checked is what is meant.
pub(super) fn url(text: &str) -> Result<Url, ToolError> {
    let invalid = |reason: &str| ToolError::new("INVALID_URL", format!("url is refused: {reason}"));
    let denied = |reason: &str| ToolError::new("EGRESS_DENIED", format!("url is refused: {reason}"));
    if text
        .chars()
        .any(|character| character.is_control() || character.is_whitespace() || character == '\\')
    {
        return Err(invalid(
            "it holds spaces, control characters or backslashes; percent-encode them",
        ));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(invalid(
            "it is not absolute; one that is: https://example.com/path",
        ));
    };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(denied("only http and https are spoken"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(denied(
            "a user or password before the host is not taken; send an authorization header",
        ));
    }
    if authority.contains('%') {
        return Err(denied("zones and percent-encoding are not taken in a host"));
    }
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let written = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    if !written.eq_ignore_ascii_case(host) {
        return Err(denied(&format!("its host would be read as {host}: write that")));
    }
    Ok(url)
}

/// Takes headers that are the caller's to set.
pub(super) fn headers(wanted: &Map<String, Value>) -> Result<HeaderMap, ToolError> {
    let invalid = |message: String| ToolError::new("INVALID_HEADER", message);
    if wanted.len() > MAX_HEADERS {
        let message = format!("headers has {} entries; the limit is {MAX_HEADERS}", wanted.len());
        return Err(ToolError::new("LIMIT_EXCEEDED", message));
    }
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for (name, value) in wanted {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(format!("{name:?} is no header name")))?;
        if RESERVED_HEADERS.contains(&parsed.as_str()) {
            return Err(invalid(format!("{name:?} is set by the transport: leave it out")));
        }
        let text = value
            .as_str()
            .ok_or_else(|| invalid(format!("the value of {name:?} is not a string")))?;
        bytes += name.len() + text.len();
        let mut value = HeaderValue::from_str(text).map_err(|_| {
            invalid(format!(
                "the value of {name:?} holds line ends or control characters"
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    if bytes > MAX_HEADER_BYTES {
        let message = format!("headers have {bytes} bytes; the limit is {MAX_HEADER_BYTES}");
        return Err(ToolError::new("LIMIT_EXCEEDED", message));
    }
    Ok(headers)
}
