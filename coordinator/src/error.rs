//! Every error that leaves the coordinator as a `tonic::Status`: the one place that builds them.
//! The reasons are stable words for programs; `docs/errors.md` is generated from the table here.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use crate::{
    execution::{text::clipped, violations::Violations},
    handle::{RETRY_AFTER, SubmitError},
    tenants::Quota,
};

/// `google.rpc.ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "toolwave";

/// Where a reason shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The whole RPC fails with this status code; nothing has run.
    Rpc(Code),
    /// The call of an execution ends so; the RPC is fine. The word is the call's outcome.
    Call(&'static str),
}

macro_rules! reasons {
    ($($variant:ident $word:literal $place:expr, $meaning:literal;)+) => {
        /// Why something was refused or did not succeed: stable words, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)+
        }

        impl Reason {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Reason::$variant => $word,)+ }
            }

            /// Where it shows.
            #[must_use]
            pub fn place(self) -> Place {
                match self { $(Reason::$variant => $place,)+ }
            }

            /// What it means, for people.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => $meaning,)+ }
            }
        }
    };
}

const INVALID: Place = Place::Rpc(Code::InvalidArgument);

reasons! {
    EmptyRequest "EMPTY_REQUEST" INVALID, "The request holds no calls.";
    TooManyCalls "TOO_MANY_CALLS" INVALID, "More calls than one execution may have.";
    BadId "BAD_ID" INVALID, "A call's id is not 1 to 128 bytes of [A-Za-z0-9._:-].";
    DuplicateId "DUPLICATE_ID" INVALID, "Two calls have one id.";
    BadToolName "BAD_TOOL_NAME" INVALID, "A tool's name is not 1 to 128 bytes of [A-Za-z0-9._:-].";
    ParamsNotObject "PARAMS_NOT_OBJECT" INVALID, "The parameters are JSON, but no object.";
    ParamsTooLarge "PARAMS_TOO_LARGE" INVALID, "The parameters of a call are larger than allowed; after references were put in, only that call is REJECTED.";
    JsonTooDeep "JSON_TOO_DEEP" INVALID, "The parameters are nested deeper than allowed; after references were put in, only that call is REJECTED.";
    JsonTooManyNodes "JSON_TOO_MANY_NODES" INVALID, "The parameters hold more values than allowed; after references were put in, only that call is REJECTED.";
    UnknownDependency "UNKNOWN_DEPENDENCY" INVALID, "A dependency or a reference names a call that the request does not hold.";
    DependencyCycle "DEPENDENCY_CYCLE" INVALID, "Calls wait for each other; the message names them in order.";
    TooDeep "DAG_TOO_DEEP" INVALID, "The calls make more waves than allowed.";
    TooManyDependencies "TOO_MANY_DEPENDENCIES" INVALID, "One call has more dependencies than allowed.";
    TooManyEdges "TOO_MANY_EDGES" INVALID, "The dependencies of all calls together are more than allowed.";
    BadReference "BAD_REFERENCE" INVALID, "A ${...} in the parameters cannot be read; $${ writes a literal ${.";
    BadPriority "BAD_PRIORITY" INVALID, "A priority is not 0 to 3.";
    BadTimeout "BAD_TIMEOUT" INVALID, "A timeout is not a duration above zero and at most 24 hours.";
    BadRetry "BAD_RETRY" INVALID, "A retry policy contradicts itself or its bounds.";
    BadConcurrency "BAD_CONCURRENCY" INVALID, "max_concurrency is 0, or set together with max_concurrency_auto.";
    BadEnum "BAD_ENUM" INVALID, "An enum field holds a number without a meaning.";
    BadIdempotencyKey "BAD_IDEMPOTENCY_KEY" INVALID, "An idempotency key is longer than 128 bytes or holds control characters.";
    BadResponseLimit "BAD_RESPONSE_LIMIT" INVALID, "max_response_bytes is too small to hold any answer.";
    BadDeadline "BAD_DEADLINE" INVALID, "The grpc-timeout header cannot be read.";
    BadTarget "BAD_TARGET" INVALID, "The request does not say which execution or worker it means.";
    NoCredentials "NO_CREDENTIALS" Place::Rpc(Code::Unauthenticated), "The coordinator asks its clients, or its workers, who they are, and the request carries neither a token nor a certificate that names anybody.";
    BadToken "BAD_TOKEN" Place::Rpc(Code::Unauthenticated), "The token is not known, expired, not meant for this coordinator, or malformed: one text for all of these; the coordinator's log has the cause.";
    NotPermitted "NOT_PERMITTED" Place::Rpc(Code::PermissionDenied), "It is known who asks, and they may not use this service.";
    IdentityMismatch "IDENTITY_MISMATCH" Place::Rpc(Code::PermissionDenied), "A worker registers under a name that its certificate's identity may not use.";
    ToolsNotPermitted "TOOLS_NOT_PERMITTED" Place::Rpc(Code::PermissionDenied), "A worker whose identity is `strict` offers tools that it may not.";
    WorkerIdTaken "WORKER_ID_TAKEN" Place::Rpc(Code::AlreadyExists), "A worker of another identity has the name, or is still waited for.";
    DeadlineExpired "DEADLINE_EXPIRED" Place::Rpc(Code::DeadlineExceeded), "The RPC's deadline had passed when it arrived, or passed before there was anything to answer.";
    IdempotencyKeyReused "IDEMPOTENCY_KEY_REUSED" Place::Rpc(Code::AlreadyExists), "The idempotency key belongs to a request with another body.";
    ExecutionNotFound "EXECUTION_NOT_FOUND" Place::Rpc(Code::NotFound), "No execution of this id or key is known.";
    WorkerNotFound "WORKER_NOT_FOUND" Place::Rpc(Code::NotFound), "No worker of this name is known.";
    QueueFull "QUEUE_FULL" Place::Rpc(Code::ResourceExhausted), "Too many calls wait already; try again after the time given.";
    PayloadsFull "PAYLOADS_FULL" Place::Rpc(Code::ResourceExhausted), "Parameters and results held have reached their bound in bytes; try again after the time given.";
    TenantQuota "TENANT_QUOTA" Place::Rpc(Code::ResourceExhausted), "The tenant is at a limit of its own, which QuotaFailure names; try again after the time given, or never where none is.";
    AuditUnavailable "AUDIT_UNAVAILABLE" Place::Rpc(Code::Unavailable), "Records of executions are required and cannot be written now; try again after the time given.";
    Draining "DRAINING" Place::Rpc(Code::Unavailable), "The coordinator is about to stop and accepts nothing new; try again after the time given.";
    CoordinatorStopped "COORDINATOR_STOPPED" Place::Rpc(Code::Unavailable), "The coordinator stopped before the execution had ended; calls in flight may have run.";
    UnknownTool "UNKNOWN_TOOL" Place::Call("REJECTED"), "No worker declared the tool.";
    ParamsNotUtf8 "PARAMS_NOT_UTF8" Place::Call("REJECTED"), "The parameters are no UTF-8.";
    ParamsNotJson "PARAMS_NOT_JSON" Place::Call("REJECTED"), "The parameters are no JSON; the message says where.";
    DuplicateKey "DUPLICATE_KEY" Place::Call("REJECTED"), "An object in the parameters has one key twice.";
    NumberOutOfRange "NUMBER_OUT_OF_RANGE" Place::Call("REJECTED"), "A number in the parameters is not finite, or too large for a double.";
    ParamsSchema "PARAMS_SCHEMA" Place::Call("REJECTED"), "The parameters do not fit the tool's JSON Schema; every violation is listed.";
    ReferenceNotFound "REFERENCE_NOT_FOUND" Place::Call("REJECTED"), "A reference leads nowhere in the result that it names; the message says what was there.";
    BrokenContract "BROKEN_CONTRACT" Place::Call("FAILED"), "The tool panicked, or answered with what is no result, and its worker has no more exact word (`TOOL_PANICKED`, `BROKEN_OUTPUT`, `INVALID_RESULT`).";
    ResultTooLarge "RESULT_TOO_LARGE" Place::Call("FAILED"), "The result is over the size limit.";
    ToolError "TOOL_ERROR" Place::Call("FAILED"), "The tool returned an error without a code of its own.";
    Poison "POISON" Place::Call("FAILED"), "Attempts of the call ended the sessions of several workers; it is not tried on another.";
    TimedOut "TIMED_OUT" Place::Call("TIMED_OUT"), "An attempt ran past its timeout and none is left.";
    DeadlineExceeded "DEADLINE_EXCEEDED" Place::Call("DEADLINE_EXCEEDED"), "The execution's timeout ended first.";
    Cancelled "CANCELLED" Place::Call("CANCELLED"), "The execution was cancelled.";
    ClientGone "CLIENT_GONE" Place::Call("CANCELLED"), "The client went away.";
    Shutdown "SHUTDOWN" Place::Call("CANCELLED"), "The coordinator stopped.";
    FailFast "FAIL_FAST" Place::Call("CANCELLED"), "Another call failed first and the execution is FAIL_FAST.";
    Aborted "ABORTED" Place::Call("CANCELLED"), "The attempt was stopped because nobody waited for it any more.";
    DependencyFailed "DEPENDENCY_FAILED" Place::Call("SKIPPED"), "A dependency, however far up, did not succeed.";
    NoWorker "NO_WORKER" Place::Call("UNAVAILABLE"), "No healthy worker hosted the tool within the wait.";
    QueueTimeout "QUEUE_TIMEOUT" Place::Call("UNAVAILABLE"), "No slot came free within the call's queue_timeout.";
    WorkerRefused "WORKER_REFUSED" Place::Call("UNAVAILABLE"), "Workers refused the call before its start; it has not run.";
    WorkerLost "WORKER_LOST" Place::Call("UNAVAILABLE or UNKNOWN"), "The worker was lost with the attempt; UNKNOWN where the call is not safe to repeat.";
}

impl Reason {
    /// Of the RPC that it refuses.
    fn code(self) -> Code {
        match self.place() {
            Place::Rpc(code) => code,
            Place::Call(_) => Code::Internal,
        }
    }
}

/// A request that is refused as a whole: nothing of it has run.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is wrong; every violation is listed.
    #[error("{}", .0.summary())]
    Invalid(Violations),
    /// Its deadline had passed when it came.
    #[error("the deadline of the RPC had passed when it arrived: nothing was accepted")]
    DeadlineExpired,
    /// Its deadline passed before there was an answer, on the way of its message for instance.
    #[error("the deadline of the RPC passed before there was an answer")]
    DeadlinePassed,
    /// Its idempotency key belongs to another request.
    #[error("the idempotency key was used with another body: send the same body, or another key")]
    IdempotencyKeyReused,
    /// No such execution.
    #[error("no such execution is known: it never was, or it ended long ago")]
    ExecutionNotFound,
    /// No such worker.
    #[error("no worker of this name is known")]
    WorkerNotFound,
    /// Admission is at its bound.
    #[error("{limit} calls may wait at once, and the queue is full: nothing was accepted, try again later")]
    QueueFull {
        /// Calls that may wait at once.
        limit: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many bytes are held.
    #[error("parameters and results held have reached {limit} bytes: nothing was accepted, try again later")]
    PayloadsFull {
        /// Bytes that may be held.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
    },
    /// The tenant is at a limit of its own.
    #[error("{quota} ({key}): nothing was accepted{when}", key = quota.key(), when = again(*retry_after))]
    TenantQuota {
        /// Which, with its value.
        quota: Quota,
        /// When to try again; `None`: never, as the limits are.
        retry_after: Option<Duration>,
    },
    /// Records are required, and cannot be written.
    #[error(
        "the audit cannot be written and its records are required: nothing was accepted, try again later"
    )]
    AuditUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The coordinator drains.
    #[error("the coordinator drains and accepts no new executions: try again, or try another one")]
    Draining {
        /// When to try again.
        retry_after: Duration,
    },
    /// The driver is gone.
    #[error("the coordinator stopped before the execution had ended: calls in flight may have run")]
    CoordinatorStopped,
}

impl RequestError {
    /// The stable word.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Invalid(violations) => violations.first_reason(),
            Self::DeadlineExpired | Self::DeadlinePassed => Reason::DeadlineExpired,
            Self::IdempotencyKeyReused => Reason::IdempotencyKeyReused,
            Self::ExecutionNotFound => Reason::ExecutionNotFound,
            Self::WorkerNotFound => Reason::WorkerNotFound,
            Self::QueueFull { .. } => Reason::QueueFull,
            Self::PayloadsFull { .. } => Reason::PayloadsFull,
            Self::TenantQuota { .. } => Reason::TenantQuota,
            Self::AuditUnavailable { .. } => Reason::AuditUnavailable,
            Self::Draining { .. } => Reason::Draining,
            Self::CoordinatorStopped => Reason::CoordinatorStopped,
        }
    }
}

impl From<SubmitError> for RequestError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::QueueFull { limit, retry_after } => Self::QueueFull { limit, retry_after },
            SubmitError::PayloadsFull { limit, retry_after } => Self::PayloadsFull { limit, retry_after },
            SubmitError::TenantQuota { quota, retry_after } => Self::TenantQuota { quota, retry_after },
            SubmitError::AuditUnavailable { retry_after } => Self::AuditUnavailable { retry_after },
            SubmitError::Draining { retry_after } => Self::Draining { retry_after },
            // The driver went before it took the submission: nothing has run, and a client may send it elsewhere.
            SubmitError::Closed => Self::Draining {
                retry_after: RETRY_AFTER,
            },
        }
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        let reason = error.reason();
        let mut details = ErrorDetails::new();
        match &error {
            RequestError::Invalid(violations) => {
                details.set_bad_request(
                    violations
                        .listed()
                        .map(|(field, description)| FieldViolation::new(field, description))
                        .collect::<Vec<_>>(),
                );
            }
            RequestError::QueueFull { limit, retry_after } => {
                details.set_retry_info(Some(*retry_after));
                details.set_quota_failure(vec![QuotaViolation::new(
                    "calls waiting",
                    format!("at most {limit} calls may wait at once"),
                )]);
            }
            RequestError::PayloadsFull { limit, retry_after } => {
                details.set_retry_info(Some(*retry_after));
                details.set_quota_failure(vec![QuotaViolation::new(
                    "payload bytes",
                    format!("at most {limit} bytes may be held at once"),
                )]);
            }
            RequestError::TenantQuota { quota, retry_after } => {
                details.set_retry_info(*retry_after);
                details.set_quota_failure(vec![QuotaViolation::new(quota.key(), quota.to_string())]);
            }
            RequestError::Draining { retry_after } | RequestError::AuditUnavailable { retry_after } => {
                details.set_retry_info(Some(*retry_after));
            }
            RequestError::CoordinatorStopped => {
                details.set_retry_info(Some(Duration::from_secs(1)));
            }
            RequestError::DeadlineExpired
            | RequestError::DeadlinePassed
            | RequestError::IdempotencyKeyReused
            | RequestError::ExecutionNotFound
            | RequestError::WorkerNotFound => {}
        }
        build(reason.code(), reason.word(), error.to_string(), details)
    }
}

/// The status of a reason that stands for a whole RPC.
pub(crate) fn refused(reason: Reason, message: impl Into<String>) -> Status {
    build(reason.code(), reason.word(), message.into(), ErrorDetails::new())
}

fn again(retry_after: Option<Duration>) -> &'static str {
    match retry_after {
        Some(_) => ", try again later",
        None => ", and with these limits never is",
    }
}

/// A status of the other services, with its `ErrorInfo`: `reason` is `UPPER_SNAKE_CASE`.
#[must_use]
pub fn status(code: Code, reason: &'static str, message: impl Into<String>) -> Status {
    build(code, reason, message.into(), ErrorDetails::new())
}

/// A message that cannot be read, as the generated services answer it.
#[must_use]
pub fn undecodable(message: impl Into<String>) -> Status {
    Status::internal(clipped(message.into()))
}

fn build(code: Code, reason: &str, message: String, mut details: ErrorDetails) -> Status {
    details.set_error_info(reason, DOMAIN, std::collections::HashMap::new());
    Status::with_error_details(code, clipped(message), details)
}
