//! Turns a [`Node`] into a type, and a failure into a fault that knows its path, its place and what was expected.
//!
//! serde's own messages hold all this as text only; the error type here keeps it in fields.

use std::{fmt, ops::Range};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use crate::node::{Entry, Node, Step, Value};

/// A longer word is like no other, in bytes.
const LONGEST_SLIP: usize = 64;

/// What stopped a deserialisation.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) path: Vec<Step>,
    pub(crate) span: Option<Range<usize>>,
    pub(crate) what: String,
    pub(crate) expected: String,
    /// A key is not there.
    pub(crate) is_missing: bool,
}

impl Fault {
    fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            span: None,
            what: what.into(),
            expected: expected.into(),
            is_missing: false,
        }
    }

    /// Called on the way out, innermost first.
    fn below(mut self, step: Step, span: &Range<usize>) -> Self {
        self.path.insert(0, step);
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.what, self.expected)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    /// A message of the form `what; expected ...` is taken apart.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once("; expected ") {
            Some((what, expected)) => Self::new(what, expected),
            None => Self::new(message, ""),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let is = match unexpected {
            Unexpected::Map => "is a table".to_owned(),
            Unexpected::Seq => "is a list".to_owned(),
            Unexpected::Unit => "is empty".to_owned(),
            other => format!("is {other}"),
        };
        Self::new(is, plain(expected))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("is {unexpected}"), plain(expected))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("has {length} elements"), plain(expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(
            format!("unknown key{}", nearest(field, expected)),
            one_of(expected),
        )
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(
            format!("unknown value `{variant}`{}", nearest(variant, expected)),
            one_of(expected),
        )
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            is_missing: true,
            ..Self::new(format!("key `{field}` is missing"), format!("`{field} = ...`"))
        }
    }
}

/// What a type expects, in words of the file rather than of the program.
fn plain(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    match words.as_str() {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "socket address" => "an address and a port, such as \"127.0.0.1:7420\"".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        _ => words,
    }
}

fn nearest(word: &str, known: &[&str]) -> String {
    // To compare takes time with the length, and nothing that long is a slip.
    if word.len() > LONGEST_SLIP {
        return String::new();
    }
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| format!(", did you mean `{known}`?"))
        .unwrap_or_default()
}

fn one_of(known: &[&str]) -> String {
    match known {
        [] => "nothing here".to_owned(),
        [only] => format!("`{only}`"),
        several => {
            format!(
                "one of {}",
                several
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::String(text) => {
                let expected = plain(&visitor);
                visitor.visit_str(text).map_err(|mut fault: Fault| {
                    // Types that read themselves from text say what is wrong with it and nothing else.
                    if fault.expected.is_empty() {
                        fault.what = format!("`{text}` is wrong: {}", fault.what);
                        fault.expected = expected;
                    }
                    fault
                })
            }
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Other(text) => Err(de::Error::invalid_type(
                Unexpected::Other(&format!("`{text}`")),
                &visitor,
            )),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::String(text) => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(text.as_str()))
            }
            Value::Table(entries) => visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries {
                entries,
                next: 0,
            })),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            // Derived types take a list for their fields in order, which nobody means.
            Value::Array(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'n> {
    items: &'n [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(item)
            .map(Some)
            .map_err(|fault| fault.below(Step::Index(self.next - 1), &item.span))
    }
}

struct Entries<'n> {
    entries: &'n [Entry],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(entry.key.as_str()))
            .map(Some)
            .map_err(|fault| fault.below(Step::Key(entry.key.clone()), &entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let entry = &self.entries[self.next - 1];
        seed.deserialize(&entry.node)
            .map_err(|fault| fault.below(Step::Key(entry.key.clone()), &entry.node.span))
    }
}
