//! The fields of protobuf messages that are written by hand, as the generated types write them: one that holds
//! its default is left out.

use bytes::BufMut;
use prost::encoding::{self, WireType};

pub(crate) fn text_len(text: &str) -> usize {
    bytes_len(text.as_bytes())
}

/// Of a field whose number takes one byte, as all here do.
pub(crate) fn bytes_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() {
        0
    } else {
        delimited_len(bytes.len())
    }
}

/// Of a field with so many bytes in it, which may be none.
pub(crate) fn delimited_len(bytes: usize) -> usize {
    1 + encoding::encoded_len_varint(bytes as u64) + bytes
}

pub(crate) fn number_len(tag: u32, number: u64) -> usize {
    if number == 0 {
        0
    } else {
        encoding::uint64::encoded_len(tag, &number)
    }
}

pub(crate) fn put_bytes(tag: u32, bytes: &[u8], buffer: &mut impl BufMut) {
    if !bytes.is_empty() {
        put_start(tag, bytes.len(), buffer);
        buffer.put_slice(bytes);
    }
}

/// What stands before so many bytes of a field.
pub(crate) fn put_start(tag: u32, bytes: usize, buffer: &mut impl BufMut) {
    encoding::encode_key(tag, WireType::LengthDelimited, buffer);
    encoding::encode_varint(bytes as u64, buffer);
}

pub(crate) fn put_number(tag: u32, number: u64, buffer: &mut impl BufMut) {
    if number != 0 {
        encoding::uint64::encode(tag, &number, buffer);
    }
}

/// A field that is a `Timestamp` or a `Duration`: both hold seconds and nanoseconds. Written at once, since four
/// of them make up most of the bytes of an answer to a short call.
pub(crate) struct Time {
    /// Key, length, and two numbers with their keys, each of ten bytes at most.
    bytes: [u8; 24],
    len: usize,
}

impl Time {
    pub(crate) fn new(tag: u8, seconds: i64, nanos: i32) -> Self {
        let mut time = Self {
            bytes: [0; 24],
            len: 2,
        };
        time.put_number(1, seconds as u64);
        time.put_number(2, i64::from(nanos) as u64);
        time.bytes[0] = key(tag, WireType::LengthDelimited);
        time.bytes[1] = (time.len - 2) as u8;
        time
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn put(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.bytes[..self.len]);
    }

    fn put_number(&mut self, tag: u8, mut number: u64) {
        if number == 0 {
            return;
        }
        self.push(key(tag, WireType::Varint));
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

fn key(tag: u8, kind: WireType) -> u8 {
    tag << 3 | kind as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding::message;

    use super::*;

    proptest! {
        #[test]
        fn a_time_has_the_bytes_that_the_generated_type_writes(
            tag in 1..16_u8,
            seconds in prop_oneof![any::<i64>(), Just(0), 0..2_000_000_000_i64],
            nanos in prop_oneof![any::<i32>(), Just(0), 0..1_000_000_000],
        ) {
            let time = Time::new(tag, seconds, nanos);
            let (mut written, mut expected) = (Vec::new(), Vec::new());
            time.put(&mut written);
            message::encode(tag.into(), &prost_types::Timestamp { seconds, nanos }, &mut expected);
            prop_assert_eq!(&written, &expected);
            prop_assert_eq!(time.len(), expected.len());
            expected.clear();
            message::encode(tag.into(), &prost_types::Duration { seconds, nanos }, &mut expected);
            prop_assert_eq!(&written, &expected);
        }
    }
}
