//! One exchange of the built-in tools: within its time, and with what a failure says about trying again.
//!
//! Where it may go and how it goes there is decided in `toolwave_egress`.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode, header::RETRY_AFTER};
use tokio::time::timeout;
use toolwave_egress::{Exchange, Failure, Lookup, Misspelled, Policy, Request, client, retry_after};

use super::{
    super::{BuiltinError, HttpAccess},
    answer::Answer,
};
use toolwave_tool::ToolError;

/// So many are followed, where they are.
pub(super) const MAX_REDIRECTS: usize = 5;
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);

/// A request that has passed all checks but those of the policy.
pub(super) struct Plan {
    pub(super) request: Request,
    pub(super) timeout: Duration,
    pub(super) max_bytes: u64,
}

/// What reaches the allowed hosts and nothing else.
pub(super) fn exchange(access: &HttpAccess, lookup: Lookup) -> Result<Exchange, BuiltinError> {
    let policy =
        Policy::hosts(&access.hosts, access.private_addresses).map_err(|error| BuiltinError::Host {
            entry: error.entry,
            reason: error.reason,
        })?;
    let client = client(&policy, lookup)
        .connect_timeout(MAX_CONNECT_TIME.min(Duration::from_millis(access.max_timeout_ms)))
        .build()
        .map_err(|error| BuiltinError::HttpClient {
            reason: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        })?;
    Ok(Exchange::new(client, policy))
}

pub(super) async fn run(exchange: &Exchange, plan: Plan) -> Result<Answer, ToolError> {
    let (limit, method) = (plan.timeout, plan.request.method.clone());
    timeout(limit, answer(exchange, plan)).await.unwrap_or_else(|_| {
        let error = ToolError::new(
            "TIMED_OUT",
            format!("no complete answer within timeout_ms, {}", limit.as_millis()),
        );
        Err(if method.is_safe() {
            error.retryable()
        } else {
            error
        })
    })
}

async fn answer(exchange: &Exchange, mut plan: Plan) -> Result<Answer, ToolError> {
    let response = exchange
        .send(&mut plan.request)
        .await
        .map_err(|failure| failed(&failure, &plan.request.method))?;
    match again(&response, &plan.request.method) {
        Some(error) => Err(error),
        None => Answer::read(response, &plan).await,
    }
}

/// Statuses that ask to try again, as errors: those that say that nothing was done, for every method; those that leave
/// it open, where a repeat does no harm. A 503 without Retry-After may come from a proxy that lost the server midway.
fn again(response: &Response, method: &Method) -> Option<ToolError> {
    let status = response.status();
    let retry = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => method.is_safe() || response.headers().contains_key(RETRY_AFTER),
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => method.is_safe(),
        _ => false,
    };
    if !retry {
        return None;
    }
    let error = ToolError::new(
        "SERVER_UNAVAILABLE",
        format!("the server answers {status}: try again later"),
    )
    .details(serde_json::json!({"status": status.as_u16()}))
    .retryable();
    Some(match retry_after(response.headers()) {
        Some(wait) => error.retry_after(wait),
        None => error,
    })
}

/// Nothing was sent before there is a connection; after, only a repeat that does no harm is safe.
pub(super) fn failed(failure: &Failure, method: &Method) -> ToolError {
    let (code, retry) = match failure {
        Failure::Denied(_) => ("EGRESS_DENIED", false),
        Failure::NotConnected { .. } => ("CONNECT_FAILED", true),
        Failure::Incomplete(_) => ("REQUEST_FAILED", method.is_safe()),
        Failure::TooManyRedirects(_) => ("TOO_MANY_REDIRECTS", false),
        Failure::BadRedirect => ("INVALID_REDIRECT", false),
    };
    let error = ToolError::new(code, failure.to_string());
    if retry { error.retryable() } else { error }
}

/// A URL of a caller that is not taken.
pub(super) fn misspelled(misspelled: &Misspelled) -> ToolError {
    let code = match misspelled {
        Misspelled::Invalid(_) => "INVALID_URL",
        Misspelled::Denied(_) => "EGRESS_DENIED",
    };
    ToolError::new(code, format!("url is refused: {misspelled}"))
}
