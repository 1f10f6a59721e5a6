//! Measures a cluster of the shipped programs beside the floor of the wire, on this machine, in one run.
//!
//! `cargo run --release -p toolwave-bench -- run --runs 5 --out docs/performance/results.json`. Nothing is
//! asserted of any time; a call that does not succeed, or a number that does not add up, ends the measuring.

mod arrivals;
mod bench;
mod cluster;
mod connections;
mod endurance;
mod floor;
mod graphs;
mod machine;
mod measure;
mod report;
mod results;
mod scenarios;
mod system;
mod table;
mod workloads;

use std::{net::SocketAddr, path::PathBuf, time::Instant};

use anyhow::Context as _;
use bench::Bench;
use clap::{Args, Parser, Subcommand};
use results::Results;
use toolwave_tests::{Binaries, Profile};

#[derive(Parser)]
#[command(about = "Measures toolwave beside the floor of the wire")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and print a table.
    Run(Run),
    /// Write the document, the plots and the README's figures from a result file, or check them.
    Report(report::Options),
    /// Kill, restart, freeze, crowd and overload a cluster, and hold every call against the promise.
    Endure(endurance::Options),
    /// Write docs/reliability.md from what was found, or check it.
    EndureReport(endurance::PageOptions),
    /// So many workers in one process: started by `endure`.
    #[command(hide = true)]
    IdleWorkers { coordinator: String, count: usize },
    /// The floor's relay: started by `run`.
    #[command(hide = true)]
    FloorRelay { echo_server: SocketAddr },
    /// The floor's echo server: started by `run`.
    #[command(hide = true)]
    FloorEchoServer,
}

#[derive(Args)]
struct Run {
    /// Measurings of each system in each scenario, taking turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only these scenarios, such as W1,W4b
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Small sizes: shows that the bench works, measures nothing.
    #[arg(long)]
    quick: bool,
    /// Binaries of the dev profile: to try the bench out, not to measure.
    #[arg(long)]
    dev: bool,
    /// Where to write the result file.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // the fastest flavour for clients and floor alike
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match options.command {
            Command::Run(options) => measure(&options).await,
            Command::Report(options) => report::write(&options),
            Command::Endure(options) => endurance::run(&options).await,
            Command::EndureReport(options) => endurance::write_page(&options),
            Command::IdleWorkers { coordinator, count } => {
                endurance::host_idle_workers(&coordinator, count).await
            }
            Command::FloorRelay { echo_server } => floor::serve_relay(echo_server).await,
            Command::FloorEchoServer => floor::serve_echo().await,
        }
    })
}

async fn measure(options: &Run) -> anyhow::Result<()> {
    let unknown = options
        .only
        .iter()
        .find(|name| !scenarios::NAMES.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        anyhow::bail!(
            "no scenario {unknown}; expected some of {}",
            scenarios::NAMES.join(",")
        );
    }
    let profile = if options.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    let taken = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let runs = options.runs;
    let mut bench = Bench::new(Binaries::built(profile)?, runs, options.quick);
    for name in scenarios::NAMES {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        let start = Instant::now();
        eprint!("{name} … ");
        scenarios::run(name, &mut bench)
            .await
            .with_context(|| format!("scenario {name}"))?;
        bench.all_checked().with_context(|| format!("scenario {name}"))?;
        eprintln!("{:.1} s", start.elapsed().as_secs_f64());
    }
    println!("{}", table::of(bench.figures()));
    if let Some(path) = &options.out {
        let results = Results {
            taken,
            commit: machine::commit(),
            command: machine::command(),
            machine: machine::here()?,
            runs,
            figures: bench.figures().to_vec(),
        };
        let mut text = serde_json::to_string_pretty(&results)?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
