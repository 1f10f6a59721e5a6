//! What an answer is worth: a result, or an error that says whether to try again.

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, RETRY_AFTER},
};
use serde_json::json;
use toolwave_egress::{Failure, read_body, retry_after};
use toolwave_tool::{Output, Safety, ToolError};

use super::{OutputKind, pointer::Pointer, secrets::Secrets, spelling::Statuses};

/// Of the body of an answer that is an error.
const MAX_EXCERPT_BYTES: usize = 4 << 10;

/// How answers are read.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) success: Statuses,
    /// `None`: those that say that nothing was done, and, where a repeat does no harm, those that leave it open.
    pub(super) retry: Option<Statuses>,
    pub(super) safety: Safety,
    pub(super) output: OutputKind,
    pub(super) result: Option<Pointer>,
    pub(super) max_response: u64,
}

impl Reply {
    /// The result, or the answer as an error.
    pub(super) async fn read(&self, mut response: Response, secrets: &Secrets) -> Result<Output, ToolError> {
        if !self.success.hold(response.status().as_u16()) {
            return Err(self.refusal(response, secrets).await);
        }
        if let Some(encoding) = response.headers().get(CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(broken(
                "its body is compressed in a way that nobody asked for; expected gzip or none",
            ));
        }
        let body = read_body(&mut response, self.max_response)
            .await
            .map_err(|failure| self.failure(&failure, secrets))?;
        if body.truncated {
            let message = format!(
                "the answer is larger than max_response, {} bytes",
                self.max_response
            );
            return Err(ToolError::new("ANSWER_TOO_LARGE", message));
        }
        let text = String::from_utf8(body.bytes).map_err(|_| broken("its body is not UTF-8"))?;
        match (self.output, &self.result) {
            (OutputKind::Text, _) => Output::json(&text),
            (OutputKind::Json, None) if text.trim().is_empty() => {
                Ok(Output::from_json(Bytes::from_static(b"null")))
            }
            (OutputKind::Json, pointer) => self.part(text, pointer.as_ref()),
        }
    }

    fn part(&self, text: String, pointer: Option<&Pointer>) -> Result<Output, ToolError> {
        let Some(pointer) = pointer else {
            return Output::check_json(text.into()).map_err(|_| broken("its body is no JSON"));
        };
        match pointer.find(&text) {
            Ok(Some(part)) => Ok(Output::from_json(Bytes::copy_from_slice(part.as_bytes()))),
            Ok(None) => Err(ToolError::new(
                "NO_RESULT",
                format!("the answer has nothing at `{pointer}`, where the result is declared to be"),
            )),
            Err(_) => Err(broken("its body is no JSON")),
        }
    }

    /// An answer whose status is no success.
    async fn refusal(&self, mut response: Response, secrets: &Secrets) -> ToolError {
        let status = response.status();
        let retry = self.asks_again(status, response.headers().contains_key(RETRY_AFTER));
        let wait = retry_after(response.headers());
        let mut details = json!({"status": status.as_u16()});
        // A secret that the end of the excerpt would cut is read as a whole, and taken out.
        let most = MAX_EXCERPT_BYTES + secrets.longest();
        if let Ok(body) = read_body(&mut response, most as u64).await {
            details["body"] = excerpt(&body.bytes, secrets).into();
        }
        let redirect = if status.is_redirection() {
            "; redirects are not followed unless `redirects` says so"
        } else {
            ""
        };
        let code = format!("HTTP_{}", status.as_u16());
        let error = ToolError::new(code, format!("the service answers {status}{redirect}")).details(details);
        match (retry, wait) {
            (false, _) => error,
            (true, None) => error.retryable(),
            (true, Some(wait)) => error.retry_after(wait),
        }
    }

    fn asks_again(&self, status: StatusCode, names_a_time: bool) -> bool {
        if let Some(retry) = &self.retry {
            return retry.hold(status.as_u16());
        }
        match status {
            StatusCode::TOO_MANY_REQUESTS => true,
            // Without a time it may come from a proxy that lost the service midway.
            StatusCode::SERVICE_UNAVAILABLE => names_a_time || self.repeatable(),
            StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                self.repeatable()
            }
            _ => false,
        }
    }

    /// Whether the operator promises that a repeat does no harm.
    fn repeatable(&self) -> bool {
        self.safety != Safety::NotRepeatable
    }

    /// No answer, or not all of it.
    pub(super) fn failure(&self, failure: &Failure, secrets: &Secrets) -> ToolError {
        let (code, retry) = match failure {
            Failure::Denied(_) => ("EGRESS_DENIED", false),
            Failure::NotConnected { redirected, .. } => ("CONNECT_FAILED", !redirected || self.repeatable()),
            Failure::Incomplete(_) => ("REQUEST_FAILED", self.repeatable()),
            Failure::TooManyRedirects(_) => ("TOO_MANY_REDIRECTS", false),
            Failure::BadRedirect => ("INVALID_REDIRECT", false),
        };
        let error = ToolError::new(code, secrets.scrub(failure.to_string()));
        if retry { error.retryable() } else { error }
    }
}

fn broken(what: &str) -> ToolError {
    ToolError::new(
        "BROKEN_ANSWER",
        format!("the service's answer cannot be read: {what}"),
    )
}

/// The beginning of a body: text without secrets and without what moves a terminal's cursor.
fn excerpt(body: &[u8], secrets: &Secrets) -> String {
    let mut text = secrets.scrub(String::from_utf8_lossy(body).into_owned());
    let end = (0..=MAX_EXCERPT_BYTES.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    text.truncate(end);
    text.replace(|char: char| char.is_control() && char != '\n', " ")
}
