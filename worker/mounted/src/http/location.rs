//! The URL of a tool: its scheme, host and port are fixed, its path and query take parameters.
//!
//! Whatever the values, the origin stays, no segment of the path is added or removed, and no query parameter.

use reqwest::Url;
use serde_json::Value;
use toolwave_egress::url;
use toolwave_tool::ToolError;

use super::{
    Arrays, escape,
    fill::{Filling, invalid, scalar},
    scope::{Scope, Spot},
};
use crate::template::{Piece, Place, Template};

/// A longer URL is not sent.
const MAX_URL_BYTES: usize = 16 << 10;
const EXPECTED: &str = "a URL such as https://api.example.com/v1/{city}?units={units}";

/// A URL with places.
#[derive(Clone, Debug)]
pub(super) struct Location {
    origin: Url,
    /// Scheme, host and port, without a slash at the end.
    prefix: String,
    path: Vec<Piece>,
    query: Vec<Pair>,
    arrays: Arrays,
}

/// One query parameter.
#[derive(Clone, Debug, Default)]
struct Pair {
    /// Encoded.
    name: String,
    /// `None`: the name alone, without `=`.
    value: Option<Vec<Piece>>,
}

impl Location {
    /// Reads the template, and tells what is wrong with it.
    pub(super) fn read(text: &str, arrays: Arrays, scope: &mut Scope<'_>) -> Option<Self> {
        let template = scope.parse("url", text)?;
        let (authority, rest) = split(&template, scope)?;
        let origin = match url(&authority) {
            Ok(origin) => origin,
            Err(error) => {
                scope.error("url", format!("it is refused: {error}"), EXPECTED);
                return None;
            }
        };
        let known = scope.faults.len();
        let (path, query) = parts(rest, scope);
        for piece in &path {
            if let Piece::Place(place) = piece {
                scope.place("url", place, Spot::Path);
            }
        }
        for pieces in query.iter().filter_map(|pair| pair.value.as_ref()) {
            let spot = match (pieces.as_slice(), arrays) {
                ([Piece::Place(_)], _) | (_, Arrays::Comma) => Spot::List,
                _ => Spot::Text,
            };
            for piece in pieces {
                if let Piece::Place(place) = piece {
                    scope.place("url", place, spot);
                }
            }
        }
        if scope.faults.len() > known {
            return None;
        }
        let location = Self {
            prefix: origin.as_str().trim_end_matches('/').to_owned(),
            origin,
            path,
            query,
            arrays,
        };
        location.check_path(scope).then_some(location)
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// With every place as `x`, the URL is read as it is written.
    fn check_path(&self, scope: &mut Scope<'_>) -> bool {
        let mut path = String::new();
        for piece in &self.path {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Place(_) => path.push('x'),
            }
        }
        match self.parse(&path, "") {
            Ok(_) => true,
            Err(_) => {
                let what = "its path has `.` or `..` as a segment, or cannot stand in a URL";
                scope.error("url", what, "the path as the service knows it");
                false
            }
        }
    }

    /// The URL of one call.
    pub(super) fn fill(&self, filling: Filling<'_>) -> Result<Url, ToolError> {
        let path = self.fill_path(filling)?;
        let query = self.fill_query(filling)?;
        let bytes = self.prefix.len() + path.len() + query.len();
        if bytes > MAX_URL_BYTES {
            let message = format!("the URL has {bytes} bytes; the limit is {MAX_URL_BYTES}");
            return Err(ToolError::new("LIMIT_EXCEEDED", message));
        }
        self.parse(&path, &query)
    }

    fn fill_path(&self, filling: Filling<'_>) -> Result<String, ToolError> {
        let mut path = String::new();
        for piece in &self.path {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Place(place) => {
                    let text = filling.text(place)?.unwrap_or_default();
                    if text.is_empty() {
                        return Err(invalid(format!(
                            "`{place}` is empty or absent; its place in the path needs a value"
                        )));
                    }
                    escape::value(&text, &mut path);
                }
            }
        }
        // A URL has no way to write these as plain segments: each reader resolves them, percent-encoded as well.
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(invalid(
                "a value makes `.` or `..` of a segment of the path, which would lead elsewhere",
            ));
        }
        Ok(path)
    }

    fn fill_query(&self, filling: Filling<'_>) -> Result<String, ToolError> {
        let mut query = String::new();
        for pair in &self.query {
            let values = match &pair.value {
                None => {
                    separate(&mut query);
                    query.push_str(&pair.name);
                    continue;
                }
                Some(pieces) => values(pieces, self.arrays, filling)?,
            };
            for value in values {
                separate(&mut query);
                query.push_str(&pair.name);
                query.push('=');
                query.push_str(&value);
            }
        }
        Ok(query)
    }

    fn parse(&self, path: &str, query: &str) -> Result<Url, ToolError> {
        let path = if path.is_empty() { "/" } else { path };
        let mark = if query.is_empty() { "" } else { "?" };
        let text = format!("{}{path}{mark}{query}", self.prefix);
        match Url::parse(&text) {
            Ok(url) if url.as_str() == text && url.origin() == self.origin.origin() => Ok(url),
            _ => Err(ToolError::new(
                "EGRESS_DENIED",
                "the parameters make a URL that would be read otherwise than it is written",
            )),
        }
    }
}

fn separate(query: &mut String) {
    if !query.is_empty() {
        query.push('&');
    }
}

/// The encoded values of one query parameter: none where it is absent, several for a list that is repeated.
fn values(pieces: &[Piece], arrays: Arrays, filling: Filling<'_>) -> Result<Vec<String>, ToolError> {
    if let ([Piece::Place(place)], Arrays::Repeat) = (pieces, arrays)
        && let Some(Value::Array(items)) = filling.value(place).as_deref()
    {
        return items.iter().map(|item| encoded(place, item)).collect();
    }
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(fixed) => text.push_str(fixed),
            Piece::Place(place) => match filling.value(place).as_deref() {
                None => return Ok(Vec::new()),
                Some(Value::Array(items)) if arrays == Arrays::Comma => {
                    if items.is_empty() {
                        return Ok(Vec::new());
                    }
                    let items: Vec<String> = items
                        .iter()
                        .map(|item| encoded(place, item))
                        .collect::<Result<_, _>>()?;
                    text.push_str(&items.join(","));
                }
                Some(value) => text.push_str(&encoded(place, value)?),
            },
        }
    }
    Ok(vec![text])
}

fn encoded(place: &Place, value: &Value) -> Result<String, ToolError> {
    let mut text = String::new();
    escape::value(&scalar(place, value)?, &mut text);
    Ok(text)
}

/// What stands before the path, which takes no parameters, and what comes after.
fn split(template: &Template, scope: &mut Scope<'_>) -> Option<(String, Vec<Piece>)> {
    let mut pieces = template.pieces().to_vec();
    let fixed = "placeholders only in the path and the query; scheme, host, port and user are fixed";
    let Some(Piece::Text(first)) = pieces.first_mut() else {
        let what = if pieces.is_empty() {
            "it is empty"
        } else {
            "it begins with a placeholder"
        };
        scope.error("url", what, if pieces.is_empty() { EXPECTED } else { fixed });
        return None;
    };
    let host = first.find("://").map_or(0, |at| at + 3);
    match first[host..].find(['/', '?', '#']) {
        Some(end) => {
            let rest = first.split_off(host + end);
            let authority = std::mem::replace(first, rest);
            Some((authority, pieces))
        }
        None if pieces.len() == 1 => {
            let Piece::Text(authority) = pieces.remove(0) else {
                return None;
            };
            Some((authority, pieces))
        }
        None => {
            scope.error("url", "a placeholder stands before the path", fixed);
            None
        }
    }
}

/// Path and query.
fn parts(pieces: Vec<Piece>, scope: &mut Scope<'_>) -> (Vec<Piece>, Vec<Pair>) {
    let (mut path, mut query): (Vec<Piece>, Vec<Pair>) = (Vec::new(), Vec::new());
    let mut in_query = false;
    for piece in pieces {
        let text = match piece {
            Piece::Place(place) => {
                if !in_query {
                    path.push(Piece::Place(place));
                } else if let Some(value) = query.last_mut().and_then(|pair| pair.value.as_mut()) {
                    value.push(Piece::Place(place));
                } else {
                    let what = format!("`{{{place}}}` stands for the name of a query parameter");
                    scope.error("url", what, "placeholders only in values, as in ?name={value}");
                }
                continue;
            }
            Piece::Text(text) => text,
        };
        check_text(&text, scope);
        let mut rest = text.as_str();
        if !in_query {
            let (before, after) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
            push_text(&mut path, before);
            let Some(after) = after else { continue };
            in_query = true;
            query.push(Pair::default());
            rest = after;
        }
        for (index, part) in rest.split('&').enumerate() {
            if index > 0 {
                query.push(Pair::default());
            }
            if let Some(pair) = query.last_mut() {
                pair.append(part);
            }
        }
    }
    query.retain(|pair| !pair.name.is_empty() || pair.value.is_some());
    (path, query)
}

fn check_text(text: &str, scope: &mut Scope<'_>) {
    if text
        .chars()
        .any(|char| char.is_control() || char.is_whitespace() || char == '\\')
    {
        scope.error(
            "url",
            "it holds spaces, control characters or backslashes",
            "them percent-encoded",
        );
    }
    if text.contains('#') {
        scope.error(
            "url",
            "it has a fragment, which is never sent",
            "the URL without `#` and what follows",
        );
    }
    let escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if !escapes.into_iter().all(is_escape) {
        scope.error(
            "url",
            "a `%` is not followed by two hexadecimal digits",
            "%25 for the sign itself",
        );
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        let mut encoded = String::new();
        escape::fixed(text, &mut encoded);
        pieces.push(Piece::Text(encoded));
    }
}

impl Pair {
    /// Text up to the next `&`: of the name, until `=` has come.
    fn append(&mut self, text: &str) {
        if let Some(value) = &mut self.value {
            return push_text(value, text);
        }
        let (name, value) = text.split_once('=').map_or((text, None), |(a, b)| (a, Some(b)));
        escape::fixed(name, &mut self.name);
        if let Some(value) = value {
            push_text(self.value.insert(Vec::new()), value);
        }
    }
}
