//! Values put into templates: text of scalars, and the rules of what may stand where.
//!
//! It knows neither URLs nor headers; each of those says how the text is escaped.

use std::borrow::Cow;

use serde_json::Value;
use toolwave_tool::ToolError;

use super::secrets::{SECRETS, Secrets};
use crate::template::{Piece, Place, Template};

/// What templates are filled from in one call.
#[derive(Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) parameters: &'a Value,
    pub(super) secrets: &'a Secrets,
}

/// True for `{secrets.NAME}`.
pub(super) fn is_secret(place: &Place) -> bool {
    place.path()[0] == SECRETS
}

impl<'a> Filling<'a> {
    /// The value of a place: a parameter or a secret; `None` where it is absent or null.
    pub(super) fn value(&self, place: &Place) -> Option<Cow<'a, Value>> {
        if is_secret(place) {
            let secret = self.secrets.named(place.path().get(1)?)?;
            return Some(Cow::Owned(Value::String(secret.to_owned())));
        }
        place.of(self.parameters).map(Cow::Borrowed)
    }

    /// The place's text; `None` where the parameter is absent.
    pub(super) fn text(&self, place: &Place) -> Result<Option<Cow<'a, str>>, ToolError> {
        match self.value(place) {
            None => Ok(None),
            Some(Cow::Borrowed(value)) => scalar(place, value).map(Some),
            Some(Cow::Owned(value)) => Ok(Some(Cow::Owned(scalar(place, &value)?.into_owned()))),
        }
    }

    /// The whole template, each value as `escape` writes it; `None` where a parameter is absent.
    pub(super) fn fill(
        &self,
        template: &Template,
        mut escape: impl FnMut(&str, &mut String),
    ) -> Result<Option<String>, ToolError> {
        let mut filled = String::new();
        for piece in template.pieces() {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place(place) => match self.text(place)? {
                    Some(text) => escape(&text, &mut filled),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(filled))
    }
}

/// Text, numbers and booleans as text.
pub(super) fn scalar<'a>(place: &Place, value: &'a Value) -> Result<Cow<'a, str>, ToolError> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Ok(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null => Ok(Cow::Borrowed("")),
        Value::Array(_) | Value::Object(_) => Err(invalid(format!(
            "`{place}` is an array or an object; expected text, a number or a boolean"
        ))),
    }
}

/// Parameters that fit the schema and not the request.
pub(super) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new("INVALID_PARAMETERS", message)
}
