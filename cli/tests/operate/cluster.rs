//! The commands of operators against a real coordinator and a real worker.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_worker::{
    RunError, Worker,
    tools::{Builtin, builtin_tools},
};

use crate::{
    fake,
    support::{Finished, Running, finish, toolwave, until_said},
};

pub(crate) struct Cluster {
    coordinator: Coordinator,
    worker: JoinHandle<Result<(), RunError>>,
    stop: CancellationToken,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let config = Config {
            listen: address,
            ..Config::embedded()
        };
        let coordinator = Coordinator::start(config).await.unwrap();
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
        assert!(handle.registered().await);
        Self {
            coordinator,
            worker,
            stop,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.coordinator.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        fake::run(self.address(), arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.json()
    }

    /// Runs a plan to its end; answers its document.
    async fn execute(&self, plan: &str, flags: &[&str]) -> Finished {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("plan.yaml"), plan).unwrap();
        let mut command = toolwave(directory.path());
        command
            .args(["run", "plan.yaml", "--coordinator", &self.url()])
            .args(flags);
        tokio::task::spawn_blocking(move || finish(&mut command))
            .await
            .unwrap()
    }

    /// Starts a plan whose calls do not end before they are cancelled; answers its id once they run.
    pub(crate) async fn hold(&self, plan: &str) -> (String, Running) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("plan.yaml"), plan).unwrap();
        let mut command = toolwave(directory.path());
        command.args([
            "run",
            "plan.yaml",
            "--coordinator",
            &self.url(),
            "--output",
            "json",
        ]);
        let started = tokio::task::spawn_blocking(move || {
            let started = until_said(&mut command, "started ");
            drop(directory);
            started
        });
        let (said, running) = started.await.unwrap();
        let id = said
            .split_once("execution ")
            .and_then(|(_, rest)| rest.lines().next());
        (id.unwrap().to_owned(), running)
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.worker.await.unwrap().unwrap();
        self.coordinator.shutdown().await;
    }
}

const PLAN: &str = "
max_concurrency: 1
calls:
  - {id: first, tool: sleep, parameters: {milliseconds: 150}}
  - {id: second, tool: sleep, parameters: {milliseconds: 150}}
  - {id: bad, tool: fail, parameters: {code: GONE, message: gone, retryable: true}, retry: {max_attempts: 2, initial_backoff: 10ms}}
  - {id: after, tool: echo, depends_on: [first]}
  - {id: skipped, tool: echo, depends_on: [bad]}
";

pub(crate) const ENDLESS: &str = "calls: [{id: slow, tool: sleep, parameters: {milliseconds: 600000}, timeout: 20m}, {id: next, tool: echo, depends_on: [slow]}]";

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_ended_is_listed_detailed_and_drawn() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.execute(PLAN, &[]).await.code, Some(1));
    let listed = cluster.json(&["executions"]).await;
    let execution = &listed["executions"][0];
    assert_eq!(execution["running"], false);
    assert_eq!(
        execution["outcomes"],
        json!({"SUCCEEDED": 3, "FAILED": 1, "SKIPPED": 1})
    );
    let id = execution["execution_id"].as_str().unwrap();
    let text = cluster.run(&["executions"]).await.stdout;
    assert!(text.contains(id) && text.contains("5/5"), "{text}");

    let details = cluster.json(&["execution", &id[..8]]).await;
    assert_eq!(details["timeline"][4]["outcome"], "SKIPPED");
    assert_eq!(details["timeline"][4]["depends_on"], json!(["bad"]));
    assert_eq!(details["timeline"][2]["attempts"].as_array().unwrap().len(), 2);
    let text = cluster.run(&["executions", id]).await.stdout;
    assert!(text.contains("bad") && text.contains("GONE"), "{text}");

    let drawn = cluster.run(&["trace", &id[..8]]).await.stdout;
    for said in ["wave 0", "wave 1", "░█", "█ in flight", "FAILED", "anna x2"] {
        assert!(drawn.contains(said), "{said}\n{drawn}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("picture.svg");
    let written = cluster.run(&["trace", id, "--svg", file.to_str().unwrap()]).await;
    assert_eq!(
        (written.code, written.stdout.as_str()),
        (Some(0), ""),
        "{written:?}"
    );
    let picture = std::fs::read_to_string(&file).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("second (sleep), wave 0: SUCCEEDED anna"));
    let nowhere = cluster.run(&["trace", id, "--svg", "/nowhere/picture.svg"]).await;
    assert_eq!(nowhere.code, Some(74), "{nowhere:?}");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_runs_is_listed_drawn_and_cancelled_by_the_beginning_of_its_id() {
    let cluster = Cluster::start().await;
    let (id, running) = cluster.hold(ENDLESS).await;
    let listed = cluster.json(&["executions", "--running"]).await;
    assert_eq!(listed["executions"][0]["execution_id"], *id);
    assert_eq!(listed["executions"][0]["in_flight"], 1);
    let drawn = cluster.run(&["trace", &id[..6]]).await.stdout;
    for said in ["runs for", "in flight", "slow", "waiting"] {
        assert!(drawn.contains(said), "{said}\n{drawn}");
    }
    let top = cluster.run(&["top", "--once"]).await.stdout;
    assert!(top.contains("1 running") && top.contains(&id), "{top}");
    let limits = cluster.json(&["limits"]).await;
    let mut limits = limits.as_array().unwrap().iter();
    let slots = limits.find(|limit| limit["setting"] == "slots").unwrap();
    assert_eq!((&slots["in_use"], &slots["limit"]), (&json!(1.0), &json!(3.0)));
    let cancelled = cluster.json(&["cancel", &id[..6]]).await;
    assert_eq!(cancelled, json!({"execution_id": id, "already_ended": false}));
    let finished = tokio::task::spawn_blocking(move || running.finish())
        .await
        .unwrap();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(
        cluster.json(&["executions", "--running"]).await["executions"],
        json!([])
    );
    assert_eq!(cluster.json(&["cancel", &id]).await["already_ended"], true);
    let other = cluster.json(&["executions", "--tenant", "nobody"]).await;
    assert_eq!(other["executions"], json!([]));
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_why_it_took_as_long_as_it_did() {
    let cluster = Cluster::start().await;
    let finished = cluster.execute(PLAN, &[]).await;
    let why = finished.stdout.split_once("\nexecution ").unwrap().1;
    let lines: Vec<&str> = why.lines().skip(1).collect();
    assert!((1..=4).contains(&lines.len()), "{finished:#?}");
    assert!(why.contains("the execution's max_concurrency"), "{finished:#?}");
    assert!(
        why.contains("one more call in flight at once: about"),
        "{finished:#?}"
    );
    let full = cluster.execute(PLAN, &["--analysis"]).await.stdout;
    assert!(full.contains("at most 1 call in flight at once"), "{full}");
    let document = cluster.execute(PLAN, &["--output", "json"]).await.json();
    let analysis = &document["summary"]["analysis"];
    assert_eq!(analysis["peak_in_flight"], 1, "{document:#}");
    assert_eq!(analysis["waits"][0]["reason"], "EXECUTION_LIMIT", "{document:#}");
    let quick = cluster.execute("calls: [{tool: echo}]", &[]).await.stdout;
    assert!(!quick.contains("critical path"), "{quick}");
    cluster.end().await;
}
