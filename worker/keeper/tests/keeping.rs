//! What becomes of processes that are kept: how they end, and that nothing of them is left, however it ends.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::{Holder, keeper, kept, line, mark, survivors, until_gone, until_there_are};
use toolwave_keeper::{Exit, NotStarted, Spec, Step};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_process_tells_its_exit_code_or_its_signal() {
    for (arguments, exit) in [
        (vec!["exit", "0"], Exit::Code(0)),
        (vec!["exit", "3"], Exit::Code(3)),
        (vec!["exit", "255"], Exit::Code(255)),
        (vec!["signal"], Exit::Signal(10)),
    ] {
        let mut kept = kept(&arguments);
        assert_eq!(kept.wait().await, exit, "{arguments:?}");
        assert_eq!(kept.wait().await, exit, "asked again");
    }
}

#[tokio::test]
async fn a_process_that_cannot_start_says_why() {
    let spec = |program: &str| Spec {
        program: program.into(),
        ..Spec::default()
    };
    let not_started = |step, errno| Exit::NotStarted(NotStarted { step, errno });
    for (spec, exit, text) in [
        (
            spec("/no/such/program"),
            not_started(Step::Program, 2),
            "the program cannot be executed: No such file",
        ),
        (
            spec("/etc/passwd"),
            not_started(Step::Program, 13),
            "the program cannot be executed: Permission denied",
        ),
        (
            Spec {
                directory: Some("/no/such/directory".into()),
                ..spec("/bin/true")
            },
            not_started(Step::Directory, 2),
            "the directory cannot be entered: No such file",
        ),
    ] {
        let mut kept = keeper().spawn(&spec).expect("a keeper process");
        let told = kept.wait().await;
        assert_eq!(told, exit);
        if let Exit::NotStarted(why) = told {
            assert!(why.to_string().starts_with(text), "{why}");
        }
    }
}

#[tokio::test]
async fn a_specification_that_no_process_can_have_is_refused() {
    let spec = || Spec {
        program: "/bin/true".into(),
        ..Spec::default()
    };
    for (spec, text) in [
        (
            Spec {
                program: "true".into(),
                ..spec()
            },
            "is no absolute path",
        ),
        (
            Spec {
                arguments: vec!["a\0b".into()],
                ..spec()
            },
            "holds a NUL byte",
        ),
        (
            Spec {
                environment: vec![("A=B".into(), "c".into())],
                ..spec()
            },
            "an `=` in it",
        ),
        (
            Spec {
                environment: vec![("".into(), "c".into())],
                ..spec()
            },
            "has no name",
        ),
    ] {
        let error = keeper().spawn(&spec).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_specification_shows_neither_arguments_nor_values() {
    let spec = Spec {
        arguments: vec!["swordfish".into()],
        environment: vec![("KEY".into(), "swordfish".into())],
        ..Spec::default()
    };
    let shown = format!("{spec:?}");
    assert!(shown.contains("KEY") && !shown.contains("swordfish"), "{shown}");
}

#[tokio::test]
async fn input_reaches_it_and_output_comes_back_whatever_the_size() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut kept = kept(&["echo"]);
    let (mut stdin, mut stdout) = (
        kept.stdin.take().expect("input"),
        kept.stdout.take().expect("output"),
    );
    let text = "toolwave ".repeat(100_000);
    let mut read = String::new();
    let write = async {
        stdin.write_all(text.as_bytes()).await.expect("written");
        drop(stdin);
    };
    let (_, result) = tokio::join!(write, stdout.read_to_string(&mut read));
    result.expect("text");
    assert_eq!(read.len(), text.len());
    assert_eq!(kept.wait().await, Exit::Code(0));
}

#[tokio::test]
async fn arguments_and_environment_of_a_megabyte_arrive() {
    let mut spec = common::spec(&["arguments"]);
    spec.arguments.extend((0..10).map(|_| "x".repeat(100_000).into()));
    let mut kept = keeper().spawn(&spec).expect("a keeper process");
    let arguments: Vec<String> = serde_json::from_str(&line(&mut kept).await).expect("JSON");
    assert_eq!(arguments.len(), 10);
    assert!(arguments.iter().all(|argument| argument.len() == 100_000));
}

#[tokio::test]
async fn it_is_asked_to_end_before_it_is_killed() {
    let mut polite = kept(&["sleep"]);
    line(&mut polite).await;
    assert_eq!(polite.stop(LONG).await, Exit::Signal(15));
    let mut stubborn = kept(&["stubborn"]);
    line(&mut stubborn).await;
    assert_eq!(stubborn.stop(Duration::from_millis(20)).await, Exit::Signal(9));
}

#[tokio::test]
async fn one_that_is_stopped_at_once_leaves_nothing() {
    for grace in [Duration::ZERO, LONG] {
        let mark = mark();
        let mut kept = kept(&["children", &mark]);
        kept.stop(grace).await;
        assert_eq!(survivors(&mark), Vec::<String>::new());
    }
}

#[tokio::test]
async fn stopping_ends_children_that_do_not_heed_it() {
    let mark = mark();
    let mut kept = kept(&["children", &mark]);
    line(&mut kept).await;
    until_there_are(4, &mark).await;
    assert_eq!(kept.stop(LONG).await, Exit::Signal(15));
    assert_eq!(survivors(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn stopping_ends_a_daemon_that_left_the_session() {
    let mark = mark();
    let mut kept = kept(&["daemon", &mark]);
    line(&mut kept).await;
    until_there_are(2, &mark).await;
    kept.stop(LONG).await;
    assert_eq!(survivors(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn a_process_that_ends_takes_its_daemons_with_it() {
    let mark = mark();
    let mut kept = kept(&["daemon-and-exit", &mark]);
    assert_eq!(kept.wait().await, Exit::Code(0));
    assert_eq!(survivors(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn processes_that_start_another_before_they_end_are_caught() {
    let mark = mark();
    let mut kept = kept(&["chain", &mark]);
    assert_eq!(kept.wait().await, Exit::Code(0));
    assert_eq!(survivors(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn dropping_it_kills_all() {
    let mark = mark();
    let mut dropped = kept(&["daemon", &mark]);
    line(&mut dropped).await;
    drop(dropped);
    until_gone(&mark).await;
    // also where a wait was begun, and given up
    let mut waited = kept(&["daemon", &mark]);
    line(&mut waited).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(1), waited.wait())
            .await
            .is_err()
    );
    drop(waited);
    until_gone(&mark).await;
}

#[tokio::test]
async fn a_hundred_started_and_stopped_or_dropped_leave_nothing() {
    let mark = mark();
    for index in 0..100 {
        let mut kept = kept(&[if index % 2 == 0 { "daemon" } else { "children" }, &mark]);
        match index % 5 {
            0 => drop(kept),
            1 => drop(kept.stop(Duration::ZERO).await),
            2 => drop(kept.stop(LONG).await),
            _ => {
                line(&mut kept).await;
                kept.stop(Duration::ZERO).await;
                assert!(!common::exists(kept.id()), "the keeper process is reaped");
            }
        }
    }
    until_gone(&mark).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_leaves_nothing() {
    for (role, processes) in [("children", 4), ("daemon", 2)] {
        let mark = mark();
        let mut holder = Holder::start(&["hold", role, &mark]).await;
        until_there_are(processes, &mark).await;
        holder.kill().await;
        until_gone(&mark).await;
        common::until_ended(holder.keeper).await;
    }
}

#[tokio::test]
async fn a_keeper_process_that_is_killed_leaves_nothing() {
    for role in ["children", "daemon"] {
        let mark = mark();
        let mut kept = kept(&[role, &mark]);
        line(&mut kept).await;
        common::kill(kept.id());
        assert_eq!(kept.wait().await, Exit::Lost);
        until_gone(&mark).await;
    }
}

#[tokio::test]
async fn a_command_ends_when_worker_and_keeper_process_are_killed_together() {
    let mark = mark();
    let mut holder = Holder::start(&["hold", "sleep", &mark]).await;
    common::kill(holder.keeper);
    holder.kill().await;
    until_gone(&mark).await;
}

#[tokio::test]
async fn a_keeper_process_does_not_heed_a_supervisor_that_signals_everything() {
    let mut kept = kept(&["stubborn"]);
    line(&mut kept).await;
    for signal in ["TERM", "INT", "HUP"] {
        let status = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("kill -{signal} {}", kept.id())])
            .status();
        assert!(status.expect("a shell").success());
    }
    assert_eq!(
        kept.stop(Duration::ZERO).await,
        Exit::Signal(9),
        "it was there to tell"
    );
}
