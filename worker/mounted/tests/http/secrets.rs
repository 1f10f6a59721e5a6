//! Secrets reach the service and nobody else: not errors, not what is shown for finding mistakes.

use serde_json::{Value, json};
use toolwave_tool::{Safety, ToolError};

use super::support::{
    Answer, Server, call, declared, local, ok, read_http, resolving, status, tool_of, with_header,
};

const SECRET: &str = "sw0rd fish/&=?\u{e9}";
const TOKEN: &str = "tok-1234567890";

/// Where the secrets of a test are.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("secret", SECRET);
        folder.write("token", &format!("{TOKEN}\n"));
        folder
    }

    fn write(&self, name: &str, value: &str) {
        std::fs::write(self.0.path().join(name), value).unwrap();
    }

    fn http(&self, url: &str) -> Value {
        json!({
            "method": "POST", "url": format!("{url}/{{secrets.secret}}/x?key={{secrets.secret}}&a={{a}}"),
            "secrets": {"secret": {"file": self.0.path().join("secret")}, "token": {"file": self.0.path().join("token")}},
            "headers": {"authorization": "Bearer {secrets.token}", "x-key": {"file": self.0.path().join("token")}},
            "body": {"json": {"api_key": "{secrets.secret}", "a": "{a}"}},
        })
    }
}

fn assert_hidden(error: &ToolError) {
    let shown = format!("{error} {error:?}");
    for part in ["sw0rd", "fish", TOKEN, "%C3%A9", "é"] {
        assert!(!shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn a_secret_stands_in_path_query_header_and_body_and_is_read_for_each_call() {
    let folder = Folder::new();
    let server = Server::answering(ok(json!(1))).await;
    let tool = tool_of(
        local(folder.http(&server.url(""))),
        declared(Safety::NotRepeatable),
    );
    call(&tool, json!({"a": "{secrets.token}"})).await.unwrap();
    let sent = server.last();
    let encoded = "sw0rd%20fish%2F%26%3D%3F%C3%A9";
    let target = format!("/{encoded}/x?key={encoded}&a=%7Bsecrets.token%7D");
    assert_eq!(sent.target, target, "values of callers are not templates");
    assert_eq!(sent.header("authorization"), Some("Bearer tok-1234567890"));
    assert_eq!(sent.header("x-key"), Some(TOKEN));
    assert_eq!(sent.json(), json!({"api_key": SECRET, "a": "{secrets.token}"}));
    folder.write("token", "tok-new");
    call(&tool, json!({})).await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("Bearer tok-new"));
    std::fs::remove_file(folder.0.path().join("token")).unwrap();
    let error = call(&tool, json!({})).await.expect_err("it is gone");
    assert_eq!(
        (error.code.as_str(), server.requests()),
        ("SECRET_UNAVAILABLE", 2)
    );
    folder.write("token", "two\nlines");
    let error = call(&tool, json!({})).await.expect_err("no header");
    assert_eq!(error.code, "INVALID_PARAMETERS");
    assert!(!error.message.contains("lines of"), "{error}");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn errors_tell_no_secret_also_when_the_service_repeats_it() {
    let folder = Folder::new();
    let echo = |line: &'static str| {
        Server::start(move |received| {
            let body = String::from_utf8(received.body.clone()).unwrap();
            let token = received.header("authorization").unwrap_or_default();
            // The secret lies across the end of the excerpt as well.
            let padding = "x".repeat(4096 - 6);
            let text = format!("{} {body} {token}", received.target);
            let body = if line.starts_with("400") {
                text
            } else {
                format!("{padding}{TOKEN} {text}")
            };
            Answer::Whole(line.to_owned(), Vec::new(), body.into_bytes())
        })
    };
    for line in ["400 Bad Request", "403 Forbidden"] {
        let server = echo(line).await;
        let tool = tool_of(
            local(folder.http(&server.url(""))),
            declared(Safety::NotRepeatable),
        );
        let error = call(&tool, json!({"a": "seen"})).await.expect_err("refused");
        let body = error.details.as_ref().unwrap()["body"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            body.contains(if line.starts_with("400") { "a=seen" } else { "xxx" }),
            "{body}"
        );
        assert!(!body.contains("tok-12"), "no part of one either");
        assert_hidden(&error);
    }
    let broken = Server::answering(Answer::Raw(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec(),
    ))
    .await;
    let html = Server::answering(Answer::Whole("200 OK".to_owned(), Vec::new(), b"<p>".to_vec())).await;
    let away = status("302 Found", json!({}));
    let away = Server::answering(with_header(away, "location", "http://10.0.0.1/x")).await;
    let nobody = format!("http://127.0.0.1:{}", Server::answering(ok(json!(1))).await.port);
    for (url, code) in [
        (broken.url(""), "REQUEST_FAILED"),
        (html.url(""), "BROKEN_ANSWER"),
        (away.url(""), "EGRESS_DENIED"),
        (nobody, "CONNECT_FAILED"),
    ] {
        let mut http = folder.http(&url);
        http["redirects"] = true.into();
        let tool = tool_of(local(http), declared(Safety::NotRepeatable));
        let error = call(&tool, json!({})).await.expect_err(code);
        assert_eq!(error.code, code, "{error}");
        assert_hidden(&error);
    }
}

#[tokio::test]
async fn neither_the_declaration_nor_a_denial_shows_a_secret() {
    let folder = Folder::new();
    let http = read_http(folder.http("https://inner.example"));
    let shown = format!("{http:?} {:?}", http.check(&declared(Safety::NotRepeatable)));
    assert!(!shown.contains("sw0rd") && !shown.contains(TOKEN), "{shown}");
    let (lookup, _) = resolving(&[&["10.0.0.1"]]);
    let network = toolwave_mounted::http::Network::resolving(lookup);
    let tool = http.tool_on(declared(Safety::NotRepeatable), &network).unwrap();
    let error = call(&tool, json!({})).await.expect_err("denied");
    assert_eq!(error.code, "EGRESS_DENIED");
    assert_hidden(&error);
    assert!(!format!("{:?}", tool.declaration()).contains(TOKEN));
}
