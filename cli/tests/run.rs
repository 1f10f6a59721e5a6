//! `toolwave run` and `toolwave plan` with the cluster that they start themselves.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::json;
use support::{Finished, Running, finish, result, toolwave, until_said, wait};

/// Writes a plan and runs it, with JSON for an answer.
fn run(plan: &str, flags: &[&str]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), plan).unwrap();
    finish(
        toolwave(directory.path())
            .args(["run", "plan.yaml", "--output", "json"])
            .args(flags),
    )
}

fn text(plan: &str, flags: &[&str]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), plan).unwrap();
    finish(toolwave(directory.path()).args(["run", "plan.yaml"]).args(flags))
}

fn plan_command(directory: &Path, plan: &str, flags: &[&str]) -> Finished {
    fs::write(directory.join("plan.yaml"), plan).unwrap();
    finish(toolwave(directory).args(["plan", "plan.yaml"]).args(flags))
}

const CHAIN: &str = "
calls:
  - {id: a, tool: calculator, parameters: {expression: 6 * 7}}
  - {id: b, tool: echo, parameters: {number: '${a.result.number}', text: 'it is ${a.result.value}'}}
  - {tool: hash, parameters: {text: '${b.result.text}'}, depends_on: [a]}
";

#[test]
fn results_come_in_the_plans_order_with_references_filled_in() {
    let finished = run(CHAIN, &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let document = finished.json();
    let ids: Vec<_> = document["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["id"])
        .collect();
    assert_eq!(ids, ["a", "b", "2"]);
    assert_eq!(
        result(&document, "b")["result"],
        json!({"number": 42, "text": "it is 42"})
    );
    assert_eq!(result(&document, "2")["wave"], 2);
    assert_eq!(document["summary"]["outcomes"], json!({"SUCCEEDED": 3}));
    assert_eq!(document["summary"]["waves"], 3);
}

#[test]
fn standard_input_is_a_plan_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = toolwave(directory.path());
    command.args(["run", "-", "--output", "json"]);
    let plan = r#"{"calls": [{"tool": "echo", "parameters": {"value": 1}}]}"#;
    let finished = Running::start(&mut command, Some(plan)).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(result(&finished.json(), "0")["result"], json!({"value": 1}));
}

#[test]
fn integers_of_64_bits_survive_the_whole_way() {
    let finished = run(
        "calls: [{tool: echo, parameters: {big: 18446744073709551615, odd: 9007199254740993}}]",
        &[],
    );
    assert!(finished.stdout.contains("18446744073709551615"), "{finished:?}");
    assert!(finished.stdout.contains("9007199254740993"), "{finished:?}");
}

#[test]
fn json_output_is_one_document_with_the_log_beside_it() {
    let finished = run(CHAIN, &["--worker-log"]);
    finished.json();
    assert!(finished.stderr.contains("planned"), "{finished:?}");
    assert!(finished.stderr.contains("INFO"), "{finished:?}");
}

#[test]
fn the_report_tells_each_call_the_speed_up_and_errors_in_full() {
    let plan = "
calls:
  - {id: good, tool: sleep, parameters: {milliseconds: 300}}
  - {id: also, tool: sleep, parameters: {milliseconds: 300}}
  - {id: bad, tool: fail, parameters: {code: OUT_OF_PAPER, message: 'the printer has no paper'}}
  - {id: after, tool: echo, depends_on: [bad]}
";
    let finished = text(plan, &[]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for expected in [
        "CALL",
        "SUCCEEDED",
        "bad (fail) FAILED: OUT_OF_PAPER: the printer has no paper",
        "after (echo) SKIPPED: DEPENDENCY_FAILED",
        "because of: bad",
        "4 calls in 2 waves: 2 SUCCEEDED, 1 FAILED, 1 SKIPPED",
        "times as fast",
    ] {
        assert!(finished.stdout.contains(expected), "{expected}: {finished:#?}");
    }
    assert!(
        finished.stderr.contains("started    good on local"),
        "{finished:#?}"
    );
}

#[test]
fn long_results_are_cut_unless_asked_for() {
    let plan = format!(
        "calls: [{{tool: echo, parameters: {{value: {}END}}}}]",
        "x".repeat(500)
    );
    assert!(!text(&plan, &[]).stdout.contains("END"));
    assert!(text(&plan, &["--full"]).stdout.contains("END"));
}

#[test]
fn what_tools_say_cannot_drive_the_terminal() {
    let plan = r#"
calls:
  - {id: shown, tool: echo, parameters: {value: "\u009b31m\x7f"}}
  - {id: told, tool: fail, parameters: {message: "\e[2Jgone\rnow"}}
"#;
    let finished = text(plan, &["--full"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for forbidden in ['\u{1b}', '\u{9b}', '\u{7f}', '\r'] {
        assert!(
            !finished.stdout.contains(forbidden),
            "{forbidden:?} in {finished:?}"
        );
        assert!(
            !finished.stderr.contains(forbidden),
            "{forbidden:?} in {finished:?}"
        );
    }
    assert!(
        finished.stdout.contains(r#"{"value":"\u{9b}31m\u{7f}"}"#),
        "{finished:#?}"
    );
    assert!(finished.stdout.contains("[2Jgone"), "{finished:#?}");
}

#[test]
fn flags_win_over_the_plan() {
    let plan = "
on_failure: continue
calls:
  - {id: bad, tool: fail}
  - {id: slow, tool: sleep, parameters: {milliseconds: 600000}, timeout: 20m}
";
    let document = run(plan, &["--fail-fast"]).json();
    assert_eq!(result(&document, "slow")["outcome"], "CANCELLED", "{document:#}");
    let document = run(plan, &["--timeout", "300ms"]).json();
    assert_eq!(
        result(&document, "slow")["outcome"],
        "DEADLINE_EXCEEDED",
        "{document:#}"
    );
    assert_eq!(result(&document, "bad")["outcome"], "FAILED", "{document:#}");
}

#[test]
fn files_are_reached_only_with_the_flag() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("note.txt"), "hello").unwrap();
    fs::write(
        directory.path().join("plan.yaml"),
        "allow: [files=.]\ncalls: [{tool: read_file, parameters: {path: note.txt}}]",
    )
    .unwrap();
    let refused = finish(toolwave(directory.path()).args(["run", "plan.yaml"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("add: --allow files=."), "{refused:?}");
    let allowed = finish(toolwave(directory.path()).args([
        "run",
        "plan.yaml",
        "--allow",
        "files=.",
        "--output",
        "json",
    ]));
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert_eq!(result(&allowed.json(), "0")["result"]["content"], "hello");
}

#[test]
fn a_plan_shows_its_waves_and_why_each_call_waits() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.txt"), "old").unwrap();
    let plan = "
allow: [files-write=.]
calls:
  - {id: read, tool: read_file, parameters: {path: a.txt}}
  - {id: use, tool: echo, parameters: {value: '${read.result.content}'}}
  - {id: write, tool: write_file, parameters: {path: a.txt, content: new, mode: overwrite}, depends_on: [use]}
";
    let shown = plan_command(directory.path(), plan, &[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for expected in [
        "wave 0\n  read (read_file)",
        "use (echo)\n    waits for read: ${read.result.content}",
        "    waits for use: depends_on",
        "    waits for read: both touch file:a.txt",
        "3 calls in 3 waves; the longest chain has 3 calls",
        "needs --allow files-write=.",
    ] {
        assert!(shown.stdout.contains(expected), "{expected}: {shown:#?}");
    }
    assert_eq!(
        fs::read_to_string(directory.path().join("a.txt")).unwrap(),
        "old",
        "a plan runs nothing"
    );
    let document = plan_command(directory.path(), plan, &["--output", "json"]).json();
    assert_eq!(document["waves"], json!([["read"], ["use"], ["write"]]));
    let origins: Vec<_> = document["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| &edge["origin"])
        .collect();
    for origin in ["reference", "depends_on", "effect"] {
        assert!(
            origins.iter().any(|found| *found == origin),
            "{origin}: {document:#}"
        );
    }
    let mermaid = plan_command(directory.path(), plan, &["--graph", "mermaid"]);
    assert!(mermaid.stdout.starts_with("flowchart LR\n"), "{mermaid:?}");
    let dot = plan_command(directory.path(), plan, &["--graph", "dot"]);
    assert!(dot.stdout.starts_with("digraph plan {\n"), "{dot:?}");
}

#[test]
fn a_plan_touches_nothing_that_it_names() {
    let directory = tempfile::tempdir().unwrap();
    let plan = "
allow: [files-write=missing, sql-write=missing/made.db]
calls:
  - {id: make, tool: sql_query, parameters: {sql: CREATE TABLE t (x)}}
  - {id: fill, tool: sql_query, parameters: {sql: INSERT INTO t VALUES (1)}}
  - {id: write, tool: write_file, parameters: {path: x, content: y}}
";
    let shown = plan_command(directory.path(), plan, &[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(
        shown
            .stdout
            .contains("fill (sql_query)\n    waits for make: both touch sql:made.db"),
        "{shown:#?}"
    );
    let left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["plan.yaml"]);
}

#[test]
fn a_plan_that_needs_two_directories_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let shown = plan_command(
        directory.path(),
        "allow: [files=a, files=b]\ncalls: [{tool: echo}]",
        &[],
    );
    assert_eq!(shown.code, Some(2), "{shown:?}");
    assert!(
        shown.stderr.contains("plan.yaml:1:9: ") && shown.stderr.contains("a worker has one"),
        "{shown:#?}"
    );
}

#[test]
fn a_plan_says_which_calls_would_be_rejected_and_where() {
    let directory = tempfile::tempdir().unwrap();
    let plan = "calls:
  - tool: calculater
    parameters: {expression: 1 + 1}
  - tool: calculator
    parameters: {expression: 42}
";
    let shown = plan_command(directory.path(), plan, &[]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(
        shown
            .stdout
            .contains("plan.yaml:2:11: would be rejected: UNKNOWN_TOOL"),
        "{shown:#?}"
    );
    assert!(shown.stdout.contains("calculator"), "{shown:#?}");
    assert!(
        shown
            .stdout
            .contains("plan.yaml:5:30: would be rejected: PARAMS_SCHEMA"),
        "{shown:#?}"
    );
}

#[test]
fn built_in_tools_are_listed_without_a_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let tools = |flags: &[&str]| {
        let finished = finish(
            toolwave(directory.path())
                .args(["tools", "--builtin", "--output", "json"])
                .args(flags),
        );
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let document = finished.json();
        let names = document
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        tools(&[]),
        ["calculator", "echo", "fail", "hash", "json_query", "sleep"]
    );
    assert!(tools(&["--allow", "files=."]).contains(&"read_file".to_owned()));
    let schemas = finish(toolwave(directory.path()).args(["tools", "--builtin", "--schema"]));
    assert!(schemas.stdout.contains("\"expression\""), "{schemas:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut plan = "calls:\n".to_owned();
    for _ in 0..2000 {
        plan.push_str("  - {tool: echo, parameters: {value: some text that fills the pipe}}\n");
    }
    fs::write(directory.path().join("plan.yaml"), plan).unwrap();
    let mut command = toolwave(directory.path());
    command.args(["run", "plan.yaml", "--full", "--max-concurrency", "auto"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
        text
    });
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.contains("CALL"), "{first}");
    drop(stdout);
    let status = wait(&mut child);
    let errors = errors.join().unwrap();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_has_its_own_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), CHAIN).unwrap();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for output in ["text", "json"] {
        let mut command = toolwave(directory.path());
        command.args(["run", "plan.yaml", "--output", output]);
        let mut child = command.stdout(full()).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(wait(&mut child).code(), Some(74), "{output}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_cancels_and_reports_what_there_is() {
    let plan = "
calls:
  - {id: quick, tool: echo, parameters: {value: 1}}
  - {id: slow, tool: sleep, parameters: {milliseconds: 600000}, timeout: 20m, depends_on: [quick]}
  - {id: later, tool: echo, depends_on: [slow]}
";
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), plan).unwrap();
    let mut command = toolwave(directory.path());
    let (_, running) = until_said(
        command.args(["run", "plan.yaml", "--output", "json"]),
        "started    slow",
    );
    running.interrupt();
    let finished = running.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let document = finished.json();
    assert_eq!(result(&document, "quick")["result"], json!({"value": 1}));
    assert_eq!(result(&document, "slow")["outcome"], "CANCELLED", "{document:#}");
    assert_ne!(result(&document, "later")["outcome"], "SUCCEEDED", "{document:#}");
}
