//! A YAML document, JSON among them, as a tree in which every key and value has its location.
//!
//! The one place where the parser's options stand. It gives the tree no meaning.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Error, Spanned};

/// What aliases may repeat in all, in parts of the document: a bomb of a few lines stands for billions.
const MAX_REPEATED: usize = 100_000;
/// Deeper is nothing that a person writes.
const MAX_DEPTH: usize = 100;

/// What the parser gives.
#[derive(Debug)]
pub enum Yaml {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false` and no other word.
    Bool(bool),
    /// Fits 64 bits with a sign.
    Signed(i64),
    /// Fits 64 bits without one.
    Unsigned(u64),
    /// Any other number, integers among them that are too large.
    Float(f64),
    /// Text, and what only looks like a number or a boolean elsewhere (`007`, `1_000`, `on`, `yes`).
    Text(String),
    /// A list.
    List(Vec<Spanned<Yaml>>),
    /// A mapping, in the order of the document; no key is there twice.
    Map(Vec<(Spanned<String>, Spanned<Yaml>)>),
}

/// Reads one document, without the byte order mark that may stand before it.
///
/// # Errors
/// The first place where it is no YAML, has a key twice, or is too deep or too large.
pub fn parse_yaml(text: &str) -> Result<Spanned<Yaml>, Error> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
    };
    serde_saphyr::from_str_with_options(text, options)
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Yaml, E> {
        Ok(Yaml::Signed(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Yaml, E> {
        Ok(Yaml::Unsigned(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Yaml, E> {
        Ok(Yaml::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(field) = fields.next_entry()? {
            map.push(field);
        }
        Ok(Yaml::Map(map))
    }
}
