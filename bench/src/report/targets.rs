//! What the project wants to reach, and whether a figure reaches it. The one place where a target's number
//! stands; what is measured comes from the result file.

use super::index::Row;
use super::numbers::coordinate;

/// A wish for the figures of one scenario and metric.
pub(super) struct Target {
    pub(super) scenario: &'static str,
    pub(super) metric: &'static str,
    /// A figure in another unit is none that the target is for.
    unit: &'static str,
    /// Whether it is for figures of this variant.
    variant: fn(&str) -> bool,
    measured: Measured,
    wish: Wish,
}

enum Measured {
    Value,
    /// Ours divided by the floor's of the same run.
    TimesFloor,
    /// Processor time that a call takes in one process of ours.
    Cpu(&'static str),
}

#[derive(Clone, Copy)]
enum Wish {
    AtLeast(f64),
    AtMost(f64),
}

/// Whether a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    Missed,
    /// The figure is there and the floor beside it, or the processor time, is not.
    Unknown,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reached => "yes",
            Self::Missed => "**no**",
            Self::Unknown => "not measured",
        }
    }
}

/// Barriers between waves are slower by their nature and are reported beside.
fn pipelined(variant: &str) -> bool {
    !variant.contains("barrier")
}

fn any(_: &str) -> bool {
    true
}

const fn target(
    scenario: &'static str,
    (metric, unit): (&'static str, &'static str),
    measured: Measured,
    wish: Wish,
) -> Target {
    Target {
        scenario,
        metric,
        unit,
        variant: any,
        measured,
        wish,
    }
}

const THROUGHPUT: (&str, &str) = ("throughput", "calls/s");
const P50: (&str, &str) = ("p50", "µs");
const P99: (&str, &str) = ("p99", "µs");
const IDEAL: (&str, &str) = ("ideal/measured", "ratio");
const MAKESPAN: (&str, &str) = ("makespan/bound", "ratio");

pub(super) static TARGETS: &[Target] = &[
    target("W1", THROUGHPUT, Measured::Value, Wish::AtLeast(250_000.0)),
    target("W1", THROUGHPUT, Measured::TimesFloor, Wish::AtLeast(0.65)),
    target("W1", THROUGHPUT, Measured::Cpu("coordinator"), Wish::AtMost(3.0)),
    target("W2", P50, Measured::TimesFloor, Wish::AtMost(1.35)),
    target("W2", P99, Measured::TimesFloor, Wish::AtMost(1.6)),
    target("W3", IDEAL, Measured::TimesFloor, Wish::AtLeast(0.95)),
    Target {
        variant: pipelined,
        ..target("W4", MAKESPAN, Measured::TimesFloor, Wish::AtMost(1.05))
    },
    Target {
        variant: pipelined,
        ..target("W4b", MAKESPAN, Measured::TimesFloor, Wish::AtMost(1.05))
    },
    target("W5", P50, Measured::TimesFloor, Wish::AtMost(1.35)),
    target(
        "W6",
        ("throughput", "MB/s"),
        Measured::TimesFloor,
        Wish::AtLeast(0.8),
    ),
    target("beside", P99, Measured::Value, Wish::AtMost(5_000.0)),
    target(
        "scheduler",
        ("time per call", "µs"),
        Measured::Value,
        Wish::AtMost(1.0),
    ),
    // with 1 KiB of parameters
    target(
        "queued-memory",
        ("per queued call", "B"),
        Measured::Value,
        Wish::AtMost(2_048.0),
    ),
    // at twice the capacity
    target(
        "overload",
        ("goodput/peak", "ratio"),
        Measured::Value,
        Wish::AtLeast(0.95),
    ),
];

impl Target {
    pub(super) fn is_for(&self, row: &Row<'_>) -> bool {
        let key = row.key;
        key.scenario == self.scenario
            && key.metric == self.metric
            && row.unit() == self.unit
            && (self.variant)(key.variant)
    }

    pub(super) fn verdict(&self, row: &Row<'_>) -> Verdict {
        let measured = match self.measured {
            Measured::Value => row.median(super::index::OURS),
            Measured::TimesFloor => row.ratio(),
            Measured::Cpu(process) => row.cpu(process),
        };
        match (measured, self.wish) {
            (None, _) => Verdict::Unknown,
            (Some(value), Wish::AtLeast(least)) if value >= least => Verdict::Reached,
            (Some(value), Wish::AtMost(most)) if value <= most => Verdict::Reached,
            (Some(_), _) => Verdict::Missed,
        }
    }

    /// As in "≥ 0.65 × floor".
    pub(super) fn words(&self) -> String {
        let (sign, value) = match self.wish {
            Wish::AtLeast(value) => ('≥', value),
            Wish::AtMost(value) => ('≤', value),
        };
        let value = coordinate(value);
        match self.measured {
            Measured::Value => format!("{sign} {value}"),
            Measured::TimesFloor => format!("{sign} {value} × floor"),
            Measured::Cpu(process) => format!("{process} {sign} {value} µs of processor a call"),
        }
    }
}
