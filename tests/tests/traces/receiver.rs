//! An OTLP receiver, over gRPC: it keeps what it is sent, or never answers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};
use toolwave_tests::PATIENCE;

/// A receiver that listens until it is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    kept: Kept,
    changed: watch::Receiver<usize>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

struct Serving {
    kept: Kept,
    changed: watch::Sender<usize>,
    answers: bool,
}

/// A span, with the service that sent it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::serve(true).await
    }

    /// Takes requests and never answers.
    pub(crate) async fn silent() -> Self {
        Self::serve(false).await
    }

    async fn serve(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (kept, (sender, changed)) = (Kept::default(), watch::channel(0));
        let service = Serving {
            kept: kept.clone(),
            changed: sender,
            answers,
        };
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(service));
        let serving = tokio::spawn(async move {
            let _ = server.serve_with_incoming(TcpListenerStream::new(listener)).await;
        });
        Self {
            address,
            kept,
            changed,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that came so far.
    pub(crate) fn spans(&self) -> Vec<Received> {
        let kept = self.kept.0.lock().expect("no panic");
        let mut spans = Vec::new();
        for resource in kept.iter().flat_map(|request| &request.resource_spans) {
            let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
            let service = attributes
                .filter(|pair| pair.key == "service.name")
                .find_map(|pair| text_of(pair.value.as_ref()?.value.as_ref()?));
            let service = service.expect("a resource has a name");
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                spans.push(Received {
                    service: service.clone(),
                    span: span.clone(),
                });
            }
        }
        spans
    }

    /// All that came, as bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let kept = self.kept.0.lock().expect("no panic");
        kept.iter().flat_map(|request| request.encode_to_vec()).collect()
    }

    /// Waits until what came is enough.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut changed = self.changed.clone();
        let waiting = changed.wait_for(|_| enough(&self.spans()));
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("never: {what}; there is {:#?}", self.spans());
        }
        self.spans()
    }

    /// Waits until an execution's own span came; all of its trace from this service are there then.
    pub(crate) async fn execution(&self, trace: &str) -> Vec<Received> {
        let ended = |spans: &[Received]| {
            spans
                .iter()
                .any(|each| each.span.name == "execution" && each.trace() == trace)
        };
        let mut spans = self.until("the execution's span", ended).await;
        spans.retain(|each| each.trace() == trace);
        spans
    }
}

impl Received {
    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let pair = self.span.attributes.iter().find(|pair| pair.key == key)?;
        text_of(pair.value.as_ref()?.value.as_ref()?)
    }

    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        let pair = self.span.attributes.iter().find(|pair| pair.key == key)?;
        match pair.value.as_ref()?.value.as_ref()? {
            Value::IntValue(number) => Some(*number),
            _ => None,
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tonic::async_trait]
impl TraceService for Serving {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.kept.0.lock().expect("no panic").push(request.into_inner());
        self.changed.send_modify(|requests| *requests += 1);
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
