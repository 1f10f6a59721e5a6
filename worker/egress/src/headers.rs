//! What headers say that every sender of requests has to know.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};

const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Set by the transport, or a way to speak past it.
const RESERVED: [&str; 13] = [
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

/// Adds the trace that a request is part of, unless the headers name one. It follows no redirect to another origin.
pub fn trace(headers: &mut HeaderMap, traceparent: Option<&str>, tracestate: Option<&str>) {
    if headers.contains_key("traceparent") {
        return;
    }
    let Some(Ok(parent)) = traceparent.map(HeaderValue::from_str) else {
        return;
    };
    headers.insert("traceparent", parent);
    if let Some(Ok(state)) = tracestate.map(HeaderValue::from_str) {
        headers.insert("tracestate", state);
    }
}

/// True for headers that belong to the transport; `name` in lower case.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// True where the content is said to be JSON.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
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

/// How long the server asks to wait, in seconds or until a date; at most an hour.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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
