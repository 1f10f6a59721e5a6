//! The headers of a tool: names are fixed, values are templates or secrets, and none can start another header.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use toolwave_egress::is_reserved;
use toolwave_tool::{Declaration, Safety, ToolError};

use super::{
    fill::{Filling, invalid, is_secret},
    scope::{Scope, Spot},
    secrets::Secrets,
};
use crate::{template::Template, value::Source};

/// All names and values of one request.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// What services that honour the key take it in.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Whoever writes a value of these into the file has most likely written a secret there.
const CREDENTIALS: [&str; 6] = [
    "authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "apikey",
];

/// What is sent before the body.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    lines: Vec<(HeaderName, Line)>,
    idempotency_key: Option<HeaderName>,
}

#[derive(Clone, Debug)]
enum Line {
    Template(Template),
    /// The name of a secret.
    Secret(String),
}

/// The name under which a header's own source is read: no template can name it.
pub(super) fn secret_of(header: &str) -> String {
    format!("header {header}")
}

impl Headers {
    pub(super) fn read(
        headers: &BTreeMap<String, Source>,
        idempotency_key: Option<&str>,
        declaration: &Declaration,
        scope: &mut Scope<'_>,
    ) -> Self {
        let mut lines: Vec<(HeaderName, Line)> = Vec::new();
        for (text, source) in headers {
            let key = format!("headers.{text}");
            let Some(name) = name(&key, text, scope) else {
                continue;
            };
            if lines.iter().any(|(own, _)| *own == name) {
                scope.error(
                    &key,
                    "the header is there already, in another spelling",
                    "each header once",
                );
            }
            let line = match source {
                Source::Text(text) => read_text(&key, &name, text, scope),
                Source::Variable(_) | Source::File(_) => Some(Line::Secret(secret_of(text))),
            };
            lines.extend(line.map(|line| (name, line)));
        }
        let honours = declaration.safety == Safety::HonoursIdempotencyKey;
        let key = "idempotency_key_header";
        let idempotency_key = match idempotency_key {
            Some(text) => name(key, text, scope),
            None => honours.then(|| HeaderName::from_static(IDEMPOTENCY_KEY)),
        };
        if let Some(name) = &idempotency_key
            && lines.iter().any(|(own, _)| own == name)
        {
            let what = format!("`{name}` is among the headers and carries the idempotency key");
            scope.error(key, what, "one of the two");
        }
        Self {
            lines,
            idempotency_key,
        }
    }

    /// The operator's own text of a header, where it is fixed.
    pub(super) fn fixed(&self, name: &HeaderName) -> Option<&str> {
        let (_, line) = self.lines.iter().find(|(own, _)| own == name)?;
        match line {
            Line::Template(template) => match template.pieces() {
                [crate::template::Piece::Text(text)] => Some(text),
                _ => None,
            },
            Line::Secret(_) => None,
        }
    }

    /// The headers of one call; one of which a parameter is absent is left out.
    pub(super) fn fill(
        &self,
        filling: Filling<'_>,
        secrets: &Secrets,
        idempotency_key: &str,
    ) -> Result<HeaderMap, ToolError> {
        let mut headers = HeaderMap::new();
        let mut bytes = 0;
        for (name, line) in &self.lines {
            let (text, secret) = match line {
                Line::Secret(secret) => (secrets.named(secret).map(str::to_owned), true),
                Line::Template(template) => (
                    filling.fill(template, |text, filled| filled.push_str(text))?,
                    template.places().any(is_secret),
                ),
            };
            let Some(text) = text else { continue };
            let mut value = value(name, &text)?;
            value.set_sensitive(secret);
            bytes += name.as_str().len() + text.len();
            headers.insert(name.clone(), value);
        }
        if bytes > MAX_HEADER_BYTES {
            let message = format!("the headers have {bytes} bytes; the limit is {MAX_HEADER_BYTES}");
            return Err(ToolError::new("LIMIT_EXCEEDED", message));
        }
        if let Some(name) = &self.idempotency_key
            && !idempotency_key.is_empty()
        {
            headers.insert(name.clone(), value(name, idempotency_key)?);
        }
        Ok(headers)
    }
}

fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, ToolError> {
    // HTTP allows tabs, and bytes beyond ASCII that each reader takes for other letters.
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let value = HeaderValue::from_str(text).ok().filter(|_| plain);
    value.ok_or_else(|| {
        invalid(format!(
            "the value for the header `{name}` holds line ends, control characters or letters beyond ASCII"
        ))
    })
}

fn name(key: &str, text: &str, scope: &mut Scope<'_>) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        scope.error(
            key,
            format!("`{text}` is no header name"),
            "a name such as accept",
        );
        return None;
    };
    if is_reserved(name.as_str()) || name == "accept-encoding" {
        scope.error(key, format!("`{name}` is set by the transport"), "it left out");
        return None;
    }
    Some(name)
}

fn read_text(key: &str, name: &HeaderName, text: &str, scope: &mut Scope<'_>) -> Option<Line> {
    let template = scope.template(key, text, Spot::Header)?;
    let fixed = template.pieces().iter().all(|piece| match piece {
        crate::template::Piece::Text(text) => value(name, text).is_ok(),
        crate::template::Piece::Place(_) => true,
    });
    if !fixed {
        let what = "it holds line ends, control characters or letters beyond ASCII";
        scope.error(key, what, "one line of ASCII");
    }
    if CREDENTIALS.contains(&name.as_str()) && template.places().next().is_none() {
        let what = format!("the value of `{name}` stands in the file for all who read it");
        scope.warning(
            key,
            what,
            "{ env = \"NAME\" }, { file = \"PATH\" } or {secrets.NAME}",
        );
    }
    Some(Line::Template(template))
}
