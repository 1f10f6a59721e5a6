//! What is kept counts as so many bytes: what its types take, what they hold elsewhere, and what an allocator adds.
//! A name of a tool or a worker is shared by whatever uses it, and counts where it is first seen in an execution.

use std::{mem::size_of, sync::Arc};

use super::record::{Contents, KeptCall, Status};
use crate::execution::{
    answer::{Shape, ShapeCall},
    prepared::{CallFault, EndedAttempt, EndedAttemptFailure},
};

/// Of an allocation beyond what was asked for, on average.
const ALLOCATION: usize = 16;
/// The two counts of an `Arc`.
const COUNTS: usize = 2 * size_of::<usize>();
/// In the tables by key and by id and in the queue, room that is not used included.
const TABLES: usize = 160;

/// An execution in numbers.
pub(super) fn status(id: &str, tenant: &str) -> u64 {
    // The tenant's name is shared with its other executions, or it has but this one.
    let texts = id.len() + tenant.len() + 2 * (COUNTS + ALLOCATION);
    (size_of::<Status>() + COUNTS + ALLOCATION + TABLES + texts) as u64
}

/// What a call holds outside of itself.
pub(super) fn outside(call: &KeptCall) -> u64 {
    let ended = &call.ended;
    let mut bytes = 0;
    if ended.attempts.spilled() {
        bytes += ended.attempts.capacity() * size_of::<EndedAttempt>() + ALLOCATION;
    }
    for attempt in &ended.attempts {
        if let Some(failure) = &attempt.failure {
            bytes += size_of::<EndedAttemptFailure>() + ALLOCATION;
            bytes += failure.fault.as_ref().map_or(0, fault);
        }
    }
    if let Some(rejection) = &ended.rejection {
        bytes += size_of::<CallFault>() + ALLOCATION + fault(rejection);
    }
    if let Some(contents) = &call.contents {
        bytes += size_of::<Contents>() + 3 * ALLOCATION + contents.parameters.len() + contents.result.len();
    }
    bytes as u64
}

fn fault(fault: &CallFault) -> usize {
    let violations = fault.violations.iter();
    let violations: usize = violations
        .map(|(path, words)| {
            size_of::<(String, String)>() + path.capacity() + words.capacity() + 2 * ALLOCATION
        })
        .sum();
    fault.code.capacity() + fault.message.capacity() + violations + 2 * ALLOCATION
}

/// A piece of ends, without what each holds outside.
pub(super) fn piece(piece: &Vec<KeptCall>) -> u64 {
    (size_of::<Vec<KeptCall>>() + COUNTS + 2 * ALLOCATION + piece.capacity() * size_of::<KeptCall>()) as u64
}

/// The list of pieces, and what holds it.
pub(super) fn pieces(pieces: &Vec<Arc<Vec<KeptCall>>>) -> u64 {
    (pieces.capacity() * size_of::<Arc<Vec<KeptCall>>>() + 2 * ALLOCATION + 64) as u64
}

/// The request's shape, which is kept for its ids, its tools and its graph.
pub(super) fn shape(shape: &Shape) -> u64 {
    let mut last: Option<&Arc<str>> = None;
    let calls: usize = shape
        .calls
        .iter()
        .map(|call| {
            let is_new = last.is_none_or(|last| !Arc::ptr_eq(last, &call.tool_name));
            last = Some(&call.tool_name);
            let name = if is_new {
                call.tool_name.len() + COUNTS + ALLOCATION
            } else {
                0
            };
            size_of::<ShapeCall>() + call.id.len() + COUNTS + ALLOCATION + name
        })
        .sum();
    (size_of::<Shape>() + COUNTS + ALLOCATION + calls) as u64 + shape.plan.heap_bytes() as u64
}
