//! The table at the end of a run: medians of both systems beside each other, and the median of pairwise ratios.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::results::{Figure, median};

const HEADER: [&str; 9] = [
    "scenario",
    "variant",
    "at",
    "metric",
    "unit",
    "toolwave",
    "floor",
    "ratio",
    "CPU µs a call",
];

/// Every figure; those of the floor in the row of their counterpart.
pub(crate) fn of(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(HEADER);
    for column in 5..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for figure in figures {
        let floor = figures
            .iter()
            .find(|other| other.system == "floor" && same(figure, other));
        let ours = figures
            .iter()
            .any(|other| other.system == "toolwave" && same(figure, other));
        match figure.system.as_str() {
            "floor" if ours => {}
            "floor" => {
                table.add_row(row(figure, String::new(), Some(figure)));
            }
            _ => {
                table.add_row(row(figure, shown(median(&figure.values)), floor));
            }
        }
    }
    table
}

fn same(one: &Figure, other: &Figure) -> bool {
    one.scenario == other.scenario
        && one.variant == other.variant
        && one.metric == other.metric
        && one.at == other.at
}

fn row(figure: &Figure, ours: String, floor: Option<&Figure>) -> Vec<String> {
    let at = figure.at.as_ref();
    let cpu: Vec<String> = figure
        .cpu
        .iter()
        .map(|cpu| format!("{} {}", cpu.process, shown(cpu.microseconds)))
        .collect();
    vec![
        figure.scenario.clone(),
        figure.variant.clone(),
        at.map(|at| format!("{} {}", at.name, at.value))
            .unwrap_or_default(),
        figure.metric.clone(),
        figure.unit.clone(),
        ours,
        floor
            .map(|floor| shown(median(&floor.values)))
            .unwrap_or_default(),
        floor
            .filter(|floor| floor.system != figure.system)
            .map(|floor| format!("{:.2}", ratio(figure, floor)))
            .unwrap_or_default(),
        cpu.join(", "),
    ]
}

/// The median of the ratios of runs that were measured next to each other.
fn ratio(ours: &Figure, floor: &Figure) -> f64 {
    let ratios: Vec<f64> = ours
        .values
        .iter()
        .zip(&floor.values)
        .map(|(ours, floor)| ours / floor)
        .collect();
    median(&ratios)
}

/// Three digits or more.
fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 10.0 => 1,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
