//! The program `toolwave-worker`: what it is told, and how it ends.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::process::Stdio;

use common::{FakeCoordinator, attempt, dispatch, registered, within};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};
use toolwave_proto::v1::Register;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolwave-worker"));
    command
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Exit code, standard output, standard error.
async fn run(command: &mut Command) -> (i32, String, String) {
    let output = within(command.output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Sends a signal to this child and no other process.
async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn good_settings_are_ok() {
    let file = file("slots = 3\ndrain_timeout = \"5s\"\nlabels.zone = \"a\"\n[log]\nformat = \"json\"\n");
    let (code, out, err) = run(program().arg("--config").arg(file.path()).arg("--check-config")).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "ok\n", ""));
}

#[tokio::test]
async fn wrong_settings_are_all_told_with_their_places_and_end_with_78() {
    let file = file("slot = 3\ndrain_timeout = 30\n[log]\nformat = \"jsn\"\n");
    let path = file.path().display();
    let (code, out, err) = run(program().arg("--config").arg(file.path()).arg("--check-config")).await;
    assert_eq!((code, out.as_str()), (78, ""));
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 3, "{err}");
    assert!(
        lines[0].starts_with(&format!(
            "{path}:1:1: slot: unknown key, did you mean `slots`?; expected one of"
        )),
        "{err}"
    );
    assert!(
        lines[1].starts_with(&format!(
            "{path}:2:17: drain_timeout: is integer `30`; expected a duration"
        )),
        "{err}"
    );
    assert!(
        lines[2].starts_with(&format!("{path}:4:10: log.format: unknown value `jsn`")),
        "{err}"
    );
}

#[tokio::test]
async fn wrong_values_are_told_where_they_stand() {
    let file = file("name = \"a b\"\nslots = 200000\nmax_result = 1\n[log]\nlevel = \"a=b=c\"\n");
    let path = file.path().display();
    let (code, _, err) = run(program().arg("--config").arg(file.path()).arg("--check-config")).await;
    assert_eq!(code, 78);
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(
        lines[0],
        format!(
            "{path}:1:8: name: worker name `a b` is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]"
        ),
        "{err}"
    );
    assert_eq!(
        lines[1],
        format!("{path}:2:9: slots: is 200000; expected 0 to 100000"),
        "{err}"
    );
    assert_eq!(
        lines[2],
        format!("{path}:3:14: max_result: is 1 bytes; expected 1 KiB to 1 GiB"),
        "{err}"
    );
    assert!(lines[3].starts_with(&format!("{path}:5:9: log.level: ")), "{err}");
    assert_eq!(lines.len(), 4);

    let (code, _, err) = run(program().args(["--coordinator", "https://x", "--check-config"])).await;
    assert_eq!(code, 78);
    assert_eq!(
        err,
        "--coordinator: coordinator `https://x`: it has no port; expected https://x:7420\n"
    );
}

#[tokio::test]
async fn the_tools_that_a_file_names_stand_beside_it_and_those_of_a_flag_where_the_worker_starts() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = folder.path().join("worker.toml");
    std::fs::write(&config, "tools = \"own.toml\"\n").unwrap();
    std::fs::write(folder.path().join("own.toml"), "beside = 1\n").unwrap();
    std::fs::write(elsewhere.path().join("own.toml"), "elsewhere = 1\n").unwrap();

    let started = |folder: &std::path::Path, config: &std::path::Path| {
        let mut command = program();
        command.current_dir(folder).arg("--check-config");
        command.arg("--config").arg(config);
        command
    };
    let own = folder.path().join("own.toml");
    let (_, _, err) = run(&mut started(elsewhere.path(), &config)).await;
    let beside = format!("{}:1:1: beside: unknown key", own.display());
    assert!(err.starts_with(&beside), "{err}");

    let (_, _, err) = run(&mut started(folder.path(), "worker.toml".as_ref())).await;
    assert!(err.starts_with("own.toml:1:1: beside: unknown key"), "{err}");

    let there = "own.toml:1:1: elsewhere: unknown key";
    let (_, _, err) = run(started(elsewhere.path(), &config).args(["--tools", "own.toml"])).await;
    assert!(err.starts_with(there), "{err}");
    let mut command = started(elsewhere.path(), &config);
    let (_, _, err) = run(command.env("TOOLWAVE_WORKER_TOOLS", "own.toml")).await;
    assert!(err.starts_with(there), "{err}");
}

#[tokio::test]
async fn a_flag_that_is_wrong_is_wrong_usage() {
    let (code, _, err) = run(program().args(["--drain-timeout", "30"])).await;
    assert_eq!(code, 2);
    assert!(err.contains("`30` has no unit"), "{err}");
}

#[tokio::test]
async fn flags_win_over_the_environment_that_over_the_file_that_over_defaults() {
    let mut coordinator = FakeCoordinator::start().await;
    let file = file("name = \"file\"\nslots = 1\n[labels]\nzone = \"file\"\n");
    let _child = program()
        .env("TOOLWAVE_WORKER_CONFIG", file.path())
        .env("TOOLWAVE_WORKER_SLOTS", "2")
        .env("TOOLWAVE_WORKER_NAME", "environment")
        .env("TOOLWAVE_WORKER_COORDINATOR", coordinator.address.to_string())
        .args(["--name", "flag", "--label", "rack=7"])
        .spawn()
        .unwrap();
    let (_session, register) = coordinator.session().await;
    let Register {
        worker,
        slots,
        mut labels,
        max_parameters_bytes,
        tools,
        ..
    } = register;
    assert_eq!(
        (worker.as_str(), slots, max_parameters_bytes),
        ("flag", 2, 8 << 20)
    );
    assert_eq!(
        (
            labels.remove("zone").unwrap().as_str(),
            labels.remove("rack").unwrap().as_str()
        ),
        ("file", "7")
    );
    assert!(tools.iter().any(|tool| tool.name == "calculator"));
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_drains_and_ends_with_0() {
    let mut coordinator = FakeCoordinator::start().await;
    let mut child = program()
        .arg("--coordinator")
        .arg(coordinator.address.to_string())
        .spawn()
        .unwrap();
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch([dispatch(1, "sleep", r#"{"milliseconds":300}"#)])
        .await;
    session.until(|said| said.started.len() == 1).await;
    signal(&child, "TERM").await;
    session.until(|said| said.draining).await;
    session.result(attempt(1)).await;
    session.until(|said| said.goodbye).await;
    drop(session);
    assert_eq!(within(child.wait()).await.unwrap().code(), Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut coordinator = FakeCoordinator::start().await;
        let mut child = program()
            .arg("--coordinator")
            .arg(coordinator.address.to_string())
            .spawn()
            .unwrap();
        let (mut session, _) = coordinator.session().await;
        session.register(registered()).await;
        session
            .dispatch([dispatch(1, "sleep", r#"{"milliseconds":15000}"#)])
            .await;
        session.until(|said| said.started.len() == 1).await;
        signal(&child, name).await;
        session.until(|said| said.draining).await;
        signal(&child, name).await;
        assert_eq!(within(child.wait()).await.unwrap().code(), Some(code));
        session.until(|said| said.ended).await;
        assert!(!session.said.goodbye, "it left something behind");
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .await
            .unwrap();
        assert!(err.contains("second signal"), "{err}");
    }
}
