//! Servers at an address.

use std::{
    future::IntoFuture as _,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request, http::StatusCode, middleware::Next, response::IntoResponse as _};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::local::LocalSessionManager,
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use toolwave_mounted::mcp::{Approved, Mounted, Server};

use crate::{
    mutable::{self, Mutable},
    support::{LONG, begin, call, keeper, text, tool},
};

struct Served {
    address: String,
    /// It answers so, once this is no 0.
    status: Arc<AtomicU16>,
    _task: AbortOnDropHandle<()>,
}

/// The server on a port of its own; it wants a header.
async fn serve(older: bool) -> Served {
    let server = Mutable::new(None, older);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let status = Arc::new(AtomicU16::new(0));
    let shown = Arc::clone(&status);
    let guard = move |request: Request, next: Next| {
        let status = StatusCode::from_u16(shown.load(Ordering::SeqCst));
        async move {
            if let Ok(status) = status {
                return (status, [("retry-after", "7")]).into_response();
            }
            match request.headers().get("authorization") {
                Some(value) if value == "Bearer swordfish" => next.run(request).await,
                _ => StatusCode::UNAUTHORIZED.into_response(),
            }
        }
    };
    let router = Router::new()
        .nest_service("/mcp", service)
        .layer(axum::middleware::from_fn(guard));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let task = tokio::spawn(async move {
        let _ = axum::serve(listener, router).into_future().await;
    });
    Served {
        address,
        status,
        _task: AbortOnDropHandle::new(task),
    }
}

async fn mount(table: Value) -> Mounted {
    let server: Server = serde_json::from_value(table).expect("a table");
    server.start("m", &keeper(), Approved::default()).await
}

#[tokio::test]
async fn a_server_at_an_address_is_called_in_both_generations_with_its_headers() {
    for older in [false, true] {
        let served = serve(older).await;
        let mounted = mount(json!({
            "url": served.address, "allow_http": true, "allow_private": ["127.0.0.1"],
            "headers": {"authorization": "Bearer swordfish"},
        }))
        .await;
        assert_eq!(mounted.failure(), None);
        assert_eq!(mounted.tools().len(), 17);
        assert_eq!(
            call(&tool(&mounted, "content"), json!({})).await,
            Ok(mutable::content())
        );
        assert_eq!(
            text(call(&tool(&mounted, "echo"), json!({"text": "a"})).await),
            "a"
        );
        assert_eq!(
            call(&tool(&mounted, "fail"), json!({}))
                .await
                .expect_err("failed")
                .code,
            "MCP_TOOL_ERROR"
        );
        let mut running = begin(&tool(&mounted, "sleep"), json!({"ms": 60, "steps": 3}), LONG);
        assert_eq!(running.progress.recv().await.expect("progress").message, "step 0");
        running.end.await.expect("no panic").expect("a result");
        let mut unwanted = begin(
            &tool(&mounted, "sleep"),
            json!({"ms": 3_600_000, "steps": 5}),
            LONG,
        );
        unwanted.progress.recv().await.expect("it runs");
        unwanted.cancelled.cancel();
        unwanted.end.await.expect("no panic").expect_err("stopped");
        mounted.close().await;
    }
}

#[tokio::test]
async fn private_addresses_are_refused_unless_the_operator_permits_them() {
    let served = serve(false).await;
    for table in [
        json!({"url": served.address, "allow_http": true}),
        json!({"url": served.address.replace("127.0.0.1", "localhost"), "allow_http": true}),
        json!({"url": served.address, "allow_http": true, "allow_private": ["10.0.0.0/8"]}),
    ] {
        let mounted = mount(table.clone()).await;
        assert!(mounted.tools().is_empty(), "{table}");
        assert!(mounted.failure().is_some());
        mounted.close().await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_or_is_not_there_is_told_without_its_secrets() {
    let served = serve(false).await;
    let refused = json!({
        "url": served.address, "allow_http": true, "allow_private": ["127.0.0.1"],
        "headers": {"authorization": "Bearer tuna"},
    });
    let absent =
        json!({"url": "http://127.0.0.1:9/mcp?key=tuna", "allow_http": true, "allow_private": ["127.0.0.1"]});
    for table in [refused, absent] {
        let mounted = tokio::time::timeout(Duration::from_secs(40), mount(table))
            .await
            .expect("an end");
        let why = mounted.failure().expect("a reason");
        assert!(!why.contains("tuna"), "{why}");
        mounted.close().await;
    }
}

#[tokio::test]
async fn a_server_that_is_busy_may_be_asked_again_and_one_that_fails_may_have_had_its_effect() {
    for older in [false, true] {
        let served = serve(older).await;
        let mounted = mount(json!({
            "url": served.address, "allow_http": true, "allow_private": ["127.0.0.1"],
            "headers": {"authorization": "Bearer swordfish"},
        }))
        .await;
        let echo = tool(&mounted, "echo");
        for (status, code, retry_after) in [
            (503, "MCP_SERVER_UNAVAILABLE", Some(Duration::from_secs(7))),
            (429, "MCP_SERVER_UNAVAILABLE", Some(Duration::from_secs(7))),
            (500, "MCP_SERVER_LOST", None),
        ] {
            served.status.store(status, Ordering::SeqCst);
            let error = call(&echo, json!({"text": "a"})).await.expect_err("no answer");
            assert_eq!(
                (error.code.as_str(), error.retry_after),
                (code, retry_after),
                "{error:?}"
            );
            assert_eq!(error.retryable, retry_after.is_some());
        }
        served.status.store(0, Ordering::SeqCst);
        assert_eq!(text(call(&echo, json!({"text": "a"})).await), "a");
        mounted.close().await;
    }
}
