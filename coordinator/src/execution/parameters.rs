//! One pass over the JSON text of parameters: is it an object within its budgets, without a key twice, and does
//! it hold references? Builds no tree, so that a hostile text costs no more memory than it has bytes.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::{
    limits::JsonBudget,
    prepared::CallFault,
    text::{clipped, quoted},
};
use crate::error::Reason;

/// What begins a reference.
pub const REFERENCE: &str = "${";

/// So many keys are compared each with each, which is less work than to sort them.
const FEW_KEYS: usize = 8;

/// What a text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Some string in it holds `${`.
    pub references: bool,
    /// Values, containers included.
    pub nodes: usize,
}

/// Why a text cannot be parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersFault {
    /// Too long.
    #[error("{bytes} bytes of parameters, at most {limit} are allowed")]
    TooLarge {
        /// How long.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// No UTF-8.
    #[error("the parameters are no UTF-8 from byte {at} on: send JSON text in UTF-8")]
    NotUtf8 {
        /// Of the first bad byte.
        at: usize,
    },
    /// No JSON.
    #[error("the parameters are no JSON: {what} at line {line} column {column}")]
    NotJson {
        /// What the parser says.
        what: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error("the parameters are {found}; they must be a JSON object such as {{\"key\": 1}}")]
    NotObject {
        /// What they are.
        found: &'static str,
    },
    /// Too deep.
    #[error("the parameters are nested deeper than {limit} levels")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// Too many values.
    #[error("the parameters hold more than {limit} values")]
    TooManyNodes {
        /// Values allowed.
        limit: usize,
    },
    /// One key twice.
    #[error("an object in the parameters has the key {key} twice: keep one of them")]
    DuplicateKey {
        /// Quoted.
        key: String,
    },
    /// No double can hold it.
    #[error("a number in the parameters is not finite or too large for a double: send it as a string")]
    NumberOutOfRange,
}

impl ParametersFault {
    /// The stable word.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::ParamsTooLarge,
            Self::NotUtf8 { .. } => Reason::ParamsNotUtf8,
            Self::NotJson { .. } => Reason::ParamsNotJson,
            Self::NotObject { .. } => Reason::ParamsNotObject,
            Self::TooDeep { .. } => Reason::JsonTooDeep,
            Self::TooManyNodes { .. } => Reason::JsonTooManyNodes,
            Self::DuplicateKey { .. } => Reason::DuplicateKey,
            Self::NumberOutOfRange => Reason::NumberOutOfRange,
        }
    }

    /// True when only the call is rejected: slips of whoever wrote the parameters, which a model can mend by
    /// itself. The others are budgets and shapes that a correct client keeps to, and refuse the request.
    #[must_use]
    pub fn is_of_the_call(&self) -> bool {
        matches!(
            self,
            Self::NotUtf8 { .. } | Self::NotJson { .. } | Self::DuplicateKey { .. } | Self::NumberOutOfRange
        )
    }
}

impl From<ParametersFault> for CallFault {
    fn from(fault: ParametersFault) -> Self {
        CallFault {
            code: fault.reason().word().into(),
            message: clipped(fault.to_string()),
            ..CallFault::default()
        }
    }
}

/// Reads `text` once.
///
/// # Errors
/// The first fault found.
pub fn scan(text: &[u8], budget: JsonBudget) -> Result<Scanned, ParametersFault> {
    if text.len() > budget.bytes {
        return Err(ParametersFault::TooLarge {
            bytes: text.len(),
            limit: budget.bytes,
        });
    }
    let text = std::str::from_utf8(text).map_err(|error| ParametersFault::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    let state = State {
        budget,
        // A string can hold the beginning of a reference only if the text does, as it is or as an escape.
        may_refer: memchr::memchr2(b'$', b'\\', text.as_bytes()).is_some(),
        nodes: Cell::new(0),
        references: Cell::new(false),
        fault: Cell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Node {
        state: &state,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end());
    if let Some(fault) = state.fault.take() {
        return Err(fault);
    }
    read.map_err(|error| not_json(&error))?;
    Ok(Scanned {
        references: state.references.get(),
        nodes: state.nodes.get(),
    })
}

/// The parser tells a number out of range from other errors only by its text; a test holds it to that.
fn not_json(error: &serde_json::Error) -> ParametersFault {
    let text = error.to_string();
    if text.starts_with("number out of range") {
        return ParametersFault::NumberOutOfRange;
    }
    let what = text.split(" at line ").next().unwrap_or_default().to_owned();
    ParametersFault::NotJson {
        what,
        line: error.line(),
        column: error.column(),
    }
}

struct State {
    budget: JsonBudget,
    may_refer: bool,
    nodes: Cell<usize>,
    references: Cell<bool>,
    fault: Cell<Option<ParametersFault>>,
}

impl State {
    /// Ends the pass; the text of the error is never read.
    fn refuse<E: de::Error>(&self, fault: ParametersFault) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }
}

/// One value, at a depth of enclosing containers.
#[derive(Clone, Copy)]
struct Node<'s> {
    state: &'s State,
    depth: usize,
}

impl Node<'_> {
    fn scalar<E: de::Error>(self, found: &'static str) -> Result<(), E> {
        if self.depth == 0 {
            return Err(self.state.refuse(ParametersFault::NotObject { found }));
        }
        Ok(())
    }

    fn string<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.state.may_refer && text.contains(REFERENCE) {
            self.state.references.set(true);
        }
        self.scalar("a string")
    }

    fn inside<E: de::Error>(self) -> Result<Self, E> {
        let limit = self.state.budget.depth;
        if self.depth >= limit {
            return Err(self.state.refuse(ParametersFault::TooDeep { limit }));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let nodes = self.state.nodes.get() + 1;
        let limit = self.state.budget.nodes;
        if nodes > limit {
            return Err(self.state.refuse(ParametersFault::TooManyNodes { limit }));
        }
        self.state.nodes.set(nodes);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar("null")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar("a boolean")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar("a number")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar("a number")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar("a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.string(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.depth == 0 {
            return Err(self
                .state
                .refuse(ParametersFault::NotObject { found: "an array" }));
        }
        let inside = self.inside()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut keys: SmallVec<[Cow<'de, str>; FEW_KEYS]> = SmallVec::new();
        while let Some(Key(key)) = entries.next_key()? {
            entries.next_value_seed(inside)?;
            keys.push(key);
        }
        match duplicate(&mut keys) {
            Some(key) => Err(self
                .state
                .refuse(ParametersFault::DuplicateKey { key: quoted(key) })),
            None => Ok(()),
        }
    }
}

/// A key that is there twice. Many are sorted rather than hashed: no choice of keys makes it slow.
fn duplicate<'k>(keys: &'k mut [Cow<'_, str>]) -> Option<&'k str> {
    if keys.len() <= FEW_KEYS {
        let at = (1..keys.len()).find(|&at| keys[..at].contains(&keys[at]))?;
        return Some(&keys[at]);
    }
    keys.sort_unstable();
    let at = (1..keys.len()).find(|&at| keys[at - 1] == keys[at])?;
    Some(&keys[at])
}

/// A key, borrowed from the text unless it holds escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::limits::RequestLimits;

    fn read(text: &str) -> Result<Scanned, ParametersFault> {
        scan(text.as_bytes(), RequestLimits::default().json())
    }

    #[test]
    fn slips_have_their_own_reasons() {
        let reason = |text: &str| read(text).expect_err(text).reason();
        for text in [
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1,}",
            "{} x",
            "\u{feff}{}",
            "{\"a\":\"\\ud800\"}",
            "{//\n}",
            "",
        ] {
            assert_eq!(reason(text), Reason::ParamsNotJson, "{text}");
        }
        for text in ["[]", "1", "null", "\"text\"", "true"] {
            assert_eq!(reason(text), Reason::ParamsNotObject, "{text}");
        }
        assert_eq!(reason("{\"a\":1e400}"), Reason::NumberOutOfRange);
        assert_eq!(reason("{\"b\":{\"a\":1,\"\\u0061\":2}}"), Reason::DuplicateKey);
        let keys = |count: usize| (0..count).map(|key| format!("\"{key}\":0,")).collect::<String>();
        for count in [1, FEW_KEYS - 1, FEW_KEYS, 3 * FEW_KEYS] {
            assert_eq!(
                reason(&format!("{{{}\"0\":1}}", keys(count))),
                Reason::DuplicateKey,
                "{count}"
            );
            assert!(read(&format!("{{{}\"x\":1}}", keys(count))).is_ok(), "{count}");
        }
        let budget = RequestLimits::default().json();
        assert_eq!(
            scan(b"{\"a\":\"\xff\"}", budget),
            Err(ParametersFault::NotUtf8 { at: 6 })
        );
    }

    #[test]
    fn the_place_of_a_syntax_error_is_named() {
        let fault = read("{\n  'a': 1}").expect_err("single quotes");
        assert_eq!(
            fault.to_string(),
            "the parameters are no JSON: key must be a string at line 2 column 3"
        );
    }

    #[test]
    fn budgets_hold_without_a_deep_stack() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(63)).is_ok());
        assert_eq!(read(&nested(64)), Err(ParametersFault::TooDeep { limit: 64 }));
        assert_eq!(
            read(&format!("{{\"a\":{}", "[".repeat(100_000))),
            Err(ParametersFault::TooDeep { limit: 64 })
        );
        let many = |n: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(n - 3));
        assert_eq!(read(&many(100_000)).map(|scanned| scanned.nodes), Ok(100_000));
        assert_eq!(
            read(&many(100_001)),
            Err(ParametersFault::TooManyNodes { limit: 100_000 })
        );
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
        assert_eq!(
            read(&large).map_err(|fault| fault.reason()),
            Err(Reason::ParamsTooLarge)
        );
    }

    #[test]
    fn references_are_seen_however_they_are_written() {
        assert!(
            read("{\"a\":[{\"b\":\"x ${c.result}\"}]}")
                .expect("fine")
                .references
        );
        assert!(read("{\"a\":\"\\u0024{c.result}\"}").expect("fine").references);
        assert!(!read("{\"${a\":\"$ {\", \"b\": \"$\"}").expect("fine").references);
    }

    #[test]
    fn exact_numbers_and_nul_are_fine() {
        for text in [
            "{\"a\":9007199254740993}",
            "{\"a\":18446744073709551616}",
            "{\"a\":-0}",
            "{\"a\":\"\\u0000\"}",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
