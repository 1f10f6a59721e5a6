//! `toolwave run --from`: the tool calls of a model's reply, run in parallel, and the messages to send back.
//!
//! A call that cannot be run is answered like one that failed and never holds up the others. What a model writes is
//! never taken for a reference to another call's result.

use toolwave_client::{
    Client, Violation, duration,
    v1::{self, call::ParametersForm, call_result::ResultForm},
};
use toolwave_formats::{CallError, Ending, Messages, Names, Reply};

use crate::{
    args::{ProviderFormat, RunArgs},
    cluster,
    failure::{Failure, Verdict},
    output, plan,
    run::{self, Answer},
    text,
};

pub(crate) async fn run(args: &RunArgs, format: ProviderFormat) -> Result<Verdict, Failure> {
    let (file, text) =
        plan::text_of(&args.file, "reply").map_err(|error| Failure::Usage(error.to_string()))?;
    let reply = match format {
        ProviderFormat::Openai => Reply::read_openai(&text),
        other => Reply::read(other.provider(), &text),
    };
    let reply = reply.map_err(|error| Failure::Usage(format!("{file}: {error}; nothing has run")))?;
    for kind in reply.left_alone() {
        let kind = text::printable(kind);
        output::note(&format!(
            "note: a call of the kind `{kind}` is left to whoever offered it"
        ));
    }
    if reply.calls().is_empty() {
        output::note("the reply holds no calls to run");
        output::write("[]\n")?;
        return Ok(Verdict::Success);
    }
    let cluster = run::cluster(args).await?;
    let endings = endings(args, &file, &reply, &cluster.client).await;
    // After a second interrupt nothing is waited for any more.
    if !matches!(endings, Err(Failure::Interrupted)) {
        cluster.close().await;
    }
    let endings = endings?;
    let messages = reply
        .messages(&endings)
        .map_err(|error| Failure::Other(error.to_string()))?;
    output::write(&as_text(&messages))?;
    match endings.iter().all(|ending| matches!(ending, Ending::Result(_))) {
        true => Ok(Verdict::Success),
        false => Ok(Verdict::SomeCallsFailed),
    }
}

/// One JSON document, a line for each message: what a tool answered stands in it digit for digit.
fn as_text(messages: &Messages) -> String {
    let lines: Vec<String> = messages.iter().map(inert).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// The same JSON, without the control characters that JSON lets stand in strings: a terminal obeys some of them.
fn inert(json: &str) -> String {
    let mut inert = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' => inert.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => inert.push(c),
        }
    }
    inert
}

/// How each call of the reply ended.
async fn endings(args: &RunArgs, file: &str, reply: &Reply, client: &Client) -> Result<Vec<Ending>, Failure> {
    let tools = cluster::within(client.address(), async { Ok(client.list_tools().await?) }).await?;
    let tools = tools.into_iter().filter_map(|listed| listed.tool);
    let names = Names::of(reply.provider(), tools.map(|tool| tool.name));
    let mut endings: Vec<Option<Ending>> = vec![None; reply.calls().len()];
    let mut calls = Vec::new();
    for ((at, call), id) in reply.calls().iter().enumerate().zip(reply.call_ids()) {
        match call.to_run(&names) {
            Ok((tool, parameters)) => calls.push((
                at,
                v1::Call {
                    id: Some(id),
                    tool_name: tool.to_owned(),
                    parameters_form: Some(ParametersForm::ParametersJson(
                        parameters.into_owned().into_bytes().into(),
                    )),
                    ..v1::Call::default()
                },
            )),
            Err(error) => endings[at] = Some(Ending::Error(error)),
        }
    }
    // Each refusal takes away the calls that it names, so this ends.
    while !calls.is_empty() {
        let mut request = v1::ExecuteParallelRequest {
            calls: calls.iter().map(|(_, call)| call.clone()).collect(),
            ..v1::ExecuteParallelRequest::default()
        };
        run::apply_flags(args, &mut request);
        match run::submit(&request, client, args.again).await? {
            Answer::Ended(ended) => {
                for ((at, _), result) in calls.drain(..).zip(ended.results) {
                    endings[at] = Some(ending(result));
                }
            }
            Answer::Refused { message, violations } => {
                let refused = refused(&violations, calls.len())
                    .ok_or_else(|| Failure::Usage(refusal(file, &message, &violations)))?;
                for (index, error) in refused.into_iter().rev() {
                    let (at, _) = calls.remove(index);
                    endings[at] = Some(Ending::Error(error));
                }
            }
        }
    }
    // Every call has been answered: here, by its result, or by its refusal.
    Ok(endings.into_iter().flatten().collect())
}

/// The calls that a request was refused for, by their index, with the first thing that is wrong with each. `None`
/// when something else is wrong with the request, such as a flag.
fn refused(violations: &[Violation], calls: usize) -> Option<std::collections::BTreeMap<usize, CallError>> {
    let mut refused = std::collections::BTreeMap::new();
    for violation in violations {
        // The last of very many says how many more there are.
        if violation.field.is_empty() && !refused.is_empty() {
            continue;
        }
        let (index, _) = violation.field.strip_prefix("calls[")?.split_once(']')?;
        let index = index.parse().ok().filter(|&index| index < calls)?;
        let (code, message) = violation
            .description
            .split_once(": ")
            .unwrap_or(("INVALID_ARGUMENT", &violation.description));
        refused
            .entry(index)
            .or_insert_with(|| CallError::new(code, message));
    }
    (!refused.is_empty()).then_some(refused)
}

fn refusal(file: &str, message: &str, violations: &[Violation]) -> String {
    let mut said = format!("{file}: the coordinator refuses its calls; nothing has run: {message}");
    for violation in violations {
        said.push_str(&format!("\n  {}: {}", violation.field, violation.description));
    }
    said
}

/// A result as a model is told of it.
fn ending(result: v1::CallResult) -> Ending {
    if let Some(error) = result.error {
        return Ending::Error(call_error(error));
    }
    if result.omitted_result_bytes > 0 {
        let bytes = result.omitted_result_bytes;
        return Ending::Error(CallError::new(
            "RESULT_OMITTED",
            format!("the call succeeded; its result, {bytes} bytes, did not fit into the answer"),
        ));
    }
    let json = match result.result_form {
        Some(ResultForm::ResultJson(text)) => String::from_utf8_lossy(&text).into_owned(),
        Some(ResultForm::Result(value)) => toolwave_client::from_proto_value(&value).to_string(),
        None => "null".to_owned(),
    };
    Ending::of_json(json).unwrap_or_else(|error| {
        Ending::Error(CallError::new(
            "INVALID_RESULT",
            format!("the call succeeded; its result is no JSON: {error}"),
        ))
    })
}

fn call_error(error: v1::CallError) -> CallError {
    let details = String::from_utf8_lossy(&error.details_json).into_owned();
    CallError {
        code: error.code,
        message: error.message,
        retryable: error.retryable,
        retry_after: error.retry_after.as_ref().map(duration),
        may_have_run: error.may_have_run,
        violations: error
            .violations
            .into_iter()
            .map(|violation| toolwave_formats::Violation {
                path: violation.path,
                description: violation.description,
            })
            .collect(),
        details: serde_json::value::RawValue::from_string(details).ok(),
    }
}
