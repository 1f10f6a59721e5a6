//! What the end of a command means for its call: a result, or an error that says what happened.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use serde_json::json;
use toolwave_keeper::{Exit, NotStarted, SpawnError, Step};
use toolwave_tool::{Output, ToolError};

use super::{Meaning, OutputKind};

/// How ends are read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) kind: OutputKind,
    pub(super) success_codes: Vec<u8>,
    pub(super) meanings: BTreeMap<u8, Meaning>,
}

impl Reading {
    /// `stderr`: the end of it, or nothing.
    pub(super) fn of(&self, exit: Exit, output: Vec<u8>, stderr: &str) -> Result<Output, ToolError> {
        let error = match exit {
            Exit::Code(code) => match u8::try_from(code) {
                Ok(code) if self.success_codes.contains(&code) => return self.output(output),
                Ok(code) if self.meanings.contains_key(&code) => meant(code, &self.meanings[&code]),
                _ => {
                    let message = format!("the command ended with exit code {code}");
                    ToolError::new(format!("EXIT_CODE_{code}"), message)
                }
            },
            Exit::Signal(signal) => signalled(signal),
            Exit::NotStarted(why) => return Err(not_started(why)),
            Exit::Lost => ToolError::new(
                "COMMAND_LOST",
                "the process that keeps the command was killed from outside, and the command with it",
            ),
        };
        Err(with_details(error, exit, stderr))
    }

    fn output(&self, mut output: Vec<u8>) -> Result<Output, ToolError> {
        match self.kind {
            OutputKind::Json if output.trim_ascii().is_empty() => Err(ToolError::new(
                "BROKEN_OUTPUT",
                "the command wrote nothing to its standard output; expected JSON",
            )),
            OutputKind::Json => {
                let text = Bytes::from(output);
                Output::check_json(text.slice_ref(text.trim_ascii()))
            }
            OutputKind::Text => {
                if output.last() == Some(&b'\n') {
                    output.pop();
                    if output.last() == Some(&b'\r') {
                        output.pop();
                    }
                }
                match String::from_utf8(output) {
                    Ok(text) => Output::json(&text),
                    Err(error) => Err(ToolError::new(
                        "BROKEN_OUTPUT",
                        format!(
                            "the output is not UTF-8 at byte {}; expected text",
                            error.utf8_error().valid_up_to()
                        ),
                    )),
                }
            }
        }
    }
}

fn meant(code: u8, meaning: &Meaning) -> ToolError {
    let message = match &meaning.message {
        Some(message) => message.clone(),
        None => format!("the command ended with exit code {code}"),
    };
    let error = ToolError::new(&meaning.code, message);
    match meaning.retry_after {
        Some(wait) => error.retry_after(wait),
        None if meaning.retryable => error.retryable(),
        None => error,
    }
}

fn signalled(signal: i32) -> ToolError {
    let hint = match signal {
        6 => " (abort: out of memory, perhaps by `limits.memory`, or a failed assertion)",
        9 => " (kill: out of memory on the machine, `limits.cpu`, or someone's doing)",
        11 => " (segmentation fault)",
        24 => " (CPU time is over: `limits.cpu`)",
        25 => " (a file became too large: `limits.file_size`)",
        _ => "",
    };
    let message = format!("the command was ended by signal {signal}{hint}");
    ToolError::new(format!("SIGNAL_{signal}"), message)
}

/// The last line stands in the message, for whoever sees no details.
fn with_details(mut error: ToolError, exit: Exit, stderr: &str) -> ToolError {
    let mut details = match exit {
        Exit::Code(code) => json!({"exit_code": code}),
        Exit::Signal(signal) => json!({"signal": signal}),
        Exit::NotStarted(_) | Exit::Lost => json!({}),
    };
    if let Some(last) = stderr.lines().next_back() {
        let last: String = last.chars().take(200).collect();
        error.message = format!("{}: {last}", error.message);
        details["stderr"] = stderr.into();
    }
    error.details(details)
}

/// No process ran: nothing took effect.
fn not_started(why: NotStarted) -> ToolError {
    const E2BIG: i32 = 7;
    const ETXTBSY: i32 = 26;
    if why.step == Step::Program && why.errno == E2BIG {
        let message = "the parameters make more arguments than the system takes; expected them by stdin";
        return ToolError::new("INVALID_PARAMETERS", message);
    }
    let error = ToolError::new("COMMAND_NOT_STARTED", format!("the command did not start: {why}"));
    // no process to be had, or a program that is being replaced: that passes
    if why.step == Step::Process || why.errno == ETXTBSY {
        error.retryable()
    } else {
        error
    }
}

pub(super) fn not_spawned(error: &SpawnError) -> ToolError {
    let told = ToolError::new(
        "COMMAND_NOT_STARTED",
        format!("the command did not start: {error}"),
    );
    match error {
        SpawnError::Keeper(_) => told.retryable(),
        SpawnError::Relative(_) | SpawnError::Nul | SpawnError::Variable(_) | SpawnError::Unsupported(_) => {
            told
        }
    }
}

pub(super) fn too_large(limit: u64) -> ToolError {
    let message = format!("the command wrote more than {limit} bytes (`max_output`) and was ended");
    ToolError::new("OUTPUT_TOO_LARGE", message)
}

pub(super) fn cancelled(grace: Duration) -> ToolError {
    let message = format!("the command was asked to end, and killed if it had not after {grace:?}");
    ToolError::new("CANCELLED", message)
}
