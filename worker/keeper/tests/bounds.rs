//! What a kept process sees and may take.
#![cfg(target_os = "linux")]

mod common;

use common::{Holder, keeper, line, spec};
use serde_json::{Value, json};
use toolwave_keeper::{Exit, Limits, Spec};

async fn seen(spec: &Spec) -> Value {
    let mut kept = keeper().spawn(spec).expect("a keeper process");
    let seen = serde_json::from_str(&line(&mut kept).await).expect("JSON");
    assert_eq!(kept.wait().await, Exit::Code(0));
    seen
}

async fn exit_with(limits: Limits, arguments: &[&str]) -> Exit {
    let spec = Spec {
        limits,
        ..spec(arguments)
    };
    keeper().spawn(&spec).expect("a keeper process").wait().await
}

/// The soft and the hard limit, as `/proc/self/limits` has them.
fn limit(seen: &Value, name: &str) -> (String, String) {
    let line = seen["limits"]
        .as_str()
        .and_then(|all| all.lines().find(|line| line.starts_with(name)));
    let mut words = line.expect(name)[26..].split_whitespace().map(str::to_owned);
    (words.next().expect("soft"), words.next().expect("hard"))
}

#[tokio::test]
async fn it_has_three_descriptors_and_the_environment_that_was_named() {
    let seen = seen(&Spec {
        environment: vec![("NAMED".into(), "value".into())],
        directory: Some("/".into()),
        ..spec(&["see"])
    })
    .await;
    assert_eq!(seen["descriptors"], json!(["0", "1", "2"]));
    assert_eq!(seen["directory"], "/");
    let environment = seen["environment"].as_object().expect("an object");
    let names: Vec<&String> = environment.keys().collect();
    assert_eq!(names, ["NAMED", "TOOLWAVE_KEPT"]);
    assert_eq!(environment["NAMED"], "value");
}

#[tokio::test]
async fn descriptors_that_the_worker_inherited_are_not_handed_on() {
    let holder = Holder::start(&["inherit", "see"]).await;
    let seen: Value = serde_json::from_str(&holder.line).expect("JSON");
    assert_eq!(seen["descriptors"], json!(["0", "1", "2"]));
}

#[tokio::test]
async fn the_keeper_process_shows_nothing_of_what_it_keeps() {
    let spec = Spec {
        environment: vec![("SECRET".into(), "swordfish".into())],
        ..spec(&["sleep", "an-argument"])
    };
    let mut kept = keeper().spawn(&spec).expect("a keeper process");
    line(&mut kept).await;
    let shown = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", kept.id())).expect("text");
    assert_eq!(shown("environ"), "");
    assert_eq!(shown("cmdline"), "toolwave-keeper\0--toolwave-keep-a-child\0");
    assert_eq!(shown("comm"), "toolwave-keeper\n");
}

#[tokio::test]
async fn it_gains_no_privileges_dumps_no_core_and_leads_a_session() {
    let seen = seen(&spec(&["see"])).await;
    let status = seen["status"].as_str().expect("text");
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    assert_eq!(
        limit(&seen, "Max core file size"),
        ("0".to_owned(), "0".to_owned())
    );
    let fields: Vec<&str> = seen["session"].as_str().expect("text").split(' ').collect();
    assert_eq!(fields[0], fields[4], "process group");
    assert_eq!(fields[0], fields[5], "session");
    let blocked = status
        .lines()
        .find(|line| line.starts_with("SigBlk:"))
        .expect("a line");
    assert_eq!(blocked, "SigBlk:\t0000000000000000");
}

#[tokio::test]
async fn limits_are_set_soft_and_hard() {
    let limits = Limits {
        cpu_seconds: Some(7),
        memory_bytes: Some(3 << 30),
        open_files: Some(50),
        processes: Some(4000),
        file_bytes: Some(1 << 16),
    };
    let seen = seen(&Spec {
        limits,
        ..spec(&["see"])
    })
    .await;
    for (name, soft, hard) in [
        ("Max cpu time", "7", "8"),
        ("Max address space", "3221225472", "3221225472"),
        ("Max open files", "50", "50"),
        ("Max processes", "4000", "4000"),
        ("Max file size", "65536", "65536"),
    ] {
        assert_eq!(limit(&seen, name), (soft.to_owned(), hard.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_limit_above_the_workers_own_is_the_workers_own() {
    let limits = Limits {
        open_files: Some(u64::MAX - 1),
        ..Limits::default()
    };
    let unlimited = seen(&spec(&["see"])).await;
    let limited = seen(&Spec {
        limits,
        ..spec(&["see"])
    })
    .await;
    assert_eq!(
        limit(&limited, "Max open files").1,
        limit(&unlimited, "Max open files").1
    );
}

#[tokio::test]
async fn cpu_time_memory_and_file_size_end_it() {
    let limits = Limits {
        cpu_seconds: Some(1),
        ..Limits::default()
    };
    assert_eq!(exit_with(limits, &["spin"]).await, Exit::Signal(24), "SIGXCPU");
    let limits = Limits {
        memory_bytes: Some(256 << 20),
        ..Limits::default()
    };
    assert_eq!(exit_with(limits, &["allocate", "1000000"]).await, Exit::Code(0));
    assert_eq!(
        exit_with(limits, &["allocate", "1000000000"]).await,
        Exit::Signal(6),
        "SIGABRT"
    );
    let limits = Limits {
        file_bytes: Some(1 << 16),
        ..Limits::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let arguments = ["write", file.to_str().expect("UTF-8")];
    assert_eq!(exit_with(limits, &arguments).await, Exit::Signal(25), "SIGXFSZ");
    assert_eq!(file.metadata().expect("a file").len(), 1 << 16);
}
