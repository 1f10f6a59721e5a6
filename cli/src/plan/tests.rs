//! What plans mean, and what is said of wrong ones.

use serde_json::{Value, json};
use toolwave_client::v1::{self, call::ParametersForm};

use super::*;

fn read(text: &str) -> (Plan, Vec<String>) {
    let mut wrong = Diagnostics::default();
    let plan = Plan::parse("plan.yaml".to_owned(), text, &mut wrong).expect("the text is YAML");
    (plan, wrong.lines("plan.yaml"))
}

fn complaints(text: &str) -> Vec<String> {
    read(text).1
}

fn syntax_error(text: &str) -> String {
    let mut wrong = Diagnostics::default();
    Plan::parse("plan.yaml".to_owned(), text, &mut wrong)
        .expect_err("the text is wrong")
        .to_string()
}

fn parameters(call: &v1::Call) -> Value {
    match &call.parameters_form {
        Some(ParametersForm::ParametersJson(text)) => serde_json::from_slice(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_key_reaches_the_request() {
    let (plan, wrong) = read(
        "
max_concurrency: 8
schedule: barrier
on_failure: fail_fast
timeout: 30s
retry: {max_attempts: 4, initial_backoff: 100ms, max_backoff: 2s, multiplier: 1.5}
idempotency_key: nightly
allow: [files=src, http=localhost:8080]
calls:
  - id: a
    tool: echo
    parameters: {value: [1, two, null, true]}
    priority: 2
    timeout: 5s
    queue_timeout: 1m
    idempotency_key: k
  - {id: 7, tool: hash, parameters: {text: '${a.result}'}, depends_on: [a], retry: {max_attempts: 1}}
",
    );
    assert_eq!(wrong, Vec::<String>::new());
    let request = &plan.request;
    assert_eq!(request.max_concurrency, Some(8));
    assert_eq!(request.schedule(), v1::Schedule::BarrierWaves);
    assert_eq!(request.on_failure(), v1::OnFailure::FailFast);
    assert_eq!(request.timeout.map(|timeout| timeout.seconds), Some(30));
    assert_eq!(
        request.retry.map(|retry| (retry.max_attempts, retry.multiplier)),
        Some((4, 1.5))
    );
    assert_eq!(request.idempotency_key, "nightly");
    assert_eq!(
        plan.needs
            .iter()
            .map(|need| need.grant.as_str())
            .collect::<Vec<_>>(),
        ["files=src", "http=localhost:8080"]
    );
    let [a, b] = &request.calls[..] else {
        panic!("two calls")
    };
    assert_eq!(
        (a.id.as_deref(), a.tool_name.as_str(), a.priority),
        (Some("a"), "echo", 2)
    );
    assert_eq!(parameters(a), json!({"value": [1, "two", null, true]}));
    assert_eq!(a.queue_timeout.map(|timeout| timeout.seconds), Some(60));
    assert_eq!(a.idempotency_key, "k");
    assert_eq!(
        (b.id.as_deref(), &b.depends_on[..]),
        (Some("7"), &["a".to_owned()][..])
    );
    assert_eq!(b.retry.map(|retry| retry.max_attempts), Some(1));
}

#[test]
fn auto_concurrency_is_a_word() {
    let (plan, wrong) = read("max_concurrency: auto\ncalls: [{tool: echo}]\n");
    assert!(wrong.is_empty());
    assert!(plan.request.max_concurrency_auto && plan.request.max_concurrency.is_none());
}

#[test]
fn json_is_read_like_yaml() {
    let yaml = read("calls:\n  - tool: echo\n    parameters: {value: \"a/b\\u00e9\"}\n").0;
    let json = read(
        "{\n\t\"calls\": [\n\t\t{\"tool\": \"echo\", \"parameters\": {\"value\": \"a\\/b\\u00e9\"}}\n\t]\n}",
    )
    .0;
    assert_eq!(yaml.request, json.request);
}

#[test]
fn integers_of_64_bits_are_exact_and_larger_ones_are_refused() {
    let (plan, _) =
        read("calls: [{tool: echo, parameters: {a: 18446744073709551615, b: -9223372036854775808}}]");
    assert_eq!(
        parameters(&plan.request.calls[0]),
        json!({"a": u64::MAX, "b": i64::MIN})
    );
    let error = syntax_error("calls: [{tool: echo, parameters: {a: 18446744073709551616}}]");
    assert!(
        error.starts_with("plan.yaml:1:38: 18446744073709551616 does not fit into 64 bits"),
        "{error}"
    );
}

#[test]
fn words_that_some_yaml_reads_as_something_else_stay_text() {
    let (plan, _) =
        read("calls: [{tool: echo, parameters: {a: on, b: yes, c: 007, d: 1_000, e: 2026-01-01, f: true}}]");
    let expected = json!({"a": "on", "b": "yes", "c": "007", "d": "1_000", "e": "2026-01-01", "f": true});
    assert_eq!(parameters(&plan.request.calls[0]), expected);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let found = complaints(
        "max_concurency: 3
schedule: pipeline
timeout: 30
retry: {max_attempts: 0, multiplier: half}
calls:
  - tool: echo
    parameters: [1]
    depend_on: [a]
  - id: b
    timeout: soon
  - 5
",
    );
    let expected = [
        "plan.yaml:1:1: `max_concurency` is no key of a plan; did you mean `max_concurrency`?",
        "plan.yaml:2:11: `pipeline` is unknown here; expected `pipelined` or `barrier`",
        "plan.yaml:3:10: a duration needs a unit, such as `30s` or `30ms`",
        "plan.yaml:4:23: `max_attempts` counts the first attempt too: at least 1",
        "plan.yaml:4:38: `multiplier` is a number from 1",
        "plan.yaml:7:17: parameters are a mapping of names to values, not a list",
        "plan.yaml:8:5: `depend_on` is no key of a call; did you mean `depends_on`?",
        "plan.yaml:9:5: `tool` is missing: a call names the tool that it runs",
        "plan.yaml:10:14: `soon` is no duration (expected number at 0); expected one such as `30s`, `500ms` or `2m`",
        "plan.yaml:11:5: a call is a mapping of names to values, not a number",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_plan_without_calls_says_what_a_plan_is() {
    assert_eq!(
        complaints("timeout: 1s"),
        ["plan.yaml:1:1: `calls` is missing: a plan is a list of calls under `calls:`"]
    );
    assert!(complaints("just words")[0].contains("a plan is a mapping"));
    assert!(syntax_error("").contains("the plan is empty"));
    assert!(syntax_error("# nothing but a comment\n").contains("the plan is empty"));
}

#[test]
fn a_broken_document_is_refused_at_its_place() {
    assert!(
        syntax_error("calls: []\ncalls: []\n").starts_with("plan.yaml:2:1: the key `calls` is there twice")
    );
    assert!(syntax_error("{\"calls\": [], \"calls\": []}").contains("the key `calls` is there twice"));
    assert!(syntax_error("calls: [\n  {tool: echo\n").starts_with("plan.yaml:"));
    assert!(syntax_error("calls: []\n---\ncalls: []\n").contains("one document"));
    assert!(syntax_error("calls: [{tool: echo, parameters: {a: .inf}}]").starts_with("plan.yaml:1:38: "));
    assert!(syntax_error("calls: [{tool: *nobody}]").contains("anchor"));
}

#[test]
fn a_reference_that_needs_quotes_is_told() {
    let error = syntax_error("calls:\n- tool: hash\n  parameters: {text: ${a.result}}\n");
    assert!(
        error.starts_with("plan.yaml:3:") && error.contains("quote references inside {} and []"),
        "{error}"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let inner = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            inner.trim_end_matches(", ")
        ));
    }
    assert!(syntax_error(&bomb).starts_with("plan.yaml:"));
}

#[test]
fn a_damaged_plan_is_refused_or_read_and_never_breaks_the_reader() {
    let whole = "timeout: 1s\nallow: [files=.]\ncalls:\n- &c {id: a, tool: echo, parameters: {v: '${b.result}'}}\n- <<: *c\n  depends_on: [x, \"\\u00e9\"]\n";
    let mut read = 0;
    for at in 0..=whole.len() {
        for damage in [
            "", "\n", "\t", "\0", "\"", "[", "}", ":", "- ", "&", "*c", "!!", "|", "%", "é", "\u{feff}",
            "<<: ",
        ] {
            for skipped in [0, 1, 7] {
                let rest = whole.get(at + skipped..).unwrap_or_default();
                let damaged = format!("{}{damage}{rest}", &whole[..at]);
                let mut wrong = Diagnostics::default();
                if let Ok(plan) = Plan::parse("p".to_owned(), &damaged, &mut wrong) {
                    plan.locate("calls[1].depends_on[1]");
                    read += 1;
                }
            }
        }
    }
    assert!(read > 100, "most damage is refused, and some is none: {read}");
}

#[test]
fn field_paths_are_found_in_the_file() {
    let (plan, wrong) = read(
        "
calls:
  - tool: echo
    parameters:
      value: 1
  - id: b
    tool: hash
    parameters: {list: [1, {deep: x}], 'a/b': 2}
    depends_on: [echo, nobody]
",
    );
    assert!(wrong.is_empty());
    let at = |field: &str| plan.locate(field).to_string();
    assert_eq!(at("calls[1].depends_on[1]"), "9:24");
    assert_eq!(at("execution.calls[1].tool_name"), "7:11");
    assert_eq!(at("calls[0].parameters_json"), "5:7");
    assert_eq!(at("calls[1].parameters.list[1].deep"), "8:35");
    // Not in the file: the nearest part above it.
    assert_eq!(at("calls[0].id"), "3:5");
    assert_eq!(at("max_concurrency"), "2:1");
    assert_eq!(at(""), "2:1");
    assert_eq!(plan.locate_parameter(1, "/list/1/deep").to_string(), "8:35");
    assert_eq!(plan.locate_parameter(1, "/a~1b").to_string(), "8:47");
    assert_eq!(plan.locate_parameter(1, "/missing").to_string(), "8:17");
}

#[test]
fn a_flag_and_a_file_take_the_same_durations() {
    assert_eq!(parse_duration("1m 30s").unwrap().as_secs(), 90);
    assert!(parse_duration("5").unwrap_err().contains("`5s`"));
    assert!(parse_duration("-5s").is_err());
    assert!(parse_duration("").is_err());
}
