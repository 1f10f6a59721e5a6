//! A JSON pointer (RFC 6901) into text: finds the part without building the rest, and leaves its numbers as they are.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A parsed pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: String,
    steps: Vec<String>,
}

impl Pointer {
    /// Parses one; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        if !parts.next()?.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        for part in parts {
            let escapes = part.split('~').skip(1);
            if !escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])) {
                return None;
            }
            steps.push(part.replace("~1", "/").replace("~0", "~"));
        }
        Some(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// The part of `json` that it names.
    pub(super) fn find<'j>(&self, json: &'j str) -> serde_json::Result<Option<&'j str>> {
        let whole: &RawValue = serde_json::from_str(json)?;
        let mut found = whole;
        for step in &self.steps {
            let mut reader = serde_json::Deserializer::from_str(found.get());
            match (Step(step)).deserialize(&mut reader)? {
                Some(next) => found = next,
                None => return Ok(None),
            }
        }
        Ok(Some(found.get()))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One step into an object or an array.
struct Step<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // `01` is no index, and `-` is behind the last item.
        let index = self
            .0
            .parse()
            .ok()
            .filter(|index: &usize| index.to_string() == self.0);
        let mut found = None;
        let mut at = 0;
        loop {
            if Some(at) == index {
                match seq.next_element()? {
                    Some(item) => found = Some(item),
                    None => return Ok(found),
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str =
        r#"{"a": {"b/c": [1, {"m~n": 12345678901234567890.10}, null]}, "a\u0062": true, "": 0, "t": "x"}"#;

    #[test]
    fn a_pointer_finds_its_part_as_it_is_written() {
        for (pointer, found) in [
            ("", Some(JSON)),
            ("/a/b~1c/0", Some("1")),
            ("/a/b~1c/1/m~0n", Some("12345678901234567890.10")),
            ("/a/b~1c/2", Some("null")),
            ("/ab", Some("true")),
            ("/", Some("0")),
            ("/a/b~1c/3", None),
            ("/a/b~1c/00", None),
            ("/a/b~1c/-", None),
            ("/a/x", None),
            ("/t/x", None),
            ("/ab/x", None),
            ("/a/b~1c/2/x", None),
        ] {
            let parsed = Pointer::parse(pointer).expect(pointer);
            assert_eq!(parsed.find(JSON).expect("JSON"), found, "{pointer}");
        }
    }

    #[test]
    fn what_is_no_pointer_and_what_is_no_json_is_told() {
        for text in ["a", "a/b", "/~", "/~2", "#/a"] {
            assert_eq!(Pointer::parse(text), None, "{text}");
        }
        for json in ["", "{", "{} x", "[1,]"] {
            let pointer = Pointer::parse("/a").expect("a pointer");
            assert!(pointer.find(json).is_err(), "{json}");
        }
    }
}
