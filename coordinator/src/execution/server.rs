//! `ExecutionService` for a server: the generated one, but `ExecuteParallel` is answered with a codec of its
//! own, which needs no message to be built. A deadline that cannot be kept is answered before the body is read.

use std::{
    convert::Infallible,
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use tonic::{
    Request, Response, Status,
    codegen::{self, Body, BoxFuture, StdError, http},
    server::{Grpc, NamedService, UnaryService},
};
use toolwave_proto::v1::{
    self,
    execution_service_server::{ExecutionServiceServer, SERVICE_NAME},
};

use super::{answered::Answered, answered_wire::AnsweredCodec, deadline, service::Service};

/// The service, for a server.
#[derive(Clone)]
pub(crate) struct ExecutionServer {
    service: Arc<Service>,
    /// Answers all other methods.
    generated: ExecutionServiceServer<Service>,
    /// Of a request, in bytes.
    largest: usize,
}

/// The one method.
struct ExecuteParallel(Arc<Service>);

// === impl ExecutionServer ===

impl ExecutionServer {
    pub(crate) fn new(service: Service, largest: usize) -> Self {
        let service = Arc::new(service);
        Self {
            generated: ExecutionServiceServer::from_arc(service.clone()).max_decoding_message_size(largest),
            service,
            largest,
        }
    }
}

impl NamedService for ExecutionServer {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> codegen::Service<http::Request<B>> for ExecutionServer
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // Before anything waits, and tonic's own timer answers an expired one with the wrong code.
        if let Err(error) = deadline::of(request.headers()) {
            return Box::pin(ready(Ok(Status::from(error).into_http())));
        }
        let method = request
            .uri()
            .path()
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'));
        if method != Some((SERVICE_NAME, "ExecuteParallel")) {
            return self.generated.call(request);
        }
        let service = self.service.clone();
        let largest = self.largest;
        Box::pin(async move {
            let mut grpc = Grpc::new(AnsweredCodec).max_decoding_message_size(largest);
            Ok(grpc.unary(ExecuteParallel(service), request).await)
        })
    }
}

impl UnaryService<v1::ExecuteParallelRequest> for ExecuteParallel {
    type Response = Answered;
    type Future = BoxFuture<Response<Answered>, Status>;

    fn call(&mut self, request: Request<v1::ExecuteParallelRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.execute(request).await.map(Response::new) })
    }
}
