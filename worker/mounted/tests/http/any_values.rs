//! Whatever the values of the parameters: a request stays what was declared, or is not sent.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use toolwave_tool::Safety;

use super::support::{Received, Server, Silent, call, declared, local, ok, tool_of};

/// Texts that have meant something to somebody.
const KNOWN: &[&str] = &[
    "",
    ".",
    "..",
    "%2e%2e",
    "%2E.",
    "/",
    "//",
    "/../..",
    "\\..\\",
    "a/b",
    "?x=1",
    "#f",
    "&host=x",
    "=",
    "%",
    "%0d%0a",
    "\r\nHost: x\r\n\r\nGET / HTTP/1.1",
    "\n",
    "\0",
    "\t",
    "@127.0.0.1",
    "//127.0.0.1/",
    "http://127.0.0.1/",
    ":80",
    "{secrets.t}",
    "{p}",
    "{{",
    "é",
    "。",
    "\u{2028}",
    "\u{200b}",
    " ",
    "+",
    ";",
    "|",
    "'",
    "\"",
    "<x>",
    "^`",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(KNOWN).prop_map(str::to_owned),
        any::<String>(),
        prop::collection::vec(prop::sample::select(KNOWN), 1..4).prop_map(|parts| parts.concat()),
        prop::collection::vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop::collection::vec(text(), 0..3).prop_map(Value::from),
        1 => text().prop_map(|text| json!({"e": text})),
    ]
}

/// What the path and a header take, more often than not.
fn fitting() -> impl Strategy<Value = Value> {
    let printable = prop::collection::vec(32_u8..127, 1..12)
        .prop_map(|bytes| String::from_utf8(bytes).unwrap_or_default().into());
    prop_oneof![2 => printable, 1 => value()]
}

fn parameters() -> impl Strategy<Value = Value> {
    let path = prop_oneof![2 => fitting(), 1 => text().prop_map(Value::from)];
    let path = (path.clone(), path);
    (
        path,
        prop::option::of(value()),
        prop::option::of(value()),
        prop::option::of(value()),
        prop::option::of(fitting()),
    )
        .prop_map(|((p, q), a, b, d, c)| json!({"p": p, "q": q, "a": a, "b": b, "d": d, "c": c}))
}

/// The first difference from what was declared.
fn strays(sent: &Received, port: u16) -> Option<String> {
    let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
    let segments: Vec<&str> = path.split('/').collect();
    let fixed = segments.len() == 5
        && (segments[0], segments[1], segments[4]) == ("", "v1", "end")
        && segments[3].starts_with("x-");
    if !fixed {
        return Some(format!("path {path}"));
    }
    let plain = sent
        .target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let dots = segments
        .iter()
        .any(|segment| [".", ".."].contains(&segment.to_ascii_lowercase().replace("%2e", ".").as_str()));
    if !plain || dots {
        return Some(format!("target {}", sent.target));
    }
    let known = ["a", "b", "fixed"];
    let names: Vec<&str> = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .collect();
    if !names.iter().all(|name| known.contains(name))
        || names.iter().filter(|name| **name == "fixed").count() != 1
    {
        return Some(format!("query {query}"));
    }
    let host = format!("127.0.0.1:{port}");
    if sent.method != "POST" || sent.header("host") != Some(host.as_str()) {
        return Some(format!("method {} host {:?}", sent.method, sent.header("host")));
    }
    let names: BTreeSet<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    let fixed = [
        "accept",
        "accept-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-fixed",
    ];
    let optional = BTreeSet::from(["x-c"]);
    let required: BTreeSet<&str> = fixed.into_iter().collect();
    let rest: BTreeSet<&str> = names.difference(&required).copied().collect();
    if names.len() != sent.headers.len() || !required.is_subset(&names) || !rest.is_subset(&optional) {
        return Some(format!("headers {names:?}"));
    }
    let body = sent.json();
    let members: Vec<&String> = body.as_object()?.keys().collect();
    (members.first() != Some(&&"fixed".to_owned()) || members.len() > 2).then(|| format!("body {body}"))
}

#[test]
fn no_values_change_where_a_request_goes_or_what_it_consists_of() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let silent = Silent::listen();
    let server = runtime.block_on(Server::answering(ok(json!(1))));
    let http = json!({
        "method": "POST", "url": server.url("/v1/{p}/x-{q}/end?a={a}&fixed=1&b=y{b}"),
        "headers": {"x-c": "c {c}", "x-fixed": "1"}, "body": {"json": {"fixed": 1, "d": "{d}"}},
    });
    let tool = tool_of(local(http), declared(Safety::NotRepeatable));
    let config = Config {
        cases: 1_000,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&parameters(), |parameters| {
        let before = server.requests();
        let got = runtime.block_on(call(&tool, parameters.clone()));
        let came = server.requests() - before;
        match got {
            Ok(_) => {
                prop_assert_eq!(came, 1);
                prop_assert_eq!(strays(&server.last(), server.port), None);
                if let (Some(text), Some(place)) = (parameters["d"].as_str(), server.last().json().get("d")) {
                    prop_assert_eq!(place, text);
                }
            }
            Err(error) => {
                prop_assert_eq!(came, 0);
                prop_assert_eq!(&error.code, "INVALID_PARAMETERS");
            }
        }
        Ok(())
    });
    result.unwrap();
    let sent = server.requests();
    assert!(
        sent > 200,
        "most cases would show nothing: {sent} of 1,000 were sent"
    );
    // A request whose end is not where the server sees it would break its connection.
    assert!(
        server.connections() < sent / 10,
        "{} connections",
        server.connections()
    );
    silent.assert_nobody_came();
}
