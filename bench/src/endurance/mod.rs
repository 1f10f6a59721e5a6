//! What must hold for minutes and hours rather than for a call: workers that are killed, restarted, frozen, crowds of
//! idle ones, overload. Beside the figures, every call is held against the promise.
//!
//! `toolwave-bench endure` runs it on the shipped programs; `docs/reliability.md` is written from its results.

mod detection;
mod idle;
mod kills;
mod load;
mod overload;
mod page;
mod rolling;
mod soak;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use toolwave_tests::{Binaries, Profile};

pub(crate) use self::{
    idle::host as host_idle_workers,
    page::{Options as PageOptions, write as write_page},
};
use crate::{bench::Bench, machine, results::Results, table};

/// In the order they are run.
const NAMES: &[&str] = &["kills", "rolling", "detection", "overload", "idle", "soak"];

/// What `endure` is asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these, such as kills,rolling
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long the soak lasts.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Small sizes: shows that it works, measures nothing.
    #[arg(long)]
    quick: bool,
    /// Binaries of the dev profile: to try it out, not to measure.
    #[arg(long)]
    dev: bool,
    /// A result file to add to.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// # Errors
/// A promise that was broken, or something that does not start.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(unknown) = options.only.iter().find(|name| !NAMES.contains(&name.as_str())) {
        anyhow::bail!(
            "nothing is called {unknown}; expected some of {}",
            NAMES.join(",")
        );
    }
    let profile = if options.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    let taken = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let mut bench = Bench::new(Binaries::built(profile)?, 3, options.quick);
    for name in NAMES {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        let start = Instant::now();
        eprint!("{name} … ");
        let done = match *name {
            "kills" => kills::run(&mut bench).await,
            "rolling" => rolling::run(&mut bench).await,
            "detection" => detection::run(&mut bench).await,
            "overload" => overload::run(&mut bench).await,
            "idle" => idle::run(&mut bench).await,
            _ => soak::run(&mut bench, options.minutes).await,
        };
        done.with_context(|| (*name).to_owned())?;
        bench.all_checked().context(*name)?;
        eprintln!("{:.1} s", start.elapsed().as_secs_f64());
    }
    println!("{}", table::of(bench.figures()));
    let Some(path) = &options.out else {
        return Ok(());
    };
    let results = Results {
        taken,
        commit: machine::commit(),
        command: machine::command(),
        machine: machine::here()?,
        runs: bench.runs(),
        figures: bench.figures().to_vec(),
    };
    add_to(path, results)
}

/// The file keeps the last run of each scenario, with where and when it was taken.
fn add_to(path: &Path, results: Results) -> anyhow::Result<()> {
    let mut all = if path.exists() { read(path)? } else { Vec::new() };
    let shown =
        |figures: &[crate::results::Figure], name: &str| figures.iter().any(|figure| figure.scenario == name);
    for earlier in &mut all {
        earlier
            .figures
            .retain(|figure| !shown(&results.figures, &figure.scenario));
    }
    all.retain(|earlier| !earlier.figures.is_empty());
    all.push(results);
    let mut text = serde_json::to_string_pretty(&all)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Vec<Results>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let results: Vec<Results> =
        serde_json::from_str(&text).with_context(|| format!("{} is no result file", path.display()))?;
    ensure!(!results.is_empty(), "{} holds no results", path.display());
    Ok(results)
}
