//! Runs a subject of this same program under callgrind, and reads what it counted.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, bail, ensure};
use toolwave_bench_instructions::subjects::{BRACKETS, Subject};

/// The version of valgrind.
///
/// # Errors
/// It cannot be run.
pub(crate) fn version() -> anyhow::Result<String> {
    let output = output(Command::new("valgrind").arg("--version"))
        .context("instructions are counted by valgrind: install it with the system's package manager")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Counts the instructions of one `subject`, divided by how often it does what it is named for.
///
/// # Errors
/// It failed, or callgrind found nothing to count.
pub(crate) fn count(program: &Path, subject: &Subject, folder: &Path) -> anyhow::Result<u64> {
    let file = folder.join("counts");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={BRACKETS}"))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["subject", subject.name]);
    output(&mut command)?;
    let text = std::fs::read_to_string(&file).with_context(|| format!("no counts in {}", file.display()))?;
    let total = total(&text).context("callgrind's file has no line `totals:` with a number")?;
    ensure!(
        total / subject.times > 0,
        "callgrind saw nothing of {:?}: is there still a function that {BRACKETS} matches?",
        subject.name
    );
    Ok(total / subject.times)
}

/// What a callgrind file says was counted in all.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_its_line() {
        assert_eq!(total("events: Ir\nfn=(1) x\n5 900\ntotals: 12345\n"), Some(12345));
        assert_eq!(total("events: Ir\n"), None);
    }
}
