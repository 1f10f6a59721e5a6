//! What the figures hold for: the machine, the commit and the command.

use std::{fs, process::Command};

use anyhow::Context as _;

use crate::results::Machine;

/// # Errors
/// Where /proc is missing.
pub(crate) fn here() -> anyhow::Result<Machine> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("{path} cannot be read"));
    let cpus = read("/proc/cpuinfo")?;
    let memory = read("/proc/meminfo")?;
    let kibibytes =
        field(&memory, "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
    Ok(Machine {
        // not every kind of processor says its name
        cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        memory_mib: kibibytes.context("no MemTotal in /proc/meminfo")? / 1024,
        rustc: said("rustc", &["-V"]),
    })
}

/// The commit of the folder that this was built in, or "unknown".
pub(crate) fn commit() -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    said("git", &["-C", folder, "describe", "--always", "--dirty"])
}

/// The command line, with the program by its name only.
pub(crate) fn command() -> String {
    let arguments = std::env::args().skip(1);
    std::iter::once("toolwave-bench".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

/// What a program says, or "unknown".
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.ok().filter(|output| output.status.success());
    said.map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_how_many_cores_and_how_much_memory_it_has() {
        let machine = here().unwrap();
        assert!(machine.cores > 0 && machine.memory_mib > 0, "{machine:?}");
    }

    #[test]
    fn a_program_that_is_missing_says_unknown() {
        assert_eq!(said("no-such-program", &[]), "unknown");
    }
}
