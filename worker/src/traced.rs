//! An attempt that is part of a trace: the context that its tool is given, and the span of the tool where this worker
//! exports spans. Where a trace is not recorded, its context is handed on and nothing is kept.

use std::time::{Duration, SystemTime};

use toolwave_proto::v1::{self, AttemptFailureKind};
use toolwave_telemetry::traces::{Kind, Span, TraceContext, Tracer, Value};
use tracing::field;

use crate::unacknowledged::{End, Ended};

/// What is kept of it while its tool runs.
pub(crate) struct Traced {
    /// What the tool hands on: its own span where there is one, else the attempt's.
    pub(crate) context: TraceContext,
    own: Option<Own>,
}

/// The tool's own span.
struct Own {
    attempt: TraceContext,
    started: SystemTime,
    attributes: Vec<(&'static str, Value)>,
}

impl Traced {
    /// `None`: the dispatch carries no trace.
    pub(crate) fn begin(
        tracer: &Tracer,
        dispatch: &v1::Dispatch,
        attempt: u32,
        bytes: usize,
    ) -> Option<Self> {
        if dispatch.traceparent.is_empty() {
            return None;
        }
        let of_attempt = TraceContext::parse(&dispatch.traceparent, &dispatch.tracestate)?;
        if !tracer.is_on() || !of_attempt.is_sampled() {
            return Some(Self {
                context: of_attempt,
                own: None,
            });
        }
        let text = |text: &str| Value::Text(text.into());
        let own = Own {
            started: SystemTime::now(),
            attributes: vec![
                ("toolwave.tool", text(&dispatch.tool_name)),
                ("toolwave.execution_id", text(&dispatch.execution_id)),
                ("toolwave.call_id", text(&dispatch.call_id)),
                ("toolwave.attempt", Value::Number(attempt.into())),
                ("toolwave.parameter_bytes", Value::Number(bytes as u64)),
            ],
            attempt: of_attempt,
        };
        Some(Self {
            context: own.attempt.child(),
            own: Some(own),
        })
    }

    /// Its tool has ended, so.
    pub(crate) fn ended(self, tracer: &Tracer, ended: &Ended) {
        let Some(mut own) = self.own else {
            return;
        };
        let failed = match &ended.end {
            End::Result(json) => {
                let bytes = Value::Number(json.len() as u64);
                own.attributes.push(("toolwave.result_bytes", bytes));
                None
            }
            // The tool's own code is contents.
            End::Failure(failure) => Some(kind(failure)),
        };
        let reason = failed.map(|reason| ("toolwave.reason", Value::Word(reason)));
        own.attributes.extend(reason);
        // Times that were measured nest, whatever becomes of the wall clock.
        let took = ended.execution_time.unwrap_or(Duration::ZERO);
        tracer.export(Span {
            context: self.context,
            parent: Some(own.attempt.span_id()),
            name: "tool".into(),
            kind: Kind::Server,
            started: own.started,
            ended: own.started + took,
            attributes: own.attributes,
            events: Vec::new(),
            failed: failed.map(Into::into),
        });
    }
}

/// For the log lines of a call, whatever their level.
pub(crate) fn log_span(dispatch: &v1::Dispatch, attempt: u32, traced: Option<&Traced>) -> tracing::Span {
    tracing::error_span!(
        "call",
        execution_id = dispatch.execution_id,
        call_id = dispatch.call_id,
        attempt,
        trace_id = traced.map(|traced| field::display(traced.context.trace_id())),
    )
}

fn kind(failure: &v1::AttemptFailure) -> &'static str {
    let kind = AttemptFailureKind::try_from(failure.kind).unwrap_or_default();
    let word = kind.as_str_name();
    word.strip_prefix("ATTEMPT_FAILURE_KIND_").unwrap_or(word)
}
