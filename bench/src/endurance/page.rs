//! Writes docs/reliability.md from what was found: measures, the fault matrix, bad inputs, simulation and fuzzing; or
//! checks that it is what the files give. Measures nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::read;
use crate::{
    report::{
        markdown::Table,
        numbers::{number, range, with_unit},
    },
    results::{Figure, Results, median},
};

/// What the page is made of.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What `endure --out` wrote; the page goes beside its folder, and `runs.json` is read from it
    results: PathBuf,
    /// The folder with the data files of faults and bad inputs
    #[arg(long, default_value = "tests/data")]
    data: PathBuf,
    /// Write nothing; fail when the page is not what the files give
    #[arg(long)]
    check: bool,
}

/// What was run by hand, and how long: nothing here can be computed from the repository.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    simulation: Vec<Simulation>,
    fuzz: Vec<Fuzz>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulation {
    what: String,
    seeds: u64,
    command: String,
    found: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fuzz {
    target: String,
    minutes: u64,
    executions: u64,
    found: String,
}

/// A row of the fault matrix.
#[derive(Deserialize)]
struct Fault {
    id: String,
    fault: String,
    tests: Vec<String>,
    /// Why there is none.
    open: Option<String>,
}

/// How a figure must be.
enum Asked {
    AtLeast(f64),
    AtMost(f64),
    /// Of the runs' median: single runs are told as the range.
    MedianAtMost(f64),
    Exactly(f64),
    /// It is told, and nothing is asked of it.
    Nothing,
}

/// A figure of the page: scenario, variant, metric, what it is called, what is asked.
type Row = (&'static str, &'static str, &'static str, &'static str, Asked);

const ROWS: &[Row] = &[
    (
        "kills",
        "",
        "kills",
        "workers killed with -9, one at a time, under load",
        Asked::AtLeast(200.0),
    ),
    (
        "kills",
        "",
        "calls",
        "calls meanwhile, each with exactly one outcome",
        Asked::Nothing,
    ),
    (
        "kills",
        "",
        "repeated",
        "of those safe to repeat, attempts beyond the first",
        Asked::Nothing,
    ),
    (
        "kills",
        "",
        "unknown",
        "of those not safe to repeat, told UNKNOWN",
        Asked::Nothing,
    ),
    (
        "kills",
        "",
        "ran twice",
        "not safe to repeat, and run twice",
        Asked::Exactly(0.0),
    ),
    (
        "kills",
        "",
        "slots leaked",
        "slots not free at the end",
        Asked::Exactly(0.0),
    ),
    (
        "rolling",
        "",
        "restarts",
        "workers restarted one after another, under load",
        Asked::Nothing,
    ),
    ("rolling", "", "calls", "calls meanwhile", Asked::Nothing),
    (
        "rolling",
        "",
        "failed",
        "of them, not succeeded",
        Asked::Exactly(0.0),
    ),
    (
        "detection",
        "worker killed",
        "until its calls run elsewhere",
        "a killed worker's calls run elsewhere",
        Asked::AtMost(2.5),
    ),
    (
        "detection",
        "worker frozen",
        "until its calls run elsewhere",
        "a frozen worker's calls run elsewhere",
        Asked::AtMost(11.0),
    ),
    (
        "overload",
        "",
        "goodput/peak",
        "60 s at twice the capacity: goodput ÷ peak",
        Asked::AtLeast(0.9),
    ),
    (
        "overload",
        "",
        "refused",
        "of it refused, each with RetryInfo",
        Asked::Nothing,
    ),
    (
        "overload",
        "",
        "coordinator's memory before",
        "coordinator's memory before",
        Asked::Nothing,
    ),
    (
        "overload",
        "",
        "coordinator's largest memory",
        "coordinator's largest memory during it",
        Asked::Nothing,
    ),
    (
        "idle-workers",
        "",
        "memory of a worker",
        "5,000 idle workers: coordinator's memory for each",
        Asked::AtMost(60.0),
    ),
    (
        "idle-workers",
        "",
        "p99",
        "p99 of single calls among them",
        Asked::Nothing,
    ),
    (
        "idle-workers",
        "",
        "p99 ÷ p99 with 4",
        "÷ p99 with 4 workers",
        Asked::MedianAtMost(2.0),
    ),
    (
        "soak",
        "",
        "minutes",
        "soak with a kill every 20 s: minutes",
        Asked::AtLeast(30.0),
    ),
    ("soak", "", "kills", "kills in it", Asked::Nothing),
    ("soak", "", "calls", "calls in it", Asked::Nothing),
    (
        "soak",
        "",
        "ran twice",
        "not safe to repeat, and run twice",
        Asked::Exactly(0.0),
    ),
    (
        "soak",
        "",
        "slots leaked",
        "slots not free at the end",
        Asked::Exactly(0.0),
    ),
    (
        "soak",
        "",
        "memory slope",
        "coordinator's memory after the first quarter",
        Asked::Nothing,
    ),
    (
        "soak",
        "",
        "memory at the end",
        "coordinator's memory at the end",
        Asked::Nothing,
    ),
    (
        "soak",
        "",
        "descriptors more",
        "descriptors at the end, more than after the first minute",
        Asked::AtMost(0.0),
    ),
];

/// # Errors
/// A file that cannot be read or makes no sense; with `--check`, a page that is not up to date.
pub(crate) fn write(options: &Options) -> anyhow::Result<()> {
    let folder = options.results.parent().unwrap_or(Path::new("."));
    let text = page(
        &read(&options.results)?,
        &json(&folder.join("runs.json"))?,
        &options.data,
    )?;
    let path = folder.with_extension("md");
    if !options.check {
        return std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()));
    }
    if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
        bail!(
            "{} is not what the files give; `toolwave-bench endure-report` without --check writes it",
            path.display()
        );
    }
    Ok(())
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} makes no sense", path.display()))
}

fn page(results: &[Results], runs: &Runs, data: &Path) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Reliability: what was tried, and what came of it\n\n<!-- Generated by `toolwave-bench endure-report \
         docs/reliability/results.json`. Do not edit. -->\n\nThe promise that all of this is held against is in \
         [semantics.md](semantics.md). Every measure checks each call of it: one outcome, in request order; what is \
         not safe to repeat ran at most once, as the tools themselves wrote down when they ran.\n\n## Measures\n\n",
    );
    text.push_str(&measures(results));
    text.push_str(&taken(results));
    let faults: Vec<Fault> = json(&data.join("faults.json"))?;
    text.push_str(&matrix(&faults));
    text.push_str("\n## Bad inputs\n\n");
    text.push_str(&bad_inputs(data)?);
    text.push_str("\n## Simulation\n\n");
    let mut table = Table::new(1, &["what", "seeds", "command", "found"]);
    for run in &runs.simulation {
        table.row(vec![
            run.what.clone(),
            number(crate::measure::float(run.seeds)),
            format!("`{}`", run.command),
            run.found.clone(),
        ]);
    }
    text.push_str(&table.render());
    text.push_str("\n## Fuzzing\n\n");
    let mut table = Table::new(1, &["target", "minutes", "executions", "found"]);
    for run in &runs.fuzz {
        table.row(vec![
            run.target.clone(),
            run.minutes.to_string(),
            number(crate::measure::float(run.executions)),
            run.found.clone(),
        ]);
    }
    text.push_str(&table.render());
    Ok(text)
}

fn measures(results: &[Results]) -> String {
    let mut table = Table::new(1, &["measure", "asked", "found", "range", "held"]);
    for (scenario, variant, metric, words, asked) in ROWS {
        let figure = results
            .iter()
            .flat_map(|results| &results.figures)
            .find(|figure| {
                figure.scenario == *scenario && figure.variant == *variant && figure.metric == *metric
            });
        let Some(figure) = figure else {
            table.row(vec![
                (*words).to_owned(),
                asked.words(""),
                "not measured".to_owned(),
                String::new(),
                String::new(),
            ]);
            continue;
        };
        table.row(vec![
            (*words).to_owned(),
            asked.words(&figure.unit),
            with_unit(median(&figure.values), &figure.unit),
            spread(figure),
            asked.held(&figure.values).to_owned(),
        ]);
    }
    table.render()
}

fn spread(figure: &Figure) -> String {
    match range(&figure.values) {
        Some((least, most)) if figure.values.len() > 1 => format!("{} to {}", number(least), number(most)),
        _ => String::new(),
    }
}

fn taken(results: &[Results]) -> String {
    let mut text = String::from("\nTaken with:\n\n");
    for results in results {
        let machine = &results.machine;
        text.push_str(&format!(
            "- `{}` at {}, commit {}, on {} cores, {} MiB of memory, Linux {}\n",
            results.command, results.taken, results.commit, machine.cores, machine.memory_mib, machine.kernel
        ));
    }
    text
}

fn matrix(faults: &[Fault]) -> String {
    let tried: Vec<&Fault> = faults.iter().filter(|fault| !fault.tests.is_empty()).collect();
    let tests: usize = tried.iter().map(|fault| fault.tests.len()).sum();
    let mut text = format!(
        "\n## Faults\n\n{} of the {} faults of the matrix are tried, by {tests} tests with real processes, with a real \
         network between them, or with a simulated one: [faults.md](faults.md) names them. Not tried:\n\n",
        tried.len(),
        faults.len()
    );
    for fault in faults.iter().filter(|fault| fault.tests.is_empty()) {
        let why = fault.open.as_deref().unwrap_or_default();
        text.push_str(&format!("- {}, {}: {why}\n", fault.id, fault.fault));
    }
    text
}

/// Each data file is run by a test of its own, which fails at the first crash or wrong code.
fn bad_inputs(data: &Path) -> anyhow::Result<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("bad_") && name.ends_with(".json"))
        })
        .collect();
    files.sort();
    let mut table = Table::new(1, &["data file", "rows"]);
    let mut all = 0;
    for path in &files {
        let mut rows: Vec<Value> = json(path)?;
        rows.retain(|row| row.get("not_applicable").is_none_or(Value::is_null));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        all += rows.len();
        table.row(vec![name.unwrap_or_default(), rows.len().to_string()]);
    }
    Ok(format!(
        "{all} inputs, each run by a test that fails at a crash or a wrong answer: [bad-inputs.md](bad-inputs.md).\n\n{}",
        table.render()
    ))
}

impl Asked {
    fn words(&self, unit: &str) -> String {
        match self {
            Self::AtLeast(bound) => format!("at least {}", with_unit(*bound, unit)),
            Self::AtMost(bound) | Self::MedianAtMost(bound) => {
                format!("at most {}", with_unit(*bound, unit))
            }
            Self::Exactly(bound) => with_unit(*bound, unit),
            Self::Nothing => String::new(),
        }
    }

    /// Of every value, unless it says otherwise.
    fn held(&self, values: &[f64]) -> &'static str {
        let held = |good: &dyn Fn(f64) -> bool| {
            if values.iter().all(|value| good(*value)) {
                "yes"
            } else {
                "**no**"
            }
        };
        match self {
            Self::AtLeast(bound) => held(&|value| value >= *bound),
            Self::AtMost(bound) => held(&|value| value <= *bound),
            Self::MedianAtMost(bound) => held(&|_| median(values) <= *bound),
            Self::Exactly(bound) => held(&|value| (value - bound).abs() < f64::EPSILON),
            Self::Nothing => "",
        }
    }
}
