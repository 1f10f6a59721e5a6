//! What is said, and with which exit code, of command lines and plans that are wrong: `cases.json` against the binary.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{collections::BTreeMap, fs, net::TcpListener};

use serde::Deserialize;

use support::{Running, finish, toolwave};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    bytes: BTreeMap<String, Vec<u8>>,
    /// Files of so many zero bytes.
    #[serde(default)]
    zeros: BTreeMap<String, usize>,
    code: i32,
    /// All of them are there.
    stderr: Vec<String>,
    #[serde(default)]
    not_stderr: Vec<String>,
}

/// An address on which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

impl Case {
    /// What is wrong with how the command answered.
    fn run(&self) -> Option<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let nobody = nobody();
        let filled = |text: &str| text.replace("{nobody}", &nobody);
        for (name, text) in &self.files {
            fs::write(directory.path().join(name), text).expect("the file is written");
        }
        for (name, bytes) in &self.bytes {
            fs::write(directory.path().join(name), bytes).expect("the file is written");
        }
        for (name, length) in &self.zeros {
            fs::write(directory.path().join(name), vec![0; *length]).expect("the file is written");
        }
        let arguments = self.args.iter().map(|argument| filled(argument));
        let finished = finish(toolwave(directory.path()).args(arguments).envs(&self.env));
        let missing = self
            .stderr
            .iter()
            .map(|text| filled(text))
            .find(|text| !finished.stderr.contains(text));
        let wrong = if finished.code != Some(self.code) {
            format!("expected exit code {}", self.code)
        } else if let Some(text) = missing {
            format!("expected on standard error: {text}")
        } else if let Some(text) = self
            .not_stderr
            .iter()
            .find(|text| finished.stderr.contains(*text))
        {
            format!("not expected on standard error: {text:?}")
        } else if !finished.stdout.is_empty() {
            "expected nothing on standard output".to_owned()
        } else if finished.stderr.contains("panicked") || finished.stderr.contains("RUST_BACKTRACE") {
            "a panic".to_owned()
        } else {
            return None;
        };
        Some(format!("{}: {wrong}\n{finished:#?}", self.name))
    }
}

#[test]
fn wrong_input_is_named_and_has_its_exit_code() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).expect("the cases are JSON");
    let wrong: Vec<String> = cases.iter().filter_map(Case::run).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn help_and_version_are_answers() {
    let directory = tempfile::tempdir().unwrap();
    for (argument, expected) in [("--help", "Usage: toolwave"), ("--version", "toolwave 0.")] {
        let finished = finish(toolwave(directory.path()).arg(argument));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.contains(expected), "{finished:?}");
        assert_eq!(finished.stderr, "");
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_utf_8_are_file_names_or_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let directory = tempfile::tempdir().unwrap();
    let strange = OsStr::from_bytes(b"pl\xffan.yaml");
    fs::write(
        directory.path().join(strange),
        "calls: [{tool: echo, timeout: 5}]",
    )
    .unwrap();
    let finished = finish(toolwave(directory.path()).arg("plan").arg(strange));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("needs a unit"), "{finished:?}");
    let finished = finish(
        toolwave(directory.path())
            .args(["run", "p.yaml", "--allow"])
            .arg(strange),
    );
    assert_eq!(finished.code, Some(2), "{finished:?}");
}

#[test]
fn a_port_that_never_answers_is_no_coordinator() {
    // Connections wait in the listener's queue: they stand, and nothing is ever read from them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), "calls: [{tool: echo}]").unwrap();
    let start = |arguments: &[&str]| {
        Running::start(
            toolwave(directory.path())
                .args(arguments)
                .args(["--coordinator", &url]),
            None,
        )
    };
    for running in [start(&["workers"]), start(&["run", "plan.yaml"])] {
        let finished = running.finish();
        assert_eq!(finished.code, Some(69), "{finished:?}");
        assert!(finished.stderr.contains("no answer within 10 s"), "{finished:?}");
    }
}

#[test]
fn what_is_wrong_with_a_plan_is_told_even_when_nobody_can_judge_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("plan.yaml"),
        "calls: [{tool: echo, timeout: 5}]",
    )
    .unwrap();
    for command in ["run", "plan"] {
        let url = format!("http://{}", nobody());
        let finished = finish(toolwave(directory.path()).args([command, "plan.yaml", "--coordinator", &url]));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("needs a unit"), "{finished:?}");
    }
}
