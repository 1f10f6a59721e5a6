//! Parameters with references, parsed once at the edge and filled in once their results are there.
//!
//! The text between strings is copied as it stands, so numbers stay exact; what a reference brings goes in as
//! one JSON value or as characters of one string, so that a result's content can never change the shape of the
//! parameters, and nothing that was put in is looked at for references again. Keys are never expanded.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    limits::JsonBudget,
    lookup::{Lazy, compact},
    parameters::{ParametersFault, REFERENCE, scan},
    prepared::CallFault,
    reference::{FindCall, Piece, Reference, ReferenceFault, pieces, string_end},
    text::{clipped, quoted},
};
use crate::error::Reason;

/// Parameters with references.
#[derive(Debug)]
pub struct Template {
    text: Bytes,
    holes: Vec<Hole>,
    calls: Vec<u32>,
    budget: JsonBudget,
}

/// A string in the text that is written anew.
#[derive(Debug)]
struct Hole {
    start: usize,
    end: usize,
    pieces: Vec<Piece>,
}

/// What parsing came to.
#[derive(Debug)]
pub enum Parsed {
    /// There were no references, only escapes: the text, those replaced.
    Text(Bytes),
    /// There are.
    Template(Template),
}

/// Finds the result of a call by its index: JSON text.
pub type FindResult<'f> = &'f dyn Fn(u32) -> Option<Bytes>;

impl Template {
    /// Parses `text`, which [`scan`] found to be good.
    ///
    /// # Errors
    /// Everything that cannot be read: at most one fault of each string.
    pub fn parse(text: Bytes, budget: JsonBudget, find: FindCall<'_>) -> Result<Parsed, Vec<ReferenceFault>> {
        let mut holes = Vec::new();
        let mut faults = Vec::new();
        for (start, end) in strings(&text) {
            let Ok(string) = serde_json::from_slice::<String>(&text[start..end]) else {
                continue;
            };
            if !string.contains(REFERENCE) {
                continue;
            }
            match pieces(&string, find) {
                Ok(pieces) => holes.push(Hole { start, end, pieces }),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut template = Self {
            text,
            holes,
            calls: Vec::new(),
            budget,
        };
        let mut calls: Vec<u32> = template.references().map(|reference| reference.call).collect();
        calls.sort_unstable();
        calls.dedup();
        template.calls = calls;
        if template.calls.is_empty() {
            // Escapes only ever shorten, so nothing can be wrong with what comes out.
            let text = template.fill(&[]).unwrap_or_else(|_| template.text.clone());
            return Ok(Parsed::Text(text));
        }
        Ok(Parsed::Template(template))
    }

    /// The text as the client wrote it.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The indices of the calls that it refers to: sorted, each once.
    #[must_use]
    pub fn calls(&self) -> &[u32] {
        &self.calls
    }

    /// Every reference, in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.holes
            .iter()
            .flat_map(|hole| &hole.pieces)
            .filter_map(|piece| match piece {
                Piece::Reference(reference) => Some(reference),
                Piece::Literal(_) => None,
            })
    }

    /// Puts in what `results` holds. Each result is read once, and only as deep as references go.
    ///
    /// # Errors
    /// A reference leads nowhere, or what comes out is over a budget.
    pub fn substitute(&self, results: FindResult<'_>) -> Result<Bytes, CallFault> {
        let mut texts = Vec::with_capacity(self.calls.len());
        for &call in &self.calls {
            texts.push(results(call).ok_or_else(|| self.without_result(call, "which has no result"))?);
        }
        let mut roots = Vec::with_capacity(texts.len());
        for (&call, text) in self.calls.iter().zip(&texts) {
            let raw: &RawValue = serde_json::from_slice(text)
                .map_err(|_| self.without_result(call, "whose result is no JSON"))?;
            roots.push(Lazy::new(raw));
        }
        let text = self.fill(&roots)?;
        scan(&text, self.budget)?;
        Ok(text)
    }

    fn fill(&self, roots: &[Lazy<'_>]) -> Result<Bytes, CallFault> {
        let mut out = Vec::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for hole in &self.holes {
            out.extend_from_slice(&self.text[at..hole.start]);
            at = hole.end;
            if let [Piece::Reference(reference)] = hole.pieces.as_slice() {
                compact(self.find(roots, reference)?.raw().get(), &mut out);
            } else {
                let text = self.join(hole, roots, out.len())?;
                write_string(&text, &mut out);
            }
            self.check(out.len())?;
        }
        out.extend_from_slice(&self.text[at..]);
        self.check(out.len())?;
        Ok(out.into())
    }

    fn join(&self, hole: &Hole, roots: &[Lazy<'_>], before: usize) -> Result<String, CallFault> {
        let mut text = String::new();
        for piece in &hole.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Reference(reference) => {
                    let value = self.find(roots, reference)?.raw().get();
                    if value.starts_with('"') {
                        let string: String = serde_json::from_str(value).map_err(|_| {
                            not_found(
                                reference,
                                "there is a string that is no Unicode text there".into(),
                            )
                        })?;
                        text.push_str(&string);
                    } else {
                        let mut bytes = Vec::with_capacity(value.len());
                        compact(value, &mut bytes);
                        text.push_str(&String::from_utf8_lossy(&bytes));
                    }
                }
            }
            self.check(before + text.len())?;
        }
        Ok(text)
    }

    fn find<'r, 't>(&self, roots: &'r [Lazy<'t>], reference: &Reference) -> Result<&'r Lazy<'t>, CallFault> {
        let root = self
            .calls
            .binary_search(&reference.call)
            .ok()
            .and_then(|at| roots.get(at));
        let root = root.ok_or_else(|| not_found(reference, "the call has no result".into()))?;
        root.walk(&reference.path)
            .map_err(|what| not_found(reference, what))
    }

    fn check(&self, bytes: usize) -> Result<(), CallFault> {
        if bytes > self.budget.bytes {
            let limit = self.budget.bytes;
            let mut fault = CallFault::from(ParametersFault::TooLarge { bytes, limit });
            fault.message = format!("with references put in, the parameters are over {limit} bytes");
            return Err(fault);
        }
        Ok(())
    }

    fn without_result(&self, call: u32, why: &str) -> CallFault {
        let text = self
            .references()
            .find(|reference| reference.call == call)
            .map_or("", |found| &found.text);
        CallFault {
            code: Reason::ReferenceNotFound.word().into(),
            message: clipped(format!("the reference {} names a call {why}", quoted(text))),
            ..CallFault::default()
        }
    }
}

fn not_found(reference: &Reference, what: String) -> CallFault {
    CallFault {
        code: Reason::ReferenceNotFound.word().into(),
        message: clipped(format!(
            "the reference {} leads nowhere: {what}",
            quoted(&reference.text)
        )),
        ..CallFault::default()
    }
}

/// Appends `text` as a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is always JSON, and a vector takes every write");
}

/// Where the strings of a JSON text are, quotes included, without keys.
fn strings(text: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].iter().position(|&byte| byte == b'"')?;
            at = start + string_end(&text[start..])?;
            let after = text[at..].iter().find(|byte| !byte.is_ascii_whitespace());
            if after != Some(&b':') {
                return Some((start, at));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::limits::RequestLimits;

    fn fill(parameters: &str, result: &str) -> Result<String, CallFault> {
        let budget = JsonBudget {
            bytes: 200,
            ..RequestLimits::default().json()
        };
        let find = |id: &str| (id == "a").then_some(0);
        match Template::parse(Bytes::copy_from_slice(parameters.as_bytes()), budget, &find).expect(parameters)
        {
            Parsed::Text(text) => Ok(String::from_utf8(text.to_vec()).expect("UTF-8")),
            Parsed::Template(template) => template
                .substitute(&|_| Some(Bytes::copy_from_slice(result.as_bytes())))
                .map(|text| String::from_utf8(text.to_vec()).expect("UTF-8")),
        }
    }

    #[test]
    fn a_whole_string_reference_keeps_the_type_and_the_digits() {
        let result = r#"{ "n" : 18446744073709551616, "list" : [1.0, "x y"], "s": "q\"" }"#;
        assert_eq!(
            fill(r#"{"p": "${a.result.n}"}"#, result).expect("found"),
            r#"{"p": 18446744073709551616}"#
        );
        assert_eq!(
            fill(r#"{"p":"${a.result.list}"}"#, result).expect("found"),
            r#"{"p":[1.0,"x y"]}"#
        );
        assert_eq!(
            fill(r#"{"p":"${a.result.s}"}"#, result).expect("found"),
            r#"{"p":"q\""}"#
        );
        assert_eq!(
            fill(r#"{"p":"${a.result.list[-1]}"}"#, result).expect("found"),
            r#"{"p":"x y"}"#
        );
    }

    #[test]
    fn an_embedded_reference_becomes_text() {
        let result = r#"{"s":"say \"hi\"","o":{ "k" : [1, null] }}"#;
        assert_eq!(
            fill(r#"{"p":"<${a.result.s}|${a.result.o}>","n":1e0}"#, result).expect("found"),
            r#"{"p":"<say \"hi\"|{\"k\":[1,null]}>","n":1e0}"#
        );
    }

    #[test]
    fn what_was_put_in_is_not_expanded_again_and_cannot_break_out() {
        let result = r#""${a.result}\",\"admin\":true,\"x\":\"""#;
        let out = fill(r#"{"p":"v ${a.result}","q":"${a.result}"}"#, result).expect("found");
        let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(2));
        assert_eq!(value["q"], "${a.result}\",\"admin\":true,\"x\":\"");
    }

    #[test]
    fn keys_and_escapes_stay_literal() {
        assert_eq!(
            fill(r#"{"${a.result}":1,"p":"$${HOME} costs $5"}"#, "null").expect("fine"),
            r#"{"${a.result}":1,"p":"${HOME} costs $5"}"#
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_says_what_was_there() {
        let result = r#"{"items":[{"title":1}],"n":null}"#;
        let message = |path: &str| {
            let fault = fill(&format!(r#"{{"p":"${{a.result{path}}}"}}"#), result).expect_err(path);
            assert_eq!(fault.code, "REFERENCE_NOT_FOUND");
            fault.message
        };
        assert_eq!(
            message(".item"),
            "the reference \"${a.result.item}\" leads nowhere: the result is an object with the keys \"items\", \"n\""
        );
        assert!(message(".items[1]").ends_with("result.items is an array of 1 values"));
        assert!(message(".items.title").ends_with("result.items is an array of 1 values"));
        assert!(message(".items[0].title.x").ends_with("result.items[0].title is a number"));
        assert!(message(".n[0]").ends_with("result.n is null"));
    }

    #[test]
    fn what_comes_out_keeps_to_the_budgets() {
        let fault =
            fill(r#"{"p":"${a.result}"}"#, &format!("\"{}\"", "x".repeat(300))).expect_err("too large");
        assert_eq!(fault.code, "PARAMS_TOO_LARGE");
        let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
        assert_eq!(
            fill(r#"{"p":"${a.result}"}"#, &deep).expect_err("too deep").code,
            "JSON_TOO_DEEP"
        );
        assert_eq!(
            fill(r#"{"p":"${a.result}"}"#, r#"{"k":1,"k":2}"#)
                .expect_err("twice")
                .code,
            "DUPLICATE_KEY"
        );
    }
}
