//! The plans in `examples/`, run as their headers say.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use support::{finish, repository, result, toolwave};

fn succeeded(finished: &support::Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    finished.json()
}

/// A copy of `examples/source-tree`, so that a test writes nothing into the repository.
fn source_tree(into: &Path) {
    let from = repository().join("examples/source-tree");
    fs::create_dir_all(into.join("station")).unwrap();
    for file in ["README.md", "station/sensor.py", "station/store.py"] {
        fs::copy(from.join(file), into.join(file)).unwrap();
    }
}

#[test]
fn report_writes_what_it_found() {
    let tree = tempfile::tempdir().unwrap();
    source_tree(tree.path());
    let plan = repository().join("examples/report.yaml");
    let allow = format!("files-write={}", tree.path().display());
    let finished = finish(
        toolwave(&repository())
            .args(["run", "--output", "json", "--allow", &allow])
            .arg(plan),
    );
    let document = succeeded(&finished);
    assert_eq!(document["summary"]["waves"], 5, "{document:#}");
    let report = fs::read_to_string(tree.path().join("report.md")).unwrap();
    for expected in [
        "Collects the readings of weather sensors",
        "- open points: 3\n",
        "- functions: 6\n",
        "- open points for each hundred functions: 50\n",
        "The first, in station/sensor.py",
        "FIXME: a sensor that sends a comma",
    ] {
        assert!(report.contains(expected), "{expected}:\n{report}");
    }
    assert_eq!(result(&document, "seal")["result"]["bytes"], report.len());
}

#[test]
fn database_is_built_from_the_repository_and_answers() {
    let directory = tempfile::tempdir().unwrap();
    let plan = repository().join("examples/database.yaml");
    let database = directory.path().join("batches.db");
    let allow = format!("sql-write={}", database.display());
    // Twice: the second run finds the database of the first.
    for _ in 0..2 {
        let mut command = toolwave(&repository());
        command.args([
            "run",
            "--output",
            "json",
            "--allow",
            "files=tests/data/bfcl",
            "--allow",
            &allow,
        ]);
        let document = succeeded(&finish(command.arg(&plan)));
        let report = &result(&document, "report")["result"];
        assert_eq!(report["suites"][0]["batches"], 200, "{report:#}");
        assert_eq!(report["suites"][1]["batches"], 200, "{report:#}");
        let calls = report["its_calls"].as_array().unwrap().len();
        let widest = report["widest_batch"].as_str().unwrap();
        assert!(
            calls > 1 && widest.ends_with(&format!("makes {calls} calls")),
            "{report:#}"
        );
    }
}

#[test]
fn partial_keeps_each_mistake_in_its_call() {
    let mut command = toolwave(&repository());
    let finished = finish(command.args(["run", "examples/partial.yaml", "--output", "json"]));
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let document = finished.json();
    let outcomes = |id: &str| {
        let result = result(&document, id);
        (
            result["outcome"].as_str().unwrap().to_owned(),
            result["error"]["code"].as_str().unwrap_or("").to_owned(),
        )
    };
    let expected = [
        ("sum", "SUCCEEDED", ""),
        ("digest", "SUCCEEDED", ""),
        ("third-time-lucky", "SUCCEEDED", ""),
        ("misspelt", "REJECTED", "UNKNOWN_TOOL"),
        ("misfit", "REJECTED", "PARAMS_SCHEMA"),
        ("dangling", "REJECTED", "REFERENCE_NOT_FOUND"),
        ("broken", "FAILED", "OUT_OF_PAPER"),
        ("slow", "TIMED_OUT", "TIMED_OUT"),
        ("after-broken", "SKIPPED", "DEPENDENCY_FAILED"),
        ("after-that", "SKIPPED", "DEPENDENCY_FAILED"),
    ];
    for (id, outcome, code) in expected {
        assert_eq!(
            outcomes(id),
            (outcome.to_owned(), code.to_owned()),
            "{id}: {document:#}"
        );
    }
    assert_eq!(result(&document, "panics")["outcome"], "FAILED");
    assert!(
        !finished.stderr.contains("thread '"),
        "the panic of a tool is its call's failure: {finished:#?}"
    );
    assert_eq!(
        result(&document, "third-time-lucky")["attempts"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert!(
        result(&document, "misspelt")["error"]["message"]
            .as_str()
            .unwrap()
            .contains("calculator")
    );
    assert_eq!(
        result(&document, "misfit")["error"]["violations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(result(&document, "after-that")["error"]["root_call_id"], "broken");
}

/// The server of `http.yaml`, on a port of its own; it ends with the test, or by itself.
struct FlakyServer {
    child: Child,
    address: String,
}

impl FlakyServer {
    fn start() -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_toolwave"))
            .with_file_name("examples")
            .join("flaky-server");
        let mut command = Command::new(binary);
        command
            .args(["127.0.0.1:0", "--seconds", "120"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("cargo builds examples before tests run");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split(' ')
            .nth(2)
            .and_then(|url| url.strip_prefix("http://"))
            .expect("its address");
        Self {
            address: address.to_owned(),
            child,
        }
    }
}

impl Drop for FlakyServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn http_tries_again_until_every_call_has_its_answer() {
    let server = FlakyServer::start();
    let directory = tempfile::tempdir().unwrap();
    let plan = fs::read_to_string(repository().join("examples/http.yaml")).unwrap();
    fs::write(
        directory.path().join("http.yaml"),
        plan.replace("127.0.0.1:8089", &server.address),
    )
    .unwrap();
    let allow = format!("http={}", server.address);
    let mut command = toolwave(directory.path());
    let document = succeeded(&finish(command.args([
        "run",
        "http.yaml",
        "--output",
        "json",
        "--allow",
        &allow,
    ])));
    let results = document["results"].as_array().unwrap();
    assert_eq!(results.len(), 51);
    for (item, result) in results.iter().take(50).enumerate() {
        let item = item + 1;
        assert_eq!(
            result["result"]["body"],
            json!({"item": item, "square": item * item, "next": item + 1})
        );
        let attempts = result["attempts"].as_array().unwrap().len();
        assert!(
            attempts > 1 || item % 5 != 0,
            "item {item} was not turned away: {result:#}"
        );
    }
    assert_eq!(result(&document, "next")["result"]["body"]["item"], 51);
}
