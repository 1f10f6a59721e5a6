//! The page that a scraper reads, in the text format of Prometheus: families with their help and type, and their
//! samples together.

use std::fmt::Write as _;

use super::Histogram;

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// By size.
    Histogram,
}

/// A number of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole one.
    Whole(i128),
    /// Any.
    Real(f64),
}

/// Where families are written, one after the other.
#[derive(Debug, Default)]
pub struct Page(String);

/// Where the samples of one family are written.
pub struct Family<'page> {
    page: &'page mut String,
    name: &'static str,
}

// === impl Page ===

impl Page {
    /// Begins a family. Its help says what is counted, in which unit.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing into a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family {
            page: &mut self.0,
            name,
        }
    }

    /// A family with one sample and no labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Into<Value>) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

// === impl Family ===

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Value>) {
        self.line("", labels, None, value.into());
    }

    /// All samples of a histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let (buckets, count, sum) = histogram.read();
        for (bound, up_to) in buckets {
            self.line("_bucket", labels, Some(bound), up_to.into());
        }
        self.line("_bucket", labels, Some("+Inf"), count.into());
        self.line("_sum", labels, None, sum.into());
        self.line("_count", labels, None, count.into());
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<&str>, value: Value) {
        self.page.push_str(self.name);
        self.page.push_str(suffix);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (name, value) in labels {
            self.page.push(separator);
            separator = ',';
            self.page.push_str(name);
            self.page.push_str("=\"");
            escape(self.page, value);
            self.page.push('"');
        }
        if separator == ',' {
            self.page.push('}');
        }
        let _ = match value {
            Value::Whole(value) => writeln!(self.page, " {value}"),
            Value::Real(value) if value.is_nan() => writeln!(self.page, " NaN"),
            Value::Real(f64::INFINITY) => writeln!(self.page, " +Inf"),
            Value::Real(f64::NEG_INFINITY) => writeln!(self.page, " -Inf"),
            Value::Real(value) => writeln!(self.page, " {value}"),
        };
    }
}

fn escape(page: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            c => page.push(c),
        }
    }
}

macro_rules! whole {
    ($($type:ty)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::Whole(value as i128)
            }
        }
    )*};
}

whole!(u32 u64 i64 usize bool);

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}
