//! JSON as RFC 8785 writes it, and the hash of a tool's definition over it.
//!
//! Two texts that mean the same have the same hash, however a server orders its members. Integers beyond the
//! range of a double, of which the RFC knows none, keep all their digits.

use std::fmt::Write as _;

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

/// The value's canonical text.
pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// SHA-256 of a text, in lower-case hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => {
            let _ = write!(text, "{value}");
        }
        Value::Number(number) => write_number(number, text),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            text.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                let _ = write!(text, "{}:", Value::String(name.clone()));
                write(value, text);
            }
            text.push('}');
        }
    }
}

fn write_number(number: &Number, text: &mut String) {
    match number.as_f64() {
        Some(float) if number.is_f64() => write_double(float, text),
        _ => {
            let _ = write!(text, "{number}");
        }
    }
}

/// As ECMAScript does: the shortest digits that read back, with an exponent below 1e-6 and from 1e21 on.
fn write_double(float: f64, text: &mut String) {
    if float == 0.0 {
        text.push('0');
        return;
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if mantissa.starts_with('-') {
        text.push('-');
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    match exponent {
        -6..0 => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            let _ = write!(text, "0.{}{digits}", "0".repeat(zeros));
        }
        0..21 if count <= exponent + 1 => {
            let zeros = usize::try_from(exponent + 1 - count).unwrap_or(0);
            let _ = write!(text, "{digits}{}", "0".repeat(zeros));
        }
        0..21 => {
            let (whole, rest) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
            let _ = write!(text, "{whole}.{rest}");
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(text, "{first}{point}{rest}e{sign}{}", exponent.abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_by_their_utf_16_units_and_nothing_is_spaced() {
        let value =
            json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(
            text(&value),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
        assert_eq!(
            text(&json!({"b": [true, null, {}], "a": "\u{8}\"/"})),
            r#"{"a":"\b\"/","b":[true,null,{}]}"#
        );
    }

    #[test]
    fn numbers_are_written_as_in_the_samples_of_the_rfc() {
        for (float, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (-5e-324, "-5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (295_147_905_179_352_830_000.0, "295147905179352830000"),
            (9.999_999_999_999_997e22, "9.999999999999997e+22"),
            (1e23, "1e+23"),
            (999_999_999_999_999_700_000.0, "999999999999999700000"),
            (1e21, "1e+21"),
            (9.999_999_999_999_997e-7, "9.999999999999997e-7"),
            (0.000_001, "0.000001"),
            (333_333_333.333_333_2, "333333333.3333332"),
            (-0.000_003_333_333_333_333_333_3, "-0.0000033333333333333333"),
            (4.5, "4.5"),
            (1.0, "1"),
        ] {
            assert_eq!(text(&json!(float)), expected);
        }
        assert_eq!(text(&json!(9_007_199_254_740_993_u64)), "9007199254740993");
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_every_value_does() {
        let first = json!({"name": "a", "schema": {"x": 1, "y": [1, 2]}});
        let same: Value =
            serde_json::from_str(r#"{"schema":{"y":[1,2.0e0],"x":1.0},"name":"a"}"#).expect("JSON");
        assert_eq!(text(&first), text(&same));
        assert_ne!(
            text(&first),
            text(&json!({"name": "a", "schema": {"x": 1, "y": [2, 1]}}))
        );
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
