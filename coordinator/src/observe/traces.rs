//! The spans of an execution that is traced: one for itself, one for each call with its time in the queue, one for
//! each attempt. They are made when a call ends, from what the driver knows of it, and handed over without waiting.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use toolwave_scheduler::{AttemptKey, Outcome, Time};
use toolwave_telemetry::traces::{Kind, Span, SpanEvent, TraceContext, Tracer, Value};

use crate::{
    execution::{
        attempt_reason, call_reason, outcome_word,
        prepared::{EndedAttempt, EndedCall},
    },
    worker::outbox::{CallWords, Words},
};

/// A call's own span and that of its queue.
const SPANS_OF_CALL: u32 = 2;

/// What is kept of an execution whose spans are wanted. Bounded: what is beyond is counted and left out.
pub(crate) struct ExecutionSpans {
    /// Of the execution's own span.
    context: Arc<TraceContext>,
    /// For what is left out: the trace without its spans.
    unsampled: Arc<TraceContext>,
    /// The client's span.
    parent: Option<TraceContext>,
    clock: Anchor,
    /// Spans that may still be made.
    left: u32,
    left_out: u64,
    not_succeeded: u32,
    attempts: u32,
    /// Calls that were dispatched and have not ended.
    calls: FxHashMap<u32, CallSpans>,
}

struct CallSpans {
    context: TraceContext,
    attempts: SmallVec<[AttemptSpan; 1]>,
    /// The last dispatch, its span made or not.
    dispatched: Option<Time>,
}

struct AttemptSpan {
    number: u32,
    context: Arc<TraceContext>,
    dispatched: Time,
}

/// Dates by one clock, so that spans of one execution nest whatever becomes of the wall clock.
#[derive(Clone, Copy)]
struct Anchor {
    wall: SystemTime,
    at: Time,
}

/// A call that ended, and what else is known of it.
pub(crate) struct CallEnd<'e> {
    pub(crate) ended: &'e EndedCall,
    pub(crate) words: &'e CallWords,
    pub(crate) parameter_bytes: u64,
    pub(crate) now: Time,
}

/// The context of an execution and, where it is recorded here, its spans.
pub(crate) fn begin(
    tracer: &Tracer,
    client: Option<TraceContext>,
    now: (Time, SystemTime),
) -> (Option<Arc<TraceContext>>, Option<Box<ExecutionSpans>>) {
    let context = match &client {
        // Whoever records, or does not, is handed on as it came.
        Some(context) if !(context.is_sampled() && tracer.is_on()) => return (client.map(Arc::new), None),
        Some(context) => context.child(),
        None => match tracer.sample() {
            Some(context) => context,
            None => return (None, None),
        },
    };
    let context = Arc::new(context);
    let spans = ExecutionSpans {
        unsampled: Arc::new(context.unsampled()),
        context: context.clone(),
        parent: client,
        clock: Anchor {
            at: now.0,
            wall: now.1,
        },
        left: tracer.max_spans().saturating_sub(1),
        left_out: 0,
        not_succeeded: 0,
        attempts: 0,
        calls: FxHashMap::default(),
    };
    (Some(context), Some(Box::new(spans)))
}

// === impl ExecutionSpans ===

impl ExecutionSpans {
    /// An attempt is about to be sent; what travels with it.
    pub(crate) fn dispatched(&mut self, attempt: AttemptKey, now: Time) -> Arc<TraceContext> {
        let index = attempt.call.index;
        self.attempts += 1;
        if !self.calls.contains_key(&index) {
            // A call that has ended, or had an attempt left out, is not begun again.
            if attempt.number > 1 || self.left <= SPANS_OF_CALL {
                return self.unsampled.clone();
            }
            self.left -= SPANS_OF_CALL;
            self.calls.insert(index, CallSpans::below(&self.context));
        }
        let has_room = self.take(1);
        let Some(call) = self.calls.get_mut(&index) else {
            return self.unsampled.clone();
        };
        call.dispatched = Some(now);
        if !has_room {
            return self.unsampled.clone();
        }
        let context = Arc::new(call.context.child());
        call.attempts.push(AttemptSpan {
            number: attempt.number,
            context: context.clone(),
            dispatched: now,
        });
        context
    }

    fn take(&mut self, spans: u32) -> bool {
        let enough = self.left >= spans;
        if enough {
            self.left -= spans;
        }
        enough
    }

    /// A call has ended.
    pub(crate) fn ended(&mut self, tracer: &Tracer, end: &CallEnd<'_>) {
        let ended = end.ended;
        let attempts = u64::try_from(ended.attempts.len()).unwrap_or(u64::MAX);
        if ended.outcome != Outcome::Succeeded {
            self.not_succeeded += 1;
        }
        let call = match self.calls.remove(&ended.call) {
            Some(call) => call,
            None if ended.attempts.is_empty() && self.take(SPANS_OF_CALL) => CallSpans::below(&self.context),
            None => {
                self.left_out += u64::from(SPANS_OF_CALL) + attempts;
                return;
            }
        };
        self.left_out += attempts.saturating_sub(call.attempts.len() as u64);
        // The queue's time ends with the last dispatch.
        let queued_until = self.clock.date(call.dispatched.unwrap_or(end.now));
        let ready = queued_until.checked_sub(ended.queue_time).unwrap_or(queued_until);
        let first = call.attempts.first().map_or(end.now, |first| first.dispatched);
        for (sent, attempt) in call.attempts.iter().filter_map(|sent| {
            let attempt = ended.attempts.iter().find(|ended| ended.number == sent.number)?;
            Some((sent, attempt))
        }) {
            tracer.export(self.attempt(&call, sent, attempt, end));
        }
        if ended.queue_time > Duration::ZERO || !call.attempts.is_empty() {
            tracer.export(Span {
                context: call.context.child(),
                parent: Some(call.context.span_id()),
                name: "queue".into(),
                kind: Kind::Internal,
                started: ready,
                ended: self.clock.date(first).max(ready),
                attributes: Vec::new(),
                events: Vec::new(),
                failed: None,
            });
        }
        tracer.export(self.call(&call, ready, end));
    }

    fn attempt(
        &self,
        call: &CallSpans,
        sent: &AttemptSpan,
        attempt: &EndedAttempt,
        end: &CallEnd<'_>,
    ) -> Span {
        let started = self.clock.date(sent.dispatched);
        let ended = self.moved(attempt.ended_at, end).max(started);
        let began = self.moved(attempt.started_at, end).clamp(started, ended);
        // A tool's own code is contents.
        let failed = attempt.failure.as_ref();
        let failed = failed.map(|failure| attempt_reason(failure.failure).word());
        let mut attributes = vec![
            ("toolwave.tool", Value::Text(end.words.tool.clone())),
            ("toolwave.worker", Value::Text(attempt.worker.clone())),
            ("toolwave.attempt", Value::Number(attempt.number.into())),
        ];
        attributes.extend(failed.map(|reason| ("toolwave.reason", Value::Word(reason))));
        if attempt.late {
            attributes.push(("toolwave.late", Value::Flag(true)));
        }
        Span {
            context: (*sent.context).clone(),
            parent: Some(call.context.span_id()),
            name: "attempt".into(),
            kind: Kind::Client,
            started,
            ended,
            attributes,
            events: vec![SpanEvent {
                name: "started",
                at: began,
                attributes: Vec::new(),
            }],
            failed: failed.map(Into::into),
        }
    }

    fn call(&self, call: &CallSpans, ready: SystemTime, end: &CallEnd<'_>) -> Span {
        let CallEnd { ended, words, .. } = end;
        let milliseconds =
            |time: Duration| Value::Number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let mut attributes = vec![
            ("toolwave.call_id", Value::Text(words.id.clone())),
            ("toolwave.call_index", Value::Number(ended.call.into())),
            ("toolwave.tool", Value::Text(words.tool.clone())),
            ("toolwave.outcome", Value::Word(outcome_word(ended.outcome))),
            ("toolwave.attempts", Value::Number(ended.attempts.len() as u64)),
            ("toolwave.queue_ms", milliseconds(ended.queue_time)),
            ("toolwave.execution_ms", milliseconds(ended.execution_time)),
            ("toolwave.parameter_bytes", Value::Number(end.parameter_bytes)),
        ];
        if let Some(result) = &ended.result {
            attributes.push(("toolwave.result_bytes", Value::Number(result.len() as u64)));
        }
        let failed = call_reason(ended);
        let reason = failed.as_deref().map(Into::into);
        attributes.extend(reason.map(|reason| ("toolwave.reason", Value::Text(reason))));
        let retries = ended.attempts.iter().rev().skip(1).rev();
        let retry = |attempt: &EndedAttempt| SpanEvent {
            name: "retry",
            at: self.moved(attempt.ended_at, end),
            attributes: vec![("toolwave.attempt", Value::Number(attempt.number.into()))],
        };
        Span {
            context: call.context.clone(),
            parent: Some(self.context.span_id()),
            name: "call".into(),
            kind: Kind::Internal,
            started: ready,
            ended: self.clock.date(end.now),
            attributes,
            events: retries.map(retry).collect(),
            failed,
        }
    }

    /// A date that the driver made of an instant when the call ended, by the clock of the execution.
    fn moved(&self, date: SystemTime, end: &CallEnd<'_>) -> SystemTime {
        let before = end.ended.at.duration_since(date).unwrap_or_default();
        let ended = self.clock.date(end.now);
        ended.checked_sub(before).unwrap_or(ended)
    }

    /// All its calls have ended.
    pub(crate) fn finished(self, tracer: &Tracer, words: &Words, tenant: &Arc<str>, now: Time) {
        self.close(tracer, words, tenant, now, None);
    }

    /// The scheduler did not take it.
    pub(crate) fn refused(self, tracer: &Tracer, words: &Words, tenant: &Arc<str>, now: Time) {
        self.close(tracer, words, tenant, now, Some("RESOURCE_EXHAUSTED"));
    }

    fn close(
        self,
        tracer: &Tracer,
        words: &Words,
        tenant: &Arc<str>,
        now: Time,
        failed: Option<&'static str>,
    ) {
        let attributes = vec![
            ("toolwave.execution_id", Value::Text(words.execution_id.clone())),
            ("toolwave.tenant", Value::Text(tenant.clone())),
            ("toolwave.calls", Value::Number(words.calls.len() as u64)),
            (
                "toolwave.calls_not_succeeded",
                Value::Number(self.not_succeeded.into()),
            ),
            ("toolwave.attempts", Value::Number(self.attempts.into())),
            ("toolwave.spans_left_out", Value::Number(self.left_out)),
        ];
        tracer.export(Span {
            context: (*self.context).clone(),
            parent: self.parent.map(|parent| parent.span_id()),
            name: "execution".into(),
            kind: Kind::Server,
            started: self.clock.wall,
            ended: self.clock.date(now),
            attributes,
            events: Vec::new(),
            failed: failed.map(Into::into),
        });
    }
}

// === impl CallSpans ===

impl CallSpans {
    fn below(execution: &TraceContext) -> Self {
        Self {
            context: execution.child(),
            attempts: SmallVec::new(),
            dispatched: None,
        }
    }
}

// === impl Anchor ===

impl Anchor {
    fn date(&self, time: Time) -> SystemTime {
        self.wall + time.since(self.at)
    }
}
