//! Counts the instructions of every subject under callgrind and compares them with the committed baseline.
//! Fails when one grew, and when the baseline and the subjects are not the same.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use comfy_table::{Cell, CellAlignment, Table, presets};
use toolwave_bench_instructions::subjects::{FLAT, SUBJECTS};

use crate::baseline::{Comparison, Counts, LEEWAY_PERCENT, Verdict};

mod baseline;
mod callgrind;

/// Counts the instructions of what every call goes through; fails when a count grew by more than 10 %.
#[derive(Parser)]
struct Options {
    /// The committed counts.
    #[arg(long, default_value = "bench/instructions/baseline.toml")]
    baseline: PathBuf,
    /// Write what was counted into the baseline instead of comparing.
    #[arg(long)]
    update: bool,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Subcommand)]
enum Inner {
    /// Runs one subject: what callgrind is given.
    #[command(hide = true)]
    Subject { name: String },
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(Inner::Subject { name }) = options.inner {
        let subject = SUBJECTS.iter().find(|subject| subject.name == name);
        (subject
            .with_context(|| format!("no subject is named {name:?}"))?
            .run)();
        return Ok(ExitCode::SUCCESS);
    }
    let (compiler, target) = compiler()?;
    let now = count(compiler)?;
    let mut baseline = baseline::read(&options.baseline)?;
    let before = baseline.get(&target);
    let compared = baseline::compare(before.unwrap_or(&Counts::default()), &now);
    println!("{}", table(&compared, !options.update));
    if options.update {
        baseline.insert(target, now);
        baseline::write(&options.baseline, &baseline)?;
        println!("{} holds these counts now", options.baseline.display());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(before) = before else {
        bail!("no counts for {target} are recorded: `.ci/instructions --update` records them");
    };
    Ok(judge(before, &now, &compared, &options.baseline))
}

fn count(compiler: String) -> anyhow::Result<Counts> {
    let valgrind = callgrind::version()?;
    let program = std::env::current_exe().context("cannot find this program to run it under valgrind")?;
    let folder = tempfile::tempdir().context("no folder for callgrind's files")?;
    let mut now = Counts {
        compiler,
        valgrind,
        ..Counts::default()
    };
    for subject in SUBJECTS {
        let count = callgrind::count(&program, subject, folder.path())
            .with_context(|| format!("cannot count {:?}", subject.name))?;
        now.instructions.insert(subject.name.to_owned(), count);
    }
    Ok(now)
}

/// The compiler's version, and the target that it builds for where nothing else is said.
fn compiler() -> anyhow::Result<(String, String)> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    match (version, host) {
        (Some(version), Some(host)) => Ok((version.to_owned(), host.to_owned())),
        _ => bail!("`rustc -vV` says neither its version nor its host: {text}"),
    }
}

/// What was, what is, and, when it is `judged`, what that means.
fn table(compared: &[Comparison], judged: bool) -> Table {
    let number = |number: Option<u64>| {
        let text = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        Cell::new(text).set_alignment(CellAlignment::Right)
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["instructions", "baseline", "now", "change", ""]);
    for comparison in compared {
        let change = comparison.change().map(|percent| format!("{percent:+.1} %"));
        table.add_row([
            Cell::new(&comparison.subject),
            number(comparison.before),
            number(comparison.now),
            Cell::new(change.unwrap_or_default()).set_alignment(CellAlignment::Right),
            Cell::new(if judged { comparison.verdict.words() } else { "" }),
        ]);
    }
    table
}

/// Says what the comparison comes to.
fn judge(before: &Counts, now: &Counts, compared: &[Comparison], path: &Path) -> ExitCode {
    for (tool, was, is) in [
        ("compiler", &before.compiler, &now.compiler),
        ("valgrind", &before.valgrind, &now.valgrind),
    ] {
        if was != is {
            println!(
                "note: the baseline was taken with another {tool} ({was}, here {is}): counts may move by that alone"
            );
        }
    }
    let mut code = ExitCode::SUCCESS;
    if compared.iter().any(|comparison| comparison.verdict.fails()) {
        println!(
            "failed: a count grew by more than {LEEWAY_PERCENT} %, or the subjects are not those of {}. \
             Where that is meant, `.ci/instructions --update` records it.",
            path.display()
        );
        code = ExitCode::FAILURE;
    }
    if let Err(factor) = baseline::flat(now, FLAT) {
        println!(
            "failed: {:?} costs {factor:.2} times what {:?} costs",
            FLAT[1], FLAT[0]
        );
        code = ExitCode::FAILURE;
    }
    let shrank = |comparison: &Comparison| comparison.verdict == Verdict::Shrank;
    if compared.iter().any(shrank) {
        println!(
            "a count shrank by more than {LEEWAY_PERCENT} %: `.ci/instructions --update` holds the gain"
        );
    }
    code
}
