//! A limit in a configuration: a value, or `"unlimited"`, which undoes what `tenant_defaults` says. 0 is a value
//! like others: nothing at all.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use toolwave_config::parse_size;

/// The word for no limit.
const UNLIMITED: &str = "unlimited";
/// Calls a second beyond which a rate limits nothing that a coordinator can do.
const FASTEST: f64 = 1_000_000.0;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<T> {
    /// None.
    Unlimited,
    /// So much.
    At(T),
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// Calls a second: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub f64);

/// What may be limited.
pub trait Measure: Sized {
    /// What a good value looks like.
    const EXPECTED: &'static str;

    /// From a number without a point.
    fn of_integer(number: i64) -> Option<Self>;

    /// From a number with one.
    fn of_float(_: f64) -> Option<Self> {
        None
    }

    /// From text.
    fn of_text(_: &str) -> Option<Self> {
        None
    }

    /// Back to what a file holds.
    ///
    /// # Errors
    /// What the serializer says.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Measure for u32 {
    const EXPECTED: &'static str = "a number from 0, or \"unlimited\"";

    fn of_integer(number: i64) -> Option<Self> {
        number.try_into().ok()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(*self)
    }
}

impl Measure for Bytes {
    const EXPECTED: &'static str = "a size such as 65536 or \"64 MiB\", or \"unlimited\"";

    fn of_integer(number: i64) -> Option<Self> {
        number.try_into().ok().map(Self)
    }

    fn of_text(text: &str) -> Option<Self> {
        parse_size(text).ok().map(Self)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl Measure for Rate {
    const EXPECTED: &'static str = "calls a second from 0 to 1000000, or \"unlimited\"";

    fn of_integer(number: i64) -> Option<Self> {
        Self::of_float(number as f64)
    }

    fn of_float(number: f64) -> Option<Self> {
        (0.0..=FASTEST).contains(&number).then_some(Self(number))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<T: Measure> Serialize for Bound<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
            Self::At(value) => value.write(serializer),
        }
    }
}

impl<'de, T: Measure> Deserialize<'de> for Bound<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read(PhantomData))
    }
}

struct Read<T>(PhantomData<T>);

impl<T: Measure> Visitor<'_> for Read<T> {
    type Value = Bound<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bound<T>, E> {
        T::of_integer(number)
            .map(Bound::At)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Bound<T>, E> {
        let fits = i64::try_from(number).ok().and_then(T::of_integer);
        fits.map(Bound::At)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Bound<T>, E> {
        T::of_float(number)
            .map(Bound::At)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bound<T>, E> {
        if text == UNLIMITED {
            return Ok(Bound::Unlimited);
        }
        T::of_text(text)
            .map(Bound::At)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
