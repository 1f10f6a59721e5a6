//! What operators see of executions, over real gRPC: those that run, those that ended, and what is kept of them.

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use tonic::{Code, Status, transport::Channel};
use toolwave_coordinator::{Config, Coordinator};
use toolwave_proto::v1::{self, admin_service_client::AdminServiceClient};

use common::{
    FakeWorker, admin, call, client, config, execute, register, request, results, soon, start, tool,
};

type Admin = AdminServiceClient<Channel>;

async fn scene(config: Config) -> (Coordinator, FakeWorker, Admin) {
    let coordinator = start(config).await;
    let worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let admin = admin(&coordinator).await.max_decoding_message_size(64 << 20);
    (coordinator, worker, admin)
}

fn chain() -> Vec<v1::Call> {
    let named = |id: &str, depends_on: &[&str]| v1::Call {
        id: Some(id.into()),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        ..call("echo", r#"{"text":"grüße"}"#)
    };
    vec![
        named("first", &[]),
        named("second", &["first"]),
        named("beside", &[]),
    ]
}

async fn list(admin: &mut Admin, request: v1::ListExecutionsRequest) -> v1::ListExecutionsResponse {
    admin
        .list_executions(request)
        .await
        .expect("it answers")
        .into_inner()
}

async fn get(admin: &mut Admin, id: &str) -> Result<v1::GetExecutionResponse, Status> {
    let request = v1::GetExecutionRequest {
        execution_id: id.into(),
    };
    Ok(admin.get_execution(request).await?.into_inner())
}

/// Runs an execution of one call to its end; its id.
async fn run_one(
    coordinator: &Coordinator,
    worker: &mut FakeWorker,
    parameters: &str,
    result: &str,
) -> String {
    let running = execute(coordinator, vec![call("echo", parameters)]).await;
    let dispatch = worker.dispatch().await;
    worker.succeed(&dispatch, result).await;
    results(running).await;
    dispatch.execution_id
}

#[tokio::test]
async fn an_execution_that_runs_is_shown_call_by_call() {
    let (coordinator, mut worker, mut admin) = scene(config()).await;
    let running = execute(&coordinator, chain()).await;
    let (first, beside) = (worker.dispatch().await, worker.dispatch().await);
    let listed = list(&mut admin, v1::ListExecutionsRequest::default()).await;
    let status = &listed.executions[0];
    assert_eq!(status.execution_id, first.execution_id);
    assert_eq!((status.calls, status.waves, status.attempts), (3, 2, 2));
    assert_eq!((status.waiting, status.in_flight, status.ended), (1, 2, 0));
    assert!(status.ended_at.is_none() && status.accepted_at.is_some());
    worker.succeed(&beside, "[1,2]").await;
    let shown = soon("the end of one call", async {
        loop {
            let shown = get(&mut admin, &first.execution_id).await.expect("it runs");
            if shown.calls[2].state() == v1::CallState::Ended {
                return shown;
            }
        }
    })
    .await;
    assert!(shown.summary.is_none() && !shown.calls_forgotten && !shown.contents);
    let states: Vec<v1::CallState> = shown.calls.iter().map(v1::CallTimeline::state).collect();
    assert_eq!(
        states,
        [
            v1::CallState::InFlight,
            v1::CallState::Waiting,
            v1::CallState::Ended
        ]
    );
    let [one, two, three] = &shown.calls[..] else {
        panic!("{shown:?}")
    };
    assert_eq!((one.id.as_str(), two.depends_on.as_slice()), ("first", &[0][..]));
    assert_eq!((one.wave, two.wave, three.wave), (0, 1, 0));
    assert_eq!(one.attempts.len(), 1);
    assert!(one.attempts[0].ended_at.is_none() && one.attempts[0].dispatched_at.is_some());
    assert_eq!((three.outcome(), three.result_bytes), (v1::Outcome::Succeeded, 5));
    assert_eq!(three.parameters_bytes, r#"{"text":"grüße"}"#.len() as u64);
    assert!(three.parameters_json.is_empty() && three.result_json.is_empty());
    worker.succeed(&first, "1").await;
    let second = worker.dispatch().await;
    worker.succeed(&second, "1").await;
    results(running).await;
}

#[tokio::test]
async fn what_is_kept_of_an_ended_execution_says_what_its_answer_said() {
    let (coordinator, mut worker, mut admin) = scene(config()).await;
    let mut client = client(&coordinator).await;
    let running = tokio::spawn(async move { client.execute_parallel(request(chain())).await });
    let (first, beside) = (worker.dispatch().await, worker.dispatch().await);
    let attempt = first.attempt.expect("an attempt");
    worker.fail(&attempt, v1::AttemptFailureKind::ToolError).await;
    worker.succeed(&beside, "1").await;
    let answer = soon("its end", running)
        .await
        .expect("no panic")
        .expect("an answer")
        .into_inner();
    let kept = get(&mut admin, &first.execution_id).await.expect("kept");
    assert_eq!(kept.summary, answer.summary);
    for (shown, said) in kept.calls.iter().zip(&answer.results) {
        assert_eq!(shown.outcome, said.outcome);
        assert_eq!(shown.error, said.error);
        assert_eq!(shown.attempts, said.attempts);
        assert_eq!(shown.state(), v1::CallState::Ended);
    }
    let status = kept.status.expect("a status");
    assert_eq!((status.waiting, status.in_flight, status.ended), (0, 0, 3));
    assert_eq!(status.outcomes, answer.summary.expect("a summary").outcomes);
    assert!(status.ended_at.is_some());
    assert!(kept.calls[1].ready_at.is_none(), "it was never ready");
}

#[tokio::test]
async fn executions_are_listed_by_pages_the_newest_first() {
    let (coordinator, mut worker, mut admin) = scene(config()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(run_one(&coordinator, &mut worker, "{}", "1").await);
    }
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    ids.push(dispatch.execution_id.clone());
    ids.reverse();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..3 {
        let page = v1::ListExecutionsRequest {
            limit: 2,
            before: seen.last().cloned().unwrap_or_default(),
            ..v1::ListExecutionsRequest::default()
        };
        let page = list(&mut admin, page).await.executions;
        assert_eq!(page.len(), 2);
        seen.extend(page.into_iter().map(|status| status.execution_id));
    }
    assert_eq!(seen, ids);
    let of = |running, tenant: &str| v1::ListExecutionsRequest {
        running,
        tenant: tenant.into(),
        ..v1::ListExecutionsRequest::default()
    };
    let of_running = list(&mut admin, of(true, "")).await.executions;
    assert_eq!(of_running.len(), 1);
    assert_eq!(of_running[0].execution_id, ids[0]);
    let tenant = of_running[0].tenant.clone();
    assert_eq!(list(&mut admin, of(false, &tenant)).await.executions.len(), 6);
    assert_eq!(list(&mut admin, of(false, "another")).await.executions.len(), 0);
    worker.succeed(&dispatch, "1").await;
    results(running).await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_what_would_be_right() {
    let (_coordinator, _worker, mut admin) = scene(config()).await;
    for id in ["no id", "00000000-0000-4000-8000-000000000000"] {
        let refused = get(&mut admin, id).await.expect_err("unknown");
        assert_eq!(refused.code(), Code::NotFound);
        assert!(
            refused.message().contains("ListExecutions"),
            "{}",
            refused.message()
        );
        let request = v1::AdminServiceCancelExecutionRequest {
            execution_id: id.into(),
        };
        let refused = admin.cancel_execution(request).await.expect_err("unknown");
        assert_eq!(refused.code(), Code::NotFound);
        let request = v1::ListExecutionsRequest {
            before: id.into(),
            ..v1::ListExecutionsRequest::default()
        };
        let refused = admin.list_executions(request).await.expect_err("unknown");
        assert_eq!(refused.code(), Code::NotFound);
    }
    let request = v1::ListExecutionsRequest {
        limit: 1_001,
        ..v1::ListExecutionsRequest::default()
    };
    let refused = admin.list_executions(request).await.expect_err("too many");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("1000"), "{}", refused.message());
}

#[tokio::test]
async fn an_operator_cancels_what_runs_and_hears_of_what_has_ended() {
    let (coordinator, mut worker, mut admin) = scene(config()).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    let request = v1::AdminServiceCancelExecutionRequest {
        execution_id: dispatch.execution_id.clone(),
    };
    let cancelled = admin.cancel_execution(request.clone()).await.expect("it runs");
    assert!(!cancelled.into_inner().already_ended);
    assert_eq!(results(running).await[0].outcome(), v1::Outcome::Cancelled);
    let cancelled = admin.cancel_execution(request).await.expect("it is known");
    assert!(cancelled.into_inner().already_ended);
}

#[tokio::test]
async fn the_oldest_make_room_and_are_counted() {
    let mut config = config();
    config.history.executions = 2;
    let (coordinator, mut worker, mut admin) = scene(config).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(run_one(&coordinator, &mut worker, "{}", "1").await);
    }
    let listed = list(&mut admin, v1::ListExecutionsRequest::default()).await;
    let kept: Vec<&str> = listed
        .executions
        .iter()
        .map(|status| status.execution_id.as_str())
        .collect();
    assert_eq!(kept, [ids[4].as_str(), ids[3].as_str()]);
    assert_eq!(listed.forgotten, 3);
    assert_eq!(
        get(&mut admin, &ids[0]).await.expect_err("forgotten").code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn calls_that_had_to_go_are_said_to_be_forgotten() {
    let mut config = config();
    config.history.bytes = 64 << 10;
    let (coordinator, mut worker, mut admin) = scene(config).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        let running = execute(&coordinator, vec![call("echo", "{}"); 16]).await;
        for _ in 0..16 {
            let dispatch = worker.dispatch().await;
            worker.succeed(&dispatch, "1").await;
            if ids.last() != Some(&dispatch.execution_id) {
                ids.push(dispatch.execution_id);
            }
        }
        results(running).await;
    }
    let first = get(&mut admin, &ids[0]).await.expect("its status is kept");
    assert!(first.calls_forgotten && first.calls.is_empty() && first.summary.is_none());
    assert_eq!(first.status.map(|status| status.ended), Some(16));
    let last = get(&mut admin, &ids[19]).await.expect("kept");
    assert!(!last.calls_forgotten && last.calls.len() == 16);
}

#[tokio::test]
async fn contents_are_kept_only_where_the_operator_says_and_cut_between_characters() {
    let mut config = config();
    config.history.contents = true;
    config.history.contents_bytes = 12;
    let (coordinator, mut worker, mut admin) = scene(config).await;
    let id = run_one(&coordinator, &mut worker, r#"{"t":"abcdeü"}"#, r#"["short"]"#).await;
    let shown = get(&mut admin, &id).await.expect("kept");
    assert!(shown.contents);
    assert_eq!(&shown.calls[0].parameters_json[..], br#"{"t":"abcde"#);
    assert_eq!(&shown.calls[0].result_json[..], br#"["short"]"#);
    assert_eq!(shown.calls[0].parameters_bytes, 15);
}

#[tokio::test]
async fn the_cluster_says_what_runs_and_what_has_ended() {
    let (coordinator, mut worker, mut admin) = scene(config()).await;
    run_one(&coordinator, &mut worker, "{}", "1").await;
    let running = execute(&coordinator, vec![call("echo", r#"{"a":1}"#)]).await;
    let dispatch = worker.dispatch().await;
    let cluster = admin.get_cluster(v1::GetClusterRequest {}).await;
    let cluster = cluster.expect("it answers").into_inner();
    assert_eq!(cluster.coordinator_id, worker.registered.coordinator_id);
    assert_eq!(
        (cluster.executions, cluster.in_flight, cluster.queued_calls),
        (1, 1, 0)
    );
    assert_eq!((cluster.workers, cluster.slots, cluster.draining), (1, 8, false));
    assert_eq!((cluster.executions_ended, cluster.calls_ended), (1, 1));
    assert!(cluster.payload_bytes >= 7 && cluster.started_at.is_some());
    assert_eq!(cluster.tools.len(), 1);
    assert_eq!((cluster.tools[0].workers, cluster.tools[0].in_flight), (1, 1));
    worker.succeed(&dispatch, "1").await;
    results(running).await;
}

#[tokio::test]
async fn ten_thousand_calls_fit_into_one_message_of_any_client() {
    let mut config = config();
    config.history.bytes = 1 << 30;
    let coordinator = start(config).await;
    let mut registers = register("w", vec![tool("echo")]);
    registers.slots = 10_000;
    let mut worker = FakeWorker::join(&coordinator, registers).await;
    let running = execute(&coordinator, vec![call("echo", "{}"); 10_000]).await;
    let mut id = String::new();
    for _ in 0..10_000 {
        let dispatch = worker.dispatch().await;
        worker.succeed(&dispatch, "1").await;
        id = dispatch.execution_id;
    }
    soon(
        "the end of the execution",
        tokio::time::timeout(Duration::from_secs(60), running),
    )
    .await
    .expect("in time")
    .expect("no panic")
    .expect("an answer");
    // A client with the limit that gRPC clients have by themselves.
    let mut admin = admin(&coordinator).await;
    let shown = get(&mut admin, &id).await.expect("it fits");
    assert_eq!(shown.calls.len(), 10_000);
    let bytes = prost::Message::encoded_len(&shown);
    assert!(bytes < 4 << 20, "{bytes} bytes");
    println!("10,000 calls: {bytes} bytes");
}

/// The status of a limit.
fn limit<'a>(cluster: &'a v1::GetClusterResponse, subject: &str, setting: &str) -> &'a v1::LimitStatus {
    let found = cluster
        .limits
        .iter()
        .find(|limit| (limit.subject.as_str(), limit.setting.as_str()) == (subject, setting));
    found.unwrap_or_else(|| panic!("{subject} {setting} is not among {:?}", cluster.limits))
}

#[tokio::test]
async fn each_limit_says_how_much_of_it_is_used_and_who_waits_for_it() {
    let coordinator = start(config()).await;
    let narrow = v1::Tool {
        max_concurrency: 1,
        rate_per_second: 0.001,
        rate_burst: 4,
        ..tool("narrow")
    };
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo"), narrow])).await;
    let mut admin = admin(&coordinator).await;
    let mut calls = vec![call("echo", "{}"); 10];
    calls.extend(vec![call("narrow", "{}"); 3]);
    let running = execute(&coordinator, calls).await;
    let mut dispatches = Vec::new();
    for _ in 0..8 {
        dispatches.push(worker.dispatch().await);
    }
    let cluster = admin.get_cluster(v1::GetClusterRequest {}).await;
    let cluster = cluster.expect("it answers").into_inner();
    let slots = limit(&cluster, "", "slots");
    assert_eq!(
        (slots.limit, slots.in_use, slots.reason()),
        (8.0, 8.0, v1::WaitReason::Slots)
    );
    let of_tool = limit(&cluster, "narrow", "max_concurrency");
    let narrow_in_flight = of_tool.in_use as u32;
    assert_eq!(
        (of_tool.limit, of_tool.reason()),
        (1.0, v1::WaitReason::ToolLimit)
    );
    assert_eq!(slots.waiting + of_tool.waiting, 5, "{:?}", cluster.limits);
    assert!(
        narrow_in_flight == 0 || of_tool.waiting == 2,
        "{:?}",
        cluster.limits
    );
    let most = cluster.limits.iter().map(|limit| limit.waiting);
    assert!(
        most.is_sorted_by(|one, other| one >= other),
        "{:?}",
        cluster.limits
    );
    assert_eq!(limit(&cluster, "", "max_in_flight").limit, 100_000.0);
    assert_eq!(limit(&cluster, "", "max_queued_calls").in_use, 5.0);
    assert!(limit(&cluster, "", "max_payload_bytes").in_use > 0.0);
    let rate = limit(&cluster, "narrow", "rate_per_second");
    assert!(rate.in_use <= rate.limit);
    for dispatch in dispatches {
        worker.succeed(&dispatch, "1").await;
    }
    for _ in 0..5 {
        let dispatch = worker.dispatch().await;
        worker.succeed(&dispatch, "1").await;
    }
    results(running).await;
}
