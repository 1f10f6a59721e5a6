//! Results that come in pieces: put together in order, bounded, and given up whole when a piece is wrong.
//! A wrong payload ends its attempt, never its session.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;
use toolwave_scheduler::AttemptKey;

/// Room that is made for a result with its first piece, in bytes, when so much was announced.
const EARLY_ROOM: usize = 1024 * 1024;

/// A result whose pieces are still coming.
struct Partial {
    sequence: u64,
    size: usize,
    payload: BytesMut,
    execution_time: Option<prost_types::Duration>,
}

/// All of a session.
#[derive(Default)]
pub(super) struct Pieces {
    partial: FxHashMap<AttemptKey, Partial>,
    /// Result numbers that are announced and not complete.
    open: BTreeSet<u64>,
}

/// What a piece completed.
pub(super) struct Whole {
    pub(super) attempt: AttemptKey,
    /// Or why there is none, for people.
    pub(super) payload: Result<Bytes, String>,
    pub(super) execution_time: Option<prost_types::Duration>,
}

// === impl Partial ===

impl Partial {
    /// Room for the next piece and, at a time, for about as much as has come: what was announced is believed
    /// only so far, and copied seldom.
    fn make_room(&mut self, piece: usize) {
        let length = self.payload.len();
        if self.payload.capacity() - length < piece {
            let more = (self.size - length).min(length.max(EARLY_ROOM));
            self.payload.reserve(more.max(piece));
        }
    }
}

// === impl Pieces ===

impl Pieces {
    /// A result was announced: its pieces follow.
    pub(super) fn announce(
        &mut self,
        attempt: AttemptKey,
        sequence: u64,
        size: usize,
        execution_time: Option<prost_types::Duration>,
    ) {
        self.open.insert(sequence);
        let partial = Partial {
            sequence,
            size,
            payload: BytesMut::new(),
            execution_time,
        };
        if let Some(before) = self.partial.insert(attempt, partial) {
            self.open.remove(&before.sequence);
        }
    }

    /// A piece came; pieces of payloads that were given up are ignored.
    pub(super) fn add(&mut self, attempt: AttemptKey, offset: u64, piece: &[u8]) -> Option<Whole> {
        let partial = self.partial.get_mut(&attempt)?;
        let at = partial.payload.len();
        let fault = if offset != at as u64 {
            Some(format!(
                "a piece of the result begins at byte {offset}, where {at} was next"
            ))
        } else if piece.is_empty() {
            Some("a piece of the result is empty".to_owned())
        } else if at + piece.len() > partial.size {
            Some(format!(
                "the pieces of the result are longer than the {} bytes announced",
                partial.size
            ))
        } else {
            partial.make_room(piece.len());
            partial.payload.extend_from_slice(piece);
            if partial.payload.len() < partial.size {
                return None;
            }
            None
        };
        let Partial {
            sequence,
            payload,
            execution_time,
            ..
        } = self.partial.remove(&attempt)?;
        self.open.remove(&sequence);
        let payload = fault.map_or_else(|| Ok(payload.freeze()), Err);
        Some(Whole {
            attempt,
            payload,
            execution_time,
        })
    }

    /// How many results are open.
    pub(super) fn len(&self) -> usize {
        self.partial.len()
    }

    /// Up to which number results are complete, when `last` is the last number seen.
    pub(super) fn complete_up_to(&self, last: u64) -> u64 {
        self.open.first().map_or(last, |&first| first - 1)
    }
}
