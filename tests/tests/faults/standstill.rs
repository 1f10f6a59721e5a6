//! Faults of real processes: what stands still, and what was in flight meanwhile.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Notify;
use toolwave_client::{CallResultExt as _, call, v1};
use toolwave_tests::Processes;
use toolwave_worker::{CallContext, FunctionTool, Worker};

/// Far longer than the lease that the test configures.
const STANDSTILL: Duration = Duration::from_secs(7);

/// F21: a machine that stands still for longer than the lease, as a paused VM does, finds its workers as they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_stood_still_for_longer_than_the_lease_loses_no_worker() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("coordinator.toml");
    let intervals = "heartbeat_interval = \"500ms\"\nsuspect_after = \"1500ms\"\nself_fence = \"3s\"\n\
                     reconnect_grace = \"2s\"\nlease = \"4s\"\n";
    std::fs::write(&config, intervals).unwrap();
    let binaries = crate::rig::binaries();
    let mut processes = Processes::start(binaries, &["--config", config.to_str().unwrap()]).unwrap();

    let (began, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tool_began, tool_ends) = (began.clone(), ends.clone());
    // Not safe to repeat: were its worker taken for lost, its outcome would be UNKNOWN.
    let tool = FunctionTool::new("deliver", "Delivers once", move |_: Value, _: CallContext| {
        let (began, ends) = (tool_began.clone(), tool_ends.clone());
        async move {
            began.notify_one();
            ends.notified().await;
            Ok("delivered")
        }
    });
    let worker = Worker::builder()
        .coordinator(processes.url())
        .name("steady")
        .tool(tool)
        .build()
        .unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    assert!(handle.registered().await);

    let client = processes.client().await.unwrap();
    let request = v1::ExecuteParallelRequest {
        calls: vec![call("deliver", json!({}))],
        ..Default::default()
    };
    let execution = tokio::spawn(async move { client.execute_parallel(request).await });
    began.notified().await;
    processes.coordinator().signal("STOP").unwrap();
    tokio::time::sleep(STANDSTILL).await;
    processes.coordinator().signal("CONT").unwrap();
    // The worker has been silent for the coordinator, and has nothing to hide: it goes on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    ends.notify_one();

    let results = execution.await.unwrap().unwrap().results;
    assert_eq!(
        results[0].outcome(),
        v1::Outcome::Succeeded,
        "{:?}",
        results[0].error
    );
    assert_eq!(results[0].json().unwrap(), Some(json!("delivered")));
    assert_eq!(results[0].attempts.len(), 1);
    running.abort();
}
