//! A span that has ended, and its form on the wire. It holds ids, names, times, sizes and codes: never what a call
//! carries, nor what a tool says in words.

use std::{
    borrow::Cow,
    num::NonZeroU64,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{self as wire, ResourceSpans, ScopeSpans, Status, span::SpanKind, status::StatusCode},
};

use super::TraceContext;

/// Longer texts of clients, such as ids of calls and names of unknown tools, are cut, in bytes.
const LONGEST_TEXT: usize = 256;

/// A part of a trace that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// Names it; carries the `tracestate`.
    pub context: TraceContext,
    /// The span above it in the same trace.
    pub parent: Option<NonZeroU64>,
    /// Few different ones: no ids in it.
    pub name: Cow<'static, str>,
    /// Where it stands between processes.
    pub kind: Kind,
    /// When it began.
    pub started: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened within.
    pub events: Vec<SpanEvent>,
    /// Why it did not succeed, in a word of these programs; a tool's own code is contents.
    pub failed: Option<Cow<'static, str>>,
}

/// Something that happened within a span.
#[derive(Clone, Debug)]
pub struct SpanEvent {
    /// One of few.
    pub name: &'static str,
    /// When.
    pub at: SystemTime,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
}

/// Where a span stands between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Within this one.
    Internal,
    /// It serves another process.
    Server,
    /// It waits for another process.
    Client,
}

/// Of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An id, a name or a code.
    Text(Arc<str>),
    /// A word of this program.
    Word(&'static str),
    /// A count, a size, or milliseconds.
    Number(u64),
    /// A fact.
    Flag(bool),
}

/// The program that exports.
#[derive(Clone, Debug)]
pub struct Service {
    /// `service.name`.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`.
    pub instance: String,
}

// === impl Service ===

impl Service {
    /// A request that sends these spans.
    pub(super) fn request(&self, spans: &[Span]) -> ExportTraceServiceRequest {
        let attributes = [
            ("service.name", self.name),
            ("service.version", self.version),
            ("service.instance.id", &self.instance),
        ];
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: attributes.map(|(key, text)| text_pair(key, text)).into(),
                    ..Resource::default()
                }),
                scope_spans: vec![ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "toolwave".to_owned(),
                        version: self.version.to_owned(),
                        ..InstrumentationScope::default()
                    }),
                    spans: spans.iter().map(Span::wire).collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }
}

// === impl Span ===

impl Span {
    fn wire(&self) -> wire::Span {
        let kind = match self.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
        };
        let status = self.failed.as_ref().map(|code| Status {
            code: StatusCode::Error.into(),
            message: code.to_string(),
        });
        let event = |event: &SpanEvent| wire::span::Event {
            time_unix_nano: nanoseconds(event.at),
            name: event.name.to_owned(),
            attributes: pairs(&event.attributes),
            ..wire::span::Event::default()
        };
        wire::Span {
            trace_id: self.context.trace_bytes().into(),
            span_id: self.context.span_id().get().to_be_bytes().into(),
            parent_span_id: self
                .parent
                .map_or_else(Vec::new, |parent| parent.get().to_be_bytes().into()),
            trace_state: self.context.tracestate().to_owned(),
            flags: u32::from(self.context.is_sampled()),
            name: cut(&self.name).to_owned(),
            kind: kind.into(),
            start_time_unix_nano: nanoseconds(self.started),
            end_time_unix_nano: nanoseconds(self.ended),
            attributes: pairs(&self.attributes),
            events: self.events.iter().map(event).collect(),
            status,
            ..wire::Span::default()
        }
    }
}

fn pairs(attributes: &[(&'static str, Value)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&'static str, Value)| match value {
        Value::Text(text) => text_pair(key, text),
        Value::Word(word) => text_pair(key, word),
        Value::Number(number) => {
            let number = i64::try_from(*number).unwrap_or(i64::MAX);
            key_value(key, any_value::Value::IntValue(number))
        }
        Value::Flag(flag) => key_value(key, any_value::Value::BoolValue(*flag)),
    };
    attributes.iter().map(pair).collect()
}

fn text_pair(key: &str, text: &str) -> KeyValue {
    key_value(key, any_value::Value::StringValue(cut(text).to_owned()))
}

fn key_value(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
