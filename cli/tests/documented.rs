//! The commands of `toolwave` that documents tell operators to type are commands, with those flags: each is run as it is
//! written, in an empty directory, where no coordinator answers, and only a command line that is wrong counts.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use support::{Running, toolwave};

/// The documents for operators.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let mut found: Vec<PathBuf> = in_folder("docs")
        .chain(in_folder("deploy/runbooks"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    found.push(root.join("deploy/README.md"));
    found
}

/// What a document says of `toolwave`: in lines of their own, and within backquotes.
fn commands(document: &str) -> BTreeSet<String> {
    let joined = document.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("    "));
    let quoted = joined
        .lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    lines
        .chain(quoted)
        .filter(|text| text.starts_with("toolwave ") || text.starts_with("$ toolwave "))
        .map(|text| text.trim_start_matches("$ ").trim().to_owned())
        .collect()
}

/// The words of a command, up to what is the shell's.
fn words(command: &str) -> Vec<String> {
    let before = command
        .split([';', '|', '>', '#', '&'])
        .next()
        .unwrap_or_default();
    let words = before.split_whitespace().skip(1);
    words.map(|word| word.replace('\'', "")).collect()
}

/// What is wrong with it, in the words of the command line's own reader.
fn wrong(command: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let mut words = words(command);
    // alone it is the name of a command, which may want more than that
    if words.len() == 1 {
        words.push("--help".to_owned());
    }
    let mut program = toolwave(directory.path());
    program
        .env("TOOLWAVE_COORDINATOR", "http://127.0.0.1:1")
        .args(words);
    let finished = Running::start(&mut program, None).finish();
    let refused = finished.stderr.contains("try '--help'") || finished.stderr.contains("Usage: toolwave");
    refused.then_some(finished.stderr)
}

#[test]
fn what_documents_tell_operators_to_type_is_a_command_with_those_flags() {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for path in documents() {
        for command in commands(&fs::read_to_string(&path).unwrap()) {
            if let Some(why) = wrong(&command) {
                problems.push(format!("{}: `{command}`: {why}", path.display()));
            }
            seen.insert(command);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // those of the runbooks at least
    for command in [
        "toolwave limits",
        "toolwave cancel ID",
        "toolwave drain --resume WORKER",
    ] {
        assert!(seen.contains(command), "`{command}` is not found: {seen:?}");
    }
}

#[test]
fn a_command_or_a_flag_that_there_is_not_is_found() {
    for command in [
        "toolwave halt",
        "toolwave limits --colour red",
        "toolwave cancel ID OTHER",
    ] {
        assert!(wrong(command).is_some(), "{command}");
    }
    let found = commands("say `toolwave limits`:\n\n    toolwave run a.yaml \\\n      --frist\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|command| wrong(command).is_some()), "{found:?}");
}
