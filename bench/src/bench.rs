//! What a scenario gets: options, systems to measure, and a place for its figures.

use std::future::Future;

use anyhow::ensure;
use toolwave_tests::Binaries;

use crate::{
    cluster::{Cluster, Shape},
    floor::Floor,
    measure::{Meter, Spent, Watched, float},
    results::{At, CpuPerCall, Figure, median},
};

/// One measuring: made by `run`, handed from scenario to scenario.
pub(crate) struct Bench {
    binaries: Binaries,
    runs: u32,
    quick: bool,
    figures: Vec<Figure>,
    /// Systems that were started and not yet checked.
    unchecked: usize,
}

/// The figures of one system in one variant of a scenario, gathered run by run.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    scenario: String,
    system: String,
    variant: String,
    at: Option<At>,
    calls: u64,
    metrics: Vec<Metric>,
    /// Microseconds of a call, for each role, run by run.
    cpu: Vec<(&'static str, Vec<f64>)>,
}

#[derive(Clone, Debug)]
struct Metric {
    name: &'static str,
    unit: &'static str,
    values: Vec<f64>,
}

impl Bench {
    pub(crate) fn new(binaries: Binaries, runs: u32, quick: bool) -> Self {
        Self {
            binaries,
            runs,
            quick,
            figures: Vec::new(),
            unchecked: 0,
        }
    }

    /// How often each system is measured.
    pub(crate) fn runs(&self) -> u32 {
        self.runs
    }

    /// The size of something: the real one, or one that only shows that the bench works.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The programs that are measured, for those who start them their own way.
    pub(crate) fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// A new cluster. It is given back to [`Bench::end_cluster`].
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn cluster(&mut self, shape: Shape) -> anyhow::Result<Cluster> {
        let cluster = Cluster::start(&self.binaries, shape).await?;
        self.unchecked += 1;
        Ok(cluster)
    }

    /// The conservation check, and the end of the processes.
    ///
    /// # Errors
    /// When the run is void.
    pub(crate) fn end_cluster(&mut self, mut cluster: Cluster) -> anyhow::Result<()> {
        cluster.conserved()?;
        self.unchecked -= 1;
        Ok(())
    }

    /// A new floor. It is given back to [`Bench::end_floor`].
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn floor(&mut self) -> anyhow::Result<Floor> {
        let floor = Floor::start().await?;
        self.unchecked += 1;
        Ok(floor)
    }

    /// The conservation check, and the end of the processes.
    ///
    /// # Errors
    /// When the run is void.
    pub(crate) async fn end_floor(&mut self, floor: Floor) -> anyhow::Result<()> {
        floor.conserved().await?;
        self.unchecked -= 1;
        Ok(())
    }

    /// Keeps what a series found.
    pub(crate) fn record(&mut self, series: Series) {
        self.figures.extend(series.figures());
    }

    /// The figures kept so far.
    pub(crate) fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// # Errors
    /// When the last scenario left a system without its conservation check.
    pub(crate) fn all_checked(&self) -> anyhow::Result<()> {
        ensure!(
            self.unchecked == 0,
            "{} systems were not given back to be checked",
            self.unchecked
        );
        Ok(())
    }
}

/// Does something with the clock running, and the counters of the client and of these processes.
///
/// # Errors
/// Those of the work; a process that has ended.
pub(crate) async fn measured<T>(
    watched: &[Watched],
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Spent)> {
    let meter = Meter::start(watched)?;
    let done = work.await?;
    Ok((done, meter.stop()?))
}

impl Series {
    /// Of `system`: "toolwave" or "floor". `calls` are those of one run.
    pub(crate) fn new(scenario: &str, system: &str, calls: u64) -> Self {
        Self {
            scenario: scenario.to_owned(),
            system: system.to_owned(),
            variant: String::new(),
            at: None,
            calls,
            metrics: Vec::new(),
            cpu: Vec::new(),
        }
    }

    /// What is different from the scenario as it is.
    #[must_use]
    pub(crate) fn variant(mut self, variant: &str) -> Self {
        variant.clone_into(&mut self.variant);
        self
    }

    /// Where on a curve.
    #[must_use]
    pub(crate) fn at(mut self, name: &str, value: f64) -> Self {
        self.at = Some(At {
            name: name.to_owned(),
            value,
        });
        self
    }

    /// One run's value of a metric.
    pub(crate) fn add(&mut self, metric: &'static str, unit: &'static str, value: f64) {
        match self.metrics.iter_mut().find(|known| known.name == metric) {
            Some(known) => known.values.push(value),
            None => self.metrics.push(Metric {
                name: metric,
                unit,
                values: vec![value],
            }),
        }
    }

    /// One run's processor time, shared out among its calls.
    pub(crate) fn add_cpu(&mut self, spent: &Spent) {
        for (role, nanoseconds) in &spent.cpu {
            let microseconds = float(*nanoseconds) / 1e3 / float(self.calls.max(1));
            match self.cpu.iter_mut().find(|(known, _)| known == role) {
                Some((_, values)) => values.push(microseconds),
                None => self.cpu.push((role, vec![microseconds])),
            }
        }
    }

    /// One run's calls per second, and its processor time.
    pub(crate) fn add_throughput(&mut self, spent: &Spent) {
        self.add("throughput", "calls/s", float(self.calls) / spent.seconds());
        self.add_cpu(spent);
    }

    fn figures(self) -> impl Iterator<Item = Figure> {
        let cpu: Vec<CpuPerCall> = self
            .cpu
            .iter()
            .map(|(role, values)| CpuPerCall {
                process: (*role).to_owned(),
                microseconds: median(values),
            })
            .collect();
        self.metrics.into_iter().map(move |metric| Figure {
            scenario: self.scenario.clone(),
            system: self.system.clone(),
            variant: self.variant.clone(),
            metric: metric.name.to_owned(),
            unit: metric.unit.to_owned(),
            at: self.at.clone(),
            values: metric.values,
            cpu: cpu.clone(),
            calls: self.calls,
        })
    }
}
