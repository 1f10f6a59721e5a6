//! Headers as callers write them: what belongs to the transport is refused.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use toolwave_egress::is_reserved;
use toolwave_tool::ToolError;

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 << 10;

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
        if is_reserved(parsed.as_str()) {
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
