//! Makes calls from JSON and reads results as JSON.

use std::time::Duration;

use serde_json::Value;
use toolwave_proto::v1::{self, call::ParametersForm, call_result::ResultForm};

use crate::json::{from_proto_value, proto_duration};

/// A call of `tool`. The parameters travel as JSON text, so that 64-bit integers stay exact.
#[must_use]
pub fn call(tool: impl Into<String>, parameters: Value) -> v1::Call {
    v1::Call {
        tool_name: tool.into(),
        parameters_form: Some(ParametersForm::ParametersJson(parameters.to_string().into())),
        ..v1::Call::default()
    }
}

/// What a call may say besides its tool and parameters.
pub trait CallExt: Sized {
    /// Names it for references and dependencies; without, its index is its name.
    #[must_use]
    fn id(self, id: impl Into<String>) -> Self;
    /// Makes it wait for the success of another.
    #[must_use]
    fn depends_on(self, id: impl Into<String>) -> Self;
    /// Bounds the execution of one attempt.
    #[must_use]
    fn timeout(self, timeout: Duration) -> Self;
    /// Bounds its wait for a slot.
    #[must_use]
    fn queue_timeout(self, timeout: Duration) -> Self;
    /// 0 to 3; higher starts first.
    #[must_use]
    fn priority(self, priority: i32) -> Self;
    /// Its own retry policy.
    #[must_use]
    fn retry(self, policy: v1::RetryPolicy) -> Self;
    /// Reaches the tool with every attempt.
    #[must_use]
    fn idempotency_key(self, key: impl Into<String>) -> Self;
}

impl CallExt for v1::Call {
    fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    fn depends_on(mut self, id: impl Into<String>) -> Self {
        self.depends_on.push(id.into());
        self
    }

    fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(proto_duration(timeout));
        self
    }

    fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = Some(proto_duration(timeout));
        self
    }

    fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    fn retry(mut self, policy: v1::RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = key.into();
        self
    }
}

/// Reads a result.
pub trait CallResultExt {
    /// The result, whichever form it came in; `None` when the call has none.
    ///
    /// # Errors
    /// When the text is no JSON, which a coordinator never sends.
    fn json(&self) -> Result<Option<Value>, serde_json::Error>;
}

impl CallResultExt for v1::CallResult {
    fn json(&self) -> Result<Option<Value>, serde_json::Error> {
        match &self.result_form {
            None => Ok(None),
            Some(ResultForm::Result(value)) => Ok(Some(from_proto_value(value))),
            Some(ResultForm::ResultJson(text)) => serde_json::from_slice(text).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_keeps_64_bit_integers_exact() {
        let call = call("echo", json!({"n": u64::MAX}))
            .id("a")
            .depends_on("b")
            .timeout(Duration::from_secs(2));
        let Some(ParametersForm::ParametersJson(text)) = &call.parameters_form else {
            panic!("no JSON text")
        };
        assert_eq!(&text[..], br#"{"n":18446744073709551615}"#);
        assert_eq!(call.id.as_deref(), Some("a"));
        assert_eq!(call.depends_on, ["b"]);
        assert_eq!(call.timeout.map(|timeout| timeout.seconds), Some(2));
    }

    #[test]
    fn a_result_reads_the_same_in_both_forms() {
        let text = v1::CallResult {
            result_form: Some(ResultForm::ResultJson(br#"{"a":1}"#.to_vec().into())),
            ..Default::default()
        };
        let number = prost_types::Value {
            kind: Some(prost_types::value::Kind::NumberValue(1.0)),
        };
        let value = prost_types::Struct {
            fields: [("a".to_owned(), number)].into(),
        };
        let value = prost_types::Value {
            kind: Some(prost_types::value::Kind::StructValue(value)),
        };
        let value = v1::CallResult {
            result_form: Some(ResultForm::Result(value)),
            ..Default::default()
        };
        assert_eq!(text.json().unwrap(), Some(json!({"a": 1})));
        assert_eq!(value.json().unwrap(), Some(json!({"a": 1})));
        assert_eq!(v1::CallResult::default().json().unwrap(), None);
    }
}
