//! Walks into the JSON text of a result without a tree of all of it: each container on the way is split into
//! its parts once, and only when a path goes through it. Parts stay text, so numbers stay exact.

use std::{cell::OnceCell, collections::HashMap, fmt::Write as _};

use serde::de::{self, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    reference::{Step, string_end},
    text::quoted,
};

/// Keys of an object that a message names.
const NAMED_KEYS: usize = 8;

/// A value, split when somebody looks inside.
#[derive(Debug)]
pub(super) struct Lazy<'t> {
    raw: &'t RawValue,
    parts: OnceCell<Box<Parts<'t>>>,
}

#[derive(Debug)]
enum Parts<'t> {
    Object(HashMap<String, Lazy<'t>>),
    Array(Vec<Lazy<'t>>),
    Scalar,
}

impl<'t> Lazy<'t> {
    pub(super) fn new(raw: &'t RawValue) -> Self {
        Self {
            raw,
            parts: OnceCell::new(),
        }
    }

    pub(super) fn raw(&self) -> &'t RawValue {
        self.raw
    }

    /// Follows `path`; where it leads nowhere, says how far it came and what was there.
    pub(super) fn walk(&self, path: &[Step]) -> Result<&Self, String> {
        let mut here = self;
        for (done, step) in path.iter().enumerate() {
            here = here.step(step).ok_or_else(|| here.nowhere(&path[..done]))?;
        }
        Ok(here)
    }

    fn step(&self, step: &Step) -> Option<&Self> {
        match (self.parts(), step) {
            (Parts::Object(entries), Step::Key(key)) => entries.get(key.as_str()),
            (Parts::Array(items), Step::Index(index)) => {
                let at = if *index < 0 {
                    index.checked_add_unsigned(items.len() as u64)?
                } else {
                    *index
                };
                items.get(usize::try_from(at).ok()?)
            }
            _ => None,
        }
    }

    fn parts(&self) -> &Parts<'t> {
        self.parts.get_or_init(|| {
            let mut deserializer = serde_json::Deserializer::from_str(self.raw.get());
            Box::new(deserializer.deserialize_any(Split).unwrap_or(Parts::Scalar))
        })
    }

    fn nowhere(&self, way: &[Step]) -> String {
        let mut text = if way.is_empty() {
            "the result".to_owned()
        } else {
            "result".to_owned()
        };
        for step in way {
            let _ = match step {
                Step::Key(key) if key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') => {
                    write!(text, ".{key}")
                }
                Step::Key(key) => write!(text, "[{}]", quoted(key)),
                Step::Index(index) => write!(text, "[{index}]"),
            };
        }
        text.push_str(" is ");
        match self.parts() {
            Parts::Object(entries) => write_keys(entries, &mut text),
            Parts::Array(items) => {
                let _ = write!(text, "an array of {} values", items.len());
            }
            Parts::Scalar => text.push_str(match self.raw.get().as_bytes().first() {
                Some(b'"') => "a string",
                Some(b'n') => "null",
                Some(b't' | b'f') => "a boolean",
                _ => "a number",
            }),
        }
        text
    }
}

fn write_keys(entries: &HashMap<String, Lazy<'_>>, text: &mut String) {
    if entries.is_empty() {
        text.push_str("an object without keys");
        return;
    }
    let mut keys: Vec<&str> = entries.keys().map(String::as_str).collect();
    keys.sort_unstable();
    text.push_str("an object with the keys ");
    for (at, key) in keys.iter().take(NAMED_KEYS).enumerate() {
        let _ = write!(text, "{}{}", if at == 0 { "" } else { ", " }, quoted(key));
    }
    if keys.len() > NAMED_KEYS {
        let _ = write!(text, " and {} more", keys.len() - NAMED_KEYS);
    }
}

/// Splits one level.
struct Split;

impl<'t> Visitor<'t> for Split {
    type Value = Parts<'t>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut entries: A) -> Result<Parts<'t>, A::Error> {
        let mut map = HashMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(key, Lazy::new(entries.next_value::<&RawValue>()?));
        }
        Ok(Parts::Object(map))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<Parts<'t>, A::Error> {
        let mut list = Vec::new();
        while let Some(raw) = items.next_element::<&RawValue>()? {
            list.push(Lazy::new(raw));
        }
        Ok(Parts::Array(list))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Parts<'t>, E> {
        Ok(Parts::Scalar)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Parts<'t>, E> {
        Ok(Parts::Scalar)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Parts<'t>, E> {
        Ok(Parts::Scalar)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Parts<'t>, E> {
        Ok(Parts::Scalar)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Parts<'t>, E> {
        Ok(Parts::Scalar)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Parts<'t>, E> {
        Ok(Parts::Scalar)
    }
}

/// Appends JSON text without the white space between its tokens.
pub(super) fn compact(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'"' => at + string_end(&bytes[at..]).unwrap_or(bytes.len() - at),
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            _ => at + 1,
        };
        out.extend_from_slice(&bytes[at..end]);
        at = end;
    }
}
