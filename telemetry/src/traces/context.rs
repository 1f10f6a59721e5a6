//! The context of a trace, as W3C Trace Context has it: parsed from what came, written for what goes out.
//! What is malformed is ignored, as that says.

use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    str,
    sync::Arc,
};

use tonic::metadata::MetadataMap;

use super::state;

/// The header, metadata entry and field of that name.
pub const TRACEPARENT: &str = "traceparent";
/// The same, of what vendors keep in a trace.
pub const TRACESTATE: &str = "tracestate";

/// Of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// One span of a trace, and whether the trace is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: NonZeroU128,
    span_id: NonZeroU64,
    sampled: bool,
    state: Option<Arc<str>>,
}

/// A context as text; derefs to it.
#[derive(Clone, Copy)]
pub struct Traceparent([u8; LENGTH]);

// === impl TraceContext ===

impl TraceContext {
    /// A new trace that is recorded, and its first span.
    #[must_use]
    pub fn root() -> Self {
        Self {
            trace_id: NonZeroU128::new(fastrand::u128(1..)).unwrap_or(NonZeroU128::MIN),
            span_id: new_span(),
            sampled: true,
            state: None,
        }
    }

    /// Reads a `traceparent`, and the `tracestate` that came with it, empty where none did. `None`: it is malformed,
    /// and as if nothing had come. A malformed `tracestate` is dropped by itself.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: &str) -> Option<Self> {
        let (trace_id, span_id, sampled) = fields(traceparent.trim_matches([' ', '\t']))?;
        Some(Self {
            trace_id,
            span_id,
            sampled,
            state: state::good(tracestate).map(Into::into),
        })
    }

    /// Of a request: one `traceparent`, any number of `tracestate` entries.
    #[must_use]
    pub fn of_metadata(metadata: &MetadataMap) -> Option<Self> {
        let mut all = metadata.get_all(TRACEPARENT).iter();
        let traceparent = all.next()?.to_str().ok()?;
        // Two say nothing.
        if all.next().is_some() {
            return None;
        }
        let mut states = metadata.get_all(TRACESTATE).iter().map(|entry| entry.to_str());
        let tracestate = match (states.next(), states.next()) {
            (None, _) => "",
            (Some(Ok(only)), None) => only,
            _ => {
                let states: Result<Vec<&str>, _> = metadata
                    .get_all(TRACESTATE)
                    .iter()
                    .map(|entry| entry.to_str())
                    .collect();
                return Self::parse(traceparent, &states.map(|all| all.join(",")).unwrap_or_default());
            }
        };
        Self::parse(traceparent, tracestate)
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: new_span(),
            ..self.clone()
        }
    }

    /// The same, for what is not to be recorded below it.
    #[must_use]
    pub fn unsampled(&self) -> Self {
        Self {
            sampled: false,
            ..self.clone()
        }
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Names the span in its trace.
    #[must_use]
    pub fn span_id(&self) -> NonZeroU64 {
        self.span_id
    }

    /// As the receiver of spans wants it.
    pub(super) fn trace_bytes(&self) -> [u8; 16] {
        self.trace_id.get().to_be_bytes()
    }

    /// Of version 00; only the flag `sampled` is known.
    #[must_use]
    pub fn traceparent(&self) -> Traceparent {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&self.trace_id.get().to_be_bytes(), &mut text[3..35]);
        write_hex(&self.span_id.get().to_be_bytes(), &mut text[36..52]);
        text[54] = b'0' + u8::from(self.sampled);
        Traceparent(text)
    }

    /// What vendors keep in the trace, as it came; empty where nothing did.
    #[must_use]
    pub fn tracestate(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

fn new_span() -> NonZeroU64 {
    NonZeroU64::new(fastrand::u64(1..)).unwrap_or(NonZeroU64::MIN)
}

/// `version "-" trace-id "-" parent-id "-" flags`; versions after 00 may be longer.
fn fields(text: &str) -> Option<(NonZeroU128, NonZeroU64, bool)> {
    let bytes = text.as_bytes();
    let version = hex(bytes.get(..2)?)?;
    let known = match version {
        0 => bytes.len() == LENGTH,
        0xff => false,
        _ => bytes.len() == LENGTH || bytes.get(LENGTH) == Some(&b'-'),
    };
    if !known || [2, 35, 52].iter().any(|&at| bytes.get(at) != Some(&b'-')) {
        return None;
    }
    let trace_id = NonZeroU128::new(hex(&bytes[3..35])?)?;
    let span_id = NonZeroU64::new(u64::try_from(hex(&bytes[36..52])?).ok()?)?;
    let flags = hex(&bytes[53..55])?;
    Some((trace_id, span_id, flags & 1 == 1))
}

/// Lower case alone is good.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

fn write_hex(bytes: &[u8], digits: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

// === impl Traceparent ===

impl Traceparent {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits and dashes alone are written to it.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::ops::Deref for Traceparent {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self)
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
