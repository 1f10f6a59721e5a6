//! One connection to a server: requests and their ends, however they come about.
//!
//! It neither starts nor ends what it is connected to, and does not know how results are told to clients.

use std::{sync::Arc, time::Duration};

use rmcp::{
    Peer, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, CancelTaskParams, CancelTaskRequest, ClientRequest,
        ErrorData, GetTaskParams, GetTaskRequest, ListToolsRequest, NumberOrString, PaginatedRequestParams,
        RequestId, RequestMetaObject, ServerResult,
    },
    service::{PeerRequestOptions, RequestHandle, ServiceError},
};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use toolwave_tool::CallContext;

use super::{
    client::Heard,
    http::{self, Sending},
    wire::Wire,
};

/// Pages of one list; servers that turn in circles exist.
const MAX_PAGES: usize = 1_000;
/// Tools of one list.
const MAX_TOOLS: usize = 10_000;
/// Where the idempotency key stands in a call's `_meta`.
const IDEMPOTENCY_KEY: &str = "io.toolwave/idempotencyKey";
/// Where its trace does: the names are MCP's.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// A server that has answered.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Peer<RoleClient>,
    pub(super) heard: Arc<Heard>,
    /// `None`: HTTP, where nobody knows what was read.
    pub(super) wire: Option<Arc<Wire>>,
    /// Fires when nothing of it works any more.
    pub(super) ended: CancellationToken,
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Ending {
    Answered(Value),
    Refused(ErrorData),
    /// The server cannot have begun with it.
    NeverSent(String),
    /// The server did not begin with it, and asks for time.
    Busy(String, Option<Duration>),
    /// The server is gone, or its answer is; it may have had its effect.
    Lost(String),
    /// The call was not wanted any more, and the work has stopped as far as can be known.
    Stopped,
    /// The call was not wanted any more, and the server did not say that it stopped.
    Working,
}

/// What a server lists.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) tools: Vec<Value>,
    /// For how long that holds, where the server says so.
    pub(super) fresh_for: Option<Duration>,
}

impl Connection {
    /// Calls a tool; once the call is not wanted any more, tells the server so and waits for at most `grace`.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        context: &CallContext,
        grace: Duration,
    ) -> Ending {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let mut options = PeerRequestOptions::no_options();
        let meta = meta(context);
        if !meta.0.0.is_empty() {
            options = options.with_meta(meta);
        }
        let sent = tokio::select! {
            biased;
            sent = self.peer.send_cancellable_request(request, options) => sent,
            () = context.cancelled() => return Ending::Stopped,
        };
        let mut handle = match sent {
            Ok(handle) => handle,
            Err(error) => return Ending::NeverSent(reason(&error)),
        };
        let _watch = self.heard.watch(handle.progress_token.clone(), context);
        let open = Open {
            wire: self.wire.as_deref(),
            id: number(&handle.id),
        };
        tokio::select! {
            biased;
            answer = &mut handle.rx => open.ending(answer.unwrap_or(Err(ServiceError::TransportClosed))),
            () = context.cancelled() => self.cancel(handle, &open, grace).await,
        }
    }

    async fn cancel(&self, handle: RequestHandle<RoleClient>, open: &Open<'_>, grace: Duration) -> Ending {
        let until = Instant::now() + grace;
        let told = handle.cancel(Some("the call is not wanted any more".to_owned()));
        let _ = tokio::time::timeout_at(until, told).await;
        let (Some(wire), Some(id)) = (open.wire, open.id) else {
            return Ending::Stopped;
        };
        tokio::select! {
            () = wire.answered(id) => Ending::Stopped,
            () = self.ended.cancelled() => Ending::Stopped,
            () = tokio::time::sleep_until(until) => Ending::Working,
        }
    }

    /// All tools, over all pages.
    pub(super) async fn list(&self, within: Duration) -> Result<Listing, String> {
        let pages = async {
            let mut listing = Listing::default();
            let mut cursor: Option<String> = None;
            for _ in 0..MAX_PAGES {
                let page = PaginatedRequestParams::default().with_cursor(cursor.clone());
                let request = ListToolsRequest {
                    params: cursor.is_some().then_some(page),
                    ..ListToolsRequest::default()
                };
                let mut page = match self.ask(ClientRequest::ListToolsRequest(request)).await {
                    Ending::Answered(page) => page,
                    Ending::Refused(error) => {
                        return Err(format!("tools/list was refused: {}", error.message));
                    }
                    other => return Err(format!("tools/list was not answered: {other:?}")),
                };
                let Some(Value::Array(tools)) = page.get_mut("tools").map(Value::take) else {
                    return Err("the answer to tools/list holds no list of tools".to_owned());
                };
                listing.tools.extend(tools);
                if listing.tools.len() > MAX_TOOLS {
                    return Err(format!("it lists more than {MAX_TOOLS} tools"));
                }
                let fresh = page
                    .get("ttlMs")
                    .and_then(Value::as_u64)
                    .map(Duration::from_millis);
                listing.fresh_for = listing.fresh_for.into_iter().chain(fresh).min();
                let next = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
                if next.is_none() || next == cursor {
                    return Ok(listing);
                }
                cursor = next;
            }
            Err(format!("its list of tools has more than {MAX_PAGES} pages"))
        };
        match timeout(within, pages).await {
            Ok(listing) => listing,
            Err(_) => Err(format!("tools/list was not answered within {within:?}")),
        }
    }

    /// Where a task stands.
    pub(super) async fn task(&self, task: &str) -> Ending {
        let request = GetTaskRequest::new(GetTaskParams::new(task));
        self.ask(ClientRequest::GetTaskRequest(request)).await
    }

    /// Asks the server to stop a task.
    pub(super) async fn cancel_task(&self, task: &str) {
        let request = CancelTaskRequest::new(CancelTaskParams::new(task));
        let _ = self
            .peer
            .send_request(ClientRequest::CancelTaskRequest(request))
            .await;
    }

    async fn ask(&self, request: ClientRequest) -> Ending {
        match self
            .peer
            .send_cancellable_request(request, PeerRequestOptions::no_options())
            .await
        {
            Ok(mut handle) => {
                let open = Open {
                    wire: self.wire.as_deref(),
                    id: number(&handle.id),
                };
                let answer = (&mut handle.rx).await;
                open.ending(answer.unwrap_or(Err(ServiceError::TransportClosed)))
            }
            Err(error) => Ending::NeverSent(reason(&error)),
        }
    }
}

/// A request on its way; what is known of it goes with it.
struct Open<'a> {
    wire: Option<&'a Wire>,
    id: Option<i64>,
}

impl Open<'_> {
    fn ending(&self, answer: Result<ServerResult, ServiceError>) -> Ending {
        match answer {
            Ok(ServerResult::CustomResult(result)) => Ending::Answered(result.0),
            Ok(result) => match serde_json::to_value(result) {
                Ok(value) => Ending::Answered(value),
                Err(error) => Ending::Lost(format!("its answer cannot be read: {error}")),
            },
            Err(ServiceError::McpError(error)) => Ending::Refused(error),
            Err(error) => {
                let sending = match (self.wire, self.id) {
                    // a line that was not written to its end is none
                    (Some(wire), Some(id)) if !wire.was_written(id) => Sending::Never,
                    (Some(_), _) => Sending::Perhaps,
                    (None, _) => http::sending(&error),
                };
                match sending {
                    Sending::Never => Ending::NeverSent(reason(&error)),
                    Sending::Busy(wait) => Ending::Busy(reason(&error), wait),
                    Sending::Perhaps => Ending::Lost(reason(&error)),
                }
            }
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let (Some(wire), Some(id)) = (self.wire, self.id) {
            wire.forget(id);
        }
    }
}

fn number(id: &RequestId) -> Option<i64> {
    match id {
        NumberOrString::Number(id) => Some(*id),
        NumberOrString::String(_) => None,
    }
}

/// Without the types of transports, which are no matter of a client's.
fn reason(error: &ServiceError) -> String {
    match error {
        ServiceError::TransportClosed => "its connection is closed".to_owned(),
        ServiceError::TransportSend(error) => http::reason(error.error.as_ref()),
        error => error.to_string(),
    }
}

/// What a server is told beside the arguments.
fn meta(context: &CallContext) -> RequestMetaObject {
    let mut meta = RequestMetaObject::new();
    let key = Some(context.idempotency_key()).filter(|key| !key.is_empty());
    for (name, value) in [
        (IDEMPOTENCY_KEY, key),
        (TRACEPARENT, context.traceparent()),
        (TRACESTATE, context.tracestate()),
    ] {
        if let Some(value) = value {
            meta.0.0.insert(name.to_owned(), value.into());
        }
    }
    meta
}
