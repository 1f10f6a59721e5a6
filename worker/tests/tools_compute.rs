//! The built-in tools that only compute: always there, bounded, and exact where they say so.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolwave_worker::{
    Safety,
    tools::{Allow, Builtin, BuiltinError},
};

mod tools_support;
use tools_support::{Tools, attempt};

fn tools() -> Tools {
    Tools::allowed(&Builtin::default())
}

async fn calculate(expression: &str) -> Value {
    tools()
        .call("calculator", json!({"expression": expression}))
        .await
        .expect("the expression is valid")
}

#[tokio::test]
async fn by_default_only_tools_that_compute_exist() {
    assert_eq!(
        tools().names(),
        ["calculator", "echo", "fail", "hash", "json_query", "sleep"]
    );
}

#[tokio::test]
async fn every_tool_has_a_schema_that_refuses_unknown_parameters_and_says_what_it_is_for() {
    let root = tempfile::tempdir().unwrap();
    let mut allow = Builtin::default();
    let database = root.path().join("a.db");
    for permission in [
        format!("files-write={}", root.path().display()),
        format!("sql-write={}", database.display()),
        "http=example.com".to_owned(),
    ] {
        allow.allow(permission.parse::<Allow>().unwrap()).unwrap();
    }
    let tools = Tools::allowed(&allow);
    assert_eq!(tools.names().len(), 12);
    for declaration in tools.declarations() {
        let name = &declaration.name;
        assert!(declaration.description.len() > 60, "{name} is described");
        assert!(declaration.output_schema.is_some(), "{name} says what it returns");
        let schema = jsonschema::validator_for(&declaration.input_schema).unwrap();
        let takes_anything = name == "echo";
        assert_eq!(
            schema.is_valid(&json!({"no_such_parameter": 1})),
            takes_anything,
            "{name}"
        );
        assert!(!schema.is_valid(&json!([])), "{name} takes an object");
    }
}

#[tokio::test]
async fn only_tools_that_change_nothing_are_declared_read_only() {
    let tools = tools();
    for (name, safety) in [
        ("calculator", Safety::ReadOnly),
        ("echo", Safety::ReadOnly),
        ("hash", Safety::ReadOnly),
        ("json_query", Safety::ReadOnly),
        ("sleep", Safety::ReadOnly),
        ("fail", Safety::NotRepeatable),
    ] {
        assert_eq!(tools.declaration(name).safety, safety, "{name}");
    }
}

#[tokio::test]
async fn parameters_of_another_shape_are_refused_by_the_tool_itself() {
    assert_eq!(
        tools().code("sleep", json!({"milliseconds": "5"})).await,
        "INVALID_PARAMETERS"
    );
    assert_eq!(
        tools()
            .code("calculator", json!({"expression": "1", "x": 1}))
            .await,
        "INVALID_PARAMETERS"
    );
}

#[test]
fn permissions_are_read_and_nonsense_is_refused() {
    for text in ["files", "files=", "file=/tmp", "=x", "http", ""] {
        assert!(
            matches!(text.parse::<Allow>(), Err(BuiltinError::Syntax { .. })),
            "{text:?}"
        );
    }
    let mut allow = Builtin::default();
    allow.allow("files=/a".parse().unwrap()).unwrap();
    allow.allow("files-write=/a".parse().unwrap()).unwrap();
    assert!(allow.files.as_ref().unwrap().write);
    assert!(matches!(
        allow.allow("files=/b".parse().unwrap()),
        Err(BuiltinError::Twice { .. })
    ));
    allow.allow("http=a.example".parse().unwrap()).unwrap();
    allow.allow("http=b.example:8443".parse().unwrap()).unwrap();
    assert_eq!(allow.http.unwrap().hosts, ["a.example", "b.example:8443"]);
}

#[tokio::test]
async fn the_calculator_is_exact_where_exact_is_possible() {
    for (expression, value, exact) in [
        (
            "2^200",
            "1606938044258990275541962092341162602522202993782792835301376",
            true,
        ),
        ("1/3 + 1/3 + 1/3", "1", true),
        ("1/3", "1/3", true),
        ("-10/3", "-10/3", true),
        ("0.1 + 0.2", "0.3", true),
        ("-2^2", "-4", true),
        ("17 mod 5", "2", true),
        ("25% of 80", "20", true),
        ("9007199254740993", "9007199254740993", true),
        ("sqrt(16)", "4", true),
        ("sqrt 2", "1.41421356237310", false),
        ("pi", "3.14159265358979", false),
    ] {
        let result = calculate(expression).await;
        assert_eq!(result["value"], value, "{expression}");
        assert_eq!(result["exact"], exact, "{expression}");
    }
}

#[tokio::test]
async fn the_calculator_gives_the_number_beside_the_text() {
    assert_eq!(
        calculate("9007199254740993").await["number"],
        json!(9_007_199_254_740_993_i64)
    );
    assert_eq!(calculate("2^64 - 1").await["number"], json!(u64::MAX));
    assert_eq!(calculate("1/3").await["number"], json!(1.0 / 3.0));
    assert_eq!(calculate("1/4").await["number"], json!(0.25));
    assert_eq!(calculate("2^200").await["number"], json!(2_f64.powi(200)));
    assert_eq!(calculate("sqrt(-4)").await["number"], Value::Null);
    let miles = calculate("5 km to miles").await;
    assert_eq!(miles["unit"], "miles");
    assert_eq!(miles["number"], json!(3.106_855_961_2));
}

#[tokio::test]
async fn what_is_not_arithmetic_is_refused_before_it_runs() {
    for expression in [
        "",
        "  ",
        "(x: x x) (x: x x)",
        "f = 5",
        "\\x.x",
        "x => x",
        "1; 2",
        "1 << 1000000000",
        "\"text\"",
        "@debug 1",
        "1,5",
        "max(1,2)",
        "7 // 2",
        "1 > 2",
        "no_such_name",
        "1 +",
        "1/0",
        "sqrt",
        "sin",
        "roll d6",
        "5 USD to EUR",
        "today",
    ] {
        assert_eq!(
            tools()
                .code("calculator", json!({"expression": expression}))
                .await,
            "INVALID_EXPRESSION",
            "{expression}"
        );
    }
}

#[tokio::test]
async fn what_takes_too_long_or_too_much_is_refused_with_the_limit() {
    let nested = format!("{}1{}", "(".repeat(65), ")".repeat(65));
    let long = "1+".repeat(600) + "1";
    for expression in [
        "9^9^9^9",
        "(10^6)!",
        "2^100000",
        "1e100000",
        nested.as_str(),
        long.as_str(),
    ] {
        let error = tools()
            .call("calculator", json!({"expression": expression}))
            .await
            .expect_err("over a limit");
        assert_eq!(error.code, "LIMIT_EXCEEDED", "{error}");
        assert!(
            error.message.contains("limit") || error.message.contains("deeper than 64"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_deepest_expressions_that_are_let_through_do_not_end_the_process() {
    let least = |start: &str, step: &str, end: &str| {
        let steps = (1_000 - start.len() - end.len()) / step.len();
        format!("{start}{}{end}", step.repeat(steps))
    };
    let nested = |open: &str| format!("{}1{}", open.repeat(64), ")".repeat(64));
    for expression in [
        least("", "-", "1"),
        least("1", "!", ""),
        least("1", "^1", ""),
        least("1", "+1", ""),
        least("1", "/1", ""),
        least("1", "*-", "1"),
        least("2", " (2)", ""),
        least("1 m", " to m", ""),
        least("", "sin ", "1"),
        nested("("),
        nested("sqrt("),
        format!("{}1{}", "(".repeat(64) + &"-".repeat(800), ")".repeat(64)),
    ] {
        // Either answer will do; that there is one shows that the stack held.
        let _ = tools()
            .call("calculator", json!({"expression": expression}))
            .await;
    }
}

#[tokio::test]
async fn a_calculation_stops_when_it_is_cancelled() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = tools()
        .call_in(
            "calculator",
            json!({"expression": "9^9^9^9"}),
            attempt(1, cancelled),
        )
        .await
        .expect_err("it is stopped");
    assert_eq!(error.code, "CANCELLED");
}

#[tokio::test]
async fn echo_returns_its_parameters_byte_for_byte() {
    use toolwave_worker::{Parameters, tools::builtin_tools};
    let tools = builtin_tools(&Builtin::default()).unwrap();
    let echo = tools
        .iter()
        .find(|tool| tool.declaration().name == "echo")
        .unwrap();
    let text = bytes::Bytes::from_static(b"{ \"n\": 18446744073709551616,  \"a\":1.10 }");
    let output = echo
        .call(
            Parameters::from_json(text.clone()),
            attempt(1, CancellationToken::new()),
        )
        .await
        .unwrap();
    assert_eq!(output.as_json(), &text);
    assert_eq!(output.as_json().as_ptr(), text.as_ptr(), "nothing is copied");
}

#[tokio::test(start_paused = true)]
async fn sleep_waits_as_long_as_asked() {
    let before = tokio::time::Instant::now();
    let result = tools()
        .call("sleep", json!({"milliseconds": 1500}))
        .await
        .unwrap();
    assert_eq!(result, json!({"slept_ms": 1500}));
    let slept = before.elapsed().as_millis();
    assert!((1500..=1501).contains(&slept), "{slept} ms: the clock rounds up");
}

#[tokio::test(start_paused = true)]
async fn sleep_takes_fractions_of_a_millisecond_and_answers_the_number_it_was_given() {
    // the clock's step is a millisecond: what shows is that 2.4 is not taken for 2
    let before = tokio::time::Instant::now();
    let result = tools().call("sleep", json!({"milliseconds": 2.4})).await.unwrap();
    assert_eq!(result, json!({"slept_ms": 2.4}));
    let slept = before.elapsed();
    assert!(slept >= std::time::Duration::from_micros(2400), "{slept:?}");
    assert_eq!(
        tools().code("sleep", json!({"milliseconds": -0.1})).await,
        "INVALID_PARAMETERS"
    );
}

#[tokio::test(start_paused = true)]
async fn sleep_ends_at_once_when_cancelled_and_refuses_more_than_an_hour() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = tools()
        .call_in("sleep", json!({"milliseconds": 3_000_000}), attempt(1, cancelled))
        .await
        .expect_err("it is stopped");
    assert_eq!(error.code, "CANCELLED");
    assert_eq!(
        tools().code("sleep", json!({"milliseconds": 3_600_001})).await,
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn fail_fails_as_described_and_succeeds_after_fail_times() {
    let parameters = json!({"code": "BUSY", "message": "later", "retry_after_ms": 250, "fail_times": 2});
    for number in [1, 2] {
        let error = tools()
            .call_in(
                "fail",
                parameters.clone(),
                attempt(number, CancellationToken::new()),
            )
            .await
            .expect_err("it fails");
        assert_eq!((error.code.as_str(), error.message.as_str()), ("BUSY", "later"));
        assert!(error.retryable);
        assert_eq!(error.retry_after, Some(Duration::from_millis(250)));
    }
    let third = tools()
        .call_in("fail", parameters, attempt(3, CancellationToken::new()))
        .await
        .unwrap();
    assert_eq!(third, json!({"attempt": 3}));
    let plain = tools().call("fail", json!({})).await.expect_err("it fails");
    assert_eq!(
        (plain.code.as_str(), plain.retryable),
        ("FAILED_ON_REQUEST", false)
    );
}

#[tokio::test]
async fn fail_can_panic() {
    let task = tokio::spawn(async { tools().call("fail", json!({"mode": "panic"})).await });
    assert!(task.await.expect_err("it panics").is_panic());
}

#[tokio::test]
async fn digests_are_those_of_the_published_test_vectors() {
    for (parameters, hex) in [
        (
            json!({"text": "abc"}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            json!({"base64": "YWJj", "algorithm": "sha512"}),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            json!({"text": "", "algorithm": "blake3"}),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        ),
    ] {
        assert_eq!(tools().call("hash", parameters).await.unwrap()["hex"], hex);
    }
    for parameters in [json!({}), json!({"text": "a", "base64": "YQ=="})] {
        assert_eq!(tools().code("hash", parameters).await, "INVALID_PARAMETERS");
    }
    assert_eq!(
        tools().code("hash", json!({"base64": "%"})).await,
        "INVALID_BASE64"
    );
    let file = json!({"path": "/etc/hostname"});
    assert_eq!(
        tools().code("hash", file).await,
        "INVALID_PARAMETERS",
        "no files are allowed"
    );
}

#[tokio::test]
async fn json_query_selects_by_path_from_a_value_or_from_text() {
    let shop =
        json!({"items": [{"name": "pen", "price": 2}, {"name": "ink", "price": 9007199254740993_i64}]});
    let cheap = json!({"path": "$.items[?@.price < 10].name", "value": shop});
    assert_eq!(
        tools().call("json_query", cheap).await.unwrap(),
        json!({"matches": ["pen"], "count": 1, "truncated": false})
    );
    let all = json!({"path": "$..price", "text": shop.to_string(), "max_matches": 1});
    assert_eq!(
        tools().call("json_query", all).await.unwrap(),
        json!({"matches": [2], "count": 2, "truncated": true})
    );
    let exact = json!({"path": "$.items[1].price", "value": shop});
    assert_eq!(
        tools().call("json_query", exact).await.unwrap()["matches"][0],
        json!(9_007_199_254_740_993_i64)
    );
    let null = json!({"path": "$", "value": null});
    assert_eq!(
        tools().call("json_query", null).await.unwrap()["matches"],
        json!([null])
    );
}

#[tokio::test]
async fn json_query_refuses_what_it_cannot_read_or_bound() {
    for (parameters, code) in [
        (json!({"path": "items", "value": 1}), "INVALID_PATH"),
        (json!({"path": "$", "text": "{"}), "INVALID_JSON"),
        (json!({"path": "$"}), "INVALID_PARAMETERS"),
        (
            json!({"path": "$", "value": 1, "text": "1"}),
            "INVALID_PARAMETERS",
        ),
        (
            json!({"path": "$", "value": 1, "max_matches": 0}),
            "LIMIT_EXCEEDED",
        ),
    ] {
        assert_eq!(tools().code("json_query", parameters).await, code);
    }
    let rows: Vec<_> = (0..20_000).map(|row| json!({"row": row})).collect();
    let costly = json!({"path": "$[?count($..row) > @.row]", "value": rows});
    assert_eq!(tools().code("json_query", costly).await, "LIMIT_EXCEEDED");
    let cheap = json!({"path": "$[?@.row >= 19999].row", "value": rows});
    assert_eq!(
        tools().call("json_query", cheap).await.unwrap()["matches"],
        json!([19_999])
    );
}
