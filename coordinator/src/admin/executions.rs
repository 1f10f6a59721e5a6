//! Executions as operators see them, in wire form: made outside of the driver, of what it handed over and of what
//! the history keeps.

use std::{sync::Arc, time::SystemTime};

use prost::Message;
use toolwave_proto::v1;
use toolwave_scheduler::{CallPhase, ExecutionKey};

use crate::{
    catalogue::Catalogue,
    driver::history::{LiveExecution, OpenAttempt, OpenCall},
    execution::{
        analysis::to_reason,
        answer::{Answer, Shape},
        answered::to_attempt,
        convert::{to_duration, to_outcome, to_timestamp},
        prepared::EndedCall,
        text::cut,
    },
    observe::history::{Calls, Entry, KeptCall, OUTCOMES, Status},
};

/// The most that gRPC clients receive in one message unless they say otherwise, less a margin.
const MOST_BYTES: usize = (4 << 20) - (64 << 10);
/// Of the words of a failure, where the message would be too long otherwise.
const FEW_WORDS: usize = 120;

/// In numbers.
pub(super) fn status(status: &Status) -> v1::ExecutionStatus {
    let outcomes = OUTCOMES
        .iter()
        .zip(status.outcomes)
        .filter(|(_, count)| *count > 0);
    v1::ExecutionStatus {
        execution_id: status.id.to_string(),
        tenant: status.tenant.to_string(),
        accepted_at: Some(to_timestamp(status.accepted_at)),
        ended_at: status.ended_at.map(to_timestamp),
        calls: status.calls,
        waves: status.waves,
        waiting: status.calls.saturating_sub(status.in_flight + status.ended),
        in_flight: status.in_flight,
        ended: status.ended,
        outcomes: outcomes
            .map(|(&outcome, count)| v1::OutcomeCount {
                outcome: to_outcome(outcome).into(),
                count,
            })
            .collect(),
        attempts: status.attempts,
        duration: Some(to_duration(status.duration)),
        trace_id: status
            .trace_id
            .map_or_else(String::new, |id| format!("{id:032x}")),
    }
}

/// One that runs.
pub(super) fn running(
    live: &LiveExecution,
    catalogue: Arc<Catalogue>,
    contents: bool,
) -> v1::GetExecutionResponse {
    let shape = &live.ends.shape;
    let mut calls = timelines(shape);
    for (call, &bytes) in calls.iter_mut().zip(&live.parameters_bytes) {
        call.parameters_bytes = bytes;
    }
    let mut answer =
        Answer::new(shape.clone(), catalogue, &live.status.id).of_tenant(live.status.tenant.clone());
    fill_ends(&mut calls, &live.ends, &mut answer);
    for open in &live.open {
        if let Some(call) = calls.get_mut(open.index as usize) {
            fill_open(call, open);
        }
    }
    fitting(v1::GetExecutionResponse {
        status: Some(status(&live.status)),
        calls,
        summary: None,
        contents,
        calls_forgotten: false,
    })
}

/// One that ended.
pub(super) fn ended(entry: &Entry, catalogue: Arc<Catalogue>, contents: bool) -> v1::GetExecutionResponse {
    let mut response = v1::GetExecutionResponse {
        status: Some(status(&entry.status)),
        calls: Vec::new(),
        summary: None,
        contents,
        calls_forgotten: entry.calls.is_none(),
    };
    if let Some(kept) = &entry.calls {
        let shape = &kept.shape;
        response.calls = timelines(shape);
        let mut answer =
            Answer::new(shape.clone(), catalogue, &entry.status.id).of_tenant(entry.status.tenant.clone());
        fill_ends(&mut response.calls, kept, &mut answer);
        response.summary = Some(answer.summary(entry.status.duration));
    }
    fitting(response)
}

/// Each call as it is before anything happens to it.
fn timelines(shape: &Shape) -> Vec<v1::CallTimeline> {
    let mut calls: Vec<v1::CallTimeline> = (0..)
        .zip(&shape.calls)
        .map(|(index, call)| v1::CallTimeline {
            index,
            id: call.id.to_string(),
            tool_name: call.tool_name.to_string(),
            wave: shape.plan.wave(index),
            state: v1::CallState::Waiting.into(),
            ..v1::CallTimeline::default()
        })
        .collect();
    for from in 0..shape.plan.len() {
        for dependent in shape.plan.dependents(from) {
            calls[dependent.call as usize].depends_on.push(from);
        }
    }
    calls
}

fn fill_ends(calls: &mut [v1::CallTimeline], kept: &Calls, answer: &mut Answer) {
    for kept in kept.ends() {
        let result = answer.end_without_result(&kept.ended);
        if let Some(call) = calls.get_mut(kept.ended.call as usize) {
            fill_end(call, kept, result);
        }
    }
}

fn fill_end(call: &mut v1::CallTimeline, kept: &KeptCall, result: v1::CallResult) {
    call.state = v1::CallState::Ended.into();
    call.outcome = result.outcome;
    call.ready_at = ready_at(&kept.ended).map(to_timestamp);
    call.ended_at = Some(to_timestamp(kept.ended.at));
    call.attempts = result.attempts;
    call.error = result.error;
    call.parameters_bytes = kept.parameters_bytes;
    call.result_bytes = kept.result_bytes;
    if let Some(contents) = &kept.contents {
        call.parameters_json = contents.parameters.as_bytes().to_vec().into();
        call.result_json = contents.result.as_bytes().to_vec().into();
    }
}

/// When its dependencies were done; `None` where that never came, or not before it ended.
fn ready_at(ended: &EndedCall) -> Option<SystemTime> {
    match ended.attempts.last() {
        Some(last) => last.dispatched_at.checked_sub(ended.queue_time),
        None if ended.queue_time.is_zero() => None,
        None => ended.at.checked_sub(ended.queue_time),
    }
}

fn fill_open(call: &mut v1::CallTimeline, open: &OpenCall) {
    let state = match open.phase {
        CallPhase::Ready => v1::CallState::Ready,
        CallPhase::InFlight => v1::CallState::InFlight,
        CallPhase::Backoff => v1::CallState::Backoff,
    };
    call.state = state.into();
    call.ready_at = open.ready_at.map(to_timestamp);
    call.attempts = open.attempts.iter().map(open_attempt).collect();
    call.waits_for = open
        .waits_for
        .map_or(v1::WaitReason::Unspecified, to_reason)
        .into();
}

fn open_attempt(open: &OpenAttempt) -> v1::Attempt {
    let mut attempt = to_attempt(&open.attempt);
    if !open.has_started {
        attempt.started_at = None;
    }
    if !open.has_ended {
        attempt.ended_at = None;
    }
    attempt
}

/// So that every client can receive it: contents go first, then most of the words of failures, then what calls
/// depend on.
fn fitting(mut response: v1::GetExecutionResponse) -> v1::GetExecutionResponse {
    if response.encoded_len() <= MOST_BYTES {
        return response;
    }
    response.contents = false;
    for call in &mut response.calls {
        call.parameters_json.clear();
        call.result_json.clear();
    }
    if response.encoded_len() <= MOST_BYTES {
        return response;
    }
    for call in &mut response.calls {
        let failures = call
            .attempts
            .iter_mut()
            .filter_map(|attempt| attempt.failure.as_mut());
        for error in failures.chain(call.error.as_mut()) {
            error.violations.clear();
            let words = cut(&error.message, FEW_WORDS).len();
            error.message.truncate(words);
        }
    }
    if response.encoded_len() > MOST_BYTES {
        for call in &mut response.calls {
            call.depends_on.clear();
        }
    }
    response
}

/// A page of executions: the newest of both, each once. One that ended meanwhile may be in both.
pub(super) fn page(running: Vec<Status>, ended: Vec<Arc<Status>>, most: usize) -> Vec<v1::ExecutionStatus> {
    let mut found: Vec<(ExecutionKey, bool, Arc<Status>)> = ended
        .into_iter()
        .map(|status| (status.key, true, status))
        .chain(
            running
                .into_iter()
                .map(|status| (status.key, false, Arc::new(status))),
        )
        .collect();
    // The newest first; of two of the same the one that says how it ended.
    found.sort_unstable_by_key(|(key, has_ended, _)| std::cmp::Reverse((*key, *has_ended)));
    found.dedup_by_key(|(key, ..)| *key);
    found.truncate(most);
    found.iter().map(|(_, _, found)| status(found)).collect()
}
