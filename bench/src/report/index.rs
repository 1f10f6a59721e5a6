//! Finds figures in a result file, and refuses a file that says nothing sure. Writes no text of the report.

use anyhow::{Context as _, bail, ensure};

use super::numbers::paired_ratio;
use crate::results::{At, CpuPerCall, Figure, Results, median};

pub(super) const OURS: &str = "toolwave";
pub(super) const FLOOR: &str = "floor";

/// What is measured, whichever system it is measured of.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) scenario: &'a str,
    pub(super) variant: &'a str,
    pub(super) metric: &'a str,
    pub(super) at: Option<&'a At>,
}

impl<'a> Key<'a> {
    fn of(figure: &'a Figure) -> Self {
        let Figure {
            scenario,
            variant,
            metric,
            ..
        } = figure;
        Self {
            scenario,
            variant,
            metric,
            at: figure.at.as_ref(),
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        let at = |key: &Self| key.at.map(|at| (at.name.clone(), at.value.to_bits()));
        (self.scenario, self.variant, self.metric) == (other.scenario, other.variant, other.metric)
            && at(self) == at(other)
    }
}

/// One thing that was measured, with the figure of each system that it was measured of.
pub(super) struct Row<'a> {
    pub(super) key: Key<'a>,
    figures: Vec<&'a Figure>,
}

impl<'a> Row<'a> {
    pub(super) fn of(&self, system: &str) -> Option<&'a Figure> {
        self.figures
            .iter()
            .copied()
            .find(|figure| figure.system == system)
    }

    pub(super) fn median(&self, system: &str) -> Option<f64> {
        Some(median(&self.of(system)?.values))
    }

    /// Ours divided by the floor's, run by run.
    pub(super) fn ratio(&self) -> Option<f64> {
        paired_ratio(&self.of(OURS)?.values, &self.of(FLOOR)?.values)
    }

    pub(super) fn unit(&self) -> &'a str {
        self.figures.first().map_or("", |figure| figure.unit.as_str())
    }

    /// Processor time of one call in the named process of ours.
    pub(super) fn cpu(&self, process: &str) -> Option<f64> {
        let found = self.of(OURS)?.cpu.iter().find(|cpu| cpu.process == process)?;
        Some(found.microseconds)
    }
}

/// A result file with its figures put side by side, in the order of the file.
pub(super) struct Index<'a> {
    pub(super) results: &'a Results,
    pub(super) rows: Vec<Row<'a>>,
}

impl<'a> Index<'a> {
    /// # Errors
    /// A figure without values, with a value that is no number, with another unit than the figure beside it,
    /// or one that stands there twice.
    pub(super) fn of(results: &'a Results) -> anyhow::Result<Self> {
        let mut rows: Vec<Row<'a>> = Vec::new();
        for figure in &results.figures {
            check(figure).with_context(|| name(figure))?;
            let key = Key::of(figure);
            match rows.iter_mut().find(|row| row.key == key) {
                None => rows.push(Row {
                    key,
                    figures: vec![figure],
                }),
                Some(row) => {
                    ensure!(
                        row.of(&figure.system).is_none(),
                        "{}: is there twice",
                        name(figure)
                    );
                    let unit = row.unit();
                    ensure!(
                        unit == figure.unit,
                        "{}: is in {}, and in {unit} of another system",
                        name(figure),
                        figure.unit
                    );
                    row.figures.push(figure);
                }
            }
        }
        if rows.is_empty() {
            bail!("there are no figures in it");
        }
        Ok(Self { results, rows })
    }

    pub(super) fn rows_of<'s>(&'s self, scenario: &'s str) -> impl Iterator<Item = &'s Row<'a>> {
        self.rows.iter().filter(move |row| row.key.scenario == scenario)
    }

    pub(super) fn has(&self, scenario: &str) -> bool {
        self.rows_of(scenario).next().is_some()
    }

    /// The figure without a coordinate.
    pub(super) fn row(&self, scenario: &str, variant: &str, metric: &str) -> Option<&Row<'a>> {
        let key = Key {
            scenario,
            variant,
            metric,
            at: None,
        };
        self.rows.iter().find(|row| row.key == key)
    }

    /// Every scenario, in the order of the file.
    pub(super) fn scenarios(&self) -> Vec<&'a str> {
        let mut scenarios = Vec::new();
        for row in &self.rows {
            if !scenarios.contains(&row.key.scenario) {
                scenarios.push(row.key.scenario);
            }
        }
        scenarios
    }

    /// Systems beside ours and the floor, in the order of the file.
    pub(super) fn other_systems(&self) -> Vec<&'a str> {
        let mut systems = Vec::new();
        for figure in &self.results.figures {
            let system = figure.system.as_str();
            if system != OURS && system != FLOOR && !systems.contains(&system) {
                systems.push(system);
            }
        }
        systems
    }

    /// Processor time per call of a system's processes: of the first figure that has any, since the figures
    /// of one scenario and variant come of the same runs.
    pub(super) fn cpu(&self, system: &str, scenario: &str, variant: &str) -> Option<&'a [CpuPerCall]> {
        let mut rows = self.rows_of(scenario).filter(|row| row.key.variant == variant);
        rows.find_map(|row| row.of(system).filter(|figure| !figure.cpu.is_empty()))
            .map(|figure| figure.cpu.as_slice())
    }
}

fn check(figure: &Figure) -> anyhow::Result<()> {
    ensure!(!figure.values.is_empty(), "has no values");
    ensure!(
        figure.values.iter().all(|value| value.is_finite()),
        "has a value that is no number"
    );
    Ok(())
}

fn name(figure: &Figure) -> String {
    let Figure {
        system,
        scenario,
        variant,
        metric,
        ..
    } = figure;
    let at = figure
        .at
        .as_ref()
        .map(|at| format!(" at {} {}", at.name, at.value));
    format!(
        "{metric} of {system} in {scenario} {variant:?}{}",
        at.unwrap_or_default()
    )
}
