//! The record of one execution: as it runs, and as it is kept. Ends are kept in the order in which they came, in
//! pieces that never change, so that whoever looks at a running execution gets them without a copy.

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use toolwave_scheduler::{ExecutionKey, Outcome};

use super::size;
use crate::execution::{answer::Shape, prepared::EndedCall, text::cut};

/// Ends of one piece.
const PIECE: usize = 256;
/// Of what a tool said of its failure, in bytes; its details are not kept.
const WORDS: usize = 1024;
/// All outcomes, in the order in which they are counted.
pub(crate) const OUTCOMES: [Outcome; 9] = [
    Outcome::Succeeded,
    Outcome::Failed,
    Outcome::Rejected,
    Outcome::TimedOut,
    Outcome::DeadlineExceeded,
    Outcome::Cancelled,
    Outcome::Skipped,
    Outcome::Unavailable,
    Outcome::Unknown,
];

/// Calls by outcome, as [`OUTCOMES`] lists them.
pub(crate) type Outcomes = [u32; OUTCOMES.len()];

/// An execution, in numbers.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) key: ExecutionKey,
    pub(crate) uuid: u128,
    pub(crate) id: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) accepted_at: SystemTime,
    /// `None`: it runs.
    pub(crate) ended_at: Option<SystemTime>,
    pub(crate) calls: u32,
    pub(crate) waves: u32,
    pub(crate) in_flight: u32,
    pub(crate) ended: u32,
    pub(crate) outcomes: Outcomes,
    pub(crate) attempts: u32,
    pub(crate) duration: Duration,
    /// Of the trace that it belongs to.
    pub(crate) trace_id: Option<u128>,
    /// What it counts as.
    pub(crate) bytes: u64,
}

/// The calls of an execution, as far as they have ended.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) shape: Arc<Shape>,
    pieces: Vec<Arc<Vec<KeptCall>>>,
    /// What they count as.
    pub(crate) bytes: u64,
}

/// The end of a call.
#[derive(Clone, Debug)]
pub(crate) struct KeptCall {
    /// Without its result, and without what a tool may have said at length.
    pub(crate) ended: EndedCall,
    pub(crate) parameters_bytes: u64,
    pub(crate) result_bytes: u64,
    pub(crate) contents: Option<Box<Contents>>,
}

/// The beginning of what a call took and gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) parameters: Box<str>,
    pub(crate) result: Box<str>,
}

/// What the driver keeps of an execution that runs.
pub(crate) struct Record {
    pub(crate) shape: Arc<Shape>,
    pub(crate) accepted_at: SystemTime,
    /// Attempts dispatched.
    pub(crate) attempts: u32,
    pub(crate) trace_id: Option<u128>,
    outcomes: Outcomes,
    ended: u32,
    pieces: Vec<Arc<Vec<KeptCall>>>,
    open: Vec<KeptCall>,
    bytes: u64,
}

// === impl Calls ===

impl Calls {
    /// The ends, in the order in which they came.
    pub(crate) fn ends(&self) -> impl Iterator<Item = &KeptCall> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }
}

// === impl KeptCall ===

impl KeptCall {
    /// Of a call that ended. What holds the memory of a whole message is left out.
    pub(crate) fn new(ended: &EndedCall, parameters_bytes: u64, contents: Option<Box<Contents>>) -> Self {
        let mut kept = EndedCall {
            result: None,
            call: ended.call,
            outcome: ended.outcome,
            cause: ended.cause,
            rejection: ended.rejection.clone(),
            attempts: ended.attempts.clone(),
            queue_time: ended.queue_time,
            execution_time: ended.execution_time,
            waits: ended.waits,
            at: ended.at,
        };
        let failures = kept.attempts.iter_mut();
        let faults = failures.filter_map(|attempt| attempt.failure.as_mut()?.fault.as_mut());
        for fault in faults.chain(kept.rejection.as_deref_mut()) {
            fault.details = Bytes::new();
            let words = cut(&fault.message, WORDS).len();
            fault.message.truncate(words);
            fault.message.shrink_to_fit();
        }
        Self {
            result_bytes: ended.result.as_ref().map_or(0, |text| text.len() as u64),
            ended: kept,
            parameters_bytes,
            contents,
        }
    }
}

// === impl Contents ===

impl Contents {
    /// So many bytes of each, cut between characters.
    pub(crate) fn new(parameters: Option<&Bytes>, result: Option<&Bytes>, most: usize) -> Box<Self> {
        let beginning = |text: Option<&Bytes>| {
            let text = text.map_or(&[][..], |text| &text[..text.len().min(most)]);
            let valid = match std::str::from_utf8(text) {
                Ok(text) => text,
                // A character that is cut in two; all else was checked to be UTF-8.
                Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
            };
            valid.into()
        };
        Box::new(Self {
            parameters: beginning(parameters),
            result: beginning(result),
        })
    }
}

// === impl Record ===

impl Record {
    /// Of an execution that is submitted.
    pub(crate) fn new(shape: Arc<Shape>, accepted_at: SystemTime) -> Self {
        Self {
            shape,
            accepted_at,
            attempts: 0,
            trace_id: None,
            outcomes: Outcomes::default(),
            ended: 0,
            pieces: Vec::new(),
            open: Vec::new(),
            bytes: 0,
        }
    }

    /// A call ended.
    pub(crate) fn end(&mut self, call: KeptCall) {
        self.ended += 1;
        let outcome = OUTCOMES.iter().position(|known| *known == call.ended.outcome);
        if let Some(outcome) = outcome {
            self.outcomes[outcome] += 1;
        }
        self.bytes += size::outside(&call);
        if self.open.capacity() == 0 {
            // An execution's calls most often end a few at a time; nothing is kept for those that have not.
            let left = self.shape.calls.len() - (self.ended as usize - 1);
            self.open.reserve_exact(left.clamp(1, 8));
        }
        self.open.push(call);
        if self.open.len() == PIECE {
            let piece = mem::take(&mut self.open);
            self.seal(piece);
        }
    }

    /// Calls that have ended.
    pub(crate) fn ended(&self) -> u32 {
        self.ended
    }

    fn seal(&mut self, piece: Vec<KeptCall>) {
        self.bytes += size::piece(&piece);
        self.pieces.push(Arc::new(piece));
    }

    /// As it stands: what is in pieces is shared.
    pub(crate) fn calls(&self) -> Calls {
        let mut pieces = self.pieces.clone();
        if !self.open.is_empty() {
            pieces.push(Arc::new(self.open.clone()));
        }
        Calls {
            shape: self.shape.clone(),
            pieces,
            bytes: 0,
        }
    }

    /// It has ended: as it is kept.
    pub(crate) fn into_calls(mut self) -> Calls {
        let last = mem::take(&mut self.open);
        if !last.is_empty() {
            self.seal(last);
        }
        Calls {
            bytes: self.bytes + size::shape(&self.shape) + size::pieces(&self.pieces),
            shape: self.shape,
            pieces: self.pieces,
        }
    }

    /// In numbers; `in_flight` and `ended_at` as the driver knows them.
    pub(crate) fn status(
        &self,
        (key, uuid): (ExecutionKey, u128),
        (id, tenant): (Arc<str>, Arc<str>),
        duration: Duration,
    ) -> Status {
        Status {
            key,
            uuid,
            bytes: size::status(&id, &tenant),
            id,
            tenant,
            accepted_at: self.accepted_at,
            ended_at: None,
            calls: self.shape.calls.len() as u32,
            waves: self.shape.plan.wave_count(),
            in_flight: 0,
            ended: self.ended,
            outcomes: self.outcomes,
            attempts: self.attempts,
            duration,
            trace_id: self.trace_id,
        }
    }
}
