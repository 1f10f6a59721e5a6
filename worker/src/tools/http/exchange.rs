//! One exchange: the request, the redirects if they are followed, and what a failure says about trying again.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, LOCATION,
        RETRY_AFTER, USER_AGENT,
    },
    redirect,
};
use tokio::time::timeout;

use super::{
    super::{BuiltinError, HttpAccess},
    answer::{Answer, retry_after},
    policy::{CheckedResolver, Denied, Lookup, Policy},
};
use toolwave_tool::ToolError;

const MAX_REDIRECTS: usize = 5;
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// Headers that mean nothing to anybody in particular: they follow a redirect to another origin.
const INNOCENT_HEADERS: [reqwest::header::HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];

/// A client that reaches the allowed hosts and nothing else.
pub(super) struct Exchange {
    client: Client,
    policy: Policy,
}

/// A request that has passed all checks but those of the policy.
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) follow_redirects: bool,
    pub(super) timeout: Duration,
    pub(super) max_bytes: u64,
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn new(access: &HttpAccess, policy: Policy, lookup: Lookup) -> Result<Self, BuiltinError> {
        // An error says that the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("toolwave/", env!("CARGO_PKG_VERSION")))
            // A proxy would resolve names itself, past the check.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .dns_resolver(Arc::new(CheckedResolver::new(policy.clone(), lookup)))
            .connect_timeout(MAX_CONNECT_TIME.min(Duration::from_millis(access.max_timeout_ms)))
            .pool_idle_timeout(MAX_IDLE_TIME)
            .pool_max_idle_per_host(4)
            .build()
            .map_err(|error| BuiltinError::HttpClient {
                reason: chain(&error),
            })?;
        Ok(Self { client, policy })
    }

    pub(super) async fn run(&self, plan: Plan) -> Result<Answer, ToolError> {
        let (limit, method) = (plan.timeout, plan.method.clone());
        timeout(limit, self.follow(plan)).await.unwrap_or_else(|_| {
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

    async fn follow(&self, mut plan: Plan) -> Result<Answer, ToolError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&plan).await?;
            match redirect_of(&plan, &response) {
                Some(next) => plan.redirect(next?, response.status())?,
                None => return Answer::read(response, &plan).await,
            }
        }
        Err(ToolError::new(
            "TOO_MANY_REDIRECTS",
            format!("more than {MAX_REDIRECTS} redirects, the limit"),
        ))
    }

    async fn send(&self, plan: &Plan) -> Result<Response, ToolError> {
        self.policy.check(&plan.url).map_err(|denied| refused(&denied))?;
        let mut request = self
            .client
            .request(plan.method.clone(), plan.url.clone())
            .headers(plan.headers.clone());
        if let Some(body) = &plan.body {
            request = request.body(body.clone());
        }
        let response = request
            .send()
            .await
            .map_err(|error| failure(&error, &plan.method))?;
        match again(&response, &plan.method) {
            Some(error) => Err(error),
            None => Ok(response),
        }
    }
}

/// Where the answer says to go, if it is to be followed.
fn redirect_of(plan: &Plan, response: &Response) -> Option<Result<Url, ToolError>> {
    let follows = plan.follow_redirects && matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| follows)?;
    let next = location
        .to_str()
        .ok()
        .and_then(|location| plan.url.join(location).ok());
    Some(next.ok_or_else(|| ToolError::new("INVALID_REDIRECT", "the server redirects to what is no URL")))
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

fn refused(denied: &Denied) -> ToolError {
    ToolError::new("EGRESS_DENIED", denied.0.clone())
}

/// Why no answer came.
pub(super) fn failure(error: &reqwest::Error, method: &Method) -> ToolError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(denied) = inner.downcast_ref::<Denied>() {
            return refused(denied);
        }
        cause = inner.source();
    }
    // Nothing was sent before there is a connection; after, only a repeat that does no harm is safe.
    if error.is_connect() {
        return ToolError::new("CONNECT_FAILED", format!("no connection: {}", chain(error))).retryable();
    }
    let failed = ToolError::new("REQUEST_FAILED", format!("no complete answer: {}", chain(error)));
    if method.is_safe() {
        failed.retryable()
    } else {
        failed
    }
}

/// The error and its causes, without the URL, which may hold secrets.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    if causes.is_empty() {
        "the client gives no reason".to_owned()
    } else {
        causes.join(": ")
    }
}

// === impl Plan ===

impl Plan {
    /// Turns to the next URL. What was meant for the origin is not told to another.
    fn redirect(&mut self, next: Url, status: StatusCode) -> Result<(), ToolError> {
        if self.url.scheme() == "https" && next.scheme() == "http" {
            let message = "the server redirects from https to http, which is not followed";
            return Err(ToolError::new("EGRESS_DENIED", message));
        }
        if next.origin() != self.url.origin() {
            let kept: HeaderMap = INNOCENT_HEADERS
                .iter()
                .chain(&[CONTENT_TYPE])
                .filter_map(|name| Some((name.clone(), self.headers.get(name)?.clone())))
                .collect();
            self.headers = kept;
        }
        let to_get = match status.as_u16() {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if to_get {
            self.method = Method::GET;
            self.body = None;
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                self.headers.remove(name);
            }
        }
        self.url = next;
        Ok(())
    }
}
