//! Writes the part of the README that holds figures: what stands between two markers, and nothing else.

use anyhow::{Context as _, ensure};

use super::document::middle;
use super::index::{FLOOR, Index, OURS, Row};
use super::markdown::Table;
use super::numbers::number;
use super::peers::Peers;

const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->\n";

/// Scenario, variant, metric.
type Shown = (&'static str, &'static str, &'static str);

/// A row of the README: its words, and the figures it shows.
const ROWS: &[(&str, &[Shown])] = &[
    (
        "calls that do nothing, in executions of 1,000, one execution after another / four at once",
        &[
            ("W1", "", "throughput"),
            ("W1", "four executions in flight", "throughput"),
        ],
    ),
    (
        "one call at a time, p50 / p99",
        &[("W2", "", "p50"), ("W2", "", "p99")],
    ),
    (
        "1,000 sleeps of 10 ms, 100 in flight: ideal ÷ measured",
        &[("W3", "", "ideal/measured")],
    ),
    (
        "20 layers of 50 calls, each on 3 calls of the layer before: makespan ÷ lower bound, even / skewed",
        &[("W4", "", "makespan/bound"), ("W4b", "", "makespan/bound")],
    ),
    (
        "an agent's turn of 5 calls, p50 / p99",
        &[("W5", "", "p50"), ("W5", "", "p99")],
    ),
    ("calls with 1 MiB in and out", &[("W6", "", "throughput")]),
    (
        "goodput at twice the capacity ÷ peak, slots / processors the bound",
        &[
            (
                "overload",
                "slots are the bound: sleeps of 10 ms, 64 slots",
                "goodput/peak",
            ),
            (
                "overload",
                "processors are the bound: calls that do nothing",
                "goodput/peak",
            ),
        ],
    ),
    (
        "coordinator's memory for a queued call with 1 KiB of parameters",
        &[("queued-memory", "", "per queued call")],
    ),
];

/// The README with its figures put in.
///
/// # Errors
/// When the markers are not there, each once and in order.
pub(super) fn with_figures(readme: &str, index: &Index<'_>, peers: Option<&Peers>) -> anyhow::Result<String> {
    let place = "between lines `<!-- bench:begin -->` and `<!-- bench:end -->` of the README";
    let (before, rest) = readme
        .split_once(BEGIN)
        .with_context(|| format!("figures go {place}: no first marker"))?;
    let (between, after) = rest
        .split_once(END)
        .with_context(|| format!("figures go {place}: no second marker"))?;
    ensure!(
        !between.contains(BEGIN) && !after.contains(END),
        "figures go {place}: there is more than one"
    );
    Ok(format!("{before}{BEGIN}{}{END}{after}", figures(index, peers)))
}

fn figures(index: &Index<'_>, peers: Option<&Peers>) -> String {
    let results = index.results;
    let mut text = format!(
        "Client, coordinator and worker as three processes on {} cores of a shared virtual machine, beside the \
         floor: a bare relay between client and echo server, which decides nothing. Medians of {} runs that take \
         turns; the ratio is of neighbouring runs. [docs/performance.md](docs/performance.md) has all of it: how it is \
         measured, ranges, latency under load, other systems, and how to repeat it.\n\n",
        results.machine.cores, results.runs
    );
    let mut table = Table::new(1, &["measure", "toolwave", "floor", "toolwave ÷ floor"]);
    for (words, keys) in ROWS {
        let rows: Vec<&Row<'_>> = keys
            .iter()
            .filter_map(|(scenario, variant, metric)| index.row(scenario, variant, metric))
            .collect();
        if rows.len() == keys.len() {
            table.row(vec![
                (*words).to_owned(),
                slashed(&rows, |row| middle(row, OURS)),
                slashed(&rows, |row| middle(row, FLOOR)),
                slashed(&rows, |row| row.ratio().map(number)),
            ]);
        }
    }
    if let Some(cpu) = index
        .row("W1", "", "throughput")
        .and_then(|row| row.cpu("coordinator"))
    {
        let words = "coordinator's processor time of a call that does nothing".to_owned();
        table.row(vec![
            words,
            format!("{} µs", number(cpu)),
            String::new(),
            String::new(),
        ]);
    }
    text.push_str(&table.render());
    for sentence in peers.map(|peers| peers.comparisons(index)).unwrap_or_default() {
        text.push_str(&format!("\n{sentence}\n"));
    }
    text
}

fn slashed(rows: &[&Row<'_>], cell: impl Fn(&Row<'_>) -> Option<String>) -> String {
    let cells: Option<Vec<String>> = rows.iter().map(|row| cell(row)).collect();
    cells.map(|cells| cells.join(" / ")).unwrap_or_default()
}
