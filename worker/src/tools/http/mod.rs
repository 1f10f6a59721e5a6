//! `http_request` and `http_get`: what callers ask for, checked, and turned into one exchange with an allowed host.
//!
//! Where a request may go is decided in `toolwave_egress`, what an answer says about trying again in `exchange`.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{BuiltinError, HttpAccess, answers};
use toolwave_tool::{CallContext, FunctionTool, Safety, SharedTool, Tool, ToolError};

mod answer;
mod exchange;
mod headers;
#[cfg(test)]
mod tests;

use answer::Answer;
use exchange::{MAX_REDIRECTS, Plan, exchange, misspelled, run};
use headers::headers;
use toolwave_egress::{Exchange, Lookup, Request, trace, url};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);
const DEFAULT_RESPONSE_BYTES: u64 = 256 << 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RequestParameters {
    /// Absolute http or https URL of an allowed host.
    url: String,
    /// Default GET.
    #[serde(default)]
    method: Verb,
    /// Request headers, each a string; at most 64, 16 KiB in all.
    #[serde(default)]
    headers: Map<String, Value>,
    /// Request body as text. Give this or `json`.
    #[serde(default)]
    body: Option<String>,
    /// Request body as JSON; sets content-type. Give this or `body`.
    #[serde(default)]
    json: Option<Value>,
    /// Follows up to 5 redirects to allowed hosts; default false: the redirect is the answer.
    #[serde(default)]
    follow_redirects: bool,
    /// Time for the whole exchange in milliseconds; default 20,000.
    #[serde(default)]
    #[schemars(range(min = 1))]
    timeout_ms: Option<u64>,
    /// The response body is cut after so many bytes; default 262,144.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_bytes: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetParameters {
    /// Absolute http or https URL of an allowed host.
    url: String,
    /// Request headers, each a string; at most 64, 16 KiB in all.
    #[serde(default)]
    headers: Map<String, Value>,
    /// Follows up to 5 redirects to allowed hosts; default false: the redirect is the answer.
    #[serde(default)]
    follow_redirects: bool,
    /// Time for the whole exchange in milliseconds; default 20,000.
    #[serde(default)]
    #[schemars(range(min = 1))]
    timeout_ms: Option<u64>,
    /// The response body is cut after so many bytes; default 262,144.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_bytes: Option<u64>,
}

impl From<GetParameters> for RequestParameters {
    fn from(get: GetParameters) -> Self {
        let GetParameters {
            url,
            headers,
            follow_redirects,
            timeout_ms,
            max_bytes,
        } = get;
        Self {
            url,
            method: Verb::Get,
            headers,
            body: None,
            json: None,
            follow_redirects,
            timeout_ms,
            max_bytes,
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

/// The tools, with names resolved by `lookup`.
pub(super) fn tools(access: &HttpAccess, lookup: Lookup) -> Result<Vec<SharedTool>, BuiltinError> {
    let exchange = Arc::new(exchange(access, lookup)?);
    let limits = Limits {
        access: access.clone(),
    };
    Ok(vec![
        Arc::new(request_tool(exchange.clone(), limits.clone())),
        Arc::new(get_tool(exchange, limits)),
    ])
}

/// One tool for reading and for changing, so nothing is promised of repeated calls. That a server honours the
/// idempotency key, which is sent along, is the server's promise and not this tool's.
fn request_tool(exchange: Arc<Exchange>, limits: Limits) -> impl Tool {
    let (access, hosts) = (limits.access.clone(), limits.access.hosts.join(", "));
    let tool = FunctionTool::new(
        "http_request",
        format!(
            "Sends one HTTP request to an allowed host ({hosts}). Returns {{status, url, headers, body, body_encoding, \
             bytes, truncated}}; a JSON body comes parsed. Statuses of 400 and above are answers too, not errors, \
             except those that ask to try again later. For reading, prefer http_get: it is retried."
        ),
        move |parameters: RequestParameters, context: CallContext| {
            let plan = limits.plan(parameters, &context);
            answer_of(exchange.clone(), plan)
        },
    );
    declared(tool, &access)
}

fn get_tool(exchange: Arc<Exchange>, limits: Limits) -> impl Tool {
    let (access, hosts) = (limits.access.clone(), limits.access.hosts.join(", "));
    let tool = FunctionTool::new(
        "http_get",
        format!(
            "Reads a URL of an allowed host ({hosts}) with GET. Returns {{status, url, headers, body, body_encoding, bytes, \
             truncated}}; a JSON body comes parsed. Statuses of 400 and above are answers too, except those that ask to \
             try again later."
        ),
        move |parameters: GetParameters, context: CallContext| {
            let plan = limits.plan(parameters.into(), &context);
            answer_of(exchange.clone(), plan)
        },
    )
    .safety(Safety::ReadOnly);
    declared(tool, &access)
}

/// The attempt's timeout leaves the exchange the time that it may take.
fn declared<P, F>(mut tool: FunctionTool<P, F>, access: &HttpAccess) -> FunctionTool<P, F> {
    let most = Duration::from_millis(access.max_timeout_ms) + Duration::from_secs(5);
    tool.declaration_mut().timeout = Some(most);
    answers::<Answer>(tool.declaration_mut());
    tool
}

fn answer_of(
    exchange: Arc<Exchange>,
    plan: Result<Plan, ToolError>,
) -> BoxFuture<'static, Result<Answer, ToolError>> {
    Box::pin(async move { run(&exchange, plan?).await })
}

#[derive(Clone)]
struct Limits {
    access: HttpAccess,
}

// === impl Limits ===

impl Limits {
    fn plan(&self, parameters: RequestParameters, context: &CallContext) -> Result<Plan, ToolError> {
        let method = parameters.method.method();
        let mut headers = headers(&parameters.headers)?;
        let body = match (parameters.body, parameters.json) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(ToolError::new(
                    "INVALID_PARAMETERS",
                    "give body or json, not both",
                ));
            }
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(json)) => {
                headers
                    .entry(CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
                Some(json.to_string().into_bytes())
            }
        };
        let size = body.as_ref().map_or(0, Vec::len) as u64;
        self.within(
            "the request body in bytes",
            size,
            0,
            self.access.max_request_bytes,
        )?;
        if body.is_some() && [Method::GET, Method::HEAD].contains(&method) {
            let message = format!("{method} has no body: leave body and json out, or use POST");
            return Err(ToolError::new("INVALID_PARAMETERS", message));
        }
        let most_time = self.access.max_timeout_ms;
        let default_time = (DEFAULT_TIMEOUT.as_millis() as u64).min(most_time);
        let timeout = self.within(
            "timeout_ms",
            parameters.timeout_ms.unwrap_or(default_time),
            1,
            most_time,
        )?;
        let most_bytes = self.access.max_response_bytes;
        let default_bytes = DEFAULT_RESPONSE_BYTES.min(most_bytes);
        let max_bytes = self.within(
            "max_bytes",
            parameters.max_bytes.unwrap_or(default_bytes),
            1,
            most_bytes,
        )?;
        let key = context.idempotency_key();
        if !method.is_safe() && !key.is_empty() {
            let value = HeaderValue::from_str(key).map_err(|_| {
                ToolError::new(
                    "INVALID_HEADER",
                    "the call's idempotency key does not fit a header",
                )
            })?;
            headers.entry("idempotency-key").or_insert(value);
        }
        trace(&mut headers, context.traceparent(), context.tracestate());
        Ok(Plan {
            request: Request {
                url: url(&parameters.url).map_err(|error| misspelled(&error))?,
                method,
                headers,
                body: body.map(Into::into),
                body_stays: false,
                redirects: if parameters.follow_redirects {
                    MAX_REDIRECTS
                } else {
                    0
                },
            },
            timeout: Duration::from_millis(timeout),
            max_bytes,
        })
    }

    fn within(&self, name: &str, value: u64, least: u64, most: u64) -> Result<u64, ToolError> {
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!("{name} is {value}; it is {least} to {most}"),
        ))
    }
}

// === impl Verb ===

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Options => Method::OPTIONS,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}
