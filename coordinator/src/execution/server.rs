//! `ExecutionService` for a server: the generated one, but `ExecuteParallel` is answered with a codec of its
//! own, which needs no message to be built. Of the methods that run tools, each takes one message and no second.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use tonic::{
    Request, Response, Status,
    codegen::{self, Body, BoxFuture, StdError, http},
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
};
use toolwave_proto::v1::{
    self,
    execution_service_server::{ExecutionService, ExecutionServiceServer, SERVICE_NAME},
};

use tonic_prost::ProstCodec;

use super::{answered::Answered, answered_wire::AnsweredCodec, one_message::OneMessage, service::Service};

/// The service, for a server.
#[derive(Clone)]
pub(crate) struct ExecutionServer {
    service: Arc<Service>,
    /// Answers all other methods.
    generated: ExecutionServiceServer<Service>,
    /// Of a request, in bytes.
    largest: usize,
}

/// One method.
struct ExecuteParallel(Arc<Service>);

/// Another.
struct ExecuteParallelStream(Arc<Service>);

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
        let method = request
            .uri()
            .path()
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'));
        let service = self.service.clone();
        let largest = self.largest;
        match method {
            Some((SERVICE_NAME, "ExecuteParallel")) => Box::pin(async move {
                let mut grpc = Grpc::new(OneMessage(AnsweredCodec)).max_decoding_message_size(largest);
                Ok(grpc.unary(ExecuteParallel(service), request).await)
            }),
            Some((SERVICE_NAME, "ExecuteParallelStream")) => Box::pin(async move {
                let codec = OneMessage(ProstCodec::default());
                let mut grpc = Grpc::new(codec).max_decoding_message_size(largest);
                Ok(grpc
                    .server_streaming(ExecuteParallelStream(service), request)
                    .await)
            }),
            _ => self.generated.call(request),
        }
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

impl ServerStreamingService<v1::ExecuteParallelStreamRequest> for ExecuteParallelStream {
    type Response = v1::ExecuteParallelStreamResponse;
    type ResponseStream = <Service as ExecutionService>::ExecuteParallelStreamStream;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<v1::ExecuteParallelStreamRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.execute_parallel_stream(request).await })
    }
}
