//! Conversions between protobuf's well-known types and what Rust programs use. No I/O, no policy.

use std::time::Duration;

use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

/// Integers up to this size are exact in a protobuf number, which is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// As JSON. Whole numbers that a double holds exactly become integers, as they were before the wire.
#[must_use]
pub fn from_proto_value(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(*flag),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::NumberValue(number)) => from_double(*number),
        Some(Kind::ListValue(list)) => Value::Array(list.values.iter().map(from_proto_value).collect()),
        Some(Kind::StructValue(object)) => {
            let fields = object
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), from_proto_value(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn from_double(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT && !(number == 0.0 && number.is_sign_negative()) {
        return Value::from(number as i64);
    }
    // A double that is not finite has no JSON: protobuf forbids it on the wire too.
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// As a protobuf duration; what is longer than protobuf's 10,000 years becomes that.
#[must_use]
pub fn proto_duration(duration: Duration) -> prost_types::Duration {
    const LONGEST: u64 = 315_576_000_000;
    let seconds = duration.as_secs().min(LONGEST);
    let nanos = if seconds == LONGEST {
        0
    } else {
        duration.subsec_nanos()
    };
    prost_types::Duration {
        seconds: seconds.cast_signed(),
        nanos: nanos.cast_signed(),
    }
}

/// As a duration; a negative one becomes zero.
#[must_use]
pub fn duration(duration: &prost_types::Duration) -> Duration {
    Duration::try_from(*duration).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn number(number: f64) -> prost_types::Value {
        prost_types::Value {
            kind: Some(Kind::NumberValue(number)),
        }
    }

    #[test]
    fn whole_numbers_come_back_as_integers_and_others_do_not() {
        assert_eq!(from_proto_value(&number(10.0)), json!(10));
        assert_eq!(from_proto_value(&number(-3.0)), json!(-3));
        assert_eq!(from_proto_value(&number(0.5)), json!(0.5));
        assert_eq!(from_proto_value(&number(1e300)), json!(1e300));
        assert_eq!(from_proto_value(&number(f64::NAN)), Value::Null);
    }

    #[test]
    fn nested_values_keep_their_shape() {
        let list = prost_types::Value {
            kind: Some(Kind::ListValue(prost_types::ListValue {
                values: vec![number(1.0)],
            })),
        };
        let object = prost_types::Struct {
            fields: BTreeMap::from([("a".to_owned(), list)]),
        };
        let value = prost_types::Value {
            kind: Some(Kind::StructValue(object)),
        };
        assert_eq!(from_proto_value(&value), json!({"a": [1]}));
    }

    #[test]
    fn durations_survive_both_ways_and_out_of_range_ones_do_not_wrap() {
        let half = Duration::from_millis(1_500);
        assert_eq!(duration(&proto_duration(half)), half);
        assert_eq!(proto_duration(Duration::MAX).seconds, 315_576_000_000);
        assert_eq!(
            duration(&prost_types::Duration {
                seconds: -1,
                nanos: 0
            }),
            Duration::ZERO
        );
    }
}
