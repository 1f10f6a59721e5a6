//! The body of a tool's request: JSON, a form or text with places, or the parameters as they came.

use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use toolwave_tool::{Parameters, ToolError};

use super::{
    escape,
    fill::{Filling, scalar},
    scope::{Scope, Spot},
    spelling::Body,
};
use crate::template::{Piece, Template};

/// A larger body is not sent.
const MAX_BODY_BYTES: usize = 16 << 20;

/// A body with places.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Parameters,
    Json(Json),
    Form(Vec<(String, Template)>),
    Text(Template),
}

/// JSON with places.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Fixed(Value),
    /// The whole text is one place: the value keeps its type.
    Text(Template),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Content {
    /// Reads the templates, and tells what is wrong with them.
    pub(super) fn read(body: &Body, scope: &mut Scope<'_>) -> Option<Self> {
        Some(match body {
            Body::Parameters => Self::Parameters,
            Body::Json(json) => Self::Json(Json::read("body.json", json, scope)?),
            Body::Form(form) => Self::Form(read_form(form, scope)),
            Body::Text(text) => Self::Text(scope.template("body.text", text, Spot::Text)?),
        })
    }

    /// What it is, where no header says otherwise.
    pub(super) fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Parameters | Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
            Self::Text(_) => "text/plain; charset=utf-8",
        })
    }

    /// The body of one call. What holds a parameter that is absent is left out.
    pub(super) fn fill(&self, filling: Filling<'_>, parameters: &Parameters) -> Result<Bytes, ToolError> {
        let body = match self {
            Self::Parameters => parameters.as_json().clone(),
            Self::Json(json) => {
                let json = json.fill(filling)?.unwrap_or(Value::Null);
                Bytes::from(json.to_string())
            }
            Self::Form(form) => Bytes::from(fill_form(form, filling)?),
            Self::Text(template) => {
                let text = filling.fill(template, |text, filled| filled.push_str(text))?;
                Bytes::from(text.unwrap_or_default())
            }
        };
        if body.len() > MAX_BODY_BYTES {
            let message = format!("the body has {} bytes; the limit is {MAX_BODY_BYTES}", body.len());
            return Err(ToolError::new("LIMIT_EXCEEDED", message));
        }
        Ok(body)
    }
}

fn read_form(form: &Map<String, Value>, scope: &mut Scope<'_>) -> Vec<(String, Template)> {
    let mut fields = Vec::new();
    for (name, value) in form {
        let key = format!("body.form.{name}");
        let template = match value {
            Value::String(text) => scope.template(&key, text, Spot::List),
            Value::Number(number) => Template::parse(&number.to_string()).ok(),
            Value::Bool(truth) => Template::parse(&truth.to_string()).ok(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                scope.error(
                    &key,
                    "it is no text",
                    "a text such as \"{city}\", a number or a boolean",
                );
                None
            }
        };
        fields.extend(template.map(|template| (name.clone(), template)));
    }
    fields
}

/// A list is repeated, each item with the name.
fn fill_form(form: &[(String, Template)], filling: Filling<'_>) -> Result<String, ToolError> {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        if !text.is_empty() {
            text.push('&');
        }
        escape::form(name, &mut text);
        text.push('=');
        escape::form(value, &mut text);
    };
    for (name, template) in form {
        if let Some(place) = template.sole_place()
            && let Some(Value::Array(items)) = filling.value(place).as_deref()
        {
            for item in items {
                field(name, &scalar(place, item)?);
            }
        } else if let Some(value) = filling.fill(template, |text, filled| filled.push_str(text))? {
            field(name, &value);
        }
    }
    Ok(text)
}

impl Json {
    fn read(key: &str, json: &Value, scope: &mut Scope<'_>) -> Option<Self> {
        Some(match json {
            Value::String(text) => {
                let template = scope.template(key, text, Spot::Json)?;
                match template.pieces() {
                    [] => Self::Fixed(Value::String(String::new())),
                    [Piece::Text(text)] => Self::Fixed(Value::String(text.clone())),
                    _ => Self::Text(template),
                }
            }
            Value::Array(items) => {
                let read = |(index, item)| Self::read(&format!("{key}[{index}]"), item, scope);
                Self::Array(items.iter().enumerate().filter_map(read).collect())
            }
            Value::Object(members) => {
                let mut read = Vec::new();
                for (name, member) in members {
                    let key = format!("{key}.{name}");
                    if Template::parse(name).is_ok_and(|name| name.places().next().is_some()) {
                        scope.error(
                            &key,
                            "a placeholder stands for a name",
                            "placeholders only in values",
                        );
                    }
                    read.extend(Self::read(&key, member, scope).map(|member| (name.clone(), member)));
                }
                Self::Object(read)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Fixed(json.clone()),
        })
    }

    /// `None` where a parameter is absent.
    fn fill(&self, filling: Filling<'_>) -> Result<Option<Value>, ToolError> {
        Ok(match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Text(template) => match template.sole_place() {
                Some(place) => filling.value(place).map(std::borrow::Cow::into_owned),
                None => filling
                    .fill(template, |text, filled| filled.push_str(text))?
                    .map(Value::String),
            },
            Self::Array(items) => {
                let mut filled = Vec::with_capacity(items.len());
                for item in items {
                    filled.extend(item.fill(filling)?);
                }
                Some(Value::Array(filled))
            }
            Self::Object(members) => {
                let mut filled = Map::new();
                for (name, member) in members {
                    if let Some(value) = member.fill(filling)? {
                        filled.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(filled))
            }
        })
    }
}
