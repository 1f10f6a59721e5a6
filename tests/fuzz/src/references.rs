//! References: any parameters with any results put into them. What comes out has the shape that the parameters
//! had, holds each result as it is, keeps to its budgets, and is what a simpler reading of the rules comes to.

use arbitrary::Unstructured;
use bytes::Bytes;
use serde_json::{Map, Value};
use toolwave_coordinator::execution::{
    limits::JsonBudget,
    parameters::scan,
    prepared::CallFault,
    reference::{Piece, Reference, Step, pieces},
    template::{Parsed, Template},
};

use crate::draw;

/// Ids of the calls that have results.
const IDS: [&str; 4] = ["a", "b", "c", "0"];

/// Puts results into parameters, both made of the input.
///
/// # Panics
/// What comes out is not what the rules say.
pub fn run(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let budget = match draw::below(&mut from, 3) {
        0 => JsonBudget {
            bytes: draw::below(&mut from, 256),
            depth: draw::below(&mut from, 8),
            nodes: draw::below(&mut from, 32),
        },
        _ => JsonBudget {
            bytes: 1 << 16,
            depth: 32,
            nodes: 1 << 12,
        },
    };
    if draw::one_in(&mut from, 3) {
        let results = [0; 4].map(|_| Bytes::from(from.arbitrary::<Vec<u8>>().unwrap_or_default()));
        written(draw::rest(&mut from), &results, budget);
    } else {
        let results = [0; 4].map(|_| draw::value(&mut from, 3));
        drawn(&Value::Object(draw::object(&mut from, 3)), &results, budget);
    }
}

fn find(id: &str) -> Option<u32> {
    IDS.iter().position(|known| *known == id).map(|at| at as u32)
}

/// Any bytes: nothing panics, and the shape stays.
fn written(parameters: &[u8], results: &[Bytes], budget: JsonBudget) {
    if let Ok(text) = std::str::from_utf8(parameters) {
        reads_back(text);
    }
    if scan(parameters, budget).is_err() {
        return;
    }
    let before: Value = serde_json::from_slice(parameters).expect("it was scanned");
    let Some(Ok(out)) = substitute(parameters, results, budget) else {
        return;
    };
    let after: Value = serde_json::from_slice(&out).expect("what comes out is JSON");
    same_shape(&before, &after);
}

/// JSON as it is drawn: what comes out is known.
fn drawn(parameters: &Value, results: &[Value], budget: JsonBudget) {
    let text = parameters.to_string();
    if scan(text.as_bytes(), budget).is_err() {
        return;
    }
    let texts: Vec<Bytes> = results.iter().map(|result| result.to_string().into()).collect();
    let Some(outcome) = substitute(text.as_bytes(), &texts, budget) else {
        return;
    };
    let expected = expand(parameters, results).map(Value::Object);
    match (outcome, expected) {
        (Ok(out), Some(expected)) => {
            let out: Value = serde_json::from_slice(&out).expect("what comes out is JSON");
            assert_eq!(out, expected);
        }
        (Ok(out), None) => panic!("a reference leads nowhere, and {out:?} came out"),
        (Err(fault), None) if fault.code == "REFERENCE_NOT_FOUND" => {}
        (Err(fault), expected) => over_budget(&fault, expected.as_ref(), budget),
    }
}

/// A budget is why there is nothing; where it is known what would have come out, that was over it.
fn over_budget(fault: &CallFault, expected: Option<&Value>, budget: JsonBudget) {
    let code = fault.code.as_str();
    assert!(
        ["PARAMS_TOO_LARGE", "JSON_TOO_DEEP", "JSON_TOO_MANY_NODES"].contains(&code),
        "{fault:?}"
    );
    if let Some(expected) = expected {
        assert!(
            scan(expected.to_string().as_bytes(), budget).is_err(),
            "{fault:?}, and {expected} fits"
        );
    }
}

/// `None` where the references cannot be read.
fn substitute(parameters: &[u8], results: &[Bytes], budget: JsonBudget) -> Option<Result<Bytes, CallFault>> {
    let text = Bytes::copy_from_slice(parameters);
    let outcome = match Template::parse(text, budget, &find).ok()? {
        Parsed::Text(text) => Ok(text),
        Parsed::Template(template) => template.substitute(&|call| results.get(call as usize).cloned()),
    };
    match &outcome {
        Ok(out) => {
            assert!(
                out.len() <= budget.bytes.max(parameters.len()),
                "{} bytes came out",
                out.len()
            );
            assert!(scan(out, budget).is_ok(), "what comes out is no good: {out:?}");
        }
        Err(fault) => assert!(fault.message.len() <= 512, "{fault:?}"),
    }
    Some(outcome)
}

/// Pieces put together again are the text that they were read from.
fn reads_back(text: &str) {
    let Ok(pieces) = pieces(text, &find) else {
        return;
    };
    let mut back = String::new();
    for piece in &pieces {
        match piece {
            Piece::Literal(literal) => back.push_str(&literal.replace("${", "$${")),
            Piece::Reference(reference) => back.push_str(&reference.text),
        }
    }
    assert_eq!(back, text);
    let neighbours = pieces
        .windows(2)
        .filter(|two| matches!(two, [Piece::Literal(_), Piece::Literal(_)]));
    assert_eq!(neighbours.count(), 0, "{pieces:?}");
}

/// Objects keep their keys and arrays their length; only strings may have become something else.
fn same_shape(before: &Value, after: &Value) {
    match (before, after) {
        (Value::String(text), after) => {
            let whole = matches!(pieces(text, &find).as_deref(), Ok([Piece::Reference(_)]));
            assert!(whole || after.is_string(), "{text:?} became {after}");
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            before
                .iter()
                .zip(after)
                .for_each(|(before, after)| same_shape(before, after));
        }
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()), "{before:?} became {after:?}");
            before
                .values()
                .zip(after.values())
                .for_each(|(before, after)| same_shape(before, after));
        }
        (before, after) => assert_eq!(before, after),
    }
}

/// The rules, on trees. `None`: a reference leads nowhere.
fn expand(parameters: &Value, results: &[Value]) -> Option<Map<String, Value>> {
    let entries = parameters.as_object()?.iter();
    entries
        .map(|(key, value)| Some((key.clone(), expand_value(value, results)?)))
        .collect()
}

fn expand_value(value: &Value, results: &[Value]) -> Option<Value> {
    Some(match value {
        Value::String(text) => return expand_text(text, results),
        Value::Array(items) => {
            let items: Option<_> = items.iter().map(|item| expand_value(item, results)).collect();
            Value::Array(items?)
        }
        Value::Object(_) => Value::Object(expand(value, results)?),
        scalar => scalar.clone(),
    })
}

fn expand_text(text: &str, results: &[Value]) -> Option<Value> {
    let pieces = pieces(text, &find).ok()?;
    if let [Piece::Reference(reference)] = pieces.as_slice() {
        return walk(reference, results).cloned();
    }
    let mut out = String::new();
    for piece in &pieces {
        match piece {
            Piece::Literal(literal) => out.push_str(literal),
            Piece::Reference(reference) => match walk(reference, results)? {
                Value::String(text) => out.push_str(text),
                other => out.push_str(&other.to_string()),
            },
        }
    }
    Some(out.into())
}

fn walk<'r>(reference: &Reference, results: &'r [Value]) -> Option<&'r Value> {
    let mut here = results.get(reference.call as usize)?;
    for step in &reference.path {
        here = match (step, here) {
            (Step::Key(key), Value::Object(object)) => object.get(key)?,
            (Step::Index(index), Value::Array(items)) if *index < 0 => items
                .len()
                .checked_sub(index.unsigned_abs() as usize)
                .and_then(|at| items.get(at))?,
            (Step::Index(index), Value::Array(items)) => items.get(*index as usize)?,
            _ => return None,
        };
    }
    Some(here)
}
