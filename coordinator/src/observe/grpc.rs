//! RPCs counted as they are answered: by method and code, with how long that took. Stands before every service and
//! changes nothing that passes through.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;

use http_body::{Frame, SizeHint};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{
        BoxFuture, Service,
        http::{HeaderMap, Request, Response},
    },
};
use toolwave_telemetry::metrics::{Counter, Histogram, Kind, Page, SECONDS};

use super::metrics::Metrics;

/// Service, method and kind of every RPC that is served; last what is none of them.
const METHODS: [(&str, &str, &str); 21] = [
    ("toolwave.v1.ExecutionService", "ExecuteParallel", "unary"),
    (
        "toolwave.v1.ExecutionService",
        "ExecuteParallelStream",
        "server_stream",
    ),
    ("toolwave.v1.ExecutionService", "PlanExecution", "unary"),
    ("toolwave.v1.ExecutionService", "CancelExecution", "unary"),
    ("toolwave.v1.ExecutionService", "ListTools", "unary"),
    ("toolwave.v1.WorkerService", "OpenSession", "bidi_stream"),
    ("toolwave.v1.AdminService", "ListWorkers", "unary"),
    ("toolwave.v1.AdminService", "DrainWorker", "unary"),
    ("toolwave.v1.AdminService", "ListExecutions", "unary"),
    ("toolwave.v1.AdminService", "GetExecution", "unary"),
    ("toolwave.v1.AdminService", "CancelExecution", "unary"),
    ("toolwave.v1.AdminService", "GetCluster", "unary"),
    ("grpc.health.v1.Health", "Check", "unary"),
    ("grpc.health.v1.Health", "Watch", "server_stream"),
    ("grpc.health.v1.Health", "List", "unary"),
    (
        "grpc.reflection.v1.ServerReflection",
        "ServerReflectionInfo",
        "bidi_stream",
    ),
    ("externalscaler.ExternalScaler", "IsActive", "unary"),
    ("externalscaler.ExternalScaler", "StreamIsActive", "server_stream"),
    ("externalscaler.ExternalScaler", "GetMetricSpec", "unary"),
    ("externalscaler.ExternalScaler", "GetMetrics", "unary"),
    ("unknown", "unknown", "unary"),
];
/// By number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// What is counted of all methods.
pub(crate) struct GrpcNumbers(Vec<MethodNumbers>);

struct MethodNumbers {
    handled: [Counter; CODES.len()],
    handling: Histogram,
}

/// Puts the counting before a service.
#[derive(Clone)]
pub(crate) struct CountingLayer(pub(crate) Metrics);

/// A service whose answers are counted.
#[derive(Clone)]
pub(crate) struct Counting<S> {
    service: S,
    metrics: Metrics,
}

/// One RPC, counted once: when its code is known, or when nobody waits for it any more.
struct Handling {
    metrics: Metrics,
    method: usize,
    since: Instant,
    counted: bool,
}

/// An answer's body: its trailers have the code.
pub(crate) struct CountedBody {
    body: Body,
    handling: Handling,
}

// === impl GrpcNumbers ===

impl GrpcNumbers {
    pub(crate) fn new() -> Self {
        let method = |_: &(&str, &str, &str)| MethodNumbers {
            handled: Default::default(),
            handling: Histogram::new(&SECONDS),
        };
        Self(METHODS.iter().map(method).collect())
    }

    pub(crate) fn write(&self, page: &mut Page) {
        let mut family = page.family(
            "grpc_server_handled_total",
            Kind::Counter,
            "RPCs that were answered to the end, or given up by their client (Canceled).",
        );
        for ((service, method, kind), numbers) in METHODS.iter().zip(&self.0) {
            for (code, count) in CODES.iter().zip(&numbers.handled) {
                let labels = [
                    ("grpc_type", *kind),
                    ("grpc_service", *service),
                    ("grpc_method", *method),
                    ("grpc_code", *code),
                ];
                family.sample(&labels, count.value());
            }
        }
        let mut family = page.family(
            "grpc_server_handling_seconds",
            Kind::Histogram,
            "From the headers of a request to the end of its answer, that of streams included.",
        );
        for ((service, method, kind), numbers) in METHODS.iter().zip(&self.0) {
            let labels = [
                ("grpc_type", *kind),
                ("grpc_service", *service),
                ("grpc_method", *method),
            ];
            family.histogram(&labels, &numbers.handling);
        }
    }
}

/// Its place among the methods.
fn method(path: &str) -> usize {
    let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let found = named.and_then(|named| {
        METHODS
            .iter()
            .position(|(service, method, _)| (*service, *method) == named)
    });
    found.unwrap_or(METHODS.len() - 1)
}

// === impl CountingLayer ===

impl<S> tower::Layer<S> for CountingLayer {
    type Service = Counting<S>;

    fn layer(&self, service: S) -> Counting<S> {
        Counting {
            service,
            metrics: self.0.clone(),
        }
    }
}

// === impl Counting ===

impl<S, B> Service<Request<B>> for Counting<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Error: Send,
    S::Future: Send + 'static,
{
    type Response = Response<CountedBody>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut handling = Handling {
            method: method(request.uri().path()),
            metrics: self.metrics.clone(),
            since: Instant::now(),
            counted: false,
        };
        let answer = self.service.call(request);
        Box::pin(async move {
            let (head, body) = answer.await?.into_parts();
            // What is no gRPC has no code at all.
            let code = code(&head.headers).or((!head.status.is_success()).then_some(Code::Unknown));
            if let Some(code) = code {
                handling.count(code);
            }
            Ok(Response::from_parts(head, CountedBody { body, handling }))
        })
    }
}

// === impl CountedBody ===

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code) {
                    self.handling.count(code);
                }
            }
            Some(Err(status)) => self.handling.count(status.code()),
            None => self.handling.count(Code::Ok),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Handling ===

impl Handling {
    fn count(&mut self, code: Code) {
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        let numbers = &self.metrics.numbers().grpc.0[self.method];
        numbers.handled[code as usize].add(1);
        numbers.handling.observe_duration(self.since.elapsed());
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.count(Code::Cancelled);
    }
}

/// As headers or trailers say it.
fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|status| Code::from_bytes(status.as_bytes()))
}
