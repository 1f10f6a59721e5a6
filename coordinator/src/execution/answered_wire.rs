//! The whole answer, as bytes: `v1::ExecuteParallelResponse`, with the ends of calls that simply succeeded
//! written straight from what the driver told and the request holds. What is written is, byte for byte, what
//! the generated type writes.

use std::time::{Duration, SystemTime};

use bytes::{BufMut, BytesMut};
use prost::{Message, encoding};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use toolwave_proto::v1;

use super::{
    answer::Shape,
    answered::{Answered, End, Ended},
    convert::{to_duration, to_timestamp},
    prepared::{EndedAttempt, EndedCall},
};
use crate::wire::{Time, delimited_len, number_len, put_bytes, put_number, put_start, text_len};

/// Writes [`Answered`], reads what the generated type reads.
#[derive(Default)]
pub(super) struct AnsweredCodec;

pub(super) struct AnsweredEncoder;

pub(super) struct RequestDecoder;

/// How long what is written is: each length stands before what it is the length of.
pub(super) struct Lengths {
    results: Vec<usize>,
    pub(super) whole: usize,
}

// === impl Answered ===

impl Answered {
    pub(super) fn lengths(&self) -> Lengths {
        let results: Vec<usize> = self
            .ended
            .iter()
            .map(|end| end.encoded_len(&self.shape))
            .collect();
        let ends: usize = results.iter().map(|&length| delimited_len(length)).sum();
        Lengths {
            results,
            whole: ends + encoding::message::encoded_len(2, &self.summary),
        }
    }

    /// Writes it, in one go.
    pub fn write(&self, buffer: &mut BytesMut) {
        let lengths = self.lengths();
        buffer.reserve(lengths.whole);
        self.put(&lengths, buffer);
    }

    pub(super) fn put(&self, lengths: &Lengths, buffer: &mut impl BufMut) {
        for (end, &length) in self.ended.iter().zip(&lengths.results) {
            put_start(1, length, buffer);
            end.put(&self.shape, buffer);
        }
        encoding::message::encode(2, &self.summary, buffer);
    }
}

// === impl Ended ===

/// As `v1::CallResult`: fields in the order of their numbers, those that hold their default left out.
impl Ended {
    fn encoded_len(&self, shape: &Shape) -> usize {
        match &self.0 {
            End::Plain(ended) => {
                let result = ended.result.as_ref().map_or(0, |text| delimited_len(text.len()));
                plain_len(shape, ended) + result
            }
            End::LeftOut(ended) => plain_len(shape, ended) + number_len(12, left_out(ended)),
            End::Said(said) => said.result.encoded_len(),
        }
    }

    fn put(&self, shape: &Shape, buffer: &mut impl BufMut) {
        let (ended, whole) = match &self.0 {
            End::Plain(ended) => (ended, true),
            End::LeftOut(ended) => (ended, false),
            End::Said(said) => return said.result.encode_raw(buffer),
        };
        let call = &shape.calls[ended.call as usize];
        put_bytes(1, call.id.as_bytes(), buffer);
        put_bytes(2, call.tool_name.as_bytes(), buffer);
        encoding::bool::encode(3, &true, buffer);
        put_number(4, v1::Outcome::Succeeded as u64, buffer);
        if let Some(text) = &ended.result
            && whole
        {
            // One of two forms: written even if it is empty.
            put_start(6, text.len(), buffer);
            buffer.put_slice(text);
        }
        put_number(8, shape.plan.wave(ended.call).into(), buffer);
        for attempt in &ended.attempts {
            put_attempt(attempt, buffer);
        }
        span(10, ended.queue_time).put(buffer);
        span(11, ended.execution_time).put(buffer);
        if !whole {
            put_number(12, left_out(ended), buffer);
        }
    }
}

/// Of a call that succeeded, no attempt of which failed, without its result.
pub(super) fn plain_len(shape: &Shape, ended: &EndedCall) -> usize {
    let call = &shape.calls[ended.call as usize];
    let attempts: usize = ended
        .attempts
        .iter()
        .map(|attempt| {
            let times = encoding::message::encoded_len(3, &to_timestamp(attempt.started_at))
                + encoding::message::encoded_len(4, &to_timestamp(attempt.ended_at))
                + encoding::message::encoded_len(7, &to_timestamp(attempt.dispatched_at));
            delimited_len(attempt_len(attempt, times))
        })
        .sum();
    // Besides all that has a length of its own: that it succeeded, said twice.
    4 + text_len(&call.id)
        + text_len(&call.tool_name)
        + number_len(8, shape.plan.wave(ended.call).into())
        + attempts
        + encoding::message::encoded_len(10, &to_duration(ended.queue_time))
        + encoding::message::encoded_len(11, &to_duration(ended.execution_time))
}

/// The size of a result that is left out.
fn left_out(ended: &EndedCall) -> u64 {
    ended.result.as_ref().map_or(0, |text| text.len() as u64)
}

/// As `v1::Attempt`, of one that did not fail and whose three times take so many bytes.
fn attempt_len(attempt: &EndedAttempt, times: usize) -> usize {
    number_len(1, attempt.number.into())
        + text_len(&attempt.worker)
        + times
        + if attempt.late { 2 } else { 0 }
}

fn put_attempt(attempt: &EndedAttempt, buffer: &mut impl BufMut) {
    let started_at = instant(3, attempt.started_at);
    let ended_at = instant(4, attempt.ended_at);
    let dispatched_at = instant(7, attempt.dispatched_at);
    let times = started_at.len() + ended_at.len() + dispatched_at.len();
    let length = attempt_len(attempt, times);
    put_start(9, length, buffer);
    put_number(1, attempt.number.into(), buffer);
    put_bytes(2, attempt.worker.as_bytes(), buffer);
    started_at.put(buffer);
    ended_at.put(buffer);
    if attempt.late {
        encoding::bool::encode(6, &true, buffer);
    }
    dispatched_at.put(buffer);
}

fn instant(tag: u8, at: SystemTime) -> Time {
    let at = to_timestamp(at);
    Time::new(tag, at.seconds, at.nanos)
}

fn span(tag: u8, duration: Duration) -> Time {
    let duration = to_duration(duration);
    Time::new(tag, duration.seconds, duration.nanos)
}

// === impl AnsweredCodec ===

impl Codec for AnsweredCodec {
    type Encode = Answered;
    type Decode = v1::ExecuteParallelRequest;
    type Encoder = AnsweredEncoder;
    type Decoder = RequestDecoder;

    fn encoder(&mut self) -> AnsweredEncoder {
        AnsweredEncoder
    }

    fn decoder(&mut self) -> RequestDecoder {
        RequestDecoder
    }
}

impl Encoder for AnsweredEncoder {
    type Item = Answered;
    type Error = Status;

    fn encode(&mut self, answered: Answered, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let lengths = answered.lengths();
        buffer.reserve(lengths.whole);
        answered.put(&lengths, buffer);
        Ok(())
    }
}

impl Decoder for RequestDecoder {
    type Item = v1::ExecuteParallelRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        // As the generated service answers.
        v1::ExecuteParallelRequest::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
