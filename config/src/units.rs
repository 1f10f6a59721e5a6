//! Durations and sizes as people write them. Each has a unit in its text; a bare duration is refused.

use std::time::Duration;

/// The longest that anything is set to. Instants so far ahead exist on every machine; those of centuries do not.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a duration such as `10s`, `500ms` or `1m 30s`, of at most 365 days.
///
/// # Errors
/// Says what was wrong and gives an example.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        |what: String| format!("{what}; expected a duration with a unit, such as \"10s\" or \"500ms\"");
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(wrong(format!("`{text}` has no unit")));
    }
    let duration = humantime::parse_duration(text)
        .map_err(|error| wrong(format!("`{text}` is no duration: {error}")))?;
    if duration > LONGEST {
        return Err(format!("`{text}` is too long; expected at most 365 days"));
    }
    Ok(duration)
}

/// Reads a size in bytes such as `4 MiB`, `64KiB`, `1GB` or `65536`.
///
/// # Errors
/// Says what was wrong and gives an example.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; expected bytes or a unit, such as 65536 or \"4 MiB\"");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(wrong)
}

/// For `#[serde(with = "toolwave_config::duration")]` on a [`Duration`].
pub mod duration {
    use std::{fmt, time::Duration};

    use serde::{Deserializer, Serializer, de};

    /// Reads a duration with a unit.
    ///
    /// # Errors
    /// The value is no text with a unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(Text)
    }

    /// Writes it as people do.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    struct Text;

    impl de::Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with a unit, such as \"10s\" or \"500ms\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            super::parse_duration(text).map_err(E::custom)
        }
    }
}

/// For `#[serde(with = "toolwave_config::size")]` on a `u64` of bytes.
pub mod size {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    /// Reads a number of bytes, or text with a unit.
    ///
    /// # Errors
    /// The value is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(Bytes)
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*value)
    }

    struct Bytes;

    impl de::Visitor<'_> for Bytes {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size in bytes, such as 65536 or \"4 MiB\"")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
            u64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            super::parse_size(text).map_err(E::custom)
        }
    }
}
