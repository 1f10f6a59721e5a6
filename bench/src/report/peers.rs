//! Reads the lines that the benches of other systems wrote, and puts them into one table with ours.
//! Their repetitions are not made in turns with ours, so there are no ratios run by run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::index::{FLOOR, Index, OURS};
use super::markdown::Table;
use super::numbers::number;
use crate::results::{CpuPerCall, median};

/// Of the whole machine's processor time, by processes that had nothing to do with a bench.
const NOISE_PERCENT: f64 = 4.0;

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Head {
        taken: String,
        cores: u32,
        repetitions: u32,
    },
    Missing {
        peer: String,
        missing: String,
    },
    Failed {
        peer: String,
        variant: String,
        workload: String,
        error: String,
    },
    Measured(Measured),
}

#[derive(Deserialize)]
struct Measured {
    peer: String,
    variant: String,
    workload: String,
    metric: String,
    reps: Vec<f64>,
    #[serde(default)]
    foreign_pct: Vec<f64>,
    cpu_client_us: Option<f64>,
    cpu_server_us: Option<f64>,
}

/// What a system reached in one workload and metric.
#[derive(Default)]
struct Cell {
    repetitions: Vec<f64>,
    foreign: Vec<f64>,
    cpu: Option<String>,
}

#[derive(Default)]
struct System {
    name: String,
    /// By workload and metric, in the names of the peers' harness.
    cells: BTreeMap<(String, String), Cell>,
}

/// What a file of lines holds.
#[derive(Default)]
pub(super) struct Peers {
    head: Option<(String, u32, u32)>,
    systems: Vec<System>,
    /// Sentences on what there is no figure of.
    missing: Vec<String>,
}

/// A column: its head, the workload, the metric as the peers' harness names it and as ours does.
const COLUMNS: &[(&str, &str, &str, &str)] = &[
    ("W1, calls/s", "W1", "throughput", "throughput"),
    ("W2 p50, µs", "W2", "p50", "p50"),
    ("W2 p99, µs", "W2", "p99", "p99"),
    ("W3, ideal ÷ measured", "W3", "efficiency", "ideal/measured"),
    ("W4, makespan ÷ bound", "W4", "makespan_over_lb", "makespan/bound"),
    (
        "W4b, makespan ÷ bound",
        "W4b",
        "makespan_over_lb",
        "makespan/bound",
    ),
    ("W5 p50, µs", "W5", "p50", "p50"),
    ("W5 p99, µs", "W5", "p99", "p99"),
    ("W6, MB/s", "W6", "throughput", "throughput"),
];

/// The peers that W1 is compared with in words, since they are what a caller would otherwise use: the names
/// of the peer and its variant, and what it is.
const IN_PROCESS: &[(&str, &str)] = &[
    ("asyncio gather", "`asyncio.gather` in the caller's own process"),
    ("asyncio aiecs-2.2.0", "AIECS 2.2.0 in the caller's own process"),
];

impl Peers {
    /// # Errors
    /// A file that cannot be read; a line that is none of those that the benches write.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no file of peers", path.display()))
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut peers = Self::default();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let line: Line = serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
            peers.add(line).with_context(|| format!("line {}", index + 1))?;
        }
        Ok(peers)
    }

    fn add(&mut self, line: Line) -> anyhow::Result<()> {
        match line {
            Line::Head {
                taken,
                cores,
                repetitions,
            } => self.head = Some((taken, cores, repetitions)),
            Line::Missing { peer, missing } => self.missing.push(format!("{peer}: {missing}")),
            Line::Failed {
                peer,
                variant,
                workload,
                error,
            } => {
                self.missing
                    .push(format!("{peer} {variant}: {workload} ended with {error}"));
            }
            Line::Measured(measured) => {
                ensure!(!measured.reps.is_empty(), "there are no repetitions in it");
                let name = format!("{} {}", measured.peer, measured.variant);
                let cell = self
                    .system(name)
                    .cells
                    .entry((measured.workload, measured.metric))
                    .or_default();
                cell.repetitions.extend(measured.reps);
                cell.foreign.extend(measured.foreign_pct);
                if let (Some(client), Some(server)) = (measured.cpu_client_us, measured.cpu_server_us) {
                    cell.cpu = Some(format!("{} + {}", number(client), number(server)));
                }
            }
        }
        Ok(())
    }

    fn system(&mut self, name: String) -> &mut System {
        let at = match self.systems.iter().position(|system| system.name == name) {
            Some(at) => at,
            None => {
                self.systems.push(System {
                    name,
                    ..System::default()
                });
                self.systems.len() - 1
            }
        };
        &mut self.systems[at]
    }

    /// The section of the report.
    pub(super) fn section(&self, index: &Index<'_>) -> String {
        let mut text = String::from(
            "The same workloads, on the same cores, measured after ours and not in turns with them: medians of the repetitions.",
        );
        if let Some((taken, cores, repetitions)) = &self.head {
            text.push_str(&format!(
                " Taken {taken}; cores: {cores}; repetitions of each workload: {repetitions}."
            ));
        }
        text.push_str("\n\n");
        text.push_str(&self.table(index));
        text.push_str(&format!(
            "\n~: while it ran, other processes had more than {NOISE_PERCENT} % of the machine. An empty cell was not measured. In process a payload of W6 is handed over and not copied.\n"
        ));
        for sentence in self.comparisons(index) {
            text.push_str(&format!("\n{sentence}\n"));
        }
        if !self.missing.is_empty() {
            text.push_str("\nMissing:\n\n");
            for missing in &self.missing {
                text.push_str(&format!("- {missing}\n"));
            }
        }
        text
    }

    /// Ours, the floor and every peer.
    pub(super) fn table(&self, index: &Index<'_>) -> String {
        let mut heads = vec!["system"];
        heads.extend(COLUMNS.iter().map(|column| column.0));
        heads.push("processor time of a call in W1, µs: client + the rest");
        let mut table = Table::new(1, &heads);
        let others = index.other_systems();
        for system in [OURS, FLOOR].into_iter().chain(others) {
            let name = if system == FLOOR {
                "floor: a bare relay"
            } else {
                system
            };
            let mut cells = vec![if system == OURS {
                format!("**{name}**")
            } else {
                name.to_owned()
            }];
            cells.extend(COLUMNS.iter().map(|(_, workload, _, metric)| {
                let row = index.row(workload, "", metric);
                row.and_then(|row| row.median(system))
                    .map(number)
                    .unwrap_or_default()
            }));
            cells.push(
                index
                    .cpu(system, "W1", "")
                    .map(client_and_rest)
                    .unwrap_or_default(),
            );
            table.row(cells);
        }
        for system in &self.systems {
            let mut cells = vec![system.name.clone()];
            cells.extend(
                COLUMNS
                    .iter()
                    .map(|(_, workload, metric, _)| system.cell(workload, metric)),
            );
            let cpu = system.find("W1", "throughput").and_then(|cell| cell.cpu.clone());
            cells.push(cpu.unwrap_or_default());
            table.row(cells);
        }
        table.render()
    }

    /// Ours in W1 against each peer that runs in the caller's own process.
    pub(super) fn comparisons(&self, index: &Index<'_>) -> Vec<String> {
        let Some(ours) = index.row("W1", "", "throughput").and_then(|row| row.median(OURS)) else {
            return Vec::new();
        };
        let found = IN_PROCESS.iter().filter_map(|(name, what)| {
            let system = self.systems.iter().find(|system| system.name == *name)?;
            let theirs = median(&system.find("W1", "throughput")?.repetitions);
            let verdict = if ours > theirs { "faster" } else { "**not** faster" };
            Some(format!(
                "In W1 toolwave, across three processes, makes {} calls/s and {what} {}: it is {verdict} ({} ×).",
                number(ours),
                number(theirs),
                number(ours / theirs)
            ))
        });
        found.collect()
    }
}

impl System {
    fn find(&self, workload: &str, metric: &str) -> Option<&Cell> {
        self.cells.get(&(workload.to_owned(), metric.to_owned()))
    }

    fn cell(&self, workload: &str, metric: &str) -> String {
        let Some(cell) = self.find(workload, metric) else {
            return String::new();
        };
        let noisy = !cell.foreign.is_empty() && median(&cell.foreign) > NOISE_PERCENT;
        format!(
            "{}{}",
            number(median(&cell.repetitions)),
            if noisy { " ~" } else { "" }
        )
    }
}

fn client_and_rest(cpu: &[CpuPerCall]) -> String {
    let sum = |client: bool| -> f64 {
        cpu.iter()
            .filter(|cpu| (cpu.process == "client") == client)
            .map(|cpu| cpu.microseconds)
            .sum()
    };
    format!("{} + {}", number(sum(true)), number(sum(false)))
}
