//! A frame to a worker, as bytes: `v1::OpenSessionResponse`, with its dispatches written straight from what the
//! driver handed over. The generated type would want five texts of its own for each, which the execution has
//! already. What is written is, byte for byte, what the generated type writes.

use bytes::{BufMut, BytesMut};
use prost::{DecodeError, Message as _, encoding};
use tonic::{
    Code, Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use toolwave_proto::v1;

use super::{
    convert,
    outbox::{Assignment, PIECE_BYTES},
};
use crate::{
    error::status,
    wire::{bytes_len, number_len, put_bytes, put_number, put_start, text_len},
};

/// Of the buffers that frames are written to, cut from and gathered in. Each session holds two for as long as it
/// lives, idle or not; what is larger makes room for itself.
const BUFFER_BYTES: usize = 2 * 1024;
/// From here on the connection is given what has been written.
const YIELD_BYTES: usize = 32 * 1024;
/// `OpenSessionResponse.dispatches`.
const DISPATCHES: u32 = 2;

/// A message to a worker.
#[derive(Default)]
pub struct Frame {
    pub(super) dispatches: Vec<Assignment>,
    /// All else; its own list of dispatches stays empty.
    pub(super) rest: v1::OpenSessionResponse,
}

/// Writes [`Frame`]s, reads what the generated type reads.
#[derive(Default)]
pub(super) struct FrameCodec;

pub(super) struct FrameEncoder;

pub(super) struct FrameDecoder;

// === impl Frame ===

impl Frame {
    /// With nothing in it but these.
    #[must_use]
    pub fn of_dispatches(dispatches: Vec<Assignment>) -> Self {
        Self {
            dispatches,
            ..Self::default()
        }
    }

    /// Writes it, in one go.
    pub fn write(&self, buffer: &mut BytesMut) {
        buffer.reserve(self.room());
        self.put(buffer);
    }

    fn put(&self, buffer: &mut impl BufMut) {
        // `registered`, the only field before the dispatches, travels without any.
        for dispatch in &self.dispatches {
            put_start(DISPATCHES, dispatch.encoded_len(), buffer);
            dispatch.put(buffer);
        }
        self.rest.encode_raw(buffer);
    }

    /// An upper bound, near enough to make room once.
    fn room(&self) -> usize {
        let dispatches: usize = self
            .dispatches
            .iter()
            .map(|dispatch| 8 + dispatch.encoded_len())
            .sum();
        dispatches + self.rest.encoded_len()
    }
}

// === impl Assignment ===

/// As `v1::Dispatch`: fields in the order of their numbers, those that hold their default left out.
impl Assignment {
    /// Whether the parameters follow in pieces.
    pub(super) fn is_large(&self) -> bool {
        self.parameters.len() > PIECE_BYTES
    }

    fn parts(&self) -> (&[u8], u64) {
        if self.is_large() {
            (&[], self.parameters.len() as u64)
        } else {
            (&self.parameters, 0)
        }
    }

    fn encoded_len(&self) -> usize {
        let call = &self.words.calls[self.attempt.call.index as usize];
        let (inline, size) = self.parts();
        encoding::message::encoded_len(1, &convert::attempt_ref(self.attempt))
            + text_len(&call.tool)
            + bytes_len(inline)
            + number_len(4, size)
            + encoding::message::encoded_len(5, &convert::duration(self.timeout))
            + text_len(&call.idempotency_key)
            + if self.safe_to_repeat { 2 } else { 0 }
            + text_len(&self.words.execution_id)
            + text_len(&call.id)
            + number_len(10, self.sequence)
            + self.trace.as_deref().map_or(0, |trace| {
                text_len(&trace.traceparent()) + text_len(trace.tracestate())
            })
    }

    fn put(&self, buffer: &mut impl BufMut) {
        let call = &self.words.calls[self.attempt.call.index as usize];
        let (inline, size) = self.parts();
        encoding::message::encode(1, &convert::attempt_ref(self.attempt), buffer);
        put_bytes(2, call.tool.as_bytes(), buffer);
        put_bytes(3, inline, buffer);
        put_number(4, size, buffer);
        encoding::message::encode(5, &convert::duration(self.timeout), buffer);
        put_bytes(6, call.idempotency_key.as_bytes(), buffer);
        if self.safe_to_repeat {
            encoding::bool::encode(7, &true, buffer);
        }
        put_bytes(8, self.words.execution_id.as_bytes(), buffer);
        put_bytes(9, call.id.as_bytes(), buffer);
        put_number(10, self.sequence, buffer);
        if let Some(trace) = &self.trace {
            put_bytes(11, trace.traceparent().as_bytes(), buffer);
            put_bytes(12, trace.tracestate().as_bytes(), buffer);
        }
    }
}

// === impl FrameCodec ===

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = v1::OpenSessionRequest;
    type Encoder = FrameEncoder;
    type Decoder = FrameDecoder;

    fn encoder(&mut self) -> FrameEncoder {
        FrameEncoder
    }

    fn decoder(&mut self) -> FrameDecoder {
        FrameDecoder
    }
}

impl Encoder for FrameEncoder {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(frame.room());
        frame.put(buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl Decoder for FrameDecoder {
    type Item = v1::OpenSessionRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let malformed = |error: DecodeError| {
            status(
                Code::Internal,
                "BAD_FRAME",
                format!("the frame is malformed: {error}"),
            )
        };
        v1::OpenSessionRequest::decode(buffer)
            .map(Some)
            .map_err(malformed)
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use proptest::prelude::*;
    use toolwave_scheduler::{AttemptKey, CallKey, ExecutionKey};
    use toolwave_telemetry::traces::TraceContext;

    use super::*;
    use crate::worker::outbox::{CallWords, Words};

    fn assignments() -> impl Strategy<Value = Assignment> {
        let numbers = (any::<u64>(), 0..3_u32, any::<u32>(), any::<u64>(), any::<bool>());
        let texts = (".{0,40}", ".{0,200}", ".{0,40}", ".{0,40}");
        let sizes = prop_oneof![0..300_usize, PIECE_BYTES - 2..PIECE_BYTES + 3];
        let timeout = (0..u64::from(u32::MAX), 0..1_000_000_000_u32);
        let trace = prop::option::of((1..u128::MAX, 1..u64::MAX, 0..2_u8, "[a-z]{0,20}"));
        (numbers, texts, sizes, timeout, trace).prop_map(|(numbers, texts, size, timeout, trace)| {
            let (execution, index, number, sequence, safe_to_repeat) = numbers;
            let call = || CallWords {
                id: texts.0.as_str().into(),
                tool: texts.1.as_str().into(),
                idempotency_key: texts.2.as_str().into(),
            };
            Assignment {
                attempt: AttemptKey {
                    call: CallKey {
                        execution: ExecutionKey(execution),
                        index,
                    },
                    number,
                },
                words: Arc::new(Words {
                    execution_id: texts.3.as_str().into(),
                    calls: vec![call(), call(), call()],
                }),
                parameters: Bytes::from(vec![b'x'; size]),
                timeout: Duration::new(timeout.0, timeout.1),
                safe_to_repeat,
                sequence,
                trace: trace.and_then(|(trace, span, flags, state)| {
                    let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
                    TraceContext::parse(&text, &format!("a={state}")).map(Arc::new)
                }),
            }
        })
    }

    fn generated(assignment: &Assignment) -> v1::Dispatch {
        let call = &assignment.words.calls[assignment.attempt.call.index as usize];
        let large = assignment.parameters.len() > PIECE_BYTES;
        v1::Dispatch {
            attempt: Some(convert::attempt_ref(assignment.attempt)),
            tool_name: call.tool.to_string(),
            parameters_json: if large {
                Bytes::new()
            } else {
                assignment.parameters.clone()
            },
            parameters_size: if large {
                assignment.parameters.len() as u64
            } else {
                0
            },
            timeout: Some(convert::duration(assignment.timeout)),
            idempotency_key: call.idempotency_key.to_string(),
            safe_to_repeat: assignment.safe_to_repeat,
            execution_id: assignment.words.execution_id.to_string(),
            call_id: call.id.to_string(),
            sequence: assignment.sequence,
            traceparent: assignment
                .trace
                .as_ref()
                .map_or_else(String::new, |trace| trace.traceparent().to_string()),
            tracestate: assignment
                .trace
                .as_ref()
                .map_or_else(String::new, |trace| trace.tracestate().to_owned()),
        }
    }

    proptest! {
        #[test]
        fn a_frame_has_the_bytes_that_the_generated_type_writes(
            dispatches in prop::collection::vec(assignments(), 0..4),
            acknowledged_results in any::<u64>(),
            piece in prop::option::of(0..200_usize),
        ) {
            let rest = v1::OpenSessionResponse {
                chunks: piece
                    .map(|bytes| v1::PayloadChunk {
                        attempt: Some(v1::AttemptRef { execution: 7, call_index: 0, attempt: 1 }),
                        offset: 65_536,
                        data: vec![b'y'; bytes].into(),
                    })
                    .into_iter()
                    .collect(),
                acknowledged_results,
                ..v1::OpenSessionResponse::default()
            };
            let expected = v1::OpenSessionResponse {
                dispatches: dispatches.iter().map(generated).collect(),
                ..rest.clone()
            };
            let frame = Frame { dispatches, rest };
            let mut written = BytesMut::new();
            frame.put(&mut written);
            prop_assert_eq!(&written[..], &expected.encode_to_vec()[..]);
            prop_assert!(written.len() <= frame.room());
        }
    }
}
