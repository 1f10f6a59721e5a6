//! Servers at an address: the transport for Streamable HTTP, let out only where the operator permits, and what its
//! errors say of a request.

use std::{collections::HashMap, error::Error, sync::Arc, time::Duration};

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::{
    service::ServiceError,
    transport::{
        StreamableHttpClientTransport,
        streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError},
    },
};
use toolwave_egress::{Policy, Range, Redirects, Service};

use super::server::Server;

/// More would be waiting for a server that is busy.
const MAX_REQUESTS: usize = 1_024;
/// Nobody is asked to wait longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What an error says of whether the server has begun.
pub(super) enum Sending {
    /// It has not.
    Never,
    /// It has not, and asks for time.
    Busy(Option<Duration>),
    /// It may have.
    Perhaps,
}

/// A transport to the server's address; nothing is sent yet.
pub(super) fn transport(
    server: &Server,
    max_event: usize,
) -> Result<StreamableHttpClientTransport<reqwest::Client>, String> {
    let text = server.url.as_deref().unwrap_or_default();
    let url = toolwave_egress::url(text).map_err(|error| error.to_string())?;
    let inside: Vec<Range> = server
        .allow_private
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let service = Service {
        url: &url,
        plain_http: server.allow_http,
        inside: &inside,
        redirects: &Redirects::Own,
    };
    let policy = Policy::service(&service).map_err(|error| error.to_string())?;
    // a host that is written as an address is never resolved, so it is checked here
    policy.check(&url).map_err(|error| error.to_string())?;
    let client = toolwave_egress::client(&policy, toolwave_egress::system_lookup())
        .build()
        .map_err(|error| reason(&error))?;
    let mut headers = HashMap::new();
    for (name, source) in &server.headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` names no header"))?;
        let secret = source.read().map_err(|error| error.to_string())?;
        let mut value = HeaderValue::from_str(secret.expose())
            .map_err(|_| format!("the value of the header `{name}` has characters that none may have"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let config = StreamableHttpClientTransportConfig::with_uri(Arc::<str>::from(url.as_str()))
        .custom_headers(headers)
        .max_concurrent_requests(MAX_REQUESTS)
        .max_sse_event_size(max_event);
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// Whether the server can have begun with a request that ended so.
pub(super) fn sending(error: &ServiceError) -> Sending {
    let ServiceError::TransportSend(error) = error else {
        return Sending::Perhaps;
    };
    for cause in causes(error.error.as_ref()) {
        match cause.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(StreamableHttpError::HttpStatus(answer)) if matches!(answer.status, 429 | 503) => {
                return Sending::Busy(answer.retry_after.as_deref().and_then(seconds));
            }
            Some(StreamableHttpError::Client(error)) if error.is_connect() => return Sending::Never,
            _ => {}
        }
    }
    Sending::Perhaps
}

/// The error and what caused it, as far as it says.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            // it does not name its cause
            Some(StreamableHttpError::Client(cause)) => Some(cause),
            _ => error.source(),
        }
    })
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The error with its causes, and without the address: it may hold what is secret.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let part = match cause.downcast_ref::<reqwest::Error>() {
            Some(error) if error.is_timeout() => "no answer in time".to_owned(),
            Some(error) if error.is_connect() => "no connection".to_owned(),
            // it writes the address, and its causes say the rest
            Some(_) => "the request failed".to_owned(),
            None => cause.to_string(),
        };
        // some errors repeat their cause
        if !text.contains(&part) && !part.contains("http://") && !part.contains("https://") {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
    }
    text
}
