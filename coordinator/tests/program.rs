//! The program: its configuration, its signals, its exit codes.

mod common;

use std::{io::Write as _, process::Stdio};

use common::{config, soon};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use toolwave_coordinator::Config;

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_toolwave-coordinator"));
    program
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    program
}

async fn check(flags: &[&str], file: &str) -> (Option<i32>, String) {
    let mut path = tempfile::Builder::new()
        .suffix(".toml")
        .tempfile()
        .expect("a file");
    path.write_all(file.as_bytes()).expect("written");
    let mut program = program();
    program
        .arg("--check-config")
        .arg("--config")
        .arg(path.path())
        .args(flags);
    let output = soon("the end of the program", program.output())
        .await
        .expect("it runs");
    (
        output.status.code(),
        String::from_utf8(output.stderr).expect("UTF-8"),
    )
}

/// A coordinator on a free port, and that port.
async fn serve(flags: &[&str]) -> (Child, String) {
    let mut child = program()
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(flags)
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let address = soon("the address", async {
        loop {
            let line = lines
                .next_line()
                .await
                .expect("UTF-8")
                .expect("a line with the address");
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if let Some(address) = line["fields"]["address"].as_str() {
                return address.to_owned();
            }
        }
    })
    .await;
    // Logs are read to the end, so that the program never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id])
        .status()
        .await
        .expect("kill runs");
    assert!(sent.success());
}

#[tokio::test]
async fn a_good_file_passes_the_check() {
    let file =
        "listen = \"127.0.0.1:7000\"\nlease = \"20s\"\n[requests]\nmax_calls = 5\n[log]\nformat = \"json\"\n";
    assert_eq!(check(&[], file).await.0, Some(0));
}

#[tokio::test]
async fn every_problem_of_a_file_is_told_with_its_place() {
    let (code, said) = check(
        &[],
        "max_in_fligth = 5\nlease = \"10\"\n[log]\nformat = \"xml\"\n",
    )
    .await;
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains(":1:") && said.contains("max_in_flight"), "{said}");
    assert!(said.contains(":2:") && said.contains("no unit"), "{said}");
    assert!(said.contains(":4:") && said.contains("format"), "{said}");
}

#[tokio::test]
async fn values_that_contradict_each_other_are_told_with_their_place() {
    let (code, said) = check(
        &[],
        "self_fence = \"30s\"\nheartbeat_interval = \"6s\"\nlisten = \"0.0.0.0:1\"\n",
    )
    .await;
    assert_eq!(code, Some(78), "{said}");
    for key in [
        "1:14: self_fence",
        "lease",
        "suspect_after",
        "3:10: listen",
        "insecure_allow_remote",
    ] {
        assert!(said.contains(key), "{key} in {said}");
    }
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"listen = \"0.0.0.0:1\"\n").expect("written");
    for (flag, environment, good) in [
        (None, None, false),
        (None, Some("127.0.0.1:1"), true),
        (Some("0.0.0.0:2"), Some("127.0.0.1:1"), false),
    ] {
        let mut program = program();
        program.arg("--check-config").arg("--config").arg(file.path());
        program.args(flag.map(|address| format!("--listen={address}")));
        if let Some(environment) = environment {
            program.env("TOOLWAVE_COORDINATOR_LISTEN", environment);
        }
        let output = soon("the end of the program", program.output())
            .await
            .expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(if good { 0 } else { 78 }),
            "{flag:?} {environment:?}"
        );
    }
}

#[tokio::test]
async fn it_ends_well_on_a_signal_whatever_streams_are_open() {
    for name in ["TERM", "INT"] {
        let (mut child, address) = serve(&[]).await;
        let stream = tokio::net::TcpStream::connect(&address)
            .await
            .expect("it listens");
        signal(&child, name).await;
        let status = soon("the end of the program", child.wait())
            .await
            .expect("it ended");
        assert_eq!(status.code(), Some(0), "{name}");
        drop(stream);
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let output = program().args(["--listen", &address]).output();
    let output = soon("the end of the program", output).await.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}

#[test]
fn the_defaults_are_good() {
    assert!(Config::default().check().is_empty());
    assert!(config().check().is_empty());
}
