//! The commands against a cluster: a coordinator and a worker that run in the test.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod support;

use serde_json::{Value, json};
use support::{Finished, Running, result, toolwave};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_worker::{
    RunError, Worker,
    tools::{Builtin, builtin_tools},
};

struct Cluster {
    coordinator: Coordinator,
    worker: JoinHandle<Result<(), RunError>>,
    stop: CancellationToken,
}

impl Cluster {
    async fn start() -> Self {
        let coordinator = Coordinator::start(Config::embedded()).await.unwrap();
        let worker = Worker::builder()
            .coordinator(format!("http://{}", coordinator.address()))
            .name("anna")
            .slots(3)
            .tools(builtin_tools(&Builtin::default()).unwrap())
            .build()
            .unwrap();
        let handle = worker.handle();
        let stop = CancellationToken::new();
        let worker = tokio::spawn(worker.run_until(stop.clone()));
        handle.registered().await;
        Self {
            coordinator,
            worker,
            stop,
        }
    }

    async fn run(&self, arguments: &[&str], input: Option<&str>) -> Finished {
        let directory = tempfile::tempdir().unwrap();
        let mut command = toolwave(directory.path());
        command
            .args(arguments)
            .args(["--coordinator", &format!("http://{}", self.coordinator.address())]);
        let running = Running::start(&mut command, input);
        tokio::task::spawn_blocking(move || running.finish())
            .await
            .unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.run(&[arguments, &["--output", "json"]].concat(), None).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.json()
    }

    async fn end(self) {
        self.stop.cancel();
        self.worker.await.unwrap().unwrap();
        self.coordinator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_and_workers_are_listed() {
    let cluster = Cluster::start().await;
    let tools = cluster.json(&["tools"]).await;
    let calculator = tools
        .as_array()
        .unwrap()
        .iter()
        .find(|tool| tool["name"] == "calculator")
        .unwrap();
    assert_eq!(calculator["workers"], 1);
    assert_eq!(calculator["read_only"], true);
    assert_eq!(calculator["input_schema"]["required"], json!(["expression"]));
    let text = cluster.run(&["tools"], None).await;
    assert!(
        text.stdout.contains("calculator") && text.stdout.contains("safe: read only"),
        "{text:?}"
    );

    let workers = cluster.json(&["workers"]).await;
    assert_eq!(workers[0]["worker"], "anna");
    assert_eq!(workers[0]["slots"], 3);
    assert_eq!(workers[0]["state"], "READY");
    let text = cluster.run(&["workers"], None).await;
    assert!(
        text.stdout.contains("anna") && text.stdout.contains("READY"),
        "{text:?}"
    );
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_runs_on_the_cluster() {
    let cluster = Cluster::start().await;
    let plan = "calls: [{id: a, tool: calculator, parameters: {expression: 2 + 2}}]";
    let finished = cluster.run(&["run", "-", "--output", "json"], Some(plan)).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let document = finished.json();
    assert_eq!(result(&document, "a")["result"]["number"], 4);
    assert_eq!(result(&document, "a")["attempts"][0]["worker"], "anna");
    // The same plan's waves, by the cluster's tools.
    let finished = cluster.run(&["plan", "-"], Some(plan)).await;
    assert!(finished.stdout.contains("1 call in 1 wave"), "{finished:?}");
    let finished = cluster.run(&["run", "-", "--allow", "files=."], Some(plan)).await;
    assert!(
        finished.stderr.contains("--allow changes nothing on a cluster"),
        "{finished:?}"
    );
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_drained_and_taken_back() {
    let cluster = Cluster::start().await;
    let drained = cluster.json(&["drain", "anna"]).await;
    assert_eq!(
        drained,
        json!({"worker": "anna", "draining": true, "in_flight": 0})
    );
    assert_eq!(cluster.json(&["workers"]).await[0]["draining"], true);
    let resumed = cluster.run(&["drain", "anna", "--resume"], None).await;
    assert!(resumed.stdout.contains("anna takes calls again"), "{resumed:?}");
    assert_eq!(cluster.json(&["workers"]).await[0]["draining"], false);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_does_not_know_is_not_found() {
    let cluster = Cluster::start().await;
    for arguments in [["drain", "nobody"], ["cancel", "not-an-execution"]] {
        let finished = cluster.run(&arguments, None).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("error: not found"), "{finished:?}");
        assert_eq!(finished.stdout, "");
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_cancelled_from_elsewhere() {
    let cluster = Cluster::start().await;
    let plan = r#"calls: [{id: slow, tool: sleep, parameters: {milliseconds: 600000}, timeout: 20m}]"#;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("plan.yaml"), plan).unwrap();
    let mut command = toolwave(directory.path());
    let url = format!("http://{}", cluster.coordinator.address());
    command.args(["run", "plan.yaml", "--output", "json", "--coordinator", &url]);
    let started = tokio::task::spawn_blocking(move || support::until_said(&mut command, "started ")).await;
    let (said, running) = started.unwrap();
    let id = said
        .split_once("execution ")
        .and_then(|(_, rest)| rest.lines().next())
        .unwrap();
    let cancelled = cluster.json(&["cancel", id]).await;
    assert_eq!(cancelled, json!({"execution_id": id, "already_ended": false}));
    let finished = tokio::task::spawn_blocking(move || running.finish())
        .await
        .unwrap();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(
        result(&finished.json(), "slow")["outcome"],
        "CANCELLED",
        "{finished:?}"
    );
    cluster.end().await;
}
