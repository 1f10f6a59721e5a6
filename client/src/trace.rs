//! The trace that a caller is in, for the coordinator to go on with: the headers of W3C Trace Context.

use tonic::codegen::http::{HeaderMap, HeaderValue};

use crate::ClientError;

pub(crate) const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// What is sent with each request.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

// === impl Trace ===

impl Trace {
    pub(crate) fn try_new(traceparent: &str, tracestate: &str) -> Result<Self, ClientError> {
        let wrong = |header: &str, reason: &str| ClientError::Credentials {
            problems: vec![format!("{header}: {reason}")],
        };
        let parent = HeaderValue::from_str(traceparent)
            .ok()
            .filter(|_| is_traceparent(traceparent));
        let parent = parent.ok_or_else(|| {
            let expected =
                "is malformed; expected such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            wrong(TRACEPARENT, expected)
        })?;
        let state = match tracestate {
            "" => None,
            text => Some(
                HeaderValue::from_str(text)
                    .map_err(|_| wrong(TRACESTATE, "cannot be a header; expected printable ASCII"))?,
            ),
        };
        Ok(Self { parent, state })
    }

    /// The span that is current in the context of the caller; `None` where there is none.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn current() -> Option<Self> {
        use opentelemetry::{Context, trace::TraceContextExt as _};

        let context = Context::current();
        let span = context.span();
        let span = span.span_context();
        if !span.is_valid() {
            return None;
        }
        let sampled = u8::from(span.is_sampled());
        let parent = format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id());
        Self::try_new(&parent, &span.trace_state().header()).ok()
    }

    #[cfg(not(feature = "opentelemetry"))]
    pub(crate) fn current() -> Option<Self> {
        None
    }

    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent);
        if let Some(state) = self.state {
            headers.insert(TRACESTATE, state);
        }
    }
}

/// A request that is part of the trace.
pub(crate) fn request<M>(trace: Option<&Trace>, message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    if let Some(trace) = trace {
        trace.clone().put(request.metadata_mut().as_mut());
    }
    request
}

/// Version, trace, span and flags, in lower case; what follows belongs to later versions.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let all_zero = |part: &str| part.bytes().all(|digit| digit == b'0');
    let [version, trace, span, flags, more @ ..] = parts.as_slice() else {
        return false;
    };
    let good = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    good && *version != "ff" && (more.is_empty() || *version != "00") && !all_zero(trace) && !all_zero(span)
}
