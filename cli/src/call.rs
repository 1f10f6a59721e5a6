//! `toolwave call`: one call of one tool, as any call is made: checked, retried and with an outcome.

use std::{path::Path, time::Duration};

use clap::Args;
use serde_json::value::RawValue;
use toolwave_client::{
    proto_duration,
    v1::{self, call::ParametersForm, call_result::ResultForm},
};

use crate::{
    again::AgainArgs,
    analysis::Detail,
    args::{EmbeddedArgs, LinkArgs, OutputArgs, OutputFormat},
    document,
    failure::{Failure, Verdict},
    output::{self, Look},
    plan::{self, parse_duration},
    report,
    run::{self, Answer, Ended},
    text,
};

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The tool's name
    pub(crate) tool: String,
    /// Its parameters: a JSON object, `@FILE` that holds one, or `-` to read it from standard input
    #[arg(default_value = "{}")]
    pub(crate) parameters: String,
    #[command(flatten)]
    pub(crate) embedded: EmbeddedArgs,
    /// Calls it on this cluster instead of in this process
    #[arg(long, value_name = "URL", env = "TOOLWAVE_COORDINATOR")]
    pub(crate) coordinator: Option<String>,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    /// Bounds one attempt, such as `30s` [default: the tool's, else 30 s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

pub(crate) async fn call(args: CallArgs) -> Result<Verdict, Failure> {
    let parameters = parameters(&args.parameters)?;
    // There is no other call whose result they could name.
    let parameters = toolwave_formats::literal_parameters(&parameters).into_owned();
    let mut request = v1::ExecuteParallelRequest {
        calls: vec![v1::Call {
            tool_name: args.tool.clone(),
            parameters_form: Some(ParametersForm::ParametersJson(parameters.into_bytes().into())),
            timeout: args.timeout.map(proto_duration),
            ..v1::Call::default()
        }],
        ..v1::ExecuteParallelRequest::default()
    };
    request.set_result_form(v1::ResultForm::Json);
    let cluster = run::cluster_of(
        args.coordinator.as_deref(),
        &args.link,
        &args.embedded,
        Some(&args.tool),
        AgainArgs::default(),
    )
    .await?;
    let answer = run::submit(&request, &cluster.client, AgainArgs::default()).await;
    // After a second interrupt nothing is waited for any more.
    if !matches!(answer, Err(Failure::Interrupted)) {
        cluster.close().await;
    }
    match answer? {
        Answer::Ended(ended) => {
            show(&ended, args.output.format)?;
            Ok(ended.verdict())
        }
        Answer::Refused { message, violations } => {
            let lines = violations.iter().map(|violation| violation.description.as_str());
            let lines: Vec<&str> = lines.collect();
            Err(Failure::Usage(match lines.is_empty() {
                true => message,
                false => lines.join("\n"),
            }))
        }
    }
}

/// Text shows the result and nothing else, so that it can be piped; what went wrong is the report of `run`.
fn show(ended: &Ended, format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return output::write_json(&document::execution(ended));
    }
    let result = ended.results.first().filter(|result| result.success);
    match result.and_then(|result| result.result_form.as_ref()) {
        Some(ResultForm::ResultJson(json)) => {
            let json = String::from_utf8_lossy(json);
            let shown = match serde_json::from_str::<Box<RawValue>>(&json) {
                // Indented by a reader that keeps every digit.
                Ok(_) => indented(&json),
                Err(_) => json.into_owned(),
            };
            output::write(&format!("{}\n", text::printable_lines(&shown)))
        }
        // Not where a result is looked for.
        _ => {
            output::note(report::execution(ended, Look::of_stdout(), true, Detail::Notable).trim_end());
            Ok(())
        }
    }
}

/// JSON with a line for each member. Only what stands between the values is changed.
fn indented(json: &str) -> String {
    let mut shown = String::new();
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut chars = json
        .chars()
        .filter(|char| !matches!(char, '\n' | '\r'))
        .peekable();
    while let Some(char) = chars.next() {
        if in_text {
            shown.push(char);
            in_text = escaped || char != '"';
            escaped = char == '\\' && !escaped;
            continue;
        }
        let line = |depth: usize, shown: &mut String| {
            shown.push('\n');
            shown.extend(std::iter::repeat_n("  ", depth));
        };
        match char {
            ' ' | '\t' => {}
            '{' | '[' => {
                shown.push(char);
                while chars.next_if(|next| matches!(next, ' ' | '\t')).is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    shown.push(end);
                } else {
                    depth += 1;
                    line(depth, &mut shown);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(depth, &mut shown);
                shown.push(char);
            }
            ',' => {
                shown.push(char);
                line(depth, &mut shown);
            }
            ':' => shown.push_str(": "),
            _ => {
                in_text = char == '"';
                shown.push(char);
            }
        }
    }
    shown
}

/// The text of a JSON object.
fn parameters(argument: &str) -> Result<String, Failure> {
    let (source, text) =
        match argument.strip_prefix('@') {
            Some(path) => plan::text_of(Path::new(path), "parameters")
                .map_err(|error| Failure::Usage(error.to_string()))?,
            None if argument == "-" => plan::text_of(Path::new("-"), "parameters")
                .map_err(|error| Failure::Usage(error.to_string()))?,
            None => ("the parameters".to_owned(), argument.to_owned()),
        };
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Usage(format!(
            "{source}: no JSON object: {error}; expected such as '{{\"path\": \"src\"}}', @FILE or -"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_without_touching_a_value() {
        let json = "{\"a\":[1.10,12345678901234567890123],\"b\":{},\"c\":[ ],\"d \\\" {\":\"x, [y\"}";
        let shown = indented(json);
        assert_eq!(
            shown,
            "{\n  \"a\": [\n    1.10,\n    12345678901234567890123\n  ],\n  \"b\": {},\n  \"c\": [],\n  \
             \"d \\\" {\": \"x, [y\"\n}"
        );
        assert_eq!(indented("\"a\""), "\"a\"");
    }
}
