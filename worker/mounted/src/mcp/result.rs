//! What a server's answer to a call is here: a result, or an error with a code.

use rmcp::model::{ErrorCode, ErrorData};
use serde_json::{Map, Value, json};
use toolwave_tool::{Output, ToolError};

use super::{
    definition::OutputCheck,
    stdio::{NO_MESSAGE, TOO_LONG},
    text,
};

/// Bytes of a server's text in an error's message.
const MAX_MESSAGE: usize = 4 << 10;
/// Bytes of content in an error's details.
const MAX_DETAILS: usize = 32 << 10;

/// What the server answered to a call.
pub(super) enum Reply {
    Complete(Map<String, Value>),
    /// The work goes on as a task of this id; asked again after so many milliseconds.
    Task {
        id: String,
        poll: Option<u64>,
    },
    /// The server wants something from a person.
    InputRequired(Value),
}

/// Reads the answer to `tools/call`.
///
/// # Errors
/// It is none.
pub(super) fn read(answer: Value) -> Result<Reply, ToolError> {
    let Value::Object(mut answer) = answer else {
        return Err(broken("the server's answer is no JSON object"));
    };
    match answer.get("resultType").and_then(Value::as_str) {
        None | Some("complete") => {
            answer.remove("resultType");
            Ok(Reply::Complete(answer))
        }
        Some("input_required") => Ok(Reply::InputRequired(
            answer.remove("inputRequests").unwrap_or(Value::Null),
        )),
        Some("task") => match answer.get("taskId").and_then(Value::as_str) {
            Some(id) => Ok(Reply::Task {
                id: id.to_owned(),
                poll: answer.get("pollIntervalMs").and_then(Value::as_u64),
            }),
            None => Err(broken("the server's answer is a task without an id")),
        },
        Some(other) => Err(broken(&format!(
            "the server's answer is of an unknown type, `{}`",
            text::shown(other, 64)
        ))),
    }
}

/// The result, or the tool's own error.
///
/// # Errors
/// `MCP_TOOL_ERROR`, or that the content is not what the tool declares.
pub(super) fn complete(
    mut answer: Map<String, Value>,
    check: Option<&OutputCheck>,
) -> Result<Output, ToolError> {
    let is_error = answer.remove("isError") == Some(Value::Bool(true));
    if !answer.get("content").is_none_or(Value::is_array) {
        return Err(broken("the content of the server's answer is no list"));
    }
    if is_error {
        return Err(tool_error(answer));
    }
    if let Some(check) = check
        && let Err(what) = check.check(answer.get("structuredContent"))
    {
        return Err(ToolError::new("MCP_OUTPUT_MISMATCH", what).details(bounded(answer)));
    }
    answer.entry("content").or_insert_with(|| json!([]));
    Output::json(&answer)
}

fn tool_error(answer: Map<String, Value>) -> ToolError {
    let texts = answer
        .get("content")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let texts: Vec<&str> = texts.filter_map(|block| block.get("text")?.as_str()).collect();
    let message = match texts.join("\n") {
        empty if empty.trim().is_empty() => "the tool failed and gave no text".to_owned(),
        text => shortened(text),
    };
    ToolError::new("MCP_TOOL_ERROR", message).details(bounded(answer))
}

/// A person is wanted, and there is none.
pub(super) fn input_required(requests: Value) -> ToolError {
    let message = "the server asks for input before it goes on; a call has nobody to ask";
    let mut details = Map::new();
    details.insert("inputRequests".to_owned(), requests);
    ToolError::new("INPUT_REQUIRED", message).details(bounded(details))
}

/// An error of the protocol.
pub(super) fn refused(error: ErrorData) -> ToolError {
    let code = match error.code {
        TOO_LONG => return ToolError::new("RESULT_TOO_LARGE", error.message),
        NO_MESSAGE => return broken(&error.message),
        ErrorCode::INVALID_PARAMS => "MCP_INVALID_PARAMS",
        ErrorCode::METHOD_NOT_FOUND => "MCP_METHOD_NOT_FOUND",
        ErrorCode::INVALID_REQUEST => "MCP_INVALID_REQUEST",
        ErrorCode::INTERNAL_ERROR => "MCP_INTERNAL_ERROR",
        _ => "MCP_ERROR",
    };
    let mut details = Map::new();
    details.insert("code".to_owned(), error.code.0.into());
    if let Some(data) = error.data {
        details.insert("data".to_owned(), data);
    }
    ToolError::new(code, shortened(error.message.into_owned())).details(bounded(details))
}

/// The server does not keep to the protocol.
pub(super) fn broken(what: &str) -> ToolError {
    ToolError::new("MCP_BROKEN_ANSWER", what)
}

/// The server's text as it is, but for its length.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

fn bounded(details: Map<String, Value>) -> Value {
    let details = Value::Object(details);
    match details.to_string().len() {
        bytes if bytes > MAX_DETAILS => json!({"left_out_bytes": bytes}),
        _ => details,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(answer: Value) -> Result<Value, ToolError> {
        match read(answer)? {
            Reply::Complete(answer) => {
                let output = complete(answer, None)?;
                Ok(serde_json::from_slice(output.as_json()).expect("JSON"))
            }
            Reply::InputRequired(requests) => Err(input_required(requests)),
            Reply::Task { id, .. } => Err(ToolError::new("TASK", id)),
        }
    }

    #[test]
    fn content_passes_unchanged_and_only_what_says_how_it_ended_is_taken_away() {
        let answer = json!({
            "resultType": "complete",
            "content": [{"type": "hologram", "data": "x", "depth": 3}, {"type": "text", "text": "a", "_meta": {"b": 1}}],
            "structuredContent": [18_446_744_073_709_551_615_u64],
            "_meta": {"c": 2},
            "isError": false,
        });
        let mut expected = answer.clone();
        let members = expected.as_object_mut().expect("an object");
        members.remove("resultType");
        members.remove("isError");
        assert_eq!(end(answer), Ok(expected));
        assert_eq!(end(json!({})), Ok(json!({"content": []})));
    }

    #[test]
    fn errors_of_the_tool_have_its_text_and_its_content() {
        let content = json!([{"type": "text", "text": "no such file"}, {"type": "image"}]);
        let error = end(json!({"content": content, "isError": true})).expect_err("an error");
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("MCP_TOOL_ERROR", "no such file")
        );
        assert_eq!(error.details.as_deref(), Some(&json!({"content": content})));
        assert!(!error.retryable);
        let long = end(json!({"content": [{"type": "text", "text": "é".repeat(40_000)}], "isError": true}));
        let long = long.expect_err("an error");
        assert!(long.message.len() < MAX_MESSAGE + 8);
        assert!(long.details.expect("details")["left_out_bytes"].as_u64() > Some(80_000));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (answer, code) in [
            (json!(5), "MCP_BROKEN_ANSWER"),
            (json!({"content": "text"}), "MCP_BROKEN_ANSWER"),
            (json!({"resultType": "odd"}), "MCP_BROKEN_ANSWER"),
            (json!({"resultType": "task"}), "MCP_BROKEN_ANSWER"),
            (
                json!({"resultType": "input_required", "inputRequests": {"a": 1}}),
                "INPUT_REQUIRED",
            ),
        ] {
            assert_eq!(end(answer).expect_err("an error").code, code);
        }
    }
}
