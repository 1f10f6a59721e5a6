//! What comes back: results, errors, and what they say about trying again.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::sync::Notify;
use toolwave_tool::{Safety, SharedTool, ToolError};

use super::support::{
    Answer, Server, call, call_text, declared, local, read_http, status, tool, tool_of, with_header,
};

fn text(body: &str) -> Answer {
    Answer::Whole("200 OK".to_owned(), Vec::new(), body.into())
}

#[tokio::test]
async fn the_result_is_the_part_at_the_pointer_as_the_service_wrote_it() {
    let body = r#"{"list": [{"n": 12345678901234567890.10, "t": "x"}], "a/b": null}"#;
    let server = Server::answering(text(body)).await;
    for (pointer, result) in [
        (Value::Null, body),
        ("".into(), body),
        ("/list/0/n".into(), "12345678901234567890.10"),
        ("/a~1b".into(), "null"),
    ] {
        let mut http = json!({"url": server.url("/")});
        if pointer != Value::Null {
            http["result"] = pointer;
        }
        assert_eq!(call_text(&tool(http), json!({})).await.unwrap(), result);
    }
    let error = call(
        &tool(json!({"url": server.url("/"), "result": "/list/1"})),
        json!({}),
    )
    .await;
    let error = error.expect_err("nothing is there");
    assert_eq!((error.code.as_str(), error.retryable), ("NO_RESULT", false));
    assert!(error.message.contains("`/list/1`"), "{error}");
}

#[tokio::test]
async fn text_is_a_result_where_it_is_declared_and_broken_answers_are_told() {
    let server = Server::start(|received| match received.target.as_str() {
        "/empty" => Answer::Whole("204 No Content".to_owned(), Vec::new(), Vec::new()),
        "/latin1" => Answer::Whole("200 OK".to_owned(), Vec::new(), vec![0xe9]),
        "/brotli" => with_header(text("{}"), "content-encoding", "br"),
        _ => text("<p>no JSON</p>"),
    })
    .await;
    let http = |path: &str, output: &str| tool(json!({"url": server.url(path), "output": output}));
    assert_eq!(
        call(&http("/", "text"), json!({})).await.unwrap(),
        "<p>no JSON</p>"
    );
    assert_eq!(call(&http("/empty", "text"), json!({})).await.unwrap(), "");
    assert_eq!(
        call(&http("/empty", "json"), json!({})).await.unwrap(),
        Value::Null
    );
    for (path, output) in [
        ("/", "json"),
        ("/latin1", "text"),
        ("/latin1", "json"),
        ("/brotli", "json"),
    ] {
        let error = call(&http(path, output), json!({})).await.expect_err(path);
        assert_eq!(
            (error.code.as_str(), error.retryable),
            ("BROKEN_ANSWER", false),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_read_no_further_than_the_limit_also_when_it_is_unpacked() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 8 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 16 << 10, "it is small as it travels: {}", bomb.len());
    let mut small = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    small.write_all(b"{\"n\": 1}").unwrap();
    let small = small.finish().unwrap();
    let server = Server::start(move |received| match received.target.as_str() {
        "/endless" => Answer::Endless,
        "/exact" => text("123456"),
        path => {
            let body = if path == "/bomb" {
                bomb.clone()
            } else {
                small.clone()
            };
            with_header(
                Answer::Whole("200 OK".to_owned(), Vec::new(), body),
                "content-encoding",
                "gzip",
            )
        }
    })
    .await;
    let http = |path: &str, most: &str| tool(json!({"url": server.url(path), "max_response": most}));
    for path in ["/endless", "/bomb"] {
        let error = call(&http(path, "64KiB"), json!({})).await.expect_err(path);
        assert_eq!(error.code, "ANSWER_TOO_LARGE", "{path}");
        assert!(error.message.contains("max_response, 65536 bytes"), "{error}");
    }
    assert_eq!(
        call(&http("/small", "64KiB"), json!({})).await.unwrap(),
        json!({"n": 1})
    );
    assert_eq!(call(&http("/exact", "6B"), json!({})).await.unwrap(), 123_456);
    let error = call(&http("/exact", "5B"), json!({}))
        .await
        .expect_err("a byte more");
    assert_eq!(error.code, "ANSWER_TOO_LARGE");
}

#[tokio::test]
async fn another_status_is_an_error_with_the_beginning_of_the_body() {
    let long = format!("no such city\u{1b}[31m\u{7}\n{}", "x".repeat(10_000));
    let server = Server::start(move |received| match received.target.as_str() {
        "/302" => with_header(status("302 Found", json!({})), "location", "http://127.0.0.1:1/"),
        "/201" => status("201 Created", json!("made")),
        _ => Answer::Whole("404 Not Found".to_owned(), Vec::new(), long.clone().into_bytes()),
    })
    .await;
    let error = call(&tool(json!({"url": server.url("/404")})), json!({}))
        .await
        .expect_err("404");
    assert_eq!((error.code.as_str(), error.retryable), ("HTTP_404", false));
    let details = error.details.unwrap();
    assert_eq!(details["status"], 404);
    let body = details["body"].as_str().unwrap();
    assert!(
        body.starts_with("no such city [31m \nxxx") && body.len() == 4096,
        "{body}"
    );
    let error = call(&tool(json!({"url": server.url("/302")})), json!({}))
        .await
        .expect_err("302");
    assert_eq!(error.code, "HTTP_302");
    assert!(error.message.contains("redirects"), "{error}");
    assert_eq!(
        call(&tool(json!({"url": server.url("/201")})), json!({}))
            .await
            .unwrap(),
        "made"
    );
    let only = json!({"url": server.url("/201"), "success": [200, "4xx"]});
    assert_eq!(
        call(&tool(only.clone()), json!({})).await.expect_err("201").code,
        "HTTP_201"
    );
    let mut found = only;
    found["url"] = server.url("/404").into();
    found["output"] = "text".into();
    assert!(
        call(&tool(found), json!({})).await.is_ok(),
        "an operator may call 404 a success"
    );
}

async fn asked(server: &Server, safety: Safety, retry: Option<Value>) -> ToolError {
    let mut http = json!({"url": server.url("/"), "method": "POST"});
    if let Some(retry) = retry {
        http["retry_statuses"] = retry;
    }
    let tool = tool_of(local(http), declared(safety));
    call(&tool, json!({})).await.expect_err("no success")
}

#[tokio::test]
async fn a_status_is_retryable_where_nothing_was_done_or_a_repeat_does_no_harm() {
    use Safety::{HonoursIdempotencyKey, Idempotent, NotRepeatable, ReadOnly};
    for (line, wait, retry, safety, retryable) in [
        ("429 Too Many Requests", "", None, NotRepeatable, true),
        ("503 Service Unavailable", "", None, NotRepeatable, false),
        ("503 Service Unavailable", "7", None, NotRepeatable, true),
        ("503 Service Unavailable", "", None, Idempotent, true),
        ("502 Bad Gateway", "", None, NotRepeatable, false),
        ("502 Bad Gateway", "", None, ReadOnly, true),
        ("504 Gateway Timeout", "", None, HonoursIdempotencyKey, true),
        ("408 Request Timeout", "", None, ReadOnly, true),
        ("408 Request Timeout", "", None, NotRepeatable, false),
        ("500 Internal Server Error", "", None, ReadOnly, false),
        ("500 Internal Server Error", "7", None, ReadOnly, false),
        (
            "500 Internal Server Error",
            "",
            Some(json!([500])),
            NotRepeatable,
            true,
        ),
        ("429 Too Many Requests", "", Some(json!([])), ReadOnly, false),
        ("502 Bad Gateway", "", Some(json!(["5xx"])), NotRepeatable, true),
    ] {
        let mut answer = status(line, json!({}));
        if !wait.is_empty() {
            answer = with_header(answer, "retry-after", wait);
        }
        let server = Server::answering(answer).await;
        let error = asked(&server, safety, retry.clone()).await;
        assert_eq!(error.code, format!("HTTP_{}", &line[..3]));
        assert_eq!(error.retryable, retryable, "{line} {wait} {retry:?} {safety:?}");
        let expected = (retryable && !wait.is_empty()).then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after, expected, "{line}");
    }
}

#[tokio::test]
async fn the_time_to_wait_may_be_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    let answer = with_header(status("429 Too Many Requests", json!({})), "retry-after", &date);
    let server = Server::answering(answer).await;
    let wait = asked(&server, Safety::NotRepeatable, None)
        .await
        .retry_after
        .unwrap();
    assert!((80..=100).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn a_failure_is_retryable_only_where_nothing_was_sent_or_a_repeat_does_no_harm() {
    let cut = Server::answering(Answer::Raw(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_vec(),
    ))
    .await;
    let closed = Server::answering(Answer::Raw(Vec::new())).await;
    // A port that was free a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let made = |url: String, safety| tool_of(local(json!({"url": url, "method": "POST"})), declared(safety));
    let failing = async |tool: SharedTool| {
        let error = call(&tool, json!({})).await.expect_err("no answer");
        (error.code, error.retryable)
    };
    for (url, safety, code, retryable) in [
        (
            format!("http://{nobody}/"),
            Safety::NotRepeatable,
            "CONNECT_FAILED",
            true,
        ),
        (cut.url("/"), Safety::NotRepeatable, "REQUEST_FAILED", false),
        (cut.url("/"), Safety::Idempotent, "REQUEST_FAILED", true),
        (closed.url("/"), Safety::NotRepeatable, "REQUEST_FAILED", false),
        (closed.url("/"), Safety::ReadOnly, "REQUEST_FAILED", true),
    ] {
        assert_eq!(
            failing(made(url, safety)).await,
            (code.to_owned(), retryable),
            "{safety:?}"
        );
    }
    assert_eq!(
        (cut.requests(), closed.requests()),
        (2, 2),
        "the client repeats nothing itself"
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named_by_host_and_port_and_nothing_else_of_its_url() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{nobody}/a/path?a=query");
    let tool = tool_of(local(json!({"url": url})), declared(Safety::ReadOnly));
    let error = call(&tool, json!({})).await.expect_err("nobody listens");
    assert_eq!(error.code, "CONNECT_FAILED");
    let start = format!("no connection to {nobody}: ");
    assert!(error.message.starts_with(&start), "{error}");
    assert!(
        !error.message.contains("path") && !error.message.contains("query"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_that_cannot_be_reached_was_seen_by_the_service() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let location = format!("http://{nobody}/");
    let server = Server::answering(with_header(
        status("303 See Other", json!({})),
        "location",
        &location,
    ))
    .await;
    for (safety, retryable) in [(Safety::NotRepeatable, false), (Safety::ReadOnly, true)] {
        let hosts = json!([nobody.to_string()]);
        // Another port of the service's own host is not followed; another name for the same address is.
        let http = read_http(json!({
            "url": format!("http://localhost:{}/", server.port), "method": "POST", "allow_http": true,
            "allow_private": ["127.0.0.1", "::1"], "redirects": hosts,
        }));
        let error = call(&tool_of(http, declared(safety)), json!({}))
            .await
            .expect_err("nobody listens");
        assert_eq!(
            (error.code.as_str(), error.retryable),
            ("CONNECT_FAILED", retryable),
            "{error}"
        );
        assert!(error.message.contains(&format!(" to {nobody}: ")), "{error}");
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_call_that_is_no_longer_wanted_hangs_up() {
    let (come, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = Server::answering(Answer::Silence(come.clone(), gone.clone())).await;
    let tool = tool(json!({"url": server.url("/")}));
    tokio::select! {
        got = call(&tool, json!({})) => panic!("nobody answers: {got:?}"),
        () = come.notified() => {}
    }
    tokio::time::timeout(Duration::from_secs(30), gone.notified())
        .await
        .expect("the server sees the end");
}
