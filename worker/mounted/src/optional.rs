//! Lengths of time and sizes that a table may leave out: `#[serde(default, deserialize_with = "...")]`.

use std::time::Duration;

use serde::Deserializer;

pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    toolwave_config::duration::deserialize(deserializer).map(Some)
}

pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    toolwave_config::size::deserialize(deserializer).map(Some)
}
