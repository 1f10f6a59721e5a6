//! Every case of `tests/data/provider_formats.json`, which the Python package holds itself to as well.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use toolwave_formats::{
    CallError, Ending, Names, Provider, Reply, Tool, Violation, definitions, is_strict, literal_parameters,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: Vec<String>,
    manglings: Vec<Mangling>,
    literals: Vec<LiteralCase>,
    strict: Vec<StrictCase>,
    definitions: Vec<DefinitionsCase>,
    replies: Vec<ReplyCase>,
    openai: Vec<OpenAiCase>,
    refused: Vec<RefusedCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mangling {
    name: String,
    provider: String,
    names: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LiteralCase {
    name: String,
    parameters: String,
    literal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictCase {
    name: String,
    strict: bool,
    schema: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefinitionsCase {
    name: String,
    catalogue: Vec<CatalogueTool>,
    expected: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueTool {
    name: String,
    description: String,
    input_schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyCase {
    name: String,
    provider: String,
    reply: Box<RawValue>,
    catalogue: Vec<String>,
    calls: Vec<ExpectedCall>,
    #[serde(default)]
    call_ids: Option<Vec<String>>,
    #[serde(default)]
    left_alone: Vec<String>,
    endings: Vec<Option<CaseEnding>>,
    messages: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedCall {
    id: String,
    name: String,
    #[serde(default)]
    tool: Option<String>,
    #[serde(default)]
    parameters: Option<String>,
    #[serde(default)]
    error: Option<CaseError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum CaseEnding {
    Result(Box<RawValue>),
    Error(CaseError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseError {
    code: String,
    message: String,
    #[serde(default)]
    retryable: bool,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    may_have_run: bool,
    #[serde(default)]
    violations: Vec<CaseViolation>,
    #[serde(default)]
    details: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct CaseViolation {
    path: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenAiCase {
    name: String,
    reply: Box<RawValue>,
    provider: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedCase {
    name: String,
    provider: String,
    reply_text: String,
    says: String,
}

fn table() -> Table {
    serde_json::from_str(include_str!("../../../tests/data/provider_formats.json")).unwrap()
}

fn provider(word: &str) -> Provider {
    word.parse().unwrap()
}

/// JSON without the spaces between its tokens: what is told apart is each digit, and no layout.
fn tokens(text: &str) -> String {
    let mut out = String::new();
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
        if inside || !c.is_ascii_whitespace() {
            out.push(c);
        }
    }
    out
}

#[test]
fn every_tool_gets_the_name_of_the_table_and_has_it_back() {
    for case in table().manglings {
        let names = Names::of(provider(&case.provider), case.names.keys().cloned());
        for (tool, expected) in &case.names {
            assert_eq!(names.name(tool), Some(expected.as_str()), "{}", case.name);
            assert_eq!(names.tool(expected).unwrap(), tool, "{}", case.name);
            assert!(expected.len() <= 64, "{expected}");
        }
        assert_eq!(names.tool("unknown.tool").unwrap(), "unknown.tool");
        assert_eq!(names.name("unknown.tool"), None);
    }
}

#[test]
fn what_begins_a_reference_is_made_literal_and_nothing_else_changes() {
    for case in table().literals {
        assert_eq!(
            literal_parameters(&case.parameters),
            case.literal,
            "{}",
            case.name
        );
    }
}

#[test]
fn strict_is_said_of_the_schemas_that_qualify_and_of_no_other() {
    for case in table().strict {
        assert_eq!(is_strict(&case.schema), case.strict, "{}", case.name);
    }
}

#[test]
fn a_catalogue_becomes_the_definitions_of_each_provider() {
    for case in table().definitions {
        let tools: Vec<Tool<'_>> = case
            .catalogue
            .iter()
            .map(|tool| Tool {
                name: &tool.name,
                description: &tool.description,
                input_schema: tool.input_schema.as_ref().map_or("", |schema| schema.get()),
            })
            .collect();
        for (word, expected) in case.expected {
            let names = Names::of(provider(&word), tools.iter().map(|tool| tool.name));
            let said = definitions(provider(&word), &tools, &names);
            // As text: the order in which a model reads properties is their order here.
            assert_eq!(said.to_string(), expected.to_string(), "{}: {word}", case.name);
        }
    }
}

#[test]
fn calls_are_found_in_replies_and_their_endings_become_messages() {
    for case in table().replies {
        let place = &case.name;
        let provider = provider(&case.provider);
        let reply =
            Reply::read(provider, case.reply.get()).unwrap_or_else(|error| panic!("{place}: {error}"));
        let names = Names::of(provider, case.catalogue);
        assert_eq!(reply.calls().len(), case.calls.len(), "{place}");
        assert_eq!(reply.left_alone(), case.left_alone, "{place}");
        if let Some(ids) = case.call_ids {
            assert_eq!(reply.call_ids(), ids, "{place}");
        }
        let mut endings = Vec::new();
        for ((call, expected), ending) in reply.calls().iter().zip(&case.calls).zip(case.endings) {
            assert_eq!(
                (call.id().as_str(), call.name()),
                (expected.id.as_str(), expected.name.as_str()),
                "{place}"
            );
            let read = call
                .parameters()
                .and_then(|parameters| Ok((names.tool(call.name())?, parameters)));
            endings.push(match (read, ending) {
                (Ok((tool, parameters)), Some(ending)) => {
                    assert_eq!(Some(tool), expected.tool.as_deref(), "{place}");
                    assert_eq!(Some(parameters), expected.parameters.as_deref(), "{place}");
                    ending.into()
                }
                (Err(error), None) => {
                    let expected = expected.error.as_ref().unwrap();
                    assert_eq!(
                        (&error.code, &error.message),
                        (&expected.code, &expected.message),
                        "{place}"
                    );
                    Ending::Error(error)
                }
                (read, _) => panic!("{place}: {read:?}"),
            });
        }
        let messages = reply.messages(&endings).unwrap();
        let messages: Vec<String> = messages.iter().map(tokens).collect();
        let expected: Vec<String> = case
            .messages
            .iter()
            .map(|message| tokens(message.get()))
            .collect();
        assert_eq!(messages, expected, "{place}");
    }
}

impl From<CaseEnding> for Ending {
    fn from(ending: CaseEnding) -> Self {
        match ending {
            CaseEnding::Result(result) => Self::Result(result),
            CaseEnding::Error(error) => Self::Error(CallError {
                code: error.code,
                message: error.message,
                retryable: error.retryable,
                retry_after: error.retry_after_ms.map(std::time::Duration::from_millis),
                may_have_run: error.may_have_run,
                violations: error
                    .violations
                    .into_iter()
                    .map(|violation| Violation {
                        path: violation.path,
                        description: violation.description,
                    })
                    .collect(),
                details: error.details,
            }),
        }
    }
}

#[test]
fn openais_two_formats_are_told_apart() {
    for case in table().openai {
        let reply = Reply::read_openai(case.reply.get()).unwrap();
        assert_eq!(reply.provider().word(), case.provider, "{}", case.name);
    }
}

#[test]
fn what_is_no_reply_is_refused_with_what_would_be_right() {
    for case in table().refused {
        let error = Reply::read(provider(&case.provider), &case.reply_text).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&case.says), "{}: {said}", case.name);
    }
}

#[test]
fn as_many_endings_are_asked_for_as_the_reply_has_calls() {
    let reply = Reply::read(
        Provider::Anthropic,
        r#"[{"type":"tool_use","id":"a","name":"f","input":{}}]"#,
    );
    let error = reply.unwrap().messages(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "0 endings for 1 calls; expected one for each call of the reply"
    );
}

#[test]
fn a_reply_keeps_what_it_does_not_know_of_a_call() {
    let call = r#"{"type":"function_call","call_id":"a","name":"f","arguments":"{}","new":[1e0]}"#;
    let reply = Reply::read(Provider::OpenAiResponses, &format!("[{call}]")).unwrap();
    assert_eq!(reply.calls()[0].item().get(), call);
}
