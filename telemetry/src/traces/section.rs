//! What an operator says of traces, the same for every program, and what must hold of it.

use toolwave_link::{Address, Link, Tls};

/// The most spans that may wait: each is a few hundred bytes.
const MOST_QUEUED: usize = 1_000_000;

/// Where traces go, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The OTLP receiver, over gRPC: `http://HOST:4317`, or `https` where its certificate comes from a CA that the
    /// system trusts; `None`: nothing is exported.
    pub endpoint: Option<String>,
    /// Of traces that begin here, the share that is recorded: 0 to 1.
    pub sample: f64,
    /// Of one execution.
    pub max_spans_per_execution: u32,
    /// Spans that wait to be sent; what is beyond is dropped.
    pub max_queued_spans: usize,
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}; expected {expected}")]
pub struct Wrong {
    /// Dotted.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub expected: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample: 0.01,
            max_spans_per_execution: 1_000,
            max_queued_spans: 8_192,
        }
    }
}

// === impl Settings ===

impl Settings {
    /// Every value that cannot be used.
    #[must_use]
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut say = |key, what: String, expected: &str| {
            let expected = expected.to_owned();
            wrong.push(Wrong { key, what, expected });
        };
        // Not a number is in no range.
        if !(0.0..=1.0).contains(&self.sample) {
            let what = format!("{} is no share", self.sample);
            say("traces.sample", what, "0 (none) to 1 (every execution)");
        }
        if self.max_spans_per_execution == 0 {
            say(
                "traces.max_spans_per_execution",
                "0 is too small".to_owned(),
                "at least 1; `sample = 0` records nothing",
            );
        }
        if !(1..=MOST_QUEUED).contains(&self.max_queued_spans) {
            let what = format!("{} is out of range", self.max_queued_spans);
            say("traces.max_queued_spans", what, "1 to 1000000");
        }
        if let Err(error) = self.link() {
            wrong.insert(0, error);
        }
        wrong
    }

    /// The way to the receiver.
    pub(super) fn link(&self) -> Result<Option<Link>, Wrong> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(None);
        };
        let wrong = |what: String| Wrong {
            key: "traces.endpoint",
            what,
            expected: "http://HOST:PORT or https://HOST:PORT of an OTLP receiver over gRPC, such as \
                       http://127.0.0.1:4317"
                .to_owned(),
        };
        let address = Address::parse(endpoint).map_err(|error| wrong(error.to_string()))?;
        let link = Link::try_new(&address, Tls::new(), |endpoint| endpoint);
        link.map(Some).map_err(|error| wrong(error.to_string()))
    }
}
