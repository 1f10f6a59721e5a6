//! The table of results: medians, with the machine that they hold for.

use std::fmt;

use toolwave_tests::Profile;

/// One measured figure.
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    ideal: Option<f64>,
    values: Vec<f64>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            unit,
            ideal: None,
            values: Vec::new(),
        }
    }

    /// What it would be if nothing cost anything.
    pub(crate) fn ideal(mut self, ideal: f64) -> Self {
        self.ideal = Some(ideal);
        self
    }

    pub(crate) fn of(mut self, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        self.values = values;
        self
    }

    fn median(&self) -> f64 {
        let (low, high) = (
            self.values[(self.values.len() - 1) / 2],
            self.values[self.values.len() / 2],
        );
        f64::midpoint(low, high)
    }
}

/// All of them, written as Markdown.
pub(crate) struct Table {
    profile: Profile,
    runs: usize,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(profile: Profile, runs: usize) -> Self {
        Self {
            profile,
            runs,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let (system, profile, runs) = (std::env::consts::OS, self.profile, self.runs);
        writeln!(
            f,
            "{cores} cores, {system} {}; {profile:?} build; medians of {runs} runs\n",
            kernel.trim()
        )?;
        writeln!(f, "| measure | median | unit | ideal | least | most |")?;
        writeln!(f, "| --- | ---: | --- | ---: | ---: | ---: |")?;
        for row in &self.rows {
            let ideal = row.ideal.map(shown).unwrap_or_default();
            let (least, most) = (shown(row.values[0]), shown(row.values[row.values.len() - 1]));
            writeln!(
                f,
                "| {} | {} | {} | {ideal} | {least} | {most} |",
                row.name,
                shown(row.median()),
                row.unit
            )?;
        }
        Ok(())
    }
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

#[allow(clippy::cast_precision_loss, reason = "counts and bytes stay below 2^53")]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}
