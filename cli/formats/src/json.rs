//! JSON that is read one level at a time, so that what is passed on keeps the digits and spaces that it came with.
//! Knows no provider.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The members of an object; of a key that is there twice, the last.
pub(crate) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members, when it is an object.
pub(crate) fn members(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// The elements, when it is an array.
pub(crate) fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The text, when it is a string.
pub(crate) fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The text of a member, when it is there and a string.
pub(crate) fn string_of(members: &Members<'_>, key: &str) -> Option<String> {
    members.get(key).and_then(|raw| string(raw))
}

/// A member that is there and not null.
pub(crate) fn present<'a>(members: &Members<'a>, key: &str) -> Option<&'a RawValue> {
    members.get(key).copied().filter(|raw| !is_null(raw))
}

pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// True for one whole JSON value. Depth costs no stack here.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// What a JSON text is, for messages.
pub(crate) fn kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
