//! The worker's own types as messages of the wire, and back: the only file that knows both.

use std::time::Duration;

use bytes::Bytes;
use toolwave_proto::v1::{self, AttemptFailureKind};
use toolwave_tool::{Declaration, Effect, RetryPolicy, Safety, ToolError};

const MAX_FAILURE_MESSAGE: usize = 8 << 10;
const MAX_FAILURE_DETAILS: usize = 64 << 10;
const MAX_CODE: usize = 128;

/// A tool's declaration as it is registered.
pub(crate) fn tool(declaration: &Declaration) -> v1::Tool {
    let rate = declaration.rate;
    v1::Tool {
        name: declaration.name.clone(),
        description: declaration.description.clone(),
        input_schema_json: declaration.input_schema.to_string().into(),
        output_schema_json: declaration
            .output_schema
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
            .into(),
        effects: declaration.effects.iter().map(effect).collect(),
        read_only: declaration.safety == Safety::ReadOnly,
        idempotent: declaration.safety == Safety::Idempotent,
        honours_idempotency_key: declaration.safety == Safety::HonoursIdempotencyKey,
        timeout: declaration.timeout.map(to_proto_duration),
        max_concurrency: declaration.max_concurrency.unwrap_or(0),
        max_concurrency_per_worker: declaration.max_concurrency_per_worker.unwrap_or(0),
        rate_per_second: rate.map_or(0.0, |rate| rate.per_second),
        rate_burst: rate.map_or(0, |rate| rate.burst),
        max_result_bytes: declaration.max_result_bytes.unwrap_or(0),
        retry: declaration.retry.map(retry),
        labels: declaration.labels.clone().into_iter().collect(),
    }
}

fn retry(policy: RetryPolicy) -> v1::RetryPolicy {
    v1::RetryPolicy {
        max_attempts: policy.max_attempts.unwrap_or(0),
        initial_backoff: policy.initial_backoff.map(to_proto_duration),
        max_backoff: policy.max_backoff.map(to_proto_duration),
        multiplier: policy.multiplier.unwrap_or(0.0),
    }
}

fn effect(effect: &Effect) -> v1::Effect {
    let (mode, key) = match effect {
        Effect::Reads(key) => (v1::EffectMode::Reads, key),
        Effect::Writes(key) => (v1::EffectMode::Writes, key),
    };
    v1::Effect {
        mode: mode.into(),
        key_template: key.clone(),
    }
}

/// A failure of the worker's own making.
pub(crate) fn failure(
    kind: AttemptFailureKind,
    code: &str,
    message: impl Into<String>,
) -> v1::AttemptFailure {
    v1::AttemptFailure {
        kind: kind.into(),
        code: code.to_owned(),
        message: shortened(message.into(), MAX_FAILURE_MESSAGE),
        retryable: false,
        retry_after: None,
        details_json: Bytes::new(),
    }
}

/// A tool's own error. What is over the limits of the wire is cut, or left out and said so.
pub(crate) fn tool_error(error: ToolError) -> v1::AttemptFailure {
    let mut message = error.message;
    let mut details = error
        .details
        .map(|details| details.to_string())
        .unwrap_or_default();
    if details.len() > MAX_FAILURE_DETAILS {
        let note = format!(" (details of {} bytes are left out)", details.len());
        details.clear();
        message = shortened(message, MAX_FAILURE_MESSAGE - note.len()) + &note;
    }
    let code = if error.code.is_empty() {
        "TOOL_ERROR".to_owned()
    } else {
        error.code
    };
    v1::AttemptFailure {
        kind: AttemptFailureKind::ToolError.into(),
        code: shortened(code, MAX_CODE),
        message: shortened(message, MAX_FAILURE_MESSAGE),
        retryable: error.retryable,
        retry_after: error.retry_after.map(to_proto_duration),
        details_json: details.into(),
    }
}

/// At most `limit` bytes of the text, cut between characters.
pub(crate) fn shortened(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Lengths that do not fit are as good as endless.
pub(crate) fn to_proto_duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    // below a billion
    prost_types::Duration {
        seconds,
        nanos: duration.subsec_nanos().cast_signed(),
    }
}

/// `None` when it is unset, zero, negative or malformed.
pub(crate) fn from_proto_duration(duration: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(duration?)
        .ok()
        .filter(|duration| !duration.is_zero())
}
