//! `toolwave top` in a real terminal: it takes the screen, answers keys, and gives the screen back however it ends.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    cluster::{Cluster, ENDLESS},
    fake::{Fake, Script},
    support,
};

const ENTER_SCREEN: &str = "\u{1b}[?1049h";
const LEAVE_SCREEN: &str = "\u{1b}[?1049l";

/// Plays `steps` against `toolwave top`. None, said aloud: without python3 there is no terminal to be had.
async fn play(url: String, variables: &[(&str, &str)], steps: Value) -> Option<Value> {
    // few words are said, and nobody need hear them
    let (said, _) = mpsc::channel(8);
    play_along(url, variables, steps, said).await
}

/// The same, with what the script says going to `said`.
async fn play_along(
    url: String,
    variables: &[(&str, &str)],
    steps: Value,
    said: mpsc::Sender<String>,
) -> Option<Value> {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no python3, so `toolwave top` is not tried in a real terminal");
        return None;
    }
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operate/terminal.py");
    let mut command = Command::new("python3");
    command
        .arg(driver)
        .args([env!("CARGO_BIN_EXE_toolwave"), "top", "--coordinator", &url])
        .args(["--interval", "200ms"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm-256color")
        .env("LC_ALL", "C.UTF-8")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let played = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(steps.to_string().as_bytes()).unwrap();
        drop(stdin);
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            // whoever does not listen need not
            let _ = said.blocking_send(line.unwrap());
        }
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    });
    let played = played.await.unwrap();
    assert_eq!(played["problem"], Value::Null, "{played:#}");
    assert_eq!(played["restored"], true, "{played:#}");
    Some(played)
}

fn written(played: &Value) -> &str {
    played["written"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_is_taken_keys_are_answered_and_the_screen_is_given_back() {
    let cluster = Cluster::start().await;
    let steps = json!([
        {"until": "Executions"},
        {"send": "?"}, {"until": "another list"},
        {"send": "x2d"}, {"until": "Drain worker anna"},
        {"send": "y"}, {"until": "takes no new calls"}, {"until": "DRAINING"},
        {"resize": [60, 12]}, {"until": "┌2 Workers"},
        {"send": "q"},
    ]);
    if let Some(played) = play(cluster.url(), &[], steps).await {
        assert_eq!(played["code"], 0);
        let written = written(&played);
        assert!(
            written.contains(ENTER_SCREEN) && written.contains('┌'),
            "{written}"
        );
        assert!(
            written.trim_end().ends_with("\u{1b}[?25h"),
            "the cursor is back: {written:?}"
        );
        assert!(written.rfind(LEAVE_SCREEN) > written.rfind(ENTER_SCREEN));
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_opened_and_cancelled_from_the_screen() {
    let cluster = Cluster::start().await;
    let (id, running) = cluster.hold(ENDLESS).await;
    let steps = json!([
        {"until": &id[..8]},
        {"send": "\r"}, {"until": format!("execution {id} of default")}, {"until": "  slow"},
        {"send": "c"}, {"until": format!("Cancel execution {id}?")},
        {"send": "n"}, {"until": "nothing was changed"},
        {"send": "cy"}, {"until": "CANCELLED"},
        {"send": "\u{1b}"}, {"until": "Executions that ended"},
        {"send": "q"},
    ]);
    match play(cluster.url(), &[], steps).await {
        Some(played) => assert_eq!(played["code"], 0),
        None => drop(cluster.run(&["cancel", &id]).await),
    }
    let finished = tokio::task::spawn_blocking(move || running.finish())
        .await
        .unwrap();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("CANCELLED"), "{finished:?}");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_it_with_the_screen_given_back() {
    let cluster = Cluster::start().await;
    const HANGUP: i32 = 1;
    const INTERRUPT: i32 = 2;
    const TERMINATE: i32 = 15;
    for signal in [TERMINATE, INTERRUPT, HANGUP] {
        let steps = json!([{"until": "LIVE"}, {"signal": signal}]);
        let Some(played) = play(cluster.url(), &[], steps).await else {
            break;
        };
        assert_eq!(played["code"], 0, "{signal}");
        assert!(written(&played).contains(LEAVE_SCREEN), "{signal}");
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_coordinator_leaves_the_last_picture_and_may_come_back() {
    let cluster = Cluster::start().await;
    let address = cluster.address();
    let steps = json!([
        {"until": "LIVE"}, {"say": "live"},
        {"until": "STALE for"}, {"say": "stale"},
        {"until": "LIVE"}, {"send": "\u{3}"},
    ]);
    let (said, mut hear) = mpsc::channel(8);
    let url = cluster.url();
    let playing = tokio::spawn(async move { play_along(url, &[], steps, said).await });
    // without python3 nothing is ever said
    if hear.recv().await.is_some() {
        cluster.end().await;
        assert_eq!(hear.recv().await.as_deref(), Some("stale"));
        let back = Cluster::start_at(address).await;
        let played = playing.await.unwrap().unwrap();
        assert_eq!(played["code"], 0);
        back.end().await;
    } else {
        cluster.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_or_unicode_it_uses_neither() {
    let fake = Fake::start(Script {
        cluster: Some(toolwave_proto::v1::GetClusterResponse::default()),
        executions: Some(toolwave_proto::v1::ListExecutionsResponse::default()),
        ..Script::default()
    })
    .await;
    let url = format!("http://{}", fake.address);
    let steps = json!([{"until": "Executions"}, {"until": "quit"}, {"send": "q"}]);
    let plain = [("NO_COLOR", "1"), ("LC_ALL", "C")];
    if let Some(played) = play(url.clone(), &plain, steps.clone()).await {
        let written = written(&played);
        assert!(written.is_ascii() && written.contains("Executions"), "{written}");
        let coloured = |code: u8| written.contains(&format!("[38;5;{code}m"));
        assert!(!(0..16).any(coloured), "{written:?}");
    }
    // A dumb terminal cannot be drawn on.
    let once = json!([{"until": "TERM names no terminal"}]);
    if let Some(played) = play(url, &[("TERM", "dumb")], once).await {
        assert!(!written(&played).contains('\u{1b}'), "{played:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_is_one_look_and_says_so() {
    let cluster = Cluster::start().await;
    let once = cluster.run(&["top", "--once"]).await;
    assert_eq!((once.code, once.stderr.as_str()), (Some(0), ""), "{once:?}");
    assert!(
        once.stdout.contains("anna") && once.stdout.contains("calculator"),
        "{once:?}"
    );
    let piped = cluster.run(&["top"]).await;
    assert_eq!(piped.code, Some(0), "{piped:?}");
    assert!(
        piped.stderr.contains("no terminal to draw on; --once"),
        "{piped:?}"
    );
    let directory = tempfile::tempdir().unwrap();
    let nobody = support::finish(support::toolwave(directory.path()).args([
        "top",
        "--coordinator",
        "http://127.0.0.1:1",
    ]));
    assert_eq!(nobody.code, Some(69), "{nobody:?}");
    cluster.end().await;
}
