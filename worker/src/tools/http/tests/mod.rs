//! Requests through the tools to servers on loopback: what is sent, what comes back, and what may be tried again.

use std::{
    net::TcpListener as Canary,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use toolwave_egress::system_lookup;

use super::{
    super::{BuiltinError, HttpAccess},
    tools,
};
use crate::{CallContext, CallIdentity, Parameters, Safety, SharedTool, ToolError};

mod egress;

/// Answers each request with the same bytes and keeps what it was sent.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Server {
    async fn start(answer: impl Into<String>) -> Self {
        let (listener, answer) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), answer.into());
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, answer.clone(), kept.clone()));
            }
        });
        Self {
            port,
            requests,
            serving: serving.abort_handle(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: String, kept: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut step = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut step).await {
            Ok(read) if read > 0 => request.extend_from_slice(&step[..read]),
            _ => return,
        }
    }
    kept.lock()
        .unwrap()
        .push(String::from_utf8_lossy(&request).into_owned());
    match answer.as_str() {
        "silence" => std::future::pending().await,
        // A body without end: the reader must hang up.
        "endless" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
        answer => {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn allowing(hosts: &[&str]) -> HttpAccess {
    HttpAccess {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..HttpAccess::default()
    }
}

async fn call_with(tools: &[SharedTool], name: &str, parameters: Value) -> Result<Value, ToolError> {
    let call = CallIdentity {
        attempt: 1,
        idempotency_key: "key-1".to_owned(),
        ..CallIdentity::default()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let context = CallContext::new(call, deadline, CancellationToken::new(), None);
    let tool = tools.iter().find(|tool| tool.declaration().name == name).unwrap();
    let output = tool
        .call(
            Parameters::from_json(Bytes::from(parameters.to_string())),
            context,
        )
        .await?;
    Ok(serde_json::from_slice(output.as_json()).unwrap())
}

async fn call(hosts: &[&str], parameters: Value) -> Result<Value, ToolError> {
    call_with(
        &tools(&allowing(hosts), system_lookup()).unwrap(),
        "http_request",
        parameters,
    )
    .await
}

fn canary() -> (Canary, u16) {
    let canary = Canary::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let port = canary.local_addr().unwrap().port();
    (canary, port)
}

#[tokio::test]
async fn an_answer_comes_with_status_headers_and_body() {
    let body = r#"{"n": 9007199254740993}"#;
    let server = Server::start(answer(
        "404 Not Found",
        "content-type: application/json\r\nx-a: 1\r\nx-a: 2\r\n",
        body,
    ))
    .await;
    let got = call(&[&server.host()], json!({"url": server.url("/x?y=1")}))
        .await
        .unwrap();
    assert_eq!(
        (&got["status"], &got["body_encoding"], &got["truncated"]),
        (&json!(404), &json!("json"), &json!(false))
    );
    assert_eq!(got["body"]["n"], json!(9_007_199_254_740_993_i64));
    assert_eq!(got["headers"]["x-a"], "1, 2");
    assert_eq!(got["url"], server.url("/x?y=1"));
    let localhost = format!("localhost:{}", server.port);
    let named = call(&[&localhost], json!({"url": format!("http://{localhost}/")}))
        .await
        .unwrap();
    assert_eq!(named["status"], 404, "the entry localhost permits loopback");
}

#[tokio::test]
async fn a_body_is_read_no_further_than_the_limit() {
    let server = Server::start("endless").await;
    let got = call(
        &[&server.host()],
        json!({"url": server.url("/"), "max_bytes": 10_000}),
    )
    .await
    .unwrap();
    assert_eq!((&got["bytes"], &got["truncated"]), (&json!(10_000), &json!(true)));
    assert_eq!(got["body"].as_str().unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_post_carries_its_body_and_the_idempotency_key() {
    let server = Server::start(answer("200 OK", "", "")).await;
    let posted =
        json!({"url": server.url("/"), "method": "POST", "json": {"a": 1}, "headers": {"X-Mine": "yes"}});
    assert_eq!(
        call(&[&server.host()], posted).await.unwrap()["body"],
        Value::Null
    );
    call(&[&server.host()], json!({"url": server.url("/")}))
        .await
        .unwrap();
    let requests = server.requests();
    for line in [
        "POST / HTTP/1.1",
        "idempotency-key: key-1",
        "content-type: application/json",
        "x-mine: yes",
    ] {
        assert!(requests[0].contains(line), "{line}: {}", requests[0]);
    }
    assert!(!requests[1].contains("idempotency-key"), "reading needs no key");
    let compressed = |request: &String| request.contains("accept-encoding");
    assert!(!requests.iter().any(compressed), "bodies come as they are");
}

#[tokio::test]
async fn headers_that_are_not_the_callers_to_set_are_refused() {
    for (headers, code) in [
        (json!({"Host": "x"}), "INVALID_HEADER"),
        (json!({"Content-Length": "1"}), "INVALID_HEADER"),
        (json!({"transfer-encoding": "chunked"}), "INVALID_HEADER"),
        (json!({"x": "a\r\nhost: b"}), "INVALID_HEADER"),
        (json!({"x\r\ny": "a"}), "INVALID_HEADER"),
        (json!({"x": 1}), "INVALID_HEADER"),
        (json!({"x": "a".repeat(20_000)}), "LIMIT_EXCEEDED"),
    ] {
        let error = call(
            &["127.0.0.1:1"],
            json!({"url": "http://127.0.0.1:1/", "headers": headers}),
        )
        .await;
        assert_eq!(error.expect_err("refused").code, code, "{headers}");
    }
    for (parameters, code) in [
        (
            json!({"body": "a", "json": 1, "method": "POST"}),
            "INVALID_PARAMETERS",
        ),
        (json!({"body": "a"}), "INVALID_PARAMETERS"),
        (json!({"timeout_ms": 60_001}), "LIMIT_EXCEEDED"),
        (json!({"max_bytes": 2_000_000}), "LIMIT_EXCEEDED"),
        (
            json!({"body": "x".repeat((1 << 20) + 1), "method": "PUT"}),
            "LIMIT_EXCEEDED",
        ),
    ] {
        let mut parameters = parameters;
        parameters["url"] = json!("http://127.0.0.1:1/");
        assert_eq!(
            call(&["127.0.0.1:1"], parameters)
                .await
                .expect_err("refused")
                .code,
            code
        );
    }
}

#[tokio::test]
async fn redirects_are_the_answer_unless_followed_and_secrets_stay_with_their_origin() {
    let last = Server::start(answer("200 OK", "", "arrived")).await;
    let first = Server::start(answer(
        "302 Found",
        &format!("location: {}\r\n", last.url("/there")),
        "",
    ))
    .await;
    let hosts = [first.host(), last.host()];
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let request = json!({"url": first.url("/"), "method": "POST", "body": "x", "headers": {"authorization": "secret", "accept": "a/b"}});
    assert_eq!(call(&hosts, request.clone()).await.unwrap()["status"], 302);
    let mut followed = request;
    followed["follow_redirects"] = json!(true);
    let got = call(&hosts, followed).await.unwrap();
    assert_eq!(
        (&got["body"], &got["url"]),
        (&json!("arrived"), &json!(last.url("/there")))
    );
    let arrived = &last.requests()[0];
    assert!(
        arrived.starts_with("GET /there HTTP/1.1") && arrived.contains("accept: a/b"),
        "{arrived}"
    );
    assert!(
        !arrived.contains("secret") && !arrived.contains("idempotency-key"),
        "{arrived}"
    );
    let circle = Server::start(answer("307 Temporary Redirect", "location: /again\r\n", "")).await;
    let request = json!({"url": circle.url("/"), "follow_redirects": true});
    assert_eq!(
        call(&[&circle.host()], request).await.expect_err("it ends").code,
        "TOO_MANY_REDIRECTS"
    );
    assert_eq!(circle.requests().len(), 6);
}

#[tokio::test]
async fn only_what_is_safe_to_repeat_is_marked_retryable() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    for (status, header, method, error, wait) in [
        (
            "503 Service Unavailable",
            "retry-after: 7\r\n".to_owned(),
            "POST",
            true,
            Some(7..=7),
        ),
        (
            "429 Too Many Requests",
            format!("retry-after: {date}\r\n"),
            "GET",
            true,
            Some(90..=100),
        ),
        (
            "503 Service Unavailable",
            "retry-after: 999999\r\n".to_owned(),
            "GET",
            true,
            Some(3600..=3600),
        ),
        ("503 Service Unavailable", String::new(), "GET", true, None),
        ("503 Service Unavailable", String::new(), "POST", false, None),
        ("502 Bad Gateway", String::new(), "GET", true, None),
        ("504 Gateway Timeout", String::new(), "POST", false, None),
        ("502 Bad Gateway", String::new(), "DELETE", false, None),
        ("500 Internal Server Error", String::new(), "GET", false, None),
    ] {
        let server = Server::start(answer(status, &header, "")).await;
        let got = call(
            &[&server.host()],
            json!({"url": server.url("/"), "method": method}),
        )
        .await;
        assert_eq!(got.is_err(), error, "{method} {status}");
        if let Err(got) = got {
            assert_eq!((got.code.as_str(), got.retryable), ("SERVER_UNAVAILABLE", true));
            let seconds = got.retry_after.map(|wait| wait.as_secs());
            assert!(
                seconds.is_some() == wait.is_some() && seconds.is_none_or(|got| wait.unwrap().contains(&got))
            );
        }
    }
}

#[tokio::test]
async fn failures_say_whether_the_request_may_have_been_seen() {
    let port = canary().1;
    let host = format!("127.0.0.1:{port}");
    let post = |url: String, timeout: u64| json!({"url": url, "method": "POST", "timeout_ms": timeout});
    let error = call(&[&host], post(format!("http://{host}/"), 5_000))
        .await
        .expect_err("nobody listens");
    assert_eq!((error.code.as_str(), error.retryable), ("CONNECT_FAILED", true));
    assert!(error.message.contains(&host), "{error}");
    let silent = Server::start("silence").await;
    let error = call(&[&silent.host()], post(silent.url("/"), 50))
        .await
        .expect_err("no answer");
    assert_eq!((error.code.as_str(), error.retryable), ("TIMED_OUT", false));
    let broken = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await;
    let error = call(&[&broken.host()], post(broken.url("/"), 5_000))
        .await
        .expect_err("cut off");
    assert_eq!((error.code.as_str(), error.retryable), ("REQUEST_FAILED", false));
    let error = call(&[&broken.host()], json!({"url": broken.url("/?secret=1")}))
        .await
        .expect_err("cut off");
    assert_eq!((error.code.as_str(), error.retryable), ("REQUEST_FAILED", true));
    assert!(!error.message.contains("secret"), "{error}");
}

#[test]
fn hosts_are_read_when_the_tools_are_made_and_safety_is_declared() {
    for entry in [
        "",
        "http://a.example",
        "a.example/x",
        "a b",
        "*",
        "a.*.example",
        "a:0",
        "a:x",
        "a:70000",
        "u@a",
        "2130706433",
    ] {
        let refused = tools(&allowing(&[entry]), system_lookup())
            .map(|_| ())
            .expect_err(entry);
        assert!(matches!(refused, BuiltinError::Host { .. }), "{entry}: {refused}");
    }
    assert!(
        tools(&HttpAccess::default(), system_lookup()).is_err(),
        "no host at all"
    );
    let hosts = [
        "a.example",
        "*.a.example:8443",
        "127.0.0.1:8080",
        "::1",
        "[::1]:8080",
        "LOCALHOST:1",
    ];
    let made = tools(&allowing(&hosts), system_lookup()).unwrap();
    let safety: Vec<_> = made
        .iter()
        .map(|tool| (tool.declaration().name, tool.declaration().safety))
        .collect();
    assert_eq!(
        safety,
        [
            ("http_request".to_owned(), Safety::NotRepeatable),
            ("http_get".to_owned(), Safety::ReadOnly)
        ]
    );
}
