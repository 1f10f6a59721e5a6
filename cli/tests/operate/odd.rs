//! Missing fields, nothing at all, numbers beyond all bounds, and coordinators that are older than the question.

use serde_json::{Value, json};
use toolwave_proto::v1::{self, CallState, Outcome, WaitReason, WorkerState};

use crate::fake::{Fake, Script};

const LISTS: [&[&str]; 7] = [
    &["executions"],
    &["executions", "--running", "--output", "json"],
    &["workers"],
    &["tools"],
    &["limits"],
    &["limits", "--output", "json"],
    &["top", "--once"],
];

fn empty() -> Script {
    Script {
        cluster: Some(v1::GetClusterResponse::default()),
        executions: Some(v1::ListExecutionsResponse::default()),
        ..Script::default()
    }
}

fn huge_time() -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: i32::MAX,
    })
}

fn huge_span() -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 999_999_999,
    })
}

fn huge_status(id: &str) -> v1::ExecutionStatus {
    v1::ExecutionStatus {
        execution_id: id.to_owned(),
        tenant: "\u{1b}[2Jevil\n".to_owned(),
        accepted_at: huge_time(),
        ended_at: None,
        calls: u32::MAX,
        waves: u32::MAX,
        waiting: u32::MAX,
        in_flight: u32::MAX,
        ended: u32::MAX,
        outcomes: vec![v1::OutcomeCount {
            outcome: 99,
            count: u32::MAX,
        }],
        attempts: u32::MAX,
        duration: huge_span(),
        trace_id: "\u{1b}]0;x\u{7}".to_owned(),
    }
}

/// Everything as large, as unknown or as hostile as the protocol can say it.
fn huge() -> Script {
    let limit = |setting: &str, amount| v1::LimitStatus {
        reason: WaitReason::ToolRate.into(),
        subject: "\u{1b}[31m".to_owned(),
        setting: setting.to_owned(),
        limit: amount,
        in_use: amount,
        waiting: u32::MAX,
    };
    let attempt = v1::Attempt {
        number: u32::MAX,
        worker: "\u{202e}w".repeat(500),
        started_at: huge_time(),
        ..v1::Attempt::default()
    };
    Script {
        cluster: Some(v1::GetClusterResponse {
            started_at: huge_time(),
            draining: true,
            executions: u32::MAX,
            queued_calls: u32::MAX,
            in_flight: u32::MAX,
            slots: 1,
            payload_bytes: u64::MAX,
            tools: vec![v1::ToolLoad {
                tool_name: "\u{7}t".repeat(200),
                queued: u32::MAX,
                ..v1::ToolLoad::default()
            }],
            limits: vec![
                limit("max_payload_bytes", f64::NAN),
                limit("rate", f64::INFINITY),
                limit("max_in_flight", f64::MAX),
            ],
            calls_ended: u64::MAX,
            ..v1::GetClusterResponse::default()
        }),
        executions: Some(v1::ListExecutionsResponse {
            executions: vec![v1::ExecutionStatus::default(), huge_status("huge")],
            forgotten: u64::MAX,
        }),
        execution: Some(v1::GetExecutionResponse {
            status: Some(huge_status("huge")),
            calls: vec![
                v1::CallTimeline::default(),
                v1::CallTimeline {
                    index: u32::MAX,
                    id: "<&\"'>\u{0}\u{fffe}".to_owned(),
                    wave: u32::MAX,
                    depends_on: vec![u32::MAX],
                    state: 77,
                    outcome: 77,
                    ready_at: huge_time(),
                    attempts: vec![attempt; 30],
                    waits_for: 77,
                    ..v1::CallTimeline::default()
                },
            ],
            summary: Some(v1::ExecutionSummary {
                duration: huge_span(),
                analysis: Some(v1::ExecutionAnalysis {
                    critical_path: vec![0, 1, u32::MAX],
                    lower_bound: huge_span(),
                    waits: vec![v1::Wait {
                        reason: 77,
                        time: huge_span(),
                        calls: u32::MAX,
                        ..v1::Wait::default()
                    }],
                    ..v1::ExecutionAnalysis::default()
                }),
                ..v1::ExecutionSummary::default()
            }),
            ..v1::GetExecutionResponse::default()
        }),
        workers: vec![v1::WorkerStatus {
            worker: "\u{9b}w".to_owned(),
            state: WorkerState::Ejected.into(),
            silence: huge_span(),
            slots: u32::MAX,
            in_flight: u32::MAX,
            ..v1::WorkerStatus::default()
        }],
        ..Script::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_cluster_is_no_error_anywhere() {
    let fake = Fake::start(empty()).await;
    for arguments in LISTS {
        let finished = fake.run(arguments).await;
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{finished:?}"
        );
        assert!(!finished.stdout.is_empty(), "{arguments:?}");
    }
    let top = fake.run(&["top", "--once"]).await.stdout;
    assert!(top.contains("none: calls wait until one connects"), "{top}");
    assert_eq!(
        fake.run(&["executions", "--output", "json"]).await.json(),
        json!({"executions": [], "forgotten": 0})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_of_top_is_three_questions() {
    let script = empty();
    let asked = script.asked.clone();
    let fake = Fake::start(script).await;
    assert_eq!(fake.run(&["top", "--once"]).await.code, Some(0));
    let mut asked = asked.lock().unwrap().clone();
    asked.sort_unstable();
    assert_eq!(asked, ["GetCluster", "ListExecutions", "ListWorkers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_unknown_and_hostile_values_are_shown_and_drive_no_terminal() {
    let fake = Fake::start(huge()).await;
    let one: [&[&str]; 6] = [
        &["execution", "huge"],
        &["execution", "hug", "--output", "json"],
        &["trace", "huge"],
        &["trace", "huge", "--json"],
        &["trace", "huge", "--svg", "-"],
        &["trace", "huge", "--calls", "1"],
    ];
    for arguments in LISTS.into_iter().chain(one) {
        let finished = fake.run(arguments).await;
        assert_eq!(finished.code, Some(0), "{arguments:?} {finished:?}");
        let json = arguments.iter().any(|argument| argument.contains("json"));
        // JSON is for programs, which take what turns text around as it is
        let steering = |c: char| (c.is_control() && c != '\n') || (c == '\u{202e}' && !json);
        let found = finished.stdout.chars().find(|c| steering(*c));
        assert_eq!(found, None, "{arguments:?} {}", finished.stdout);
    }
    let limits = fake.run(&["limits", "--output", "json"]).await.json();
    assert_eq!(limits[0]["limit"], Value::Null);
    let executions = fake.run(&["executions", "--output", "json"]).await.json();
    assert_eq!(executions["executions"][1]["calls"], u32::MAX);
    assert_eq!(executions["executions"][1]["accepted_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_coordinator_is_told_from_something_else() {
    let fake = Fake::start(Script::default()).await;
    let asked: [&[&str]; 6] = [
        &["executions"],
        &["executions", "--watch"],
        &["execution", "e"],
        &["trace", "e"],
        &["limits"],
        &["top"],
    ];
    for arguments in asked {
        let finished = fake.run(arguments).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert_eq!(finished.stdout, "");
        for said in ["is older than this command", "toolwave 0.1.0 and later do"] {
            assert!(finished.stderr.contains(said), "{finished:?}");
        }
    }
    // What it has always answered goes on.
    assert_eq!(fake.run(&["workers"]).await.code, Some(0));
    let cancelled = fake.run(&["cancel", "e"]).await;
    assert!(cancelled.stderr.contains("error: not found"), "{cancelled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_nearly_right_are_offered() {
    let status = |id: &str| v1::ExecutionStatus {
        execution_id: id.to_owned(),
        ..v1::ExecutionStatus::default()
    };
    let fake = Fake::start(Script {
        executions: Some(v1::ListExecutionsResponse {
            executions: vec![status("3f2a-1"), status("3f2b-1"), status("9c00-1")],
            forgotten: 0,
        }),
        execution: Some(v1::GetExecutionResponse {
            status: Some(status("9c00-1")),
            ..v1::GetExecutionResponse::default()
        }),
        workers: vec![v1::WorkerStatus {
            worker: "anna".to_owned(),
            ..v1::WorkerStatus::default()
        }],
        ..Script::default()
    })
    .await;
    let found = fake.run(&["trace", "9", "--json"]).await;
    assert_eq!(found.json()["execution_id"], "9c00-1");
    for (arguments, said) in [
        (
            ["execution", "3f"],
            "begins the ids of 2 executions, 3f2a-1, 3f2b-1;",
        ),
        (["trace", "3f2c-1"], "did you mean `3f2"),
        (["trace", "zzz"], "`toolwave executions` lists"),
        (["drain", "ana"], "did you mean `anna`?"),
        (["drain", "zzz"], "`toolwave workers` lists"),
    ] {
        let finished = fake.run(&arguments).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(said), "{said}: {finished:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_found_beyond_the_first_page() {
    let status = |number: u32| v1::ExecutionStatus {
        execution_id: format!("{number:04}-x"),
        ..v1::ExecutionStatus::default()
    };
    let last = status(2_499);
    let fake = Fake::start(Script {
        executions: Some(v1::ListExecutionsResponse {
            executions: (0..2_500).map(status).collect(),
            forgotten: 0,
        }),
        execution: Some(v1::GetExecutionResponse {
            status: Some(last),
            ..v1::GetExecutionResponse::default()
        }),
        ..Script::default()
    })
    .await;
    let found = fake.run(&["execution", "2499", "--output", "json"]).await;
    assert_eq!(found.json()["execution_id"], "2499-x", "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_calls_those_that_say_most_are_drawn_and_the_rest_is_counted() {
    let call = |index: u32| {
        let mut call = v1::CallTimeline {
            index,
            id: format!("c{index}"),
            tool_name: "t".to_owned(),
            ..v1::CallTimeline::default()
        };
        call.set_state(CallState::Ended);
        call.set_outcome(Outcome::Succeeded);
        call
    };
    let status = v1::ExecutionStatus {
        execution_id: "e".to_owned(),
        ..v1::ExecutionStatus::default()
    };
    let fake = Fake::start(Script {
        execution: Some(v1::GetExecutionResponse {
            status: Some(status),
            calls: (0..1_500).map(call).collect(),
            ..v1::GetExecutionResponse::default()
        }),
        ..Script::default()
    })
    .await;
    let shown = fake.run(&["trace", "e"]).await.stdout;
    assert!(shown.contains("1400 calls not shown"), "{shown}");
    let all = fake.run(&["trace", "e", "--calls", "0"]).await.stdout;
    assert!(!all.contains("not shown") && all.contains(" c1499 "), "{all}");
    let picture = fake.run(&["trace", "e", "--svg", "-"]).await.stdout;
    assert!(picture.contains("500 calls not shown"));
    let document = fake.run(&["trace", "e", "--json"]).await.json();
    assert_eq!(document["timeline"].as_array().unwrap().len(), 1_500);
}
