//! The grammar of references inside strings: `${<id>.result<path>}`, and `$${` for a literal `${`.
//! Reads one decoded string; knows nothing of JSON around it, nor of results.

use super::text::quoted;
use crate::error::Reason;

/// A part of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Literal(String),
    /// What another call returned.
    Reference(Reference),
}

/// A way into the result of another call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The index of the call.
    pub call: u32,
    /// From the result's top; empty: the whole of it.
    pub path: Vec<Step>,
    /// As written, `${` and `}` included.
    pub text: String,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into an object: `.key` or `["key"]`.
    Key(String),
    /// Into an array: `[2]`; `[-1]` is the last.
    Index(i64),
}

/// Why a string with `${` in it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceFault {
    /// It breaks the grammar.
    #[error(
        "{what} at byte {at} of the string {text}: write ${{<id>.result.key[0][\"odd key\"]}}, or $${{ for a literal ${{"
    )]
    Malformed {
        /// In the string.
        at: usize,
        /// What is wrong there.
        what: &'static str,
        /// The string, quoted.
        text: String,
    },
    /// No call has the id.
    #[error("the reference {text} names the call {id}, which the request does not hold")]
    UnknownCall {
        /// Quoted.
        id: String,
        /// Quoted.
        text: String,
    },
}

impl ReferenceFault {
    /// The stable word.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed { .. } => Reason::BadReference,
            Self::UnknownCall { .. } => Reason::UnknownDependency,
        }
    }
}

/// Finds the index of a call by its id.
pub type FindCall<'f> = &'f dyn Fn(&str) -> Option<u32>;

/// What ends the id and begins the path.
const RESULT: &str = ".result";

/// Splits `text` into literals and references. Neighbouring literals are one piece.
///
/// # Errors
/// The first place where it cannot be read.
pub fn pieces(text: &str, find: FindCall<'_>) -> Result<Vec<Piece>, ReferenceFault> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(next) = text[at..].find('$') {
        literal.push_str(&text[at..at + next]);
        at += next;
        if text[at..].starts_with("$${") {
            literal.push_str("${");
            at += 3;
        } else if text[at..].starts_with("${") {
            let (reference, end) = Parser { text, at: at + 2 }.reference(at, find)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Reference(reference));
            at = end;
        } else {
            literal.push('$');
            at += 1;
        }
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// True for the characters that ids and tool names are made of.
#[must_use]
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    /// Reads what follows `${`; answers it and where the text goes on.
    fn reference(mut self, start: usize, find: FindCall<'_>) -> Result<(Reference, usize), ReferenceFault> {
        let call = self.call(start, find)?;
        let mut path = Vec::new();
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'}') => {
                    let end = self.at + 1;
                    return Ok((
                        Reference {
                            call,
                            path,
                            text: self.text[start..end].to_owned(),
                        },
                        end,
                    ));
                }
                Some(b'.') => path.push(self.key()?),
                Some(b'[') => path.push(self.bracket()?),
                Some(_) => return Err(self.malformed("expected '.', '[' or '}'")),
                None => return Err(self.malformed("the reference is not closed by '}'")),
            }
        }
    }

    /// Ids may hold dots, so `.result` may be part of one: the shortest id that the request holds wins.
    fn call(&mut self, start: usize, find: FindCall<'_>) -> Result<u32, ReferenceFault> {
        let rest = &self.text[self.at..];
        let run = rest
            .bytes()
            .position(|byte| !is_name_byte(byte))
            .unwrap_or(rest.len());
        let mut first = None;
        for (id_end, _) in rest[..run].match_indices(RESULT).take(8) {
            let path = id_end + RESULT.len();
            if id_end == 0 || !matches!(rest.as_bytes().get(path), Some(b'.' | b'[' | b'}')) {
                continue;
            }
            let id = &rest[..id_end];
            if let Some(call) = find(id) {
                self.at += path;
                return Ok(call);
            }
            first.get_or_insert(id);
        }
        match first {
            Some(id) => Err(ReferenceFault::UnknownCall {
                id: quoted(id),
                text: quoted(&self.text[start..]),
            }),
            None => Err(self.malformed("expected an id and '.result'")),
        }
    }

    fn key(&mut self) -> Result<Step, ReferenceFault> {
        let rest = &self.text[self.at + 1..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(rest.len());
        if end == 0 {
            self.at += 1;
            return Err(self.malformed("expected a key after '.'"));
        }
        self.at += 1 + end;
        Ok(Step::Key(rest[..end].to_owned()))
    }

    fn bracket(&mut self) -> Result<Step, ReferenceFault> {
        let inside: &'t str = &self.text[self.at + 1..];
        let (step, length) = if inside.starts_with('"') {
            let length = string_end(inside.as_bytes())
                .ok_or_else(|| self.malformed("the key is not closed by '\"'"))?;
            let key = serde_json::from_str::<String>(&inside[..length])
                .map_err(|_| self.malformed("the key in brackets is no JSON string"))?;
            (Step::Key(key), length)
        } else {
            let length = inside
                .bytes()
                .position(|byte| !(byte.is_ascii_digit() || byte == b'-'))
                .unwrap_or(inside.len());
            let index = inside[..length]
                .parse()
                .map_err(|_| self.malformed("expected a number or a key in quotes inside '[]'"))?;
            (Step::Index(index), length)
        };
        self.at += 1 + length;
        if self.text.as_bytes().get(self.at) != Some(&b']') {
            return Err(self.malformed("expected ']'"));
        }
        self.at += 1;
        Ok(step)
    }

    fn malformed(&self, what: &'static str) -> ReferenceFault {
        ReferenceFault::Malformed {
            at: self.at,
            what,
            text: quoted(self.text),
        }
    }
}

/// The length of the JSON string that `text` begins with, quotes included; `None` when it does not end.
#[must_use]
pub fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(id: &str) -> Option<u32> {
        ["a", "b.result", "0", "x:y-z_1"]
            .iter()
            .position(|known| *known == id)
            .map(|at| at as u32)
    }

    fn one(text: &str) -> Reference {
        match pieces(text, &find).expect(text).as_slice() {
            [Piece::Reference(reference)] => reference.clone(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn paths_have_keys_and_indices() {
        assert_eq!(one("${a.result}").path, []);
        assert_eq!(
            one("${a.result.items[2].title}").path,
            [
                Step::Key("items".into()),
                Step::Index(2),
                Step::Key("title".into())
            ]
        );
        assert_eq!(
            one(r#"${a.result["odd \"}\u0041 key"][-1]}"#).path,
            [Step::Key("odd \"}A key".into()), Step::Index(-1)]
        );
        assert_eq!(one("${a.result.größe-2_x}").path, [Step::Key("größe-2_x".into())]);
    }

    #[test]
    fn ids_may_hold_dots_and_even_the_word_result() {
        assert_eq!(one("${b.result.result.x}").call, 1);
        assert_eq!(one("${x:y-z_1.result.result}").path, [Step::Key("result".into())]);
        assert_eq!(one("${0.result}").call, 2);
    }

    #[test]
    fn text_around_references_stays_and_dollars_escape() {
        assert_eq!(
            pieces("$5 for $${a} and ${a.result}$", &find).expect("fine"),
            [
                Piece::Literal("$5 for ${a} and ".into()),
                Piece::Reference(one("${a.result}")),
                Piece::Literal("$".into())
            ]
        );
        assert_eq!(
            pieces("$$${", &find).expect("fine"),
            [Piece::Literal("$${".into())]
        );
        assert_eq!(pieces("", &find), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        for (text, at) in [
            ("${", 2),
            ("x ${a", 4),
            ("${a..b}", 2),
            ("${a.results}", 2),
            ("${a.result", 2),
            ("${a.result.}", 11),
            ("${a.result[}", 10),
            ("${a.result[1}", 12),
            ("${a.result[1-2]}", 10),
            ("${a.result[99999999999999999999]}", 10),
            ("${a.result[\"x]}", 10),
            ("${a.result[${a.result}]}", 10),
            ("${.result}", 2),
            ("${a.result.b c}", 12),
            ("${HOME}", 2),
        ] {
            match pieces(text, &find) {
                Err(ReferenceFault::Malformed { at: found, .. }) => assert_eq!(found, at, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let unknown = pieces("${nobody.result.x}", &find).expect_err("unknown");
        assert_eq!(unknown.reason(), Reason::UnknownDependency);
    }
}
