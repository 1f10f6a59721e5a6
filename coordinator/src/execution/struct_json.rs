//! `google.protobuf.Struct` and `Value` to JSON text and back. Clients find them comfortable; inside the
//! cluster there is JSON text only.

use std::{collections::BTreeMap, fmt};

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    limits::JsonBudget,
    parameters::{ParametersFault, REFERENCE, Scanned},
    template::write_string,
};

/// Integers of this size and less are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// A protobuf reader stops at 100 levels of messages; one level of JSON objects is three, and the answer
/// around it a few more.
const VALUE_DEPTH: usize = 30;
/// A `Value` takes some seventy bytes in memory, however small its text.
const VALUE_NODES: usize = 100_000;

/// The JSON text of a `Struct`, keys sorted. Integral numbers below 2^53 come out without a point.
///
/// # Errors
/// It is over a budget, or a number is not finite.
pub fn struct_text(wire: &Struct, budget: JsonBudget) -> Result<(Vec<u8>, Scanned), ParametersFault> {
    let mut writer = Writer {
        out: Vec::new(),
        scanned: Scanned {
            references: false,
            nodes: 1,
        },
        budget,
    };
    writer.object(wire, 1)?;
    Ok((writer.out, writer.scanned))
}

struct Writer {
    out: Vec<u8>,
    scanned: Scanned,
    budget: JsonBudget,
}

impl Writer {
    // As deep as the message came nested, which the decoder bounds at 100.
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), ParametersFault> {
        self.scanned.nodes += 1;
        if self.scanned.nodes > self.budget.nodes {
            return Err(ParametersFault::TooManyNodes {
                limit: self.budget.nodes,
            });
        }
        match &value.kind {
            None | Some(Kind::NullValue(_)) => self.out.extend_from_slice(b"null"),
            Some(Kind::BoolValue(true)) => self.out.extend_from_slice(b"true"),
            Some(Kind::BoolValue(false)) => self.out.extend_from_slice(b"false"),
            Some(Kind::NumberValue(number)) => self.number(*number)?,
            Some(Kind::StringValue(text)) => {
                self.scanned.references |= text.contains(REFERENCE);
                write_string(text, &mut self.out);
            }
            Some(Kind::StructValue(object)) => self.object(object, depth + 1)?,
            Some(Kind::ListValue(list)) => self.list(list, depth + 1)?,
        }
        let (bytes, limit) = (self.out.len(), self.budget.bytes);
        if bytes > limit {
            Err(ParametersFault::TooLarge { bytes, limit })
        } else {
            Ok(())
        }
    }

    fn object(&mut self, object: &Struct, depth: usize) -> Result<(), ParametersFault> {
        self.open(depth, b'{')?;
        for (at, (key, value)) in object.fields.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            write_string(key, &mut self.out);
            self.out.push(b':');
            self.value(value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn list(&mut self, list: &ListValue, depth: usize) -> Result<(), ParametersFault> {
        self.open(depth, b'[')?;
        for (at, value) in list.values.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.value(value, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn open(&mut self, depth: usize, bracket: u8) -> Result<(), ParametersFault> {
        if depth > self.budget.depth {
            return Err(ParametersFault::TooDeep {
                limit: self.budget.depth,
            });
        }
        self.out.push(bracket);
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), ParametersFault> {
        if !number.is_finite() {
            return Err(ParametersFault::NumberOutOfRange);
        }
        let whole =
            number.fract() == 0.0 && number.abs() < EXACT && !(number == 0.0 && number.is_sign_negative());
        let text = if whole {
            (number as i64).to_string()
        } else {
            serde_json::Value::from(number).to_string()
        };
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// JSON text as a `Value`; `None` when a protobuf reader could not read it, or no `Value` can hold it: too
/// deep, too many values, or no JSON.
#[must_use]
pub fn value_of(text: &[u8]) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut nodes = VALUE_NODES;
    let value = Reader {
        nodes: &mut nodes,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .ok()?;
    deserializer.end().ok()?;
    Some(value)
}

struct Reader<'n> {
    nodes: &'n mut usize,
    depth: usize,
}

impl Reader<'_> {
    fn inside<E: de::Error>(&mut self) -> Result<Reader<'_>, E> {
        if self.depth >= VALUE_DEPTH {
            return Err(E::custom("too deep"));
        }
        Ok(Reader {
            nodes: &mut *self.nodes,
            depth: self.depth + 1,
        })
    }
}

fn of(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.nodes = self
            .nodes
            .checked_sub(1)
            .ok_or_else(|| de::Error::custom("too many values"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(of(Kind::NullValue(0)))
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(of(Kind::BoolValue(bool)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(of(Kind::NumberValue(number as f64)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(of(Kind::NumberValue(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(of(Kind::NumberValue(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(of(Kind::StringValue(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self.inside()?)? {
            values.push(value);
        }
        Ok(of(Kind::ListValue(ListValue { values })))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.inside()?)?;
            fields.insert(key, value);
        }
        Ok(of(Kind::StructValue(Struct { fields })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::limits::RequestLimits;

    fn round(text: &str) -> Result<String, ParametersFault> {
        let Some(Value {
            kind: Some(Kind::StructValue(wire)),
        }) = value_of(text.as_bytes())
        else {
            panic!("{text} is an object")
        };
        let (text, _) = struct_text(&wire, RequestLimits::default().json())?;
        Ok(String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn numbers_come_back_as_people_wrote_them() {
        let text = r#"{"a":10,"b":-7,"c":1.5,"d":9007199254740991,"e":-0.0,"f":[null,true,"x\n\""],"g":{}}"#;
        assert_eq!(round(text).expect("fine"), text);
        assert_eq!(round(r#"{"a":1e300}"#).expect("fine"), r#"{"a":1e+300}"#);
    }

    #[test]
    fn a_struct_keeps_to_the_budgets() {
        let number = |number| Struct {
            fields: [("n".to_owned(), of(Kind::NumberValue(number)))].into(),
        };
        let budget = RequestLimits::default().json();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(
                struct_text(&number(bad), budget).map(|_| ()),
                Err(ParametersFault::NumberOutOfRange)
            );
        }
        let wire = number(1.0);
        let tight = |bytes, depth, nodes| struct_text(&wire, JsonBudget { bytes, depth, nodes }).map(|_| ());
        assert_eq!(tight(100, 1, 2), Ok(()));
        assert_eq!(tight(100, 0, 2), Err(ParametersFault::TooDeep { limit: 0 }));
        assert_eq!(tight(100, 1, 1), Err(ParametersFault::TooManyNodes { limit: 1 }));
        assert_eq!(
            tight(4, 1, 2),
            Err(ParametersFault::TooLarge { bytes: 6, limit: 4 })
        );
    }

    #[test]
    fn what_a_protobuf_reader_cannot_take_is_no_value() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let deepest = value_of(nested(VALUE_DEPTH).as_bytes()).expect("within the bound");
        let wire = prost::Message::encode_to_vec(&deepest);
        assert_eq!(
            <Value as prost::Message>::decode(wire.as_slice()).as_ref(),
            Ok(&deepest)
        );
        assert_eq!(value_of(nested(VALUE_DEPTH + 1).as_bytes()), None);
        assert_eq!(
            value_of(format!("[{}0]", "0,".repeat(VALUE_NODES)).as_bytes()),
            None
        );
        assert_eq!(value_of(b"{"), None);
    }
}
