//! The worker's admin port: ready exactly while registered and not draining, and counts that are what happened.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;
#[path = "../../telemetry/tests/support/page.rs"]
mod page;

use std::{net::SocketAddr, path::Path, process::Stdio};

use common::{FakeCoordinator, Gate, Running, attempt, dispatch, registered, within, worker};
use page::{Scrape, ask, get};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

fn ready() -> (u16, String) {
    (200, "ready\n".to_owned())
}

fn not_ready(failing: &str) -> (u16, String) {
    (503, format!("not ready: {failing}\n"))
}

#[tokio::test]
async fn a_worker_is_ready_exactly_while_registered_and_not_draining_and_counts_what_it_ran() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let worker = worker(&coordinator, &gate).admin("127.0.0.1:0".parse().unwrap());
    let mut running = Running::start(worker);
    let (mut session, _) = coordinator.session().await;
    let port = running
        .handle
        .admin_address()
        .expect("it is served before the worker dials");
    assert_eq!(get(port, "/readyz").await, not_ready("coordinator"));
    assert_eq!(get(port, "/livez").await.0, 200);
    let scrape = Scrape::of(port).await;
    assert_eq!(scrape.value("toolwave_worker_coordinators_connected"), 0.0);
    for outcome in ["succeeded", "failed"] {
        for tool in ["hold", "(other)"] {
            let sample =
                format!("toolwave_worker_attempts_ended_total{{tool=\"{tool}\",outcome=\"{outcome}\"}}");
            assert_eq!(scrape.value(&sample), 0.0);
        }
    }

    session.register(registered()).await;
    session.acknowledges = false;
    session
        .dispatch([dispatch(1, "hold", "{}"), dispatch(2, "nothing-like-it", "{}")])
        .await;
    gate.wait_begun().await;
    assert_eq!(get(port, "/readyz").await, ready());
    let scrape = Scrape::of(port).await;
    assert_eq!(scrape.value("toolwave_worker_coordinators_connected"), 1.0);
    assert_eq!(scrape.value("toolwave_worker_calls_running"), 1.0);
    assert_eq!(scrape.value("toolwave_worker_attempts_refused_total"), 1.0);

    gate.let_go.add_permits(1);
    session.result(attempt(1)).await;
    let scrape = Scrape::of(port).await;
    for (sample, value) in [
        ("toolwave_worker_calls_running", 0.0),
        ("toolwave_worker_result_outbox", 2.0),
        (
            "toolwave_worker_attempts_ended_total{tool=\"hold\",outcome=\"succeeded\"}",
            1.0,
        ),
        (
            "toolwave_worker_attempts_ended_total{tool=\"hold\",outcome=\"failed\"}",
            0.0,
        ),
        ("toolwave_worker_tool_duration_seconds_count{tool=\"hold\"}", 1.0),
    ] {
        assert_eq!(scrape.value(sample), value, "{sample}");
    }
    session.acknowledges = true;
    session.dispatch([dispatch(3, "hold", "{}")]).await;
    running.handle.drain();
    session.until(|said| said.draining).await;
    assert_eq!(get(port, "/readyz").await, not_ready("draining"));
    assert_eq!(get(port, "/livez").await.0, 200);
    gate.let_go.add_permits(1);
    session.until(|said| said.goodbye).await;
    drop(session);
    running.ended().await;
}

/// The program, and where its admin port is.
async fn program(coordinator: &FakeCoordinator) -> (tokio::process::Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_toolwave-worker"))
        .env_clear()
        .args([
            "--coordinator",
            &coordinator.address.to_string(),
            "--log-format",
            "json",
        ])
        .args(["--admin-listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = within(lines.next_line())
            .await
            .unwrap()
            .expect("a line with the address");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["fields"]["message"] == "admin port open" {
            break line["fields"]["address"].as_str().unwrap().parse().unwrap();
        }
    };
    // Read to the end, so that the program never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

#[tokio::test]
async fn the_program_serves_the_documented_page_and_its_log_level() {
    let mut coordinator = FakeCoordinator::start().await;
    let (_child, port) = program(&coordinator).await;
    let (_session, _) = coordinator.accept().await;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    Scrape::of(port)
        .await
        .is_documented(&page, "metrics of the worker");
    assert_eq!(get(port, "/log-level").await, (200, "info\n".to_owned()));
    let put = |level: &'static str| async move { ask(port, "PUT /log-level", &[], level).await };
    assert_eq!(
        put("info,rmcp=trace").await,
        (200, "info,rmcp=trace\n".to_owned())
    );
    let (status, text) = put("inof").await;
    assert_eq!(status, 400);
    assert!(
        text.starts_with("`inof` is no log filter; expected error"),
        "{text}"
    );
    assert_eq!(
        ask(port, "DELETE /log-level", &[], "").await,
        (200, "info\n".to_owned())
    );
    let elsewhere = [("Host", "evil.example")];
    assert_eq!(ask(port, "PUT /log-level", &elsewhere, "trace").await.0, 403);
    let (status, _) = ask(
        port,
        "PUT /log-level",
        &[("Origin", "http://evil.example")],
        "trace",
    )
    .await;
    assert_eq!(status, 403);
}
