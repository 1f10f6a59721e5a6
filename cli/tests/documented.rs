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

/// What a document says of `toolwave`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// A line to be typed as it is.
    Line(String),
    /// A name within a sentence, which may leave out what it needs.
    Mention(String),
}

/// Lines that are indented, or in a fence for a shell, or after a prompt; elsewhere what is within backquotes.
fn commands(document: &str) -> BTreeSet<Said> {
    let joined = document.replace("\\\n", " ");
    let mut found = BTreeSet::new();
    let mut fence = None;
    for line in joined.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fence = match fence {
                None => Some(language == "sh"),
                Some(_) => None,
            };
            continue;
        }
        let typed = line
            .strip_prefix("    ")
            .or(line.starts_with("$ ").then_some(line))
            .or((fence == Some(true)).then_some(line));
        match typed {
            Some(line) => found.extend(command(line).map(Said::Line)),
            None if fence.is_some() => {}
            None => found.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter_map(command)
                    .map(Said::Mention),
            ),
        }
    }
    found
}

fn command(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("$ ");
    text.starts_with("toolwave ").then(|| text.to_owned())
}

/// The words of a command after its program's name, up to what is the shell's.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '\'' => quoted = !quoted,
            ';' | '|' | '>' | '#' | '&' if !quoted => break,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words.split_off(1)
}

/// What is wrong with it, in the words of the command line's own reader.
fn wrong(said: &Said) -> Option<String> {
    let (Said::Line(command) | Said::Mention(command)) = said;
    let directory = tempfile::tempdir().unwrap();
    let mut program = toolwave(directory.path());
    program
        .env("TOOLWAVE_COORDINATOR", "http://127.0.0.1:1")
        .args(words(command));
    let stderr = Running::start(&mut program, None).finish().stderr;
    let refused = stderr.contains("try '--help'") || stderr.contains("Usage: toolwave");
    let incomplete = stderr.contains("required arguments were not provided")
        || stderr.contains("a value is required for")
        || stderr.contains("requires a subcommand");
    (refused && !(incomplete && matches!(said, Said::Mention(_)))).then_some(stderr)
}

#[test]
fn what_documents_tell_operators_to_type_is_a_command_with_those_flags() {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for path in documents() {
        for said in commands(&fs::read_to_string(&path).unwrap()) {
            if let Some(why) = wrong(&said) {
                problems.push(format!("{}: {said:?}: {why}", path.display()));
            }
            let (Said::Line(command) | Said::Mention(command)) = said;
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
        assert!(wrong(&Said::Mention(command.to_owned())).is_some(), "{command}");
    }
    // a sentence may leave out what a line may not
    let half = "toolwave run --from";
    assert_eq!(wrong(&Said::Mention(half.to_owned())), None);
    assert!(wrong(&Said::Line(half.to_owned())).is_some());

    let document = "say `toolwave limits`:\n\n    toolwave run a.yaml \\\n      --frist\n\n```sh\ntoolwave call a '{\"b\": 1}' --no # not\n```\n\
        ```\ntoolwave top drawn\n$ toolwave trace 4f01\n```\n";
    let found: Vec<_> = commands(document).into_iter().collect();
    assert_eq!(
        found,
        [
            Said::Line("toolwave call a '{\"b\": 1}' --no # not".to_owned()),
            Said::Line("toolwave run a.yaml        --frist".to_owned()),
            Said::Line("toolwave trace 4f01".to_owned()),
            Said::Mention("toolwave limits".to_owned()),
        ]
    );
    assert_eq!(found.iter().filter(|said| wrong(said).is_some()).count(), 2);
}
