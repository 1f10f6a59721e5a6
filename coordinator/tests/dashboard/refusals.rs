//! What is refused, and what browsers are told.

use crate::{ask::*, common::*};

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
