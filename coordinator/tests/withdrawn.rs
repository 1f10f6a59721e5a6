//! Tools that their operator takes from the last worker that had them.

mod common;

use common::*;
use toolwave_proto::v1;

/// The worker offers these tools from now on, and the coordinator knows.
async fn offer(worker: &mut FakeWorker, number: u64, names: &[&str]) {
    let tools = names.iter().map(|name| tool(name)).collect();
    worker
        .say(v1::OpenSessionRequest {
            tools_changed: Some(v1::ToolsChanged { tools }),
            heartbeat: Some(v1::Heartbeat {
                number,
                ..v1::Heartbeat::default()
            }),
            ..v1::OpenSessionRequest::default()
        })
        .await;
    worker.until(|frame| frame.heartbeat_answer == number).await;
}

async fn listed(coordinator: &toolwave_coordinator::Coordinator) -> Vec<String> {
    let tools = client(coordinator)
        .await
        .list_tools(v1::ListToolsRequest {})
        .await
        .expect("an answer")
        .into_inner()
        .tools;
    tools
        .into_iter()
        .filter_map(|listed| Some(listed.tool?.name))
        .collect()
}

async fn outcome(coordinator: &toolwave_coordinator::Coordinator, tool: &str) -> (v1::Outcome, String) {
    let results = results(execute(coordinator, vec![call(tool, "{}")]).await).await;
    let error = results[0].error.clone().unwrap_or_default();
    (results[0].outcome(), format!("{}: {}", error.code, error.message))
}

#[tokio::test]
async fn a_tool_that_its_last_worker_offers_no_more_is_unknown_until_it_is_offered_again() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("kept"), tool("gone")])).await;
    offer(&mut worker, 1, &["kept"]).await;
    assert_eq!(listed(&coordinator).await, ["kept"]);
    let (ended, error) = outcome(&coordinator, "gone").await;
    assert_eq!(ended, v1::Outcome::Rejected, "{error}");
    assert!(
        error.starts_with("UNKNOWN_TOOL: no worker offers the tool \"gone\" any more"),
        "{error}"
    );
    let (_, error) = outcome(&coordinator, "gones").await;
    assert!(
        !error.contains("did you mean"),
        "it is proposed to nobody: {error}"
    );

    offer(&mut worker, 2, &["kept", "gone"]).await;
    assert_eq!(listed(&coordinator).await, ["gone", "kept"]);
    let running = execute(&coordinator, vec![call("gone", "{}")]).await;
    let dispatch = worker.dispatch().await;
    worker.succeed(&dispatch, "1").await;
    assert_eq!(json(&results(running).await[0]), "1");
}

#[tokio::test]
async fn a_tool_that_another_worker_has_stays() {
    let coordinator = start(config()).await;
    let mut first = FakeWorker::join(&coordinator, register("a", vec![tool("shared")])).await;
    let mut second = FakeWorker::join(&coordinator, register("b", vec![tool("shared")])).await;
    offer(&mut first, 1, &[]).await;
    assert_eq!(listed(&coordinator).await, ["shared"]);
    offer(&mut second, 1, &[]).await;
    assert!(listed(&coordinator).await.is_empty());
}

#[tokio::test]
async fn a_worker_that_comes_back_with_fewer_tools_takes_the_others_away() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("kept"), tool("gone")])).await;
    worker.hang_up();
    let again = v1::Register {
        instance_id: "another-process".into(),
        ..register("w", vec![tool("kept")])
    };
    let _worker = FakeWorker::join(&coordinator, again).await;
    assert_eq!(listed(&coordinator).await, ["kept"]);
}

#[tokio::test]
async fn a_worker_that_leaves_takes_no_tool_away() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("kept")])).await;
    worker.goodbye().await;
    let _ = worker.end().await;
    assert_eq!(
        listed(&coordinator).await,
        ["kept"],
        "another worker of its kind is expected"
    );
}
