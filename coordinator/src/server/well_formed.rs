//! What every request must be before a service sees it: a POST of gRPC whose deadline can be read and kept. It
//! answers what is not, and what is not answered in time; it reads no body and knows no method.
//!
//! A browser sends any body to any address as text/plain without asking first: were that taken for gRPC, a page
//! could run tools wherever its reader's machine may.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use tonic::{
    Status,
    body::Body,
    codegen::{
        BoxFuture, Service,
        http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
    },
};

use crate::{
    error::RequestError,
    execution::deadline::{self, Received},
};

/// Content types of gRPC with protocol buffers; parameters may follow.
const CONTENT_TYPES: [&str; 2] = ["application/grpc", "application/grpc+proto"];

/// A service behind the check.
#[derive(Clone)]
pub(super) struct WellFormed<S>(S);

/// Puts it before a service.
#[derive(Clone)]
pub(super) struct WellFormedLayer;

// === impl WellFormedLayer ===

impl<S> tower::Layer<S> for WellFormedLayer {
    type Service = WellFormed<S>;

    fn layer(&self, service: S) -> WellFormed<S> {
        WellFormed(service)
    }
}

// === impl WellFormed ===

impl<S, B> Service<Request<B>> for WellFormed<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<
        Ready<Result<Self::Response, S::Error>>,
        Either<S::Future, BoxFuture<Self::Response, S::Error>>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(refusal) = refusal(request.method(), request.headers()) {
            return Either::Left(ready(Ok(refusal)));
        }
        let within = match deadline::answer_within(request.headers()) {
            Err(error) => return Either::Left(ready(Ok(Status::from(error).into_http()))),
            Ok(None) => return Either::Right(Either::Left(self.0.call(request))),
            Ok(Some(within)) => within,
        };
        request.extensions_mut().insert(Received::now());
        let answer = self.0.call(request);
        // A moment before tonic's own timer, which answers with the wrong code.
        Either::Right(Either::Right(Box::pin(async move {
            tokio::time::timeout(within, answer)
                .await
                .unwrap_or_else(|_| Ok(Status::from(RequestError::DeadlinePassed).into_http()))
        })))
    }
}

/// As gRPC over HTTP/2 says of requests that are not gRPC.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    if method != Method::POST {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| {
            value
                .split_once(';')
                .map_or(value, |(essence, _)| essence)
                .trim_end()
        });
    if content_type.is_some_and(|essence| {
        CONTENT_TYPES
            .iter()
            .any(|known| essence.eq_ignore_ascii_case(known))
    }) {
        return None;
    }
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Some(response)
}
