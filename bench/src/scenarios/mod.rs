//! What is measured: a file for each group of scenarios, each of which adds its figures.

mod beside;
mod clients;
mod coordinator;
mod large;
mod latency;
mod load;
mod observed;
pub(crate) mod overload;
mod queued;
mod scheduler;
mod shapes;
mod sizes;
mod sleeps;
mod throughput;
mod workers;

use crate::bench::Bench;

/// In the order they are run.
pub(crate) const NAMES: &[&str] = &[
    "W1",
    "W2",
    "W3",
    "W4",
    "W4b",
    "W5",
    "W6",
    "planning",
    "scheduler",
    "memory",
    "open-loop",
    "clients",
    "workers",
    "execution-size",
    "shapes",
    "overload",
    "queued-memory",
    "beside",
    "observed",
];

/// Runs one of [`NAMES`].
///
/// # Errors
/// A system that does not start, a call that fails, or a run that is void.
pub(crate) async fn run(name: &str, bench: &mut Bench) -> anyhow::Result<()> {
    match name {
        "W1" => throughput::run(bench).await,
        "W2" => latency::single_calls(bench).await,
        "W3" => sleeps::independent(bench).await,
        "W4" => sleeps::even_graph(bench).await,
        "W4b" => sleeps::skewed_graph(bench).await,
        "W5" => latency::turns(bench).await,
        "W6" => large::run(bench).await,
        "planning" => coordinator::planning(bench).await,
        "scheduler" => scheduler::run(bench).await,
        "memory" => coordinator::memory(bench).await,
        "open-loop" => load::run(bench).await,
        "clients" => clients::run(bench).await,
        "workers" => workers::run(bench).await,
        "execution-size" => sizes::run(bench).await,
        "shapes" => shapes::run(bench).await,
        "overload" => overload::run(bench).await,
        "queued-memory" => queued::run(bench).await,
        "beside" => beside::run(bench).await,
        "observed" => observed::run(bench).await,
        unknown => anyhow::bail!("no scenario {unknown}; expected one of {}", NAMES.join(", ")),
    }
}
