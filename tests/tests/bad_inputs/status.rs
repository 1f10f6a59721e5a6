//! An expected gRPC status: how one is compared with it, and how a page writes it.

use serde::Deserialize;
use tonic::Status;
use tonic_types::StatusExt as _;
use toolwave_tests::code_word;

/// What a status must say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedStatus {
    /// The canonical word, such as `NOT_FOUND`.
    code: String,
    /// Of `google.rpc.ErrorInfo`; without one the status must have none.
    reason: Option<String>,
    /// A part of the message.
    message: Option<String>,
    /// No part of the message.
    not_in_message: Option<String>,
}

impl ExpectedStatus {
    pub(crate) fn check(&self, status: &Status) -> Result<(), String> {
        let reason = status.get_details_error_info().map(|details| details.reason);
        let message = status.message();
        let said = |part: &Option<String>| part.as_ref().is_some_and(|part| message.contains(part));
        let right = code_word(status.code()) == self.code
            && reason == self.reason
            && message.len() <= 512
            && (self.message.is_none() || said(&self.message))
            && !said(&self.not_in_message)
            && !message.chars().any(char::is_control);
        if right {
            Ok(())
        } else {
            Err(format!("not {self:?}, but {status:?}"))
        }
    }

    /// For the page.
    pub(crate) fn text(&self) -> String {
        let reason = self.reason.iter().map(|reason| format!(" `{reason}`"));
        format!("`{}`{}", self.code, reason.collect::<String>())
    }
}
