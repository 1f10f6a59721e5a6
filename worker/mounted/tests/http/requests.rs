//! What is sent: values escaped where they stand, and what is left out.

use serde_json::{Value, json};
use toolwave_tool::Safety;

use super::support::{Server, call, declared, local, ok, tool, tool_of};

async fn target(url: &str, parameters: Value) -> String {
    let server = Server::answering(ok(json!(1))).await;
    let tool = tool(json!({"url": server.url(url)}));
    call(&tool, parameters).await.unwrap();
    server.last().target
}

#[tokio::test]
async fn values_are_escaped_where_they_stand_in_the_url() {
    let text = "a/b?c=d&e#f g%2F\u{e9}'\"\\{}+;:@";
    let encoded = "a%2Fb%3Fc%3Dd%26e%23f%20g%252F%C3%A9%27%22%5C%7B%7D%2B%3B%3A%40";
    let got = target(
        "/v1/{p}/x?q={q}&n={a}&t={b}",
        json!({"p": text, "q": text, "a": 1.5, "b": true}),
    )
    .await;
    assert_eq!(got, format!("/v1/{encoded}/x?q={encoded}&n=1.5&t=true"));
    assert_eq!(
        target("/{p}-{q}.json", json!({"p": "..", "q": "é"})).await,
        "/..-%C3%A9.json"
    );
    assert_eq!(
        target("/a%20b/ü?x='|'", json!({})).await,
        "/a%20b/%C3%BC?x=%27%7C%27"
    );
    assert_eq!(target("?a={d.e}", json!({"d": {"e": "deep"}})).await, "/?a=deep");
    assert_eq!(target("", json!({})).await, "/");
}

#[tokio::test]
async fn a_query_parameter_without_a_value_is_left_out_with_its_name() {
    let url = "/s?fixed=1&a={a}&flag&b=x{b}y&c={c}";
    assert_eq!(target(url, json!({"c": 7})).await, "/s?fixed=1&flag&c=7");
    assert_eq!(
        target(url, json!({"a": null, "b": ""})).await,
        "/s?fixed=1&flag&b=xy"
    );
    assert_eq!(target("/s?a={a}", json!({})).await, "/s");
}

#[tokio::test]
async fn lists_are_repeated_or_joined_by_commas() {
    let server = Server::answering(ok(json!(1))).await;
    let url = server.url("/s?a={a}&b={b}");
    for (arrays, target) in [("repeat", "/s?a=1&a=x%2Cy&b=2"), ("comma", "/s?a=1,x%2Cy&b=2")] {
        let tool = tool(json!({"url": url, "arrays": arrays}));
        call(&tool, json!({"a": [1, "x,y"], "b": 2})).await.unwrap();
        assert_eq!(server.last().target, target);
        call(&tool, json!({"a": [], "b": 2})).await.unwrap();
        assert_eq!(server.last().target, "/s?b=2");
        let error = call(&tool, json!({"a": [[1]]}))
            .await
            .expect_err("a list of lists");
        assert_eq!(error.code, "INVALID_PARAMETERS");
    }
}

#[tokio::test]
async fn a_value_that_would_change_the_path_is_refused_and_nothing_is_sent() {
    let server = Server::answering(ok(json!(1))).await;
    let tool = tool(json!({"url": server.url("/v1/{p}{q}/x")}));
    for (p, q) in [("..", ""), (".", "."), ("", "."), ("", "")] {
        let error = call(&tool, json!({"p": p, "q": q})).await.expect_err(p);
        assert_eq!(error.code, "INVALID_PARAMETERS", "{p:?} {q:?}: {error}");
    }
    for (p, what) in [
        (json!([1]), "array"),
        (json!({}), "object"),
        (json!(null), "absent"),
    ] {
        let error = call(&tool, json!({"p": p, "q": "x"})).await.expect_err(what);
        assert_eq!(error.code, "INVALID_PARAMETERS");
        assert!(
            error.message.contains("`p`") && error.message.contains(what),
            "{error}"
        );
    }
    let error = call(&tool, json!({"p": "x".repeat(20_000), "q": "x"}))
        .await
        .expect_err("long");
    assert_eq!(error.code, "LIMIT_EXCEEDED");
    assert!(error.message.contains("16384"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn headers_take_values_and_no_line_ends() {
    let server = Server::answering(ok(json!(1))).await;
    let headers = json!({"X-City": "city {a}", "x-b": "{b}", "accept": "a/b", "x-brace": "{{}}"});
    let tool = tool(json!({"url": server.url("/"), "headers": headers}));
    call(&tool, json!({"a": "Oslo, N", "b": 5})).await.unwrap();
    let sent = server.last();
    let got = ["x-city", "x-b", "accept", "x-brace"].map(|name| sent.header(name));
    assert_eq!(got, [Some("city Oslo, N"), Some("5"), Some("a/b"), Some("{}")]);
    assert!(sent.header("user-agent").unwrap().starts_with("toolwave/"));
    call(&tool, json!({"a": "x"})).await.unwrap();
    assert_eq!(
        server.last().header("x-b"),
        None,
        "a header whose parameter is absent is left out"
    );
    let calls = server.requests();
    for value in [
        "a\r\nx-evil: 1",
        "a\nb",
        "a\0b",
        "a\tb",
        "\u{7f}",
        "é",
        "a\u{2028}b",
    ] {
        let error = call(&tool, json!({"a": value})).await.expect_err(value);
        assert_eq!(error.code, "INVALID_PARAMETERS");
        assert!(error.message.contains("x-city"), "{error}");
    }
    let error = call(&tool, json!({"a": "x".repeat(17_000)}))
        .await
        .expect_err("long");
    assert_eq!(error.code, "LIMIT_EXCEEDED");
    assert_eq!(server.requests(), calls);
}

#[tokio::test]
async fn a_json_body_keeps_the_types_of_its_values() {
    let server = Server::answering(ok(json!(1))).await;
    let body = json!({"json": {
        "whole": "{a}", "text": "a is {a}", "fixed": 3, "brace": "{{a}}", "empty": "",
        "list": ["{b}", "{c}", "x"], "deep": {"e": "{d.e}", "gone": "{c}"},
    }});
    let tool = tool(json!({"method": "POST", "url": server.url("/"), "body": body}));
    let parameters = json!({"a": 9_007_199_254_740_993_i64, "b": [1, {"k": null}], "d": {"e": "q\"\n"}});
    call(&tool, parameters).await.unwrap();
    let sent = server.last();
    assert_eq!(
        sent.json(),
        json!({
            "whole": 9_007_199_254_740_993_i64, "text": "a is 9007199254740993", "fixed": 3, "brace": "{a}",
            "empty": "", "list": [[1, {"k": null}], "x"], "deep": {"e": "q\"\n"},
        })
    );
    assert_eq!(
        (sent.method.as_str(), sent.header("content-type")),
        ("POST", Some("application/json"))
    );
}

#[tokio::test]
async fn a_body_is_the_parameters_a_form_or_text() {
    let server = Server::answering(ok(json!(1))).await;
    let form = json!({"form": {"q": "{a}", "n": 5, "list": "{b}", "gone": "{c}", "two words": "&=é +"}});
    for (body, sent, kind) in [
        (
            json!("parameters"),
            r#"{"a":"x y&z","b":[1,"2"]}"#,
            "application/json",
        ),
        (
            form,
            "q=x+y%26z&n=5&list=1&list=2&two+words=%26%3D%C3%A9+%2B",
            "application/x-www-form-urlencoded",
        ),
        (json!({"text": "<{a}>{c}"}), "", "text/plain; charset=utf-8"),
        (json!({"text": "<{a}>"}), "<x y&z>", "text/plain; charset=utf-8"),
    ] {
        let tool = tool(json!({"method": "PUT", "url": server.url("/"), "body": body}));
        call(&tool, json!({"a": "x y&z", "b": [1, "2"]})).await.unwrap();
        let got = server.last();
        assert_eq!(String::from_utf8(got.body.clone()).unwrap(), sent);
        assert_eq!(got.header("content-type"), Some(kind));
    }
    let http = json!({
        "method": "POST", "url": server.url("/"), "body": "parameters", "headers": {"content-type": "a/b"},
    });
    call(&tool(http), json!({})).await.unwrap();
    assert_eq!(
        server.last().header("content-type"),
        Some("a/b"),
        "a header of the operator wins"
    );
}

#[tokio::test]
async fn the_idempotency_key_goes_where_the_service_takes_it() {
    let server = Server::answering(ok(json!(1))).await;
    let http = |header: Value| {
        let mut http = json!({"method": "POST", "url": server.url("/")});
        if header != Value::Null {
            http["idempotency_key_header"] = header;
        }
        local(http)
    };
    for (header, safety, sent) in [
        (Value::Null, Safety::NotRepeatable, None),
        (
            Value::Null,
            Safety::HonoursIdempotencyKey,
            Some("idempotency-key"),
        ),
        (
            json!("X-Request-Id"),
            Safety::HonoursIdempotencyKey,
            Some("x-request-id"),
        ),
        (json!("X-Request-Id"), Safety::NotRepeatable, Some("x-request-id")),
    ] {
        let tool = tool_of(http(header), declared(safety));
        call(&tool, json!({})).await.unwrap();
        let got = server.last();
        for name in ["idempotency-key", "x-request-id"] {
            assert_eq!(
                got.header(name),
                (sent == Some(name)).then_some("key-1"),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn calls_use_connections_again_and_equal_tools_share_them() {
    let server = Server::answering(ok(json!({"n": 1}))).await;
    let network = toolwave_mounted::http::Network::resolving(toolwave_egress::system_lookup());
    let tools: Vec<_> = (0..20)
        .map(|n| {
            let http = local(json!({"url": server.url(&format!("/{n}"))}));
            http.tool_on(declared(Safety::ReadOnly), &network).unwrap()
        })
        .collect();
    for tool in tools.iter().chain(&tools) {
        call(tool, json!({})).await.unwrap();
    }
    // A connection that is not back yet when the next call begins may be joined by another.
    let connections = server.connections();
    assert!(
        server.requests() == 40 && connections <= 4,
        "{connections} connections"
    );
    let apart = || tool(json!({"url": server.url("/")}));
    for _ in 0..5 {
        call(&apart(), json!({})).await.unwrap();
    }
    assert_eq!(
        server.connections() - connections,
        5,
        "each network has connections of its own"
    );
}
