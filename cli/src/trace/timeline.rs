//! When each call of one execution waited and ran, counted from its acceptance: what text, SVG and `top` draw. Draws
//! nothing itself, and takes whatever a coordinator sends: missing instants, clocks that disagree, calls that run.

use std::{collections::HashSet, time::Duration};

use prost_types::Timestamp;
use toolwave_client::{
    duration,
    v1::{self, CallState, Outcome, WaitReason},
};

use crate::{moment, text, words};

/// One execution.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// The length of its axis: up to now, while it runs.
    pub(crate) length: Duration,
    /// By wave, then in request order.
    pub(crate) rows: Vec<Row>,
    /// Calls that are not among the rows.
    pub(crate) left_out: usize,
}

/// One call. Its texts are printable.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) wave: u32,
    /// On the chain of calls that the end waited for.
    pub(crate) critical: bool,
    /// Once it has ended.
    pub(crate) outcome: Option<Outcome>,
    /// The outcome's word, or what it does or waits for now.
    pub(crate) word: String,
    /// Of its last attempt; empty where there is none.
    pub(crate) worker: String,
    pub(crate) attempts: usize,
    /// Why it did not succeed.
    pub(crate) error: Option<String>,
    /// In the order of time.
    pub(crate) spans: Vec<Span>,
    /// Between being ready and the end, or now.
    pub(crate) took: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) phase: Phase,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Ready, and waiting for its turn, a slot or a limit; or between two attempts.
    Queued,
    /// In flight.
    Running,
    /// In flight, and another attempt followed.
    Repeated,
}

// === impl Timeline ===

impl Timeline {
    /// Of the calls at most `most`: those of the critical path first, then the slowest. None: all.
    pub(crate) fn of(execution: &v1::GetExecutionResponse, most: Option<usize>) -> Self {
        let axis = Axis::of(execution);
        let critical = critical_path(execution);
        let mut rows: Vec<Row> = execution
            .calls
            .iter()
            .map(|call| Row::of(call, &axis, critical.contains(&call.index)))
            .collect();
        let left_out = match most {
            Some(most) if rows.len() > most => {
                let left_out = rows.len() - most;
                keep(&mut rows, most);
                left_out
            }
            _ => 0,
        };
        // stable: request order within a wave
        rows.sort_by_key(|row| row.wave);
        Self {
            length: axis.length,
            rows,
            left_out,
        }
    }
}

fn critical_path(execution: &v1::GetExecutionResponse) -> HashSet<u32> {
    let summary = execution.summary.as_ref();
    let analysis = summary.and_then(|summary| summary.analysis.as_ref());
    let path = analysis.map(|analysis| analysis.critical_path.iter().copied());
    path.into_iter().flatten().collect()
}

/// Keeps the critical and the slowest, in their order.
fn keep(rows: &mut Vec<Row>, most: usize) {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| std::cmp::Reverse((rows[row].critical, rows[row].took)));
    let kept: HashSet<usize> = order.into_iter().take(most).collect();
    let mut row = 0;
    rows.retain(|_| {
        row += 1;
        kept.contains(&(row - 1))
    });
}

/// Nothing takes longer; what says so must not overflow what is computed from it.
const LONGEST: Duration = Duration::from_secs(1_000 * 366 * 86_400);

/// The time that is drawn.
struct Axis {
    /// Nanoseconds since 1970.
    start: i128,
    length: Duration,
}

impl Axis {
    fn of(execution: &v1::GetExecutionResponse) -> Self {
        let no_status = v1::ExecutionStatus::default();
        let status = execution.status.as_ref().unwrap_or(&no_status);
        let instants = || {
            execution.calls.iter().flat_map(|call| {
                let attempts = call.attempts.iter();
                let of_attempts = attempts.flat_map(|a| [&a.dispatched_at, &a.started_at, &a.ended_at]);
                of_attempts
                    .chain([&call.ready_at, &call.ended_at])
                    .flatten()
                    .map(moment::nanos)
            })
        };
        let accepted = status.accepted_at.as_ref().map(moment::nanos);
        let start = accepted.or_else(|| instants().min()).unwrap_or_default();
        let told = status.duration.as_ref().map(duration);
        let ended = status.ended_at.as_ref().map(moment::nanos);
        let length = told
            .filter(|told| !told.is_zero())
            .or_else(|| {
                ended
                    .or_else(|| instants().max())
                    .map(|end| moment::span(end - start))
            })
            .unwrap_or_default()
            .min(LONGEST);
        Self { start, length }
    }

    /// Within the axis, whatever clocks say.
    fn at(&self, instant: &Timestamp) -> Duration {
        moment::span(moment::nanos(instant) - self.start).min(self.length)
    }
}

// === impl Row ===

impl Row {
    fn of(call: &v1::CallTimeline, axis: &Axis, critical: bool) -> Self {
        let outcome = Some(call.outcome()).filter(|outcome| *outcome != Outcome::Unspecified);
        let ready = call.ready_at.as_ref().map(|at| axis.at(at));
        let end = call.ended_at.as_ref().map_or(axis.length, |at| axis.at(at));
        let id = match call.id.as_str() {
            "" => call.index.to_string(),
            id => text::printable(id),
        };
        Self {
            id,
            tool: text::printable(&call.tool_name),
            wave: call.wave,
            critical,
            outcome,
            word: word(call, outcome),
            worker: call
                .attempts
                .last()
                .map(|attempt| text::printable(&attempt.worker))
                .unwrap_or_default(),
            attempts: call.attempts.len(),
            error: call.error.as_ref().map(|error| text::printable(&error.code)),
            spans: spans(call, axis, ready, end),
            took: ready.map(|ready| end.saturating_sub(ready)),
        }
    }
}

fn word(call: &v1::CallTimeline, outcome: Option<Outcome>) -> String {
    if let Some(outcome) = outcome {
        return words::outcome(outcome).to_owned();
    }
    match call.state() {
        CallState::Unspecified => "?".to_owned(),
        CallState::Ready if call.waits_for() != WaitReason::Unspecified => {
            let reason = words::wait_reason(call.waits_for()).unwrap_or_default();
            format!("waits: {}", reason.to_lowercase())
        }
        state => words::call_state(state).to_lowercase().replace('_', " "),
    }
}

fn spans(call: &v1::CallTimeline, axis: &Axis, ready: Option<Duration>, end: Duration) -> Vec<Span> {
    let mut spans = Vec::with_capacity(2 * call.attempts.len() + 1);
    // An instant before the one that went before it is a clock's fault: spans follow one another.
    let mut until = ready;
    let last = call.attempts.len().saturating_sub(1);
    for (number, attempt) in call.attempts.iter().enumerate() {
        let sent = attempt.dispatched_at.as_ref().or(attempt.started_at.as_ref());
        let Some(from) = sent.map(|at| axis.at(at)).or(until) else {
            continue;
        };
        let from = from.max(until.unwrap_or(from)).min(end);
        if let Some(queued) = until.filter(|queued| *queued < from) {
            spans.push(Span {
                phase: Phase::Queued,
                from: queued,
                to: from,
            });
        }
        let to = attempt.ended_at.as_ref().map_or(end, |at| axis.at(at));
        let to = to.clamp(from, end.max(from));
        let phase = match number < last {
            true => Phase::Repeated,
            false => Phase::Running,
        };
        spans.push(Span { phase, from, to });
        until = Some(to);
    }
    // What is in flight has no end yet, and what has ended waits for nothing.
    let waits = matches!(call.state(), CallState::Ready | CallState::Backoff) || call.attempts.is_empty();
    if let Some(from) = until.filter(|from| waits && *from < end) {
        spans.push(Span {
            phase: Phase::Queued,
            from,
            to: end,
        });
    }
    spans
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
