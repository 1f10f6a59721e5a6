//! The admin port of a coordinator: what scrapers read of what happened, and what probes are told.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;
#[path = "../../telemetry/tests/support/page.rs"]
mod page;

use std::{net::SocketAddr, path::Path, time::Duration};

use common::*;
use page::{Scrape, get};
use toolwave_config::Sources;
use toolwave_coordinator::{
    Config, Coordinator,
    config::{ClientCertificate, Tls},
};
use toolwave_proto::v1::{self, AttemptFailureKind, attempt_report::End};

const OUTCOMES: [&str; 9] = [
    "succeeded",
    "failed",
    "rejected",
    "timed_out",
    "deadline_exceeded",
    "cancelled",
    "skipped",
    "unavailable",
    "unknown",
];

fn observed() -> Config {
    let mut config = config();
    config.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    config
}

fn port(coordinator: &Coordinator) -> SocketAddr {
    coordinator.admin_address().expect("it is set")
}

/// Scrapes until `wanted` holds.
async fn scrape_until(port: SocketAddr, wanted: impl Fn(&Scrape) -> bool) -> Scrape {
    soon("the page", async {
        loop {
            let scrape = Scrape::of(port).await;
            if wanted(&scrape) {
                return scrape;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn retried(mut call: v1::Call) -> v1::Call {
    let short = Some(prost_types::Duration {
        seconds: 0,
        nanos: 1_000_000,
    });
    call.retry = Some(v1::RetryPolicy {
        max_attempts: 3,
        initial_backoff: short,
        max_backoff: short,
        ..v1::RetryPolicy::default()
    });
    call
}

fn of_tool(retryable: bool) -> End {
    End::Failure(v1::AttemptFailure {
        kind: AttemptFailureKind::ToolError.into(),
        retryable,
        ..v1::AttemptFailure::default()
    })
}

fn assert_all_there(scrape: &Scrape, tool: &str) {
    for outcome in OUTCOMES {
        let sample = format!("toolwave_calls_completed_total{{tool=\"{tool}\",outcome=\"{outcome}\"}}");
        assert_eq!(scrape.value(&sample), 0.0);
    }
    for reason in ["first", "retry"] {
        let sample = format!("toolwave_call_attempts_total{{tool=\"{tool}\",reason=\"{reason}\"}}");
        assert_eq!(scrape.value(&sample), 0.0);
    }
    for name in [
        "toolwave_calls_submitted_total",
        "toolwave_calls_running",
        "toolwave_calls_queued",
        "toolwave_calls_startable",
        "toolwave_oldest_queued_call_age_seconds",
        "toolwave_unroutable_calls_total",
        "toolwave_call_duration_seconds_count",
    ] {
        assert_eq!(scrape.value(&format!("{name}{{tool=\"{tool}\"}}")), 0.0);
    }
}

#[tokio::test]
async fn every_label_set_is_there_from_the_start_and_those_of_a_tool_once_it_is_declared() {
    let coordinator = start(observed()).await;
    let scrape = Scrape::of(port(&coordinator)).await;
    assert_all_there(&scrape, "(other)");
    for sample in [
        "toolwave_executions_completed_total{outcome=\"cancelled\"}",
        "toolwave_executions_refused_total{reason=\"queue_full\"}",
        "toolwave_worker_disconnects_total{reason=\"lease_expired\"}",
        "toolwave_concurrency_limited_seconds_total{group=\"coordinator\"}",
        "toolwave_workers_connected",
        "toolwave_draining",
        "toolwave_late_reports_total",
        "grpc_server_handled_total{grpc_type=\"unary\",grpc_service=\"toolwave.v1.ExecutionService\",grpc_method=\"ExecuteParallel\",grpc_code=\"Unavailable\"}",
    ] {
        assert_eq!(scrape.value(sample), 0.0);
    }
    assert_eq!(scrape.value("toolwave_config_last_reload_successful"), 1.0);
    assert!(!scrape.has("toolwave_calls_queued{tool=\"echo\"}"));

    let mut limited = tool("echo");
    limited.max_concurrency = 3;
    let _worker = FakeWorker::join(&coordinator, register("w", vec![limited])).await;
    let scrape = Scrape::of(port(&coordinator)).await;
    assert_all_there(&scrape, "echo");
    assert_eq!(
        scrape.value("toolwave_concurrency_limit{group=\"tool:echo\"}"),
        3.0
    );
    assert_eq!(scrape.value("toolwave_tool_workers{tool=\"echo\"}"), 1.0);
    assert_eq!(scrape.value("toolwave_workers_connected"), 1.0);
    assert_eq!(scrape.value("toolwave_worker_slots"), 8.0);
    assert_eq!(scrape.value("toolwave_worker_slots_free"), 8.0);
}

#[tokio::test]
async fn the_counters_are_what_happened() {
    let coordinator = start(observed()).await;
    let bystander = start(observed()).await;
    let tools = vec![tool("echo"), once("pay")];
    let mut worker = FakeWorker::join(&coordinator, register("w", tools.clone())).await;

    // A success, and a retry after an error and after a refusal.
    let running = execute(
        &coordinator,
        vec![call("echo", "{}"), retried(call("echo", "{}"))],
    )
    .await;
    let (first, second) = (worker.dispatch().await, worker.dispatch().await);
    worker.succeed(&first, "1").await;
    worker.report(&second.attempt.unwrap(), of_tool(true)).await;
    let third = worker.dispatch().await;
    worker
        .fail(&third.attempt.unwrap(), AttemptFailureKind::Refused)
        .await;
    let fourth = worker.dispatch().await;
    worker.succeed(&fourth, "2").await;
    assert_eq!(results(running).await.len(), 2);

    // A failure that another call depends on, and a tool that nobody has.
    let mut dependent = call("echo", "{}");
    dependent.depends_on = vec!["0".into()];
    let running = execute(
        &coordinator,
        vec![call("pay", "{}"), dependent, call("nobody-has-it", "{}")],
    )
    .await;
    let failing = worker.dispatch().await;
    worker.report(&failing.attempt.unwrap(), of_tool(false)).await;
    results(running).await;

    // A worker whose process is gone with an attempt that is not safe to repeat.
    let running = execute(&coordinator, vec![call("pay", "{}")]).await;
    worker.dispatch().await;
    let mut again = register("w", tools);
    again.instance_id = "w-2".into();
    let _worker = FakeWorker::join(&coordinator, again).await;
    results(running).await;

    // A request that is wrong.
    let refused = execute(&coordinator, vec![]).await.await.unwrap();
    assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);

    let rpcs = "grpc_server_handled_total{grpc_type=\"unary\",grpc_service=\"toolwave.v1.ExecutionService\",grpc_method=\"ExecuteParallel\",grpc_code";
    let scrape = scrape_until(port(&coordinator), |scrape| {
        scrape.value(&format!("{rpcs}=\"OK\"}}")) == 3.0
    })
    .await;
    let expected = [
        ("toolwave_executions_accepted_total", 3.0),
        ("toolwave_executions_completed_total{outcome=\"succeeded\"}", 1.0),
        ("toolwave_executions_completed_total{outcome=\"failed\"}", 2.0),
        ("toolwave_executions_refused_total{reason=\"invalid\"}", 1.0),
        ("toolwave_executions_active", 0.0),
        ("toolwave_execution_calls_count", 3.0),
        ("toolwave_execution_calls_sum", 6.0),
        ("toolwave_execution_calls_bucket{le=\"1\"}", 1.0),
        ("toolwave_execution_calls_bucket{le=\"2\"}", 2.0),
        ("toolwave_execution_duration_seconds_count", 3.0),
        ("toolwave_calls_submitted_total{tool=\"echo\"}", 3.0),
        ("toolwave_calls_submitted_total{tool=\"pay\"}", 2.0),
        ("toolwave_calls_submitted_total{tool=\"(other)\"}", 1.0),
        (
            "toolwave_calls_completed_total{tool=\"echo\",outcome=\"succeeded\"}",
            2.0,
        ),
        (
            "toolwave_calls_completed_total{tool=\"echo\",outcome=\"skipped\"}",
            1.0,
        ),
        (
            "toolwave_calls_completed_total{tool=\"pay\",outcome=\"failed\"}",
            1.0,
        ),
        (
            "toolwave_calls_completed_total{tool=\"pay\",outcome=\"unknown\"}",
            1.0,
        ),
        (
            "toolwave_calls_completed_total{tool=\"(other)\",outcome=\"rejected\"}",
            1.0,
        ),
        ("toolwave_unroutable_calls_total{tool=\"(other)\"}", 1.0),
        (
            "toolwave_call_attempts_total{tool=\"echo\",reason=\"first\"}",
            2.0,
        ),
        (
            "toolwave_call_attempts_total{tool=\"echo\",reason=\"retry\"}",
            2.0,
        ),
        ("toolwave_call_attempts_total{tool=\"pay\",reason=\"first\"}", 2.0),
        ("toolwave_call_duration_seconds_count{tool=\"echo\"}", 2.0),
        ("toolwave_call_queue_wait_seconds_count", 4.0),
        ("toolwave_workers_connected", 1.0),
        ("toolwave_calls_running{tool=\"pay\"}", 0.0),
    ];
    for (sample, value) in expected {
        assert_eq!(scrape.value(sample), value, "{sample}");
    }
    assert_eq!(scrape.value(&format!("{rpcs}=\"InvalidArgument\"}}")), 1.0);
    assert_eq!(
        scrape.samples("toolwave_calls_submitted_total").count(),
        3,
        "a name of a client's makes no series"
    );
    let of_other = Scrape::of(port(&bystander)).await;
    assert_eq!(of_other.value("toolwave_executions_accepted_total"), 0.0);
}

#[tokio::test]
async fn sessions_that_end_are_counted_by_why() {
    let coordinator = start(observed()).await;
    let says = |reason: &str| format!("toolwave_worker_disconnects_total{{reason=\"{reason}\"}}");
    let worker = FakeWorker::join(&coordinator, register("a", vec![tool("echo")])).await;
    worker.goodbye().await;
    scrape_until(port(&coordinator), |scrape| scrape.value(&says("goodbye")) == 1.0).await;
    let mut worker = FakeWorker::join(&coordinator, register("b", vec![tool("echo")])).await;
    worker.hang_up();
    scrape_until(port(&coordinator), |scrape| scrape.value(&says("broken")) == 1.0).await;
    let mut worker = FakeWorker::join(&coordinator, register("c", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let mut made_up = worker.dispatch().await;
    made_up.attempt.as_mut().unwrap().attempt = 7;
    worker.succeed(&made_up, "1").await;
    let scrape = scrape_until(port(&coordinator), |scrape| scrape.value(&says("fault")) == 1.0).await;
    assert_eq!(scrape.value(&says("broken")), 1.0);
    assert_eq!(scrape.value(&says("goodbye")), 1.0);
    running.abort();
}

#[tokio::test]
async fn calls_that_their_execution_holds_back_wait_and_would_start_nowhere() {
    let coordinator = start(observed()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let mut client = client(&coordinator).await;
    let narrow = v1::ExecuteParallelRequest {
        max_concurrency: Some(2),
        max_concurrency_auto: false,
        ..request(vec![call("echo", "{}"); 10])
    };
    let _running = tokio::spawn(async move { client.execute_parallel(narrow).await });
    worker.dispatch().await;
    worker.dispatch().await;
    let scrape = Scrape::of(port(&coordinator)).await;
    assert_eq!(scrape.value("toolwave_calls_queued{tool=\"echo\"}"), 8.0);
    assert_eq!(scrape.value("toolwave_calls_startable{tool=\"echo\"}"), 0.0);
}

#[tokio::test]
async fn what_waits_is_told_with_the_limit_that_it_waits_for() {
    let coordinator = start(observed()).await;
    let mut limited = tool("echo");
    limited.max_concurrency = 1;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![limited])).await;
    let running = execute(&coordinator, vec![call("echo", "{}"); 3]).await;
    let first = worker.dispatch().await;
    let scrape = Scrape::of(port(&coordinator)).await;
    for (sample, value) in [
        ("toolwave_calls_running{tool=\"echo\"}", 1.0),
        ("toolwave_calls_queued{tool=\"echo\"}", 2.0),
        ("toolwave_calls_startable{tool=\"echo\"}", 2.0),
        ("toolwave_calls_waiting", 2.0),
        ("toolwave_executions_active", 1.0),
        ("toolwave_concurrency_in_use{group=\"tool:echo\"}", 1.0),
        ("toolwave_concurrency_in_use{group=\"coordinator\"}", 1.0),
        (
            "toolwave_concurrency_limited_seconds_total{group=\"coordinator\"}",
            0.0,
        ),
        ("toolwave_worker_slots_free", 7.0),
    ] {
        assert_eq!(scrape.value(sample), value, "{sample}");
    }
    let limited = "toolwave_concurrency_limited_seconds_total{group=\"tool:echo\"}";
    let age = "toolwave_oldest_queued_call_age_seconds{tool=\"echo\"}";
    let before = scrape_until(port(&coordinator), |scrape| scrape.value(limited) > 0.0).await;
    assert!(before.value(age) > 0.0);
    worker.succeed(&first, "1").await;
    for _ in 0..2 {
        let next = worker.dispatch().await;
        worker.succeed(&next, "1").await;
    }
    results(running).await;
    let scrape = Scrape::of(port(&coordinator)).await;
    let total = scrape.value(limited);
    assert!(total >= before.value(limited));
    assert_eq!(scrape.value(age), 0.0);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(
        Scrape::of(port(&coordinator)).await.value(limited),
        total,
        "nothing waits any more"
    );
}

#[tokio::test]
async fn tools_beyond_the_bound_are_counted_together_and_a_withdrawn_one_keeps_its_series() {
    let coordinator = start(observed()).await;
    let tools: Vec<v1::Tool> = (0..600).map(|number| tool(&format!("tool-{number}"))).collect();
    let mut worker = FakeWorker::join(&coordinator, register("w", tools)).await;
    let running = execute(&coordinator, vec![call("tool-3", "{}"), call("tool-599", "{}")]).await;
    for _ in 0..2 {
        let dispatch = worker.dispatch().await;
        worker.succeed(&dispatch, "1").await;
    }
    results(running).await;
    let scrape = Scrape::of(port(&coordinator)).await;
    assert_eq!(scrape.samples("toolwave_calls_submitted_total").count(), 501);
    assert_eq!(
        scrape.value("toolwave_calls_submitted_total{tool=\"tool-3\"}"),
        1.0
    );
    assert_eq!(
        scrape.value("toolwave_calls_submitted_total{tool=\"(other)\"}"),
        1.0
    );

    worker
        .say(v1::OpenSessionRequest {
            tools_changed: Some(v1::ToolsChanged {
                tools: vec![tool("tool-4")],
            }),
            ..Default::default()
        })
        .await;
    let scrape = scrape_until(port(&coordinator), |scrape| {
        scrape.value("toolwave_tool_workers{tool=\"tool-3\"}") == 0.0
    })
    .await;
    assert_eq!(
        scrape.value("toolwave_calls_submitted_total{tool=\"tool-3\"}"),
        1.0
    );
    assert_eq!(scrape.value("toolwave_tool_workers{tool=\"tool-4\"}"), 1.0);
}

#[tokio::test]
async fn a_draining_coordinator_is_alive_and_not_ready_and_says_why_until_its_end() {
    let coordinator = start(observed()).await;
    let port = port(&coordinator);
    assert_eq!(get(port, "/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(
        get(port, "/readyz").await,
        (200, "ready\n".to_owned()),
        "without any worker: clients are to be refused by the coordinator, with a reason"
    );
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    let ending = tokio::spawn(coordinator.shutdown());
    worker.until(|frame| frame.shutdown.is_some()).await;
    assert_eq!(
        get(port, "/readyz").await,
        (503, "not ready: draining\n".to_owned())
    );
    assert_eq!(get(port, "/livez").await.0, 200);
    assert_eq!(Scrape::of(port).await.value("toolwave_draining"), 1.0);
    worker.succeed(&dispatch, "1").await;
    results(running).await;
    assert!(soon("the end", ending).await.unwrap().finished);
}

#[tokio::test]
async fn without_logs_of_its_own_a_coordinator_in_another_program_shows_none() {
    let coordinator = start(observed()).await;
    assert_eq!(get(port(&coordinator), "/log-level").await.0, 404);
}

#[tokio::test]
async fn a_reload_is_told_as_it_went() {
    let coordinator = start(observed()).await;
    let at = "toolwave_config_last_reload_success_timestamp_seconds";
    let before = Scrape::of(port(&coordinator)).await;
    coordinator.reload_failed();
    let scrape = Scrape::of(port(&coordinator)).await;
    assert_eq!(scrape.value("toolwave_config_last_reload_successful"), 0.0);
    assert_eq!(scrape.value(at), before.value(at));
    let reloaded = coordinator.reload(observed(), Sources::default()).await;
    reloaded.expect("it is what it was");
    let scrape = Scrape::of(port(&coordinator)).await;
    assert_eq!(scrape.value("toolwave_config_last_reload_successful"), 1.0);
}

#[tokio::test]
async fn the_page_is_what_the_documentation_says_and_tells_when_certificates_expire() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2040, 1, 2);
    let certificate = parameters.self_signed(&key).unwrap();
    let (certificate_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key_file, private).unwrap();
    let mut config = observed();
    config.tls = Some(Tls {
        certificate: certificate_file,
        key: key_file,
        client_ca: None,
        client_certificate: ClientCertificate::default(),
        reload_interval: Duration::from_secs(10),
    });
    let coordinator = start(config).await;
    let scrape = Scrape::of(port(&coordinator)).await;
    let expires = scrape.value("toolwave_tls_certificate_not_after_timestamp_seconds{listener=\"listen\"}");
    assert_eq!(
        expires,
        f64::from(rcgen::date_time_ymd(2040, 1, 2).unix_timestamp() as u32)
    );
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    scrape.is_documented(&page, "metrics of the coordinator");
}
