//! Finds the curves of a result file, and says which of them are drawn together. Draws nothing itself.

use super::axis::Scale;
use super::drawing::{Curve, Drawing, Point};
use super::index::{FLOOR, Index, OURS};
use super::numbers::range;
use crate::results::median;

/// An SVG of one scenario.
pub(super) struct Plot {
    pub(super) scenario: &'static str,
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) svg: String,
}

struct Wanted {
    scenario: &'static str,
    file: &'static str,
    title: &'static str,
    metrics: &'static [&'static str],
    across: &'static str,
    upward: &'static str,
    x: Scale,
    y: Scale,
}

const WANTED: &[Wanted] = &[
    Wanted {
        scenario: "open-loop",
        file: "latency-load.svg",
        title: "Latency against load",
        metrics: &["p50", "p99"],
        across: "load, as a share of toolwave's measured peak",
        upward: "latency from the intended start",
        x: Scale::Linear,
        y: Scale::Logarithmic,
    },
    Wanted {
        scenario: "workers",
        file: "throughput-workers.svg",
        title: "Throughput against workers",
        metrics: &["throughput"],
        across: "workers",
        upward: "throughput",
        x: Scale::Logarithmic,
        y: Scale::Linear,
    },
    Wanted {
        scenario: "execution-size",
        file: "throughput-execution-size.svg",
        title: "Throughput against execution size",
        metrics: &["throughput"],
        across: "calls in an execution",
        upward: "throughput",
        x: Scale::Logarithmic,
        y: Scale::Linear,
    },
];

/// Every file that plots are written to, of whichever result file.
pub(super) fn files() -> impl Iterator<Item = &'static str> {
    WANTED.iter().map(|wanted| wanted.file)
}

/// The plots that the file has points for.
///
/// # Errors
/// When one cannot be drawn.
pub(super) fn plots(index: &Index<'_>) -> anyhow::Result<Vec<Plot>> {
    let mut plots = Vec::new();
    for wanted in WANTED {
        let curves = curves(index, wanted);
        if curves.is_empty() {
            continue;
        }
        let unit = index
            .rows_of(wanted.scenario)
            .find(|row| wanted.metrics.contains(&row.key.metric));
        let drawing = Drawing {
            title: wanted.title,
            across: wanted.across,
            upward: format!("{}, {}", wanted.upward, unit.map_or("", |row| row.unit())),
            x: wanted.x,
            y: wanted.y,
            curves,
        };
        plots.push(Plot {
            scenario: wanted.scenario,
            file: wanted.file,
            title: wanted.title,
            svg: drawing.svg()?,
        });
    }
    Ok(plots)
}

/// One for each system, variant and metric, in the order of the file, its points from left to right.
fn curves(index: &Index<'_>, wanted: &Wanted) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for system in [OURS, FLOOR].into_iter().chain(index.other_systems()) {
        for row in index.rows_of(wanted.scenario) {
            let (Some(at), Some(figure)) = (row.key.at, row.of(system)) else {
                continue;
            };
            let Some((least, most)) = range(&figure.values) else {
                continue;
            };
            let Some(metric) = wanted.metrics.iter().position(|metric| *metric == row.key.metric) else {
                continue;
            };
            let mut name = system.to_owned();
            for part in [
                row.key.variant,
                if wanted.metrics.len() > 1 {
                    row.key.metric
                } else {
                    ""
                },
            ] {
                if !part.is_empty() {
                    name.push_str(&format!(", {part}"));
                }
            }
            let point = Point {
                x: at.value,
                y: median(&figure.values),
                least,
                most,
            };
            match curves.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve {
                    name,
                    hollow: metric > 0,
                    points: vec![point],
                }),
            }
        }
    }
    for curve in &mut curves {
        curve.points.sort_by(|one, other| one.x.total_cmp(&other.x));
    }
    curves
}
