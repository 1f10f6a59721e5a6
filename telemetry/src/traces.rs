//! Traces: the context that travels from client to tool (W3C Trace Context), and spans sent over OTLP.
//!
//! Spans are made directly, from what a program knows of an execution when a part of it has ended: there is no
//! subscriber between. Exporting never holds up who made a span; what cannot be sent is dropped, counted and told.

mod context;
mod exporter;
mod section;
mod span;
mod state;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::exporter::Exporter;
pub use self::{
    context::{TRACEPARENT, TRACESTATE, TraceContext, Traceparent},
    section::{Settings, Wrong},
    span::{Kind, Service, Span, SpanEvent, Value},
};

/// For what is queued to be sent at the end of a process.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Takes spans, where traces are exported. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    spans: mpsc::Sender<Span>,
    sample: f64,
    max_spans: u32,
    counts: Arc<Counts>,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// The task that sends spans. Dropped, it ends at once, and what is queued goes.
#[derive(Debug, Default)]
pub struct Exporting(Option<Running>);

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

// === impl Tracer ===

impl Tracer {
    /// Takes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Begins to export, in a task of the current runtime, where the settings name a receiver. Nothing is dialled
    /// before there is a span.
    ///
    /// # Errors
    /// What is wrong with the settings, first of all.
    pub fn start(settings: &Settings, service: Service) -> Result<(Self, Exporting), Wrong> {
        if let Some(wrong) = settings.check().into_iter().next() {
            return Err(wrong);
        }
        let Some(link) = settings.link()? else {
            return Ok((Self::off(), Exporting(None)));
        };
        // Bounded by settings: a receiver that is slow or gone must not cost memory.
        let (spans, arriving) = mpsc::channel(settings.max_queued_spans);
        let counts = Arc::new(Counts::default());
        let stop = CancellationToken::new();
        let exporter = Exporter::new(link, service, arriving, counts.clone(), stop.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(exporter.run()));
        let shared = Shared {
            spans,
            sample: settings.sample,
            max_spans: settings.max_spans_per_execution,
            counts,
        };
        Ok((
            Self(Some(Arc::new(shared))),
            Exporting(Some(Running { stop, task })),
        ))
    }

    /// Whether spans go anywhere.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The context of a trace that begins here, for the share of traces that is wanted.
    #[must_use]
    pub fn sample(&self) -> Option<TraceContext> {
        let shared = self.0.as_ref()?;
        (fastrand::f64() < shared.sample).then(TraceContext::root)
    }

    /// Spans of one execution, at most.
    #[must_use]
    pub fn max_spans(&self) -> u32 {
        self.0.as_ref().map_or(0, |shared| shared.max_spans)
    }

    /// Hands a span over. Never waits: where the queue is full, the span is dropped and counted.
    pub fn export(&self, span: Span) {
        if let Some(shared) = &self.0
            && shared.spans.try_send(span).is_err()
        {
            shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Spans that a receiver took.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.counted(|counts| &counts.exported)
    }

    /// Spans that were dropped: the queue was full, or no receiver took them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counted(|counts| &counts.dropped)
    }

    fn counted(&self, of: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |shared| of(&shared.counts).load(Ordering::Relaxed))
    }
}

// === impl Exporting ===

impl Exporting {
    /// Sends what is queued, for 3 s at the most, and ends.
    pub async fn shutdown(self) {
        if let Some(running) = self.0 {
            running.stop.cancel();
            let _ = tokio::time::timeout(FLUSH_WITHIN, running.task).await;
        }
    }
}
