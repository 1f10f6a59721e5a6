//! The processes of a server: started, shared, replaced, ended.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use toolwave_mounted::mcp::{Approved, Mounted};

use crate::support::{LONG, begin, call, is_alive, keeper, pid, start, table, text, tool, until};

#[tokio::test]
async fn a_server_that_cannot_start_says_what_it_wrote_last_and_is_tried_again() {
    let mounted = start(json!({"environment": {"MUTABLE_MODE": "dead"}})).await;
    assert!(mounted.tools().is_empty());
    let why = mounted.failure().expect("a reason");
    assert!(why.contains("exit code 7"), "{why}");
    assert!(why.contains("cannot open \\u{1b}[31m/no/such/thing"), "{why}");
    mounted.close().await;

    let mounted = start(json!({"environment": {"MUTABLE_MODE": "hang"}, "start_timeout": "400ms"})).await;
    let why = mounted.failure().expect("a reason");
    assert!(
        why.contains("did not answer within 400ms") && why.contains("waiting for nothing"),
        "{why}"
    );
    mounted.close().await;

    let missing = table(json!({"command": ["/no/such/program"]}));
    let mounted = missing.start("m", &keeper(), Approved::default()).await;
    let why = mounted.failure().expect("a reason");
    assert!(why.contains("cannot be executed"), "{why}");
    mounted.close().await;
}

#[tokio::test]
async fn tools_of_a_server_that_was_down_appear_when_it_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("server");
    let mut mounted = start(json!({"command": [program]})).await;
    assert!(mounted.tools().is_empty());
    std::os::unix::fs::symlink(crate::support::program(), &program).expect("a link");
    tokio::time::timeout(LONG, mounted.changed())
        .await
        .expect("a change");
    assert_eq!(mounted.tools().len(), 17);
    assert_eq!(mounted.failure(), None);
    mounted.close().await;
}

#[tokio::test]
async fn calls_go_to_the_least_busy_process_and_a_serial_server_gets_one_at_a_time() {
    let mounted = start(json!({"pool": 3, "concurrency": 1})).await;
    let serial = tool(&mounted, "serial");
    // long enough for all processes to have started
    let three = [0, 1, 2].map(|_| begin(&serial, json!({"ms": 2_000}), LONG));
    let mut seen = BTreeSet::new();
    for running in three {
        seen.insert(
            text(running.end.await.expect("no panic"))
                .parse::<u64>()
                .expect("an id"),
        );
    }
    assert_eq!(seen.len(), 3, "each had a process of its own");
    mounted.close().await;
    assert!(seen.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn a_process_that_dies_is_replaced_and_the_call_that_it_had_says_that_it_may_have_run() {
    let mounted = start(json!({"tools": {"die": {}}})).await;
    let before = pid(&mounted).await;
    let error = call(&tool(&mounted, "die"), json!({})).await.expect_err("lost");
    assert_eq!(error.code, "MCP_SERVER_LOST");
    assert!(!error.retryable, "{error:?}");
    // the next call waits for the new process
    let after = pid(&mounted).await;
    assert_ne!(after, before);
    assert!(!is_alive(before));
    mounted.close().await;

    let mounted = start(json!({"tools": {"die": {"idempotent": true}}})).await;
    let error = call(&tool(&mounted, "die"), json!({})).await.expect_err("lost");
    assert!(error.retryable, "an idempotent call may be repeated: {error:?}");
    mounted.close().await;
}

#[tokio::test]
async fn a_call_that_finds_no_process_within_its_time_never_ran_and_may_be_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("server");
    std::os::unix::fs::symlink(crate::support::program(), &link).expect("a link");
    let mounted = start(json!({"command": [link]})).await;
    let (echo, die) = (tool(&mounted, "echo"), tool(&mounted, "die"));
    std::fs::remove_file(&link).expect("removed");
    call(&die, json!({})).await.expect_err("lost");
    let waits = begin(&echo, json!({"text": "a"}), Duration::from_millis(1_500));
    let error = waits.end.await.expect("no panic").expect_err("no process");
    assert_eq!(error.code, "MCP_SERVER_UNAVAILABLE");
    assert!(error.retryable);
    assert!(error.message.contains("does not start"), "{}", error.message);
    mounted.close().await;
}

#[tokio::test]
async fn a_process_that_stops_a_cancelled_call_and_says_nothing_is_replaced_unless_it_is_trusted() {
    for (cancellation, same) in [("replace", false), ("trust", true)] {
        let mounted = start(json!({"cancellation": cancellation})).await;
        let before = pid(&mounted).await;
        let mut running = begin(
            &tool(&mounted, "sleep"),
            json!({"ms": 3_600_000, "steps": 10}),
            LONG,
        );
        running.progress.recv().await.expect("it runs");
        running.cancelled.cancel();
        let error = running.end.await.expect("no panic").expect_err("stopped");
        assert_eq!(error.code, "STOPPED");
        if !same {
            assert!(
                !is_alive(before),
                "the slot is free when the process is gone, not before"
            );
        }
        assert_eq!(pid(&mounted).await == before, same);
        mounted.close().await;
    }
}

#[tokio::test]
async fn calls_beside_one_that_does_not_stop_end_before_their_process_is_ended() {
    let mounted = start(json!({"grace": "100ms"})).await;
    let before = pid(&mounted).await;
    let sleep = tool(&mounted, "sleep");
    let mut unwanted = begin(
        &sleep,
        json!({"ms": 3_600_000, "stops": false, "steps": 10}),
        LONG,
    );
    let mut beside = begin(&sleep, json!({"ms": 1_500, "steps": 1}), LONG);
    unwanted.progress.recv().await.expect("it runs");
    beside.progress.recv().await.expect("it runs");
    unwanted.cancelled.cancel();
    // a new call does not go there: another process is started for it
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_ne!(pid(&mounted).await, before);
    assert!(is_alive(before));
    assert!(!unwanted.end.is_finished(), "its work has not stopped");
    assert_eq!(text(beside.end.await.expect("no panic")), "slept");
    unwanted.end.await.expect("no panic").expect_err("stopped");
    assert!(!is_alive(before));
    mounted.close().await;
}

#[tokio::test]
async fn a_process_sees_the_environment_that_is_named_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "swordfish\n").expect("written");
    let environment = json!({"PLAIN": "text", "SECRET": {"file": secret}});
    let mounted = start(
        json!({"environment": environment, "command": [crate::support::program(), "an argument; $(id)"]}),
    )
    .await;
    let told: Value =
        serde_json::from_str(&text(call(&tool(&mounted, "whoami"), json!({})).await)).expect("JSON");
    let names: Vec<&str> = told["environment"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|pair| pair[0].as_str())
        .collect();
    let names: BTreeSet<&str> = names
        .into_iter()
        .filter(|name| *name != "TOOLWAVE_KEPT")
        .collect();
    assert_eq!(names, BTreeSet::from(["PLAIN", "SECRET"]));
    assert!(
        told["environment"]
            .as_array()
            .expect("a list")
            .contains(&json!(["SECRET", "swordfish"]))
    );
    assert_eq!(told["arguments"][1], "an argument; $(id)");
    mounted.close().await;
}

#[tokio::test]
async fn closing_ends_all_processes_and_so_does_dropping() {
    for closes in [true, false] {
        let mounted = start(json!({"pool": 4, "concurrency": 1})).await;
        let first = pid(&mounted).await;
        let busy = begin(
            &tool(&mounted, "sleep"),
            json!({"ms": 3_600_000, "stops": false}),
            LONG,
        );
        let second = pid(&mounted).await;
        if closes {
            mounted.close().await;
            assert!(!is_alive(first) && !is_alive(second));
        } else {
            drop(mounted);
            until("both processes are gone", || {
                !is_alive(first) && !is_alive(second)
            })
            .await;
        }
        let error = busy.end.await.expect("no panic").expect_err("lost");
        assert_eq!(error.code, "MCP_SERVER_LOST");
    }
}

#[tokio::test]
async fn a_hundred_starts_leave_no_process() {
    let mark = format!("leaves-nothing-{}", std::process::id());
    for _ in 0..25 {
        let starts = [0, 1, 2, 3]
            .map(|_| start(json!({"command": [crate::support::program(), mark], "grace": "50ms"})));
        let mut mounted = futures_util::future::join_all(starts).await;
        let dropped = mounted.split_off(2);
        futures_util::future::join_all(mounted.into_iter().map(Mounted::close)).await;
        drop(dropped);
    }
    let left = || {
        let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        processes
            .filter(|process| {
                std::fs::read(process.path().join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark))
            })
            .count()
    };
    until("no process is left", || left() == 0).await;
}
