//! Which credentials a client sends, where it does not, and what it says when a coordinator does not take them.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

#[path = "../link/tests/support/mod.rs"]
mod support;

use std::{net::SocketAddr, time::Duration};

use futures_util::stream;
use support::{Authority, TlsServer, When, server_config};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{Request, Response, Status, service::Routes, transport::server::TcpIncoming};
use toolwave_client::{Client, ClientBuilder, ClientError, LinkFailure, Tls, v1};
use v1::execution_service_server::{ExecutionService, ExecutionServiceServer};

/// Lists one tool, named by the credentials that came; refuses `unknown` and `known`.
struct Mirror;

fn credentials<T>(request: &Request<T>) -> String {
    let value = request.metadata().get("authorization");
    value.map_or("", |value| value.to_str().unwrap()).to_owned()
}

#[tonic::async_trait]
impl ExecutionService for Mirror {
    async fn execute_parallel(
        &self,
        _: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    type ExecuteParallelStreamStream = stream::Empty<Result<v1::ExecuteParallelStreamResponse, Status>>;

    async fn execute_parallel_stream(
        &self,
        request: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Self::ExecuteParallelStreamStream>, Status> {
        Err(Status::permission_denied(format!(
            "{} bytes of credentials",
            credentials(&request).len()
        )))
    }

    async fn plan_execution(
        &self,
        _: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn cancel_execution(
        &self,
        _: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn list_tools(
        &self,
        request: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        match credentials(&request).as_str() {
            "Bearer unknown" => Err(Status::unauthenticated("the credentials are not valid")),
            "Bearer known" => Err(Status::permission_denied("only an operator may")),
            sent => {
                let tool = v1::Tool {
                    name: sent.to_owned(),
                    ..Default::default()
                };
                let listed = v1::ListedTool {
                    tool: Some(tool),
                    ..Default::default()
                };
                Ok(Response::new(v1::ListToolsResponse { tools: vec![listed] }))
            }
        }
    }
}

fn routes() -> Routes {
    Routes::new(ExecutionServiceServer::new(Mirror))
}

async fn plaintext() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_routes(routes())
        .serve_with_incoming(TcpIncoming::from(listener));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.await.unwrap() });
    (address, tasks)
}

/// The credentials that arrive.
async fn sent(client: &Client) -> String {
    let tools = client.list_tools().await.unwrap();
    tools[0].tool.clone().unwrap().name
}

async fn refusal(builder: ClientBuilder) -> ClientError {
    match builder.connect().await {
        Err(error) => error,
        Ok(client) => client.list_tools().await.expect_err("no good answer is possible"),
    }
}

#[tokio::test]
async fn the_token_goes_with_every_request_over_tls_and_nothing_goes_without_one() {
    let ca = Authority::new();
    let own = ca.server(&["127.0.0.1"], When::Now);
    let server = TlsServer::start(routes(), server_config(&own, Some(&ca))).await;
    let identity = ca.client("spiffe://toolwave/tenant/a", When::Now);
    let builder = || {
        let tls = Tls::new()
            .ca_pem(ca.pem())
            .identity_pem(&identity.certificate, &identity.key);
        Client::builder(format!("https://{}", server.address)).tls(tls)
    };
    let client = builder().token("canary").connect().await.unwrap();
    assert_eq!(sent(&client).await, "Bearer canary");
    assert_eq!(sent(&client.clone()).await, "Bearer canary");
    let denied = client
        .execute_parallel_stream(v1::ExecuteParallelRequest::default())
        .await;
    assert!(
        matches!(denied.err(), Some(ClientError::PermissionDenied { message }) if message.starts_with("13 bytes"))
    );
    assert_eq!(sent(&builder().connect().await.unwrap()).await, "");
}

#[tokio::test]
async fn unknown_credentials_are_told_from_credentials_that_are_not_enough() {
    let (address, _tasks) = plaintext().await;
    let refused =
        async |token: &str| refusal(Client::builder(format!("http://{address}")).token(token)).await;
    assert!(matches!(
        refused("unknown").await,
        ClientError::Unauthenticated { message } if message == "the credentials are not valid"
    ));
    assert!(matches!(
        refused("known").await,
        ClientError::PermissionDenied { message } if message == "only an operator may"
    ));
}

#[tokio::test]
async fn a_token_does_not_cross_a_network_in_plaintext_unless_told_to() {
    // Nobody is dialled: the address is one for documentation.
    let builder = || Client::builder("http://192.0.2.1:7420").token("canary");
    match builder().connect().await {
        Err(ClientError::Credentials { problems }) => {
            assert!(problems[0].contains("expected https://"), "{problems:?}");
            assert!(!problems[0].contains("canary"));
        }
        other => panic!("{other:?}"),
    }
    let (address, _tasks) = plaintext().await;
    let loopback = Client::builder(format!("http://{address}")).token("canary");
    assert_eq!(sent(&loopback.connect().await.unwrap()).await, "Bearer canary");

    // Every address of this machine is a loopback one to the system, and not all are to the client.
    let unspecified = || Client::builder(format!("http://0.0.0.0:{}", address.port())).token("canary");
    assert!(matches!(
        refusal(unspecified()).await,
        ClientError::Credentials { .. }
    ));
    let told = unspecified()
        .insecure_allow_plaintext_token()
        .connect()
        .await
        .unwrap();
    assert_eq!(sent(&told).await, "Bearer canary");
}

#[tokio::test]
async fn a_token_file_is_read_again_when_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let (address, _tasks) = plaintext().await;
    let builder = Client::builder(format!("http://{address}")).token_file(&file);
    let client = builder.connect().await.unwrap();
    assert_eq!(sent(&client).await, "Bearer first");
    std::fs::write(&file, "second-one\n").unwrap();
    assert!(eventually(&client, "Bearer second-one").await);
}

/// Asks until the credentials are these, for longer than a change needs.
async fn eventually(client: &Client, expected: &str) -> bool {
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while tokio::time::Instant::now() < until {
        if sent(client).await == expected {
            return true;
        }
        ticks.tick().await;
    }
    false
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_being_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("large"), vec![b'a'; 8 * 1024 + 1]).unwrap();
    std::fs::write(path("binary"), [0xff, 0xfe]).unwrap();
    std::fs::write(path("empty"), "\n").unwrap();
    let client = || Client::builder("http://127.0.0.1:1");
    for (builder, said) in [
        (client().token(""), "is empty"),
        (client().token("secret\r\nx: y"), "another character at offset 6"),
        (client().token("secret\u{e9}"), "another character at offset 6"),
        (client().token_file(path("missing")), "missing cannot be read"),
        (client().token_file(directory.path()), "cannot be read"),
        (client().token_file(path("large")), "large is larger than 8 KiB"),
        (client().token_file(path("binary")), "binary is not UTF-8"),
        (client().token_file(path("empty")), "is empty"),
    ] {
        match builder.connect().await {
            Err(ClientError::Credentials { problems }) => {
                assert_eq!(problems.len(), 1);
                assert!(problems[0].contains(said), "{problems:?}");
                assert!(problems[0].contains("; expected "), "{problems:?}");
                assert!(!problems[0].contains("secret"), "{problems:?}");
            }
            other => panic!("{said}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn everything_wrong_with_credentials_is_told_at_once() {
    let tls = Tls::new()
        .ca_file("/missing/ca.pem")
        .certificate_file("/missing/a.pem");
    let builder = Client::builder("https://127.0.0.1:1").tls(tls).token("");
    match builder.connect().await {
        Err(error @ ClientError::Credentials { .. }) => {
            let text = error.to_string();
            let lines: Vec<&str> = text.lines().collect();
            let starts: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
            assert_eq!(starts, ["token", "ca", "key"], "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_coordinator_that_does_not_go_together_with_the_address_is_told_from_none() {
    let ca = Authority::new();
    let own = ca.server(&["127.0.0.1"], When::Now);
    let server = TlsServer::start(routes(), server_config(&own, None)).await;
    let (plain, _tasks) = plaintext().await;
    let trusting = || Tls::new().ca_pem(ca.pem());
    for (builder, expected) in [
        (
            Client::builder(format!("http://{}", server.address)),
            LinkFailure::TlsServer,
        ),
        (
            Client::builder(format!("https://{plain}")).tls(trusting()),
            LinkFailure::PlaintextServer,
        ),
        (
            Client::builder(format!("https://{}", server.address)),
            LinkFailure::UnknownCa,
        ),
    ] {
        match refusal(builder).await {
            ClientError::Link { failure, .. } => assert_eq!(failure, expected),
            other => panic!("{other:?}"),
        }
    }
    let strict = TlsServer::start(routes(), server_config(&own, Some(&ca))).await;
    let stranger = Client::builder(format!("https://{}", strict.address)).tls(trusting());
    match refusal(stranger).await {
        ClientError::Link { failure, .. } => assert!(failure.is_refusal(), "{failure:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_that_can_be_shown_holds_a_secret() {
    let (address, _tasks) = plaintext().await;
    let client = Client::builder(format!("http://{address}")).token("canary-token");
    let client = client.connect().await.unwrap();
    let identity = Authority::new().client("spiffe://toolwave/tenant/a", When::Now);
    let tls = Tls::new().identity_pem(&identity.certificate, &identity.key);
    let secret = identity.key.lines().nth(1).unwrap();
    let shown = format!("{client:?} {tls:?}");
    assert!(
        !shown.contains("canary-token") && !shown.contains(secret),
        "{shown}"
    );
    let error = Client::connect("http://canary:secret@127.0.0.1:1")
        .await
        .unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary") && !shown.contains("secret"), "{shown}");
}
