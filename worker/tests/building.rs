//! What a worker refuses to be built from.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use toolwave_worker::{CallContext, Declaration, Effect, Output, Parameters, Rate, Tool, ToolError, Worker};

/// Makes a good declaration wrong.
type Change = fn(&mut Declaration);

/// Declares what it is given.
struct Declared(Declaration);

impl Tool for Declared {
    fn declaration(&self) -> Declaration {
        self.0.clone()
    }

    fn call<'a>(&'a self, _: Parameters, _: CallContext) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(async { Output::json(&()) })
    }
}

fn refusal(change: impl FnOnce(&mut Declaration)) -> String {
    let mut declaration = Declaration::new("t", "A tool.");
    change(&mut declaration);
    match Worker::builder().tool(Declared(declaration)).build() {
        Ok(_) => "built".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_plain_declaration_is_built() {
    assert_eq!(refusal(|_| {}), "built");
    assert_eq!(
        refusal(|tool| {
            tool.name = "a.b:c-d_9".to_owned();
            tool.input_schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
            tool.output_schema = Some(json!({"type": "string"}));
            tool.effects = vec![
                Effect::Writes("file:{path}".to_owned()),
                Effect::Reads("all".to_owned()),
            ];
            tool.timeout = Some(Duration::from_secs(86_400));
            tool.max_concurrency = Some(1);
            tool.rate = Some(Rate {
                per_second: 0.1,
                burst: 1,
            });
        }),
        "built"
    );
}

#[test]
fn what_is_wrong_with_a_declaration_is_said_of_its_tool() {
    let cases: [(&str, Change); 14] = [
        ("name is not allowed", |tool| {
            tool.name = "a/b".to_owned();
        }),
        ("name is not allowed", |tool| {
            tool.name = "a".repeat(129);
        }),
        ("input schema is no JSON object", |tool| {
            tool.input_schema = json!(true);
        }),
        ("input schema takes no objects", |tool| {
            tool.input_schema = json!({"type": "string"});
        }),
        ("input schema is no JSON Schema", |tool| {
            tool.input_schema = json!({"type": "object", "required": 7});
        }),
        ("input schema is no JSON Schema", |tool| {
            tool.input_schema = json!({"$ref": "http://127.0.0.1:1/x"});
        }),
        ("output schema is no JSON Schema", |tool| {
            tool.output_schema = Some(json!({"type": "strin"}));
        }),
        ("the effect `` is empty", |tool| {
            tool.effects = vec![Effect::Reads(String::new())];
        }),
        ("opens a brace", |tool| {
            tool.effects = vec![Effect::Reads("a{b".to_owned())];
        }),
        ("closes a brace", |tool| {
            tool.effects = vec![Effect::Reads("a}b".to_owned())];
        }),
        ("without a parameter's name", |tool| {
            tool.effects = vec![Effect::Writes("a{}".to_owned())];
        }),
        ("timeout is out of range", |tool| {
            tool.timeout = Some(Duration::ZERO);
        }),
        ("max_concurrency is 0", |tool| {
            tool.max_concurrency = Some(0);
        }),
        ("the rate is 0", |tool| {
            tool.rate = Some(Rate {
                per_second: 0.0,
                burst: 1,
            });
        }),
    ];
    for (part, change) in cases {
        let text = refusal(change);
        assert!(
            text.starts_with("tool `") && text.contains(part),
            "{part}: {text}"
        );
    }
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let tool = || Declared(Declaration::new("t", "A tool."));
    let error = Worker::builder().tool(tool()).tool(tool()).build().err().unwrap();
    assert_eq!(
        error.to_string(),
        "tool `t` is given twice; expected one tool of that name"
    );
}

#[test]
fn a_name_that_cannot_be_registered_is_refused() {
    let error = Worker::builder().name("a b").build().err().unwrap();
    assert_eq!(
        error.to_string(),
        "worker name `a b` is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]"
    );
}

#[test]
fn workers_of_one_process_have_names_of_their_own() {
    let names: std::collections::HashSet<_> = (0..3)
        .map(|_| Worker::builder().build().unwrap().name().to_owned())
        .collect();
    assert_eq!(names.len(), 3);
}
