//! What the command line takes, and whom it gives up on; what is wrong input is in `data/bad_input.json`.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{fs, net::TcpListener};

use support::{Running, finish, toolwave};

/// An address on which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
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
