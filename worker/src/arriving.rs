//! Attempts that are not here in whole: those whose parameters come in pieces (each takes a slot, and starts
//! with the last piece), and those that were aborted before they came.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashSet;
use toolwave_proto::v1::{self, AttemptRef};

use crate::slots::Taken;

#[derive(Debug)]
pub(crate) struct Arriving {
    dispatch: v1::Dispatch,
    parameters: BytesMut,
    slot: Taken,
}

/// Pieces come in order and without gaps.
#[derive(Debug, thiserror::Error)]
#[error("a chunk of {bytes} bytes came at {offset} of parameters of {size} bytes; expected it at {expected}")]
pub(crate) struct ChunkError {
    offset: u64,
    bytes: usize,
    size: u64,
    expected: usize,
}

impl Arriving {
    /// The announced size has been checked against the worker's limit.
    pub(crate) fn new(dispatch: v1::Dispatch, slot: Taken) -> Self {
        Self {
            dispatch,
            slot,
            parameters: BytesMut::new(),
        }
    }

    /// True with the last piece.
    pub(crate) fn add(&mut self, chunk: &v1::PayloadChunk) -> Result<bool, ChunkError> {
        let size = self.dispatch.parameters_size;
        let end = chunk.offset.saturating_add(chunk.data.len() as u64);
        if chunk.offset != self.parameters.len() as u64 || end > size || chunk.data.is_empty() {
            let (offset, bytes, expected) = (chunk.offset, chunk.data.len(), self.parameters.len());
            return Err(ChunkError {
                offset,
                bytes,
                size,
                expected,
            });
        }
        if self.parameters.is_empty() {
            // the whole at once, and only once the sender has shown that it means it
            self.parameters.reserve(usize::try_from(size).unwrap_or(0));
        }
        self.parameters.extend_from_slice(&chunk.data);
        Ok(end == size)
    }

    pub(crate) fn complete(self) -> (v1::Dispatch, Bytes, Taken) {
        (self.dispatch, self.parameters.freeze(), self.slot)
    }
}

/// Aborts that came before their dispatches. Most are of attempts that have ended and never come: only the
/// latest are kept.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    attempts: FxHashSet<AttemptRef>,
    order: VecDeque<AttemptRef>,
}

impl Tombstones {
    /// The abort and the dispatch travel in one stream: what is so much older will not come.
    const MAX: usize = 1024;

    pub(crate) fn add(&mut self, attempt: AttemptRef) {
        if !self.attempts.insert(attempt) {
            return;
        }
        self.order.push_back(attempt);
        if self.order.len() > Self::MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.attempts.remove(&oldest);
        }
    }

    /// True once for an attempt that was aborted.
    pub(crate) fn take(&mut self, attempt: &AttemptRef) -> bool {
        self.attempts.remove(attempt)
    }
}
