//! What becomes of spans: taken, tried again, dropped and counted; the end of a process waits for them so long and no
//! longer.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};
use toolwave_telemetry::traces::{Kind, Service, Settings, Span, TraceContext, Tracer};

/// What it answers, one after another; then it takes all.
type Script = Arc<Mutex<VecDeque<Result<i64, Status>>>>;

struct Receiver(Script);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let next = self.0.lock().expect("no panic").pop_front();
        let rejected = next.unwrap_or(Ok(0))?;
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: (rejected > 0).then(|| ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: "too many".to_owned(),
            }),
        }))
    }
}

async fn receiver(
    script: impl IntoIterator<Item = Result<i64, Status>>,
) -> (SocketAddr, Script, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let script: Script = Arc::new(Mutex::new(script.into_iter().collect()));
    let service = TraceServiceServer::new(Receiver(script.clone()));
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let serving = tokio::spawn(async move {
        let server = tonic::transport::Server::builder().add_service(service);
        let _ = server.serve_with_incoming(incoming).await;
    });
    (address, script, AbortOnDropHandle::new(serving))
}

fn settings(address: SocketAddr, max_queued_spans: usize) -> Settings {
    Settings {
        endpoint: Some(format!("http://{address}")),
        max_queued_spans,
        ..Settings::default()
    }
}

fn service() -> Service {
    Service {
        name: "test",
        version: "0",
        instance: "1".to_owned(),
    }
}

fn span() -> Span {
    Span {
        context: TraceContext::root(),
        parent: None,
        name: "span".into(),
        kind: Kind::Internal,
        started: SystemTime::UNIX_EPOCH,
        ended: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        events: Vec::new(),
        failed: None,
    }
}

#[tokio::test]
async fn what_is_beyond_the_queue_is_dropped_and_counted() {
    let (address, _, _serving) = receiver([]).await;
    let (tracer, exporting) = Tracer::start(&settings(address, 4), service()).expect("good");
    // Nothing is taken in between: the task has had no turn.
    for _ in 0..10 {
        tracer.export(span());
    }
    assert_eq!(tracer.dropped(), 6);
    exporting.shutdown().await;
    assert_eq!((tracer.exported(), tracer.dropped()), (4, 6));
}

#[tokio::test]
async fn the_end_sends_what_is_queued_however_many_batches_that_is() {
    let (address, _, _serving) = receiver([]).await;
    let (tracer, exporting) = Tracer::start(&settings(address, 5_000), service()).expect("good");
    for _ in 0..2_000 {
        tracer.export(span());
    }
    exporting.shutdown().await;
    assert_eq!((tracer.exported(), tracer.dropped()), (2_000, 0));
}

#[tokio::test]
async fn a_batch_is_tried_again_where_that_may_help_and_else_dropped() {
    for (answer, exported, dropped) in [
        (Err(Status::unavailable("busy")), 3, 0),
        (Err(Status::invalid_argument("never")), 0, 3),
        (Ok(2), 1, 2),
    ] {
        let (address, script, _serving) = receiver([answer]).await;
        let (tracer, exporting) = Tracer::start(&settings(address, 100), service()).expect("good");
        for _ in 0..3 {
            tracer.export(span());
        }
        let done = async {
            while tracer.exported() + tracer.dropped() < 3 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), done).await;
        waited.expect("the batch has its end");
        assert_eq!((tracer.exported(), tracer.dropped()), (exported, dropped));
        assert!(script.lock().expect("no panic").is_empty());
        exporting.shutdown().await;
    }
}

#[tokio::test]
async fn where_nobody_listens_the_end_comes_nevertheless_and_all_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let (tracer, exporting) = Tracer::start(&settings(address, 100), service()).expect("good");
    for _ in 0..3 {
        tracer.export(span());
    }
    exporting.shutdown().await;
    assert_eq!((tracer.exported(), tracer.dropped()), (0, 3));
}

#[test]
fn values_that_cannot_be_used_are_named_with_what_would_be_right() {
    let wrong = |settings: Settings| -> Vec<&'static str> {
        settings.check().into_iter().map(|wrong| wrong.key).collect()
    };
    assert!(wrong(Settings::default()).is_empty());
    for sample in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let settings = Settings {
            sample,
            ..Settings::default()
        };
        assert_eq!(wrong(settings), ["traces.sample"]);
    }
    let settings = Settings {
        endpoint: Some("localhost:4317/v1/traces?x".to_owned()),
        max_spans_per_execution: 0,
        max_queued_spans: 0,
        ..Settings::default()
    };
    assert_eq!(
        wrong(settings),
        [
            "traces.endpoint",
            "traces.max_spans_per_execution",
            "traces.max_queued_spans"
        ]
    );
}
