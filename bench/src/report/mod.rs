//! Writes docs/performance.md, its plots and the README's figures from a result file, or checks that they are
//! what the file gives. Measures nothing; the same files give the same text to the letter.

mod axis;
mod document;
mod drawing;
mod index;
pub(crate) mod markdown;
pub(crate) mod numbers;
mod peers;
mod plots;
mod readme;
mod targets;
#[cfg(test)]
mod tests;
mod words;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use index::Index;
use peers::Peers;

use crate::results::Results;

/// What `report` is asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The result file; the document goes beside its folder, plots go into its folder
    results: PathBuf,
    /// What bench/peers wrote; if not given, peers.jsonl in the result file's folder, if it is there
    #[arg(long)]
    peers: Option<PathBuf>,
    /// A README whose figures are between markers
    #[arg(long)]
    readme: Option<PathBuf>,
    /// Write nothing; fail when what is there is not what the result file gives
    #[arg(long, conflicts_with = "table")]
    check: bool,
    /// Write nothing; print the table of all systems
    #[arg(long)]
    table: bool,
}

/// A file, and what it is to hold; none: it is not to be there.
#[derive(Debug, PartialEq)]
struct Output {
    path: PathBuf,
    text: Option<String>,
}

/// Does what `report` is asked for.
///
/// # Errors
/// A file that cannot be read or written, or that makes no sense; with `--check`, one that is not up to date.
pub(crate) fn write(options: &Options) -> anyhow::Result<()> {
    let results = read(&options.results)?;
    let shown = options.results.display();
    let index = Index::of(&results).with_context(|| format!("{shown} cannot be reported"))?;
    let folder = options.results.parent().unwrap_or(Path::new("."));
    let beside = folder.join("peers.jsonl");
    let peers = match &options.peers {
        Some(path) => Some(Peers::read(path)?),
        None if beside.exists() => Some(Peers::read(&beside)?),
        None => None,
    };
    if options.table {
        print!("{}", peers.unwrap_or_default().table(&index));
        return Ok(());
    }
    let outputs = outputs(&index, peers.as_ref(), folder, options.readme.as_deref())?;
    if options.check {
        return check(&outputs);
    }
    for Output { path, text } in &outputs {
        match text {
            Some(text) => {
                std::fs::write(path, text)
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
            None if path.exists() => {
                std::fs::remove_file(path)
                    .with_context(|| format!("{} cannot be removed", path.display()))?;
            }
            None => {}
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no result file", path.display()))
}

/// Every file that the report is made of.
fn outputs(
    index: &Index<'_>,
    peers: Option<&Peers>,
    folder: &Path,
    readme: Option<&Path>,
) -> anyhow::Result<Vec<Output>> {
    let name = folder.file_name().and_then(OsStr::to_str);
    let name = name.context("the result file is to lie in a folder that the document is named after")?;
    let plots = plots::plots(index)?;
    let text = document::document(index, peers, &plots, name);
    let mut outputs = vec![Output {
        path: folder.with_extension("md"),
        text: Some(text),
    }];
    for file in plots::files() {
        let plot = plots.iter().find(|plot| plot.file == file);
        outputs.push(Output {
            path: folder.join(file),
            text: plot.map(|plot| plot.svg.clone()),
        });
    }
    if let Some(path) = readme {
        let before =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let text = readme::with_figures(&before, index, peers)
            .with_context(|| format!("{} cannot take the figures", path.display()))?;
        outputs.push(Output {
            path: path.to_owned(),
            text: Some(text),
        });
    }
    Ok(outputs)
}

fn check(outputs: &[Output]) -> anyhow::Result<()> {
    let stale = outputs
        .iter()
        .filter(|output| std::fs::read_to_string(&output.path).ok() != output.text);
    let stale: Vec<String> = stale.map(|output| output.path.display().to_string()).collect();
    if !stale.is_empty() {
        bail!(
            "not what the result file gives: {}; `toolwave-bench report` without --check writes it",
            stale.join(", ")
        );
    }
    Ok(())
}
