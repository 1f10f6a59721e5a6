//! Messages as canonical proto3 JSON, from the contract's own description; errors as JSON of one shape.

use std::sync::LazyLock;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _};
use serde::Serialize;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use toolwave_proto::v1;

use crate::error::{Reason, refused};

static CONTRACT: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(v1::FILE_DESCRIPTOR_SET).ok());

/// A message of the package, and its name there.
pub(super) trait Named: Message + Default {
    const NAME: &'static str;
}

macro_rules! named {
    ($($message:ident)+) => { $(impl Named for v1::$message { const NAME: &'static str = stringify!($message); })+ };
}

named! {
    AdminServiceCancelExecutionResponse Call CallTimeline DrainWorkerResponse ExecuteParallelResponse
    GetClusterResponse GetExecutionResponse ListExecutionsResponse ListToolsResponse ListWorkersResponse
}

/// The message's text.
pub(super) fn text<M: Named>(message: &M) -> Result<String, Status> {
    let mut dynamic = empty::<M>()?;
    dynamic
        .transcode_from(message)
        .map_err(|error| broken(&error.to_string()))?;
    serde_json::to_string(&dynamic).map_err(|error| broken(&error.to_string()))
}

/// A message that somebody wrote.
///
/// # Errors
/// It is not one: why, for whoever wrote it.
pub(super) fn read<M: Named>(text: &[u8]) -> Result<M, Failure> {
    let wrong = |error: String| Failure {
        status: StatusCode::BAD_REQUEST,
        word: "BAD_BODY",
        message: format!("the body is not the JSON of a {}: {error}", M::NAME),
    };
    let descriptor = empty::<M>().map_err(Failure::from_status)?.descriptor();
    let mut json = serde_json::Deserializer::from_slice(text);
    let message =
        DynamicMessage::deserialize(descriptor, &mut json).map_err(|error| wrong(error.to_string()))?;
    json.end().map_err(|error| wrong(error.to_string()))?;
    message.transcode_to().map_err(|error| wrong(error.to_string()))
}

/// An answer of a service, as HTTP.
pub(super) fn answer<M: Named>(answer: Result<tonic::Response<M>, Status>) -> Response {
    match answer.and_then(|answer| text(answer.get_ref())) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(status) => refusal(&status).into_response(),
    }
}

/// A request that this port refuses by itself.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) word: &'static str,
    pub(super) message: String,
}

impl Failure {
    fn from_status(status: Status) -> Self {
        Self {
            status: http_status(status.code()),
            word: Reason::CoordinatorStopped.word(),
            message: status.message().to_owned(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = json!({ "reason": self.word, "message": self.message });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

#[derive(Serialize)]
struct Violation {
    field: String,
    description: String,
}

/// What a service refused, as HTTP.
pub(super) fn refusal(status: &Status) -> (StatusCode, Json<Value>) {
    (http_status(status.code()), Json(error(status)))
}

/// `{"error": {"reason", "message"}}`, and what else is known of it.
pub(super) fn error(status: &Status) -> Value {
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    let mut error = json!({ "reason": reason, "message": status.message() });
    if let Some(request) = details.bad_request() {
        let violations = request.field_violations.iter().map(|violation| Violation {
            field: violation.field.clone(),
            description: violation.description.clone(),
        });
        error["violations"] = json!(violations.collect::<Vec<_>>());
    }
    if let Some(after) = details.retry_info().and_then(|retry| retry.retry_delay) {
        error["retryAfterSeconds"] = json!(after.as_secs_f64());
    }
    json!({ "error": error })
}

fn empty<M: Named>() -> Result<DynamicMessage, Status> {
    let descriptor = CONTRACT
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(&format!("toolwave.v1.{}", M::NAME)));
    descriptor.map(DynamicMessage::new).ok_or_else(|| broken(M::NAME))
}

/// The contract in this build does not describe itself: cannot be, and is told rather than panicked about.
fn broken(what: &str) -> Status {
    refused(
        Reason::CoordinatorStopped,
        format!("the contract cannot be shown as JSON: {what}"),
    )
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
