//! What a client says when a coordinator refuses, breaks off, or is not there: against a scripted server on loopback.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::{collections::HashMap, net::SocketAddr, pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::{Code, Request, Response, Status, transport::server::TcpIncoming};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};
use toolwave_client::{CallExt as _, CallResultExt as _, Client, ClientError, MAX_MESSAGE_BYTES, call, v1};
use v1::execution_service_server::{ExecutionService, ExecutionServiceServer};

/// Answers by the tool of the first call.
struct Scripted;

type Frames = Pin<Box<dyn Stream<Item = Result<v1::ExecuteParallelStreamResponse, Status>> + Send>>;

fn refusal(script: &str) -> Status {
    match script {
        "violations" => {
            let violation = |n| FieldViolation::new(format!("calls[{n}].id"), "DUPLICATE_ID: is there twice");
            let details = ErrorDetails::with_bad_request((0..900).map(violation).collect::<Vec<_>>());
            Status::with_error_details(Code::InvalidArgument, "900 violations", details)
        }
        "full" => {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(1500)));
            Status::with_error_details(Code::ResourceExhausted, "the queue is full", details)
        }
        "draining" => Status::unavailable("the coordinator drains"),
        "stopped" => {
            let details = ErrorDetails::with_error_info("COORDINATOR_STOPPED", "toolwave", HashMap::new());
            Status::with_error_details(Code::Unavailable, "calls in flight may have run", details)
        }
        "reused" => Status::already_exists("the key belongs to another request"),
        "late" => Status::deadline_exceeded("too late"),
        "bug" => Status::internal("a bug"),
        "unknown" => Status::unknown("who knows"),
        other => Status::unimplemented(other.to_owned()),
    }
}

fn event(kind: v1::execution_event::Kind) -> v1::ExecutionEvent {
    v1::ExecutionEvent {
        at: None,
        kind: Some(kind),
    }
}

#[tonic::async_trait]
impl ExecutionService for Scripted {
    async fn execute_parallel(
        &self,
        request: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        let request = request.into_inner();
        let call = &request.calls[0];
        if call.tool_name != "large" {
            return Err(refusal(&call.tool_name));
        }
        // More than the 4 MiB that a gRPC client takes unless told otherwise.
        let text = format!("\"{}\"", "x".repeat(8 * 1024 * 1024));
        let result = v1::CallResult {
            id: request.max_response_bytes.unwrap_or_default().to_string(),
            success: true,
            result_form: Some(v1::call_result::ResultForm::ResultJson(text.into())),
            ..Default::default()
        };
        Ok(Response::new(v1::ExecuteParallelResponse {
            results: vec![result],
            summary: None,
        }))
    }

    type ExecuteParallelStreamStream = Frames;

    async fn execute_parallel_stream(
        &self,
        request: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Frames>, Status> {
        use v1::execution_event::Kind;
        let execution = request.into_inner().execution.unwrap_or_default();
        let frame = |events| Ok(v1::ExecuteParallelStreamResponse { events });
        let planned = event(Kind::Planned(v1::ExecutionPlanned::default()));
        let frames = match execution.calls[0].tool_name.as_str() {
            "events" => vec![
                frame(vec![planned, event(Kind::Started(v1::AttemptStarted::default()))]),
                frame(vec![]),
                frame(vec![event(Kind::Summary(v1::ExecutionSummary::default()))]),
            ],
            "breaks" => vec![
                frame(vec![planned]),
                Err(Status::unavailable("the coordinator stopped")),
            ],
            other => return Err(refusal(other)),
        };
        Ok(Response::new(stream::iter(frames).boxed()))
    }

    async fn plan_execution(
        &self,
        _: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        std::future::pending().await
    }

    async fn cancel_execution(
        &self,
        request: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        Err(Status::not_found(format!(
            "no execution {:?}",
            request.into_inner().target
        )))
    }

    async fn list_tools(
        &self,
        _: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        Ok(Response::new(v1::ListToolsResponse::default()))
    }
}

/// A server, and a task that ends with it.
async fn serve() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .http2_max_header_list_size(1024 * 1024)
        .add_service(ExecutionServiceServer::new(Scripted).max_encoding_message_size(MAX_MESSAGE_BYTES))
        .serve_with_incoming(TcpIncoming::from(listener));
    let task = tokio::spawn(async move { server.await.unwrap() });
    (format!("http://{address}"), task)
}

fn request(tool: &str) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: vec![call(tool, json!({})).id("a")],
        ..Default::default()
    }
}

async fn refused(script: &str) -> ClientError {
    let (url, _server) = serve().await;
    let client = Client::connect(&url).await.unwrap();
    client.execute_parallel(request(script)).await.expect_err(script)
}

#[tokio::test]
async fn every_violation_arrives_even_when_there_are_hundreds() {
    match refused("violations").await {
        ClientError::InvalidRequest { violations, .. } => {
            assert_eq!(violations.len(), 900);
            assert_eq!(violations[899].field, "calls[899].id");
            assert_eq!(
                violations[0].to_string(),
                "calls[0].id: DUPLICATE_ID: is there twice"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_coordinator_says_when_to_come_back() {
    match refused("full").await {
        ClientError::Overloaded { message, retry_after } => {
            assert_eq!(message, "the queue is full");
            assert_eq!(retry_after, Some(Duration::from_millis(1500)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_refusal_has_its_own_name() {
    assert!(matches!(
        refused("draining").await,
        ClientError::Unavailable { .. }
    ));
    // the one of its code after which calls may have run
    assert!(matches!(refused("stopped").await, ClientError::Stopped { .. }));
    assert!(matches!(refused("reused").await, ClientError::Conflict { .. }));
    assert!(matches!(refused("late").await, ClientError::Deadline { .. }));
    assert!(matches!(
        refused("nothing of ours").await,
        ClientError::NotToolwave { .. }
    ));
    assert!(matches!(refused("bug").await, ClientError::Other(status) if status.code() == Code::Internal));
    assert!(matches!(refused("unknown").await, ClientError::Other(status) if status.code() == Code::Unknown));
    let (url, _server) = serve().await;
    let client = Client::connect(&url).await.unwrap();
    assert!(matches!(
        client.cancel_execution("x").await,
        Err(ClientError::NotFound { .. })
    ));
}

#[tokio::test]
async fn results_over_four_mebibytes_arrive_and_the_coordinator_is_told_the_limit() {
    let (url, _server) = serve().await;
    let client = Client::connect(&url).await.unwrap();
    let response = client.execute_parallel(request("large")).await.unwrap();
    assert_eq!(response.results[0].id, MAX_MESSAGE_BYTES.to_string());
    let result = response.results[0].json().unwrap();
    assert_eq!(result.unwrap().as_str().map(str::len), Some(8 * 1024 * 1024));
}

#[tokio::test]
async fn events_of_all_frames_come_one_by_one_in_order() {
    let (url, _server) = serve().await;
    let client = Client::connect(&url).await.unwrap();
    let events = client.execute_parallel_stream(request("events")).await.unwrap();
    let events: Vec<_> = events.try_collect().await.unwrap();
    use v1::execution_event::Kind;
    assert!(matches!(
        events
            .iter()
            .filter_map(|event| event.kind.as_ref())
            .collect::<Vec<_>>()[..],
        [Kind::Planned(_), Kind::Started(_), Kind::Summary(_)]
    ));
}

#[tokio::test]
async fn a_stream_that_breaks_off_keeps_what_came_before() {
    let (url, _server) = serve().await;
    let client = Client::connect(&url).await.unwrap();
    let events = client.execute_parallel_stream(request("breaks")).await.unwrap();
    let events: Vec<_> = events.collect().await;
    assert!(
        matches!(events[..], [Ok(_), Err(ClientError::Unavailable { .. })]),
        "{events:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_told_from_a_wrong_address() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    match Client::connect(format!("http://{address}")).await {
        Err(ClientError::Unreachable {
            address: named,
            reason,
        }) => {
            assert_eq!(named, format!("http://{address}"));
            assert!(reason.to_lowercase().contains("refused"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        Client::connect("localhost:7420").await,
        Err(ClientError::Address { .. })
    ));
}

/// Passes one connection on to a server until the task is aborted, which closes both of its sockets.
async fn proxy(url: &str) -> (String, JoinHandle<()>) {
    let server: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(server).await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut server)
            .await
            .unwrap();
    });
    (format!("http://{address}"), task)
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_request_is_lost_and_then_nobody_is_there() {
    let (url, _server) = serve().await;
    let (url, proxy) = proxy(&url).await;
    let client = Client::connect(&url).await.unwrap();
    let waiting = client.clone();
    let request = tokio::spawn(async move { waiting.plan_execution(request("any")).await });
    // Answered on the same connection: it stands, and the request before this one is on its way.
    client.list_tools().await.unwrap();
    proxy.abort();
    let ended = tokio::time::timeout(Duration::from_secs(20), request).await;
    let error = ended
        .expect("a lost connection ends its requests")
        .unwrap()
        .expect_err("no answer can come");
    assert!(matches!(error, ClientError::ConnectionLost { .. }), "{error:?}");
    let error = client
        .list_tools()
        .await
        .expect_err("nobody listens there any more");
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}
