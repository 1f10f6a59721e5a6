//! The dashboard over real HTTP: what it refuses, and to whom; what it says to browsers; whose calls are whose.

mod common;

use std::{net::SocketAddr, path::Path};

use common::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use toolwave_coordinator::{Config, Coordinator, audit::AuditSection, identity::Auth};

/// Made up; the hash of each is in the file of tokens.
const OPERATOR: &str = "operators-token";
const CLIENT: &str = "clients-token";

fn with_dashboard() -> Config {
    let mut config = config();
    config.admin.listen = Some("127.0.0.1:0".parse().expect("an address"));
    config
}

fn with_tokens(folder: &Path) -> Config {
    let entry = |name: &str, token: &str, operator: bool| {
        let hash: String = Sha256::digest(token)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!(
            "[[token]]\nname = {name:?}\nsha256 = {hash:?}\ntenant = \"acme\"\ntools = [\"*\"]\noperator = {operator}\n"
        )
    };
    let file = folder.join("tokens.toml");
    let entries = entry("ops", OPERATOR, true) + &entry("somebody", CLIENT, false);
    std::fs::write(&file, entries).expect("a file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    Config {
        auth: Some(Auth {
            tokens_file: Some(file),
            reload_interval: std::time::Duration::from_millis(10),
            ..Auth::default()
        }),
        ..with_dashboard()
    }
}

fn address(coordinator: &Coordinator) -> SocketAddr {
    coordinator.admin_address().expect("an admin port")
}

/// One request on a connection of its own, headers as given; what is answered, as it is.
async fn ask(
    coordinator: &Coordinator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = open(coordinator, method, path, headers, body).await;
    let mut bytes = Vec::new();
    soon("an answer", stream.read_to_end(&mut bytes))
        .await
        .expect("it is read");
    Answer(String::from_utf8(bytes).expect("text"))
}

async fn open(
    coordinator: &Coordinator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address(coordinator))
        .await
        .expect("it listens");
    stream
        .write_all(format!("{text}\r\n{body}").as_bytes())
        .await
        .expect("it is sent");
    stream
}

struct Answer(String);

impl Answer {
    fn status(&self) -> u16 {
        self.0
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status line")
    }

    fn has(&self, line: &str) -> bool {
        let head = self.0.split("\r\n\r\n").next().expect("headers");
        head.lines().any(|found| found.eq_ignore_ascii_case(line))
    }

    /// The word of a refusal.
    fn reason(&self) -> String {
        self.json()["error"]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn json(&self) -> Value {
        let body = self.0.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

#[tokio::test]
async fn only_names_of_this_host_are_answered() {
    let coordinator = start(with_dashboard()).await;
    let own = address(&coordinator).to_string();
    for host in [
        own.as_str(),
        "localhost",
        "localhost:7422",
        "a.localhost:1",
        "[::1]:7422",
        "127.0.0.9",
    ] {
        assert_eq!(
            ask(&coordinator, "GET", "/", &[("host", host)], "")
                .await
                .status(),
            200,
            "{host}"
        );
    }
    for host in [
        "rebound.example",
        "rebound.example:7422",
        "localhost.example",
        "10.0.0.1",
        "169.254.169.254",
        "127.0.0.1.example",
    ] {
        for path in ["/", "/assets/app.js", "/api/cluster"] {
            let answer = ask(&coordinator, "GET", path, &[("host", host)], "").await;
            assert_eq!(
                (answer.status(), answer.reason().as_str()),
                (403, "UNKNOWN_HOST"),
                "{host}"
            );
        }
    }
    let two = ask(
        &coordinator,
        "GET",
        "/api/cluster",
        &[("host", "localhost"), ("host", "rebound.example")],
        "",
    )
    .await;
    assert!([400, 403].contains(&two.status()), "{}", two.0);
}

#[tokio::test]
async fn what_a_proxy_brings_from_elsewhere_is_from_elsewhere() {
    for header in ["x-forwarded-for", "forwarded"] {
        let coordinator = start(with_dashboard()).await;
        let headers = [("host", "localhost"), (header, "for=10.0.0.9")];
        let answer = ask(&coordinator, "GET", "/api/cluster", &headers, "").await;
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (403, "NOT_FROM_HERE"),
            "{header}"
        );
        let mut config = with_dashboard();
        config.admin.remote_dashboard = true;
        let coordinator = start(config).await;
        assert_eq!(
            ask(&coordinator, "GET", "/api/cluster", &headers, "")
                .await
                .status(),
            200,
            "{header}"
        );
    }
}

#[tokio::test]
async fn what_changes_something_comes_from_this_page_and_no_other() {
    let coordinator = start(with_dashboard()).await;
    let host = address(&coordinator).to_string();
    let own = format!("http://{host}");
    let json = ("content-type", "application/json");
    type Refused<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);
    let refused: [Refused<'_>; 7] = [
        (&[json], 403, "CROSS_ORIGIN"),
        (&[json, ("origin", "null")], 403, "CROSS_ORIGIN"),
        (&[json, ("origin", "http://evil.example")], 403, "CROSS_ORIGIN"),
        (&[json, ("origin", "http://127.0.0.1:1")], 403, "CROSS_ORIGIN"),
        (
            &[json, ("origin", &own), ("sec-fetch-site", "cross-site")],
            403,
            "CROSS_SITE",
        ),
        (&[("origin", &own)], 415, "NOT_JSON"),
        (
            &[("origin", &own), ("content-type", "text/plain")],
            415,
            "NOT_JSON",
        ),
    ];
    for path in [
        "/api/workers/w/drain",
        "/api/workers/w/resume",
        "/api/executions/x/cancel",
        "/api/call",
    ] {
        for (headers, status, reason) in refused {
            let headers: Vec<_> = [("host", host.as_str())].iter().chain(headers).copied().collect();
            let answer = ask(&coordinator, "POST", path, &headers, "{}").await;
            assert_eq!(
                (answer.status(), answer.reason().as_str()),
                (status, reason),
                "{path} {headers:?}"
            );
        }
        assert_eq!(
            ask(&coordinator, "GET", path, &[("host", &host)], "")
                .await
                .status(),
            405,
            "{path}"
        );
    }
    let good = [("host", host.as_str()), ("origin", own.as_str()), json];
    let answer = ask(&coordinator, "POST", "/api/workers/w/drain", &good, "{}").await;
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (404, "WORKER_NOT_FOUND")
    );
    let answer = ask(&coordinator, "POST", "/api/call", &good, r#"{"toolname": 3}"#).await;
    assert_eq!((answer.status(), answer.reason().as_str()), (400, "BAD_BODY"));
    let reading = [("host", host.as_str()), ("sec-fetch-site", "cross-site")];
    let answer = ask(&coordinator, "GET", "/api/cluster", &reading, "").await;
    assert_eq!((answer.status(), answer.reason().as_str()), (403, "CROSS_SITE"));
}

#[tokio::test]
async fn browsers_are_told_to_run_nothing_else_and_to_frame_nothing() {
    let coordinator = start(with_dashboard()).await;
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                  connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    for (path, host) in [
        ("/", "localhost"),
        ("/assets/app.js", "localhost"),
        ("/api/cluster", "localhost"),
        ("/", "evil.example"),
    ] {
        let answer = ask(&coordinator, "GET", path, &[("host", host)], "").await;
        for line in [
            policy,
            "x-frame-options: DENY",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.has(line), "{path}: {line}\n{}", answer.0);
        }
    }
    let page = ask(&coordinator, "GET", "/", &[("host", "localhost")], "")
        .await
        .0;
    assert!(
        !page.contains("<script>") && !page.contains("style=") && !page.contains("onload="),
        "{page}"
    );
    let secret = ask(&coordinator, "GET", "/api/cluster", &[("host", "localhost")], "").await;
    assert!(secret.has("cache-control: no-store"));
    for path in [
        "/assets/../Cargo.toml",
        "/assets/nothing.js",
        "/assets/%2e%2e/mod.rs",
    ] {
        assert_eq!(
            ask(&coordinator, "GET", path, &[("host", "localhost")], "")
                .await
                .status(),
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn where_tokens_are_asked_for_only_an_operators_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let coordinator = start(with_tokens(folder.path())).await;
    let ask = async |path: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("host", "localhost")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        ask(&coordinator, "GET", path, &headers, "").await
    };
    for path in [
        "/api/cluster",
        "/api/workers",
        "/api/executions",
        "/api/tools",
        "/api/live",
        "/api/nothing",
    ] {
        let none = ask(path, None).await;
        assert_eq!(
            (none.status(), none.reason().as_str()),
            (401, "NO_CREDENTIALS"),
            "{path}"
        );
        assert!(none.has("www-authenticate: Bearer"));
        assert_eq!(ask(path, Some("wrong")).await.reason(), "BAD_TOKEN", "{path}");
        let client = ask(path, Some(CLIENT)).await;
        assert_eq!(
            (client.status(), client.reason().as_str()),
            (403, "NOT_PERMITTED"),
            "{path}"
        );
    }
    assert_eq!(ask("/api/cluster", Some(OPERATOR)).await.status(), 200);
    // The page itself says nothing of the cluster.
    assert_eq!(ask("/", None).await.status(), 200);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_withdrawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let coordinator = start(with_tokens(folder.path())).await;
    let bearer = format!("Bearer {OPERATOR}");
    let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
    let mut stream = open(&coordinator, "GET", "/api/live", &headers, "").await;
    until(&mut stream, "event: picture").await;
    std::fs::write(folder.path().join("tokens.toml"), "").expect("a file");
    let mut rest = Vec::new();
    soon("the end of the stream", stream.read_to_end(&mut rest))
        .await
        .expect("an end");
}

/// Reads until the words have come.
async fn until(stream: &mut TcpStream, words: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    soon(words, async {
        while !text.contains(words) {
            let read = stream.read(&mut bytes).await.expect("it is read");
            assert!(read > 0, "it ended: {text}");
            text += &String::from_utf8_lossy(&bytes[..read]);
        }
    })
    .await;
    text
}

#[tokio::test]
async fn viewers_are_bounded_and_a_place_comes_free_when_one_goes() {
    let coordinator = start(with_dashboard()).await;
    let mut viewers = Vec::new();
    for _ in 0..64 {
        let mut viewer = open(&coordinator, "GET", "/api/live", &[("host", "localhost")], "").await;
        until(&mut viewer, "event: picture").await;
        viewers.push(viewer);
    }
    let refused = ask(&coordinator, "GET", "/api/live", &[("host", "localhost")], "").await;
    assert_eq!(
        (refused.status(), refused.reason().as_str()),
        (503, "TOO_MANY_VIEWERS")
    );
    viewers.pop();
    soon("a free place", async {
        loop {
            let mut viewer = open(&coordinator, "GET", "/api/live", &[("host", "localhost")], "").await;
            let mut line = [0; 12];
            viewer.read_exact(&mut line).await.expect("a status line");
            if line.ends_with(b"200") {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_open_execution_is_followed_call_by_call_to_its_end() {
    let coordinator = start(with_dashboard()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let mut client = client(&coordinator).await;
    let running = tokio::spawn(async move {
        client
            .execute_parallel(request(vec![call("echo", "{}"), call("echo", "{}")]))
            .await
    });
    let first = worker.dispatch().await;
    let second = worker.dispatch().await;
    let listed = ask(
        &coordinator,
        "GET",
        "/api/executions",
        &[("host", "localhost")],
        "",
    )
    .await
    .json();
    let id = listed["executions"][0]["executionId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut viewer = open(
        &coordinator,
        "GET",
        &format!("/api/live?execution={id}"),
        &[("host", "localhost")],
        "",
    )
    .await;
    let text = until(&mut viewer, r#""whole":true"#).await;
    assert!(text.contains("event: execution"), "{text}");
    worker.succeed(&first, "1").await;
    until(&mut viewer, "OUTCOME_SUCCEEDED").await;
    worker.succeed(&second, "2").await;
    until(&mut viewer, r#""endedAt""#).await;
    soon("an answer", running)
        .await
        .expect("no panic")
        .expect("an answer");
    let gone = uuid::Uuid::new_v4();
    let mut viewer = open(
        &coordinator,
        "GET",
        &format!("/api/live?execution={gone}"),
        &[("host", "localhost")],
        "",
    )
    .await;
    let text = until(&mut viewer, "EXECUTION_NOT_FOUND").await;
    assert!(text.contains("event: execution-failure"), "{text}");
}

#[tokio::test]
async fn a_call_of_the_page_is_recorded_as_the_operators() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    let coordinator = start(Config {
        audit: AuditSection {
            file: Some(file.clone()),
            ..AuditSection::default()
        },
        ..with_tokens(folder.path())
    })
    .await;
    let host = address(&coordinator).to_string();
    let (origin, bearer) = (format!("http://{host}"), format!("Bearer {OPERATOR}"));
    let headers = [
        ("host", host.as_str()),
        ("origin", origin.as_str()),
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({ "id": "call", "toolName": "unheard-of" }).to_string();
    let answer = ask(&coordinator, "POST", "/api/call", &headers, &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.0);
    assert_eq!(answer.json()["results"][0]["outcome"], "OUTCOME_REJECTED");
    let id = answer.json()["summary"]["executionId"].clone();
    coordinator.shutdown().await;
    let text = std::fs::read_to_string(&file).expect("it was written");
    let mut records = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let accepted = records
        .find(|record| record["execution_id"] == id)
        .expect("a record");
    assert_eq!(
        (&accepted["tenant"], &accepted["subject"]),
        (&json!("acme"), &json!("ops")),
        "{accepted}"
    );
}

#[test]
fn a_dashboard_for_other_hosts_asks_who_they_are() {
    let mut config = with_dashboard();
    config.admin.listen = Some("0.0.0.0:7422".parse().expect("an address"));
    config.admin.remote_dashboard = true;
    let wrong: Vec<&str> = config.check().iter().map(|wrong| wrong.key).collect();
    assert_eq!(wrong, ["admin.remote_dashboard"]);
    config.insecure_allow_remote = true;
    assert!(config.check().is_empty());
}
