//! Puts docs/performance.md together from a result file: its sections, in order. Every figure in it comes
//! from the file; a scenario that the file lacks is said to be missing.

use super::index::{FLOOR, Index, OURS, Row};
use super::markdown::Table;
use super::numbers::{coordinate, number, range, with_unit};
use super::peers::Peers;
use super::plots::Plot;
use super::targets::{TARGETS, Target, Verdict};
use super::words::{FURTHER, HOW, LIMITS, Scenario, WORKLOADS};
use crate::results::{CpuPerCall, Figure, median};

/// The whole document. `plots` lie in the folder `folder` beside it.
pub(super) fn document(index: &Index<'_>, peers: Option<&Peers>, plots: &[Plot], folder: &str) -> String {
    let mut text = head(index, folder);
    text.push_str("\n## How it is measured\n\n");
    text.push_str(HOW);
    text.push_str("\nThe workloads:\n\n");
    for Scenario { title, what, .. } in WORKLOADS {
        text.push_str(&format!("- **{title}**: {what}\n"));
    }
    text.push_str("\n## The workloads\n\n");
    let workloads: Vec<&Row<'_>> = WORKLOADS
        .iter()
        .flat_map(|known| index.rows_of(known.key))
        .collect();
    text.push_str(&figures(&workloads, true));
    text.push_str(&missing(index));
    text.push_str("\n### Processor time of a call\n\nµs of each process, medians. A call of W5 is one of the five of a turn.\n\n");
    text.push_str(&processor_time(index));
    for known in FURTHER {
        text.push_str(&format!("\n## {}\n\n{}\n\n", known.title, known.what));
        text.push_str(&section(index, known.key, plots, folder));
    }
    let known = |key: &str| {
        WORKLOADS
            .iter()
            .chain(FURTHER)
            .any(|scenario| scenario.key == key)
    };
    for scenario in index.scenarios().into_iter().filter(|scenario| !known(scenario)) {
        text.push_str(&format!("\n## {scenario}\n\n"));
        text.push_str(&section(index, scenario, plots, folder));
    }
    text.push_str("\n## Beside other systems\n\n");
    text.push_str(&match peers {
        Some(peers) => peers.section(index),
        None => "Other systems were not measured in this run. `bench/peers` measures them on the same \
                 workloads.\n"
            .to_owned(),
    });
    text.push_str("\n## What the figures do not say\n\n");
    text.push_str(LIMITS);
    text
}

fn head(index: &Index<'_>, folder: &str) -> String {
    let results = index.results;
    let machine = &results.machine;
    let (mut reached, mut judged) = (0, 0);
    for (row, target) in judgements(index) {
        judged += 1;
        reached += usize::from(target.verdict(row) == Verdict::Reached);
    }
    let mut text = format!(
        "# Performance\n\nWritten by `toolwave-bench report` from [{folder}/results.json]({folder}/results.json); \
         changes belong there.\n\n\
         | | |\n| --- | --- |\n\
         | machine | {}, {} cores for all processes together, {} MiB, Linux {} |\n\
         | compiler | {} |\n| commit | `{}` |\n| taken | {} |\n| runs | {} of each system |\n\n",
        machine.cpu,
        machine.cores,
        number_of(machine.memory_mib),
        machine.kernel.trim_start_matches("Linux "),
        machine.rustc,
        results.commit,
        results.taken,
        results.runs,
    );
    text.push_str(&format!("{reached} of {judged} targets are reached"));
    let missed: Vec<String> = judgements(index)
        .filter(|(row, target)| target.verdict(row) != Verdict::Reached)
        .map(|(row, target)| {
            format!(
                "{} {} ({})",
                row.key.scenario,
                case_and_metric(row),
                target.words()
            )
        })
        .collect();
    if !missed.is_empty() {
        text.push_str(&format!("; not: {}", missed.join(", ")));
    }
    text.push_str(".\n");
    let absent: Vec<String> = TARGETS
        .iter()
        .filter(|target| !index.rows.iter().any(|row| target.is_for(row)))
        .map(|target| format!("{} {} ({})", target.scenario, target.metric, target.words()))
        .collect();
    if !absent.is_empty() {
        text.push_str(&format!(
            "\nTargets whose figure is not in the file: {}.\n",
            absent.join(", ")
        ));
    }
    text.push_str(&format!(
        "\nTo repeat it, on a machine where nothing else runs:\n\n    taskset -c 0,1 {}\n    \
         taskset -c 0,1 bench/peers FOLDER\n    \
         cargo run --release -p toolwave-bench -- report docs/{folder}/results.json --readme README.md\n",
        results.command.trim_start_matches("taskset -c 0,1 "),
    ));
    text
}

fn number_of(whole: u64) -> String {
    // two to the 53rd MiB of memory are far
    #[expect(clippy::cast_precision_loss)]
    coordinate(whole as f64)
}

/// Every figure that a target is for.
fn judgements<'i, 'a>(index: &'i Index<'a>) -> impl Iterator<Item = (&'i Row<'a>, &'static Target)> {
    let ours = index.rows.iter().filter(|row| row.of(OURS).is_some());
    ours.flat_map(|row| {
        TARGETS
            .iter()
            .filter(|target| target.is_for(row))
            .map(move |target| (row, target))
    })
}

fn section(index: &Index<'_>, scenario: &str, plots: &[Plot], folder: &str) -> String {
    let rows: Vec<&Row<'_>> = index.rows_of(scenario).collect();
    if rows.is_empty() {
        return "This scenario is not in the result file.\n".into();
    }
    let mut text = figures(&rows, false);
    for plot in plots.iter().filter(|plot| plot.scenario == scenario) {
        text.push_str(&format!("\n![{}]({folder}/{})\n", plot.title, plot.file));
    }
    text
}

fn missing(index: &Index<'_>) -> String {
    let missing: Vec<&str> = WORKLOADS
        .iter()
        .map(|known| known.key)
        .filter(|key| !index.has(key))
        .collect();
    match missing.as_slice() {
        [] => String::new(),
        keys => format!("\nNot in the result file: {}.\n", keys.join(", ")),
    }
}

/// One row for each thing measured; a column for the floor, for targets, and for other systems, where the
/// rows have any.
fn figures(rows: &[&Row<'_>], with_scenario: bool) -> String {
    let floor = rows.iter().any(|row| row.of(FLOOR).is_some());
    let targets = rows
        .iter()
        .any(|row| TARGETS.iter().any(|target| target.is_for(row)));
    let mut table = Table::new(1, &["measure", "toolwave"]);
    if floor {
        table.column("floor");
        table.column("toolwave ÷ floor");
    }
    if targets {
        table.column("target");
        table.column("reached");
    }
    for row in rows {
        let mut name = case_and_metric(row);
        if with_scenario {
            name = format!("{} {name}", row.key.scenario);
        }
        if row.unit() != "ratio" {
            name.push_str(&format!(", {}", row.unit()));
        }
        let mut cells = vec![name, row.of(OURS).map(spread).unwrap_or_default()];
        if floor {
            cells.push(row.of(FLOOR).map(spread).unwrap_or_default());
            cells.push(row.ratio().map(number).unwrap_or_default());
        }
        if targets {
            let wanted: Vec<&Target> = TARGETS.iter().filter(|target| target.is_for(row)).collect();
            cells.push(joined(wanted.iter().map(|target| target.words())));
            cells.push(joined(
                wanted.iter().map(|target| target.verdict(row).word().to_owned()),
            ));
        }
        table.row(cells);
    }
    if table.is_empty() {
        String::new()
    } else {
        table.render()
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join("; ")
}

/// As in "four executions in flight, throughput" or "load 0.5, p50".
fn case_and_metric(row: &Row<'_>) -> String {
    let mut parts = Vec::new();
    if !row.key.variant.is_empty() {
        parts.push(row.key.variant.to_owned());
    }
    if let Some(at) = row.key.at {
        parts.push(format!("{} {}", at.name, coordinate(at.value)));
    }
    parts.push(row.key.metric.to_owned());
    parts.join(", ")
}

/// The median, with the least and the greatest behind it where there are several.
fn spread(figure: &Figure) -> String {
    let middle = number(median(&figure.values));
    match range(&figure.values) {
        Some((least, most)) if figure.values.len() > 1 => {
            format!("{middle} ({} to {})", number(least), number(most))
        }
        _ => middle,
    }
}

fn processor_time(index: &Index<'_>) -> String {
    let mut table = Table::new(1, &["workload", "toolwave", "sum", "floor", "sum"]);
    for known in WORKLOADS {
        let mut variants: Vec<&str> = Vec::new();
        for row in index.rows_of(known.key) {
            if !variants.contains(&row.key.variant) {
                variants.push(row.key.variant);
            }
        }
        for variant in variants {
            let ours = index.cpu(OURS, known.key, variant);
            let floor = index.cpu(FLOOR, known.key, variant);
            if ours.is_none() && floor.is_none() {
                continue;
            }
            let name = if variant.is_empty() {
                known.key.to_owned()
            } else {
                format!("{}, {variant}", known.key)
            };
            let mut cells = vec![name];
            for cpu in [ours, floor] {
                cells.push(cpu.map(each).unwrap_or_default());
                cells.push(cpu.map(sum).unwrap_or_default());
            }
            table.row(cells);
        }
    }
    if table.is_empty() {
        "There is none in the result file.\n".into()
    } else {
        table.render()
    }
}

fn each(cpu: &[CpuPerCall]) -> String {
    let parts = cpu
        .iter()
        .map(|cpu| format!("{} {}", cpu.process, number(cpu.microseconds)));
    parts.collect::<Vec<_>>().join(" + ")
}

fn sum(cpu: &[CpuPerCall]) -> String {
    number(cpu.iter().map(|cpu| cpu.microseconds).sum())
}

/// The median of a system with its unit, for running text and the README.
pub(super) fn middle(row: &Row<'_>, system: &str) -> Option<String> {
    Some(with_unit(row.median(system)?, row.unit()))
}
