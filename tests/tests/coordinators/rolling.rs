//! Real processes, restarted one after the other under the load of clients that fail over, and one that is killed.
//! Tools write down what they do, and the record is held against every answer.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use toolwave_client::{CallExt as _, Client, ClientBuilder, ClientError, Resubmit, call, v1};
use toolwave_tests::{
    Binaries, PATIENCE, Process, Processes, Profile,
    history::{self, Answered, Recorded},
    recording::{self, is_repeatable},
};

const SLOTS: usize = 6;

/// Coordinators that share nothing, and workers of all of them.
struct Fleet {
    workers: Vec<Process>,
    coordinators: Vec<Processes>,
    recorded: Recorded,
    folder: TempDir,
    started: usize,
}

/// What a client asked for and got.
type Answers = Vec<(
    v1::ExecuteParallelRequest,
    Result<v1::ExecuteParallelResponse, ClientError>,
)>;

/// Clients that ask all the time.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Answers>,
}

fn binaries() -> Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES
        .get_or_init(|| Binaries::built(Profile::Dev).expect("the programs build"))
        .clone()
}

impl Fleet {
    async fn start(coordinators: usize, workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("coordinator.toml");
        let settings = recording::BRISK.replace("startup_grace = \"5s\"", "startup_grace = \"20s\"");
        std::fs::write(&config, settings).unwrap();
        let arguments = ["--config", config.to_str().unwrap()];
        let coordinators = (0..coordinators).map(|_| Processes::start(binaries(), &arguments).unwrap());
        let mut fleet = Self {
            workers: Vec::new(),
            coordinators: coordinators.collect(),
            recorded: Recorded::at(folder.path().join("record.jsonl")),
            folder,
            started: 0,
        };
        for at in 0..workers {
            let worker = fleet.worker(at);
            fleet.workers.push(worker);
        }
        fleet.settle().await;
        fleet
    }

    fn urls(&self) -> String {
        let urls: Vec<String> = self.coordinators.iter().map(Processes::url).collect();
        urls.join(",")
    }

    /// The worker process of this place, which keeps its name.
    fn worker(&mut self, at: usize) -> Process {
        self.started += 1;
        let record = self.recorded.path().to_string_lossy().into_owned();
        let arguments = [self.urls(), format!("w{at}"), SLOTS.to_string(), record];
        let program = self.coordinators[0].binaries().path(recording::PROGRAM);
        let log = format!("w{at}-{}", self.started);
        Process::start(&program, &arguments, self.folder.path(), &log).unwrap()
    }

    /// Every coordinator lists every worker, ready.
    async fn settle(&self) {
        let start = Instant::now();
        for coordinator in &self.coordinators {
            let client = coordinator.client().await.unwrap();
            loop {
                let listed = client.list_workers().await.unwrap();
                let ready =
                    |worker: &&v1::WorkerStatus| worker.state() == v1::WorkerState::Ready && worker.slots > 0;
                if listed.iter().filter(ready).count() == self.workers.len() {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "{listed:#?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Ends a coordinator in order and starts another where it was.
    async fn roll_coordinator(&mut self, at: usize) {
        let coordinator = self.coordinators[at].coordinator();
        coordinator.signal("TERM").unwrap();
        assert_eq!(coordinator.wait().unwrap(), Some(0), "{}", coordinator.output());
        self.coordinators[at].replace_coordinator().unwrap();
        self.settle().await;
    }

    /// Ends a worker in order and starts another of its name.
    async fn roll_worker(&mut self, at: usize) {
        self.workers[at].signal("TERM").unwrap();
        let code = self.workers[at].wait().unwrap();
        assert_eq!(code, Some(0), "{}", self.workers[at].output());
        self.workers[at] = self.worker(at);
        self.settle().await;
    }

    /// Holds the record against the answers: every call succeeded, and none that is not safe to repeat ran twice.
    fn check(&self, answers: &Answers) {
        let slots: HashMap<String, usize> = (0..self.workers.len())
            .map(|at| (format!("w{at}"), SLOTS))
            .collect();
        let mut answered = Vec::new();
        for (request, response) in answers {
            let response = response
                .as_ref()
                .unwrap_or_else(|error| panic!("a request failed: {error:?}"));
            for result in &response.results {
                assert!(result.success, "{result:#?}");
            }
            answered.push(Answered::new(request, response.clone(), is_repeatable));
        }
        let breaches = history::breaches(&self.recorded.lines().unwrap(), &answered, &slots);
        assert!(
            breaches.is_empty(),
            "{} breaches, first {}",
            breaches.len(),
            breaches[0]
        );
    }
}

impl Load {
    async fn start(clients: usize, builder: impl Fn() -> ClientBuilder) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let client = builder().connect().await.unwrap();
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                let mut answers = Answers::new();
                while !stop.load(Ordering::SeqCst) {
                    let request = request(number);
                    let response = client.execute_parallel(request.clone()).await;
                    answers.push((request, response));
                }
                answers
            });
        }
        Self { stop, clients: tasks }
    }

    async fn stop(mut self) -> Answers {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Answers::new();
        while let Some(answers) = self.clients.join_next().await {
            let answers = answers.unwrap();
            assert!(!answers.is_empty());
            all.extend(answers);
        }
        all
    }
}

/// A chain and what stands beside it, every second call not safe to repeat.
fn request(number: usize) -> v1::ExecuteParallelRequest {
    let work = |tool: &str| call(tool, json!({"ms": 5 + 5 * (number % 4)}));
    v1::ExecuteParallelRequest {
        calls: vec![
            work("record_once").id("a"),
            work("record_safe").id("b").depends_on("a"),
            work("record_once").id("c").depends_on("b"),
            work("record_safe").id("d"),
        ],
        timeout: Some(toolwave_client::proto_duration(Duration::from_secs(60))),
        ..v1::ExecuteParallelRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_coordinators_are_restarted_one_by_one_and_no_call_fails_or_runs_twice() {
    let mut fleet = Fleet::start(3, 2).await;
    let urls = fleet.urls();
    let load = Load::start(6, || Client::builder(&urls)).await;
    for at in 0..3 {
        fleet.roll_coordinator(at).await;
    }
    let answers = load.stop().await;
    println!("{} executions", answers.len());
    fleet.check(&answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_are_restarted_one_by_one_and_no_call_fails_or_runs_twice() {
    let mut fleet = Fleet::start(2, 3).await;
    let urls = fleet.urls();
    let load = Load::start(6, || Client::builder(&urls)).await;
    for at in 0..3 {
        fleet.roll_worker(at).await;
    }
    let answers = load.stop().await;
    println!("{} executions", answers.len());
    fleet.check(&answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_coordinator_takes_its_own_executions_and_no_others() {
    let mut fleet = Fleet::start(3, 2).await;
    let first = fleet.coordinators[0].url();
    let others = [fleet.coordinators[1].url(), fleet.coordinators[2].url()];
    let of_first = Load::start(2, || Client::builder(&first)).await;
    let mut of_others = Vec::new();
    for url in &others {
        of_others.push(Load::start(2, || Client::builder(url)).await);
    }
    let urls = fleet.urls();
    let carries_on = Load::start(4, || Client::builder(&urls)).await;
    let long = Client::builder(&first).connect().await.unwrap();
    let mut slow = request(0);
    slow.calls = vec![call("record_once", json!({"ms": 30_000}))];
    let before = fleet.recorded.starts().unwrap();
    let running = tokio::spawn(async move { long.execute_parallel(slow).await });
    while fleet.recorded.starts().unwrap() < before + 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fleet.coordinators[0].coordinator().kill().unwrap();
    // its clients hear at once that what they asked for may have run
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::ConnectionLost { .. }), "{error:?}");
    let then = fleet.recorded.starts().unwrap();
    while fleet.recorded.starts().unwrap() < then + 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut answers = Answers::new();
    for load in of_others {
        answers.extend(load.stop().await);
    }
    let mut lost = 0;
    for (request, response) in carries_on.stop().await {
        match response {
            Err(ClientError::ConnectionLost { .. }) => lost += 1,
            response => answers.push((request, response)),
        }
    }
    assert!(lost <= 4, "each client may have had one execution there: {lost}");
    for (request, response) in of_first.stop().await {
        match response {
            Err(
                ClientError::ConnectionLost { .. }
                | ClientError::Unreachable { .. }
                | ClientError::Unavailable { .. },
            ) => {}
            response => answers.push((request, response)),
        }
    }
    for (_, response) in &answers {
        let response = response.as_ref().unwrap_or_else(|error| panic!("{error:?}"));
        assert!(
            response.results.iter().all(|result| result.success),
            "{response:#?}"
        );
    }
    fleet.coordinators[0].replace_coordinator().unwrap();
    fleet.settle().await;
}

/// One coordinator is all there is: whoever says that calls may run twice notices nothing but the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_keys_carry_on_when_their_only_coordinator_is_killed_and_started_again() {
    let mut fleet = Fleet::start(1, 2).await;
    let url = fleet.urls();
    let client = Client::builder(&url)
        .resubmit(Resubmit::Keyed)
        .connect()
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for number in 0..4 {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        load.spawn(async move {
            let mut again = 0;
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                let mut request = request(number);
                for call in &mut request.calls {
                    call.idempotency_key = format!("{number}-{count}-{:?}", call.id);
                }
                count += 1;
                let executed = client.execute(request).await.unwrap();
                assert!(executed.response.results.iter().all(|result| result.success));
                again += executed
                    .resubmissions
                    .iter()
                    .filter(|again| again.may_have_run)
                    .count();
            }
            again
        });
    }
    for round in 1..=2 {
        let before = fleet.recorded.starts().unwrap();
        while fleet.recorded.starts().unwrap() < before + 100 * round {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fleet.coordinators[0].replace_coordinator().unwrap();
        fleet.settle().await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut again = 0;
    while let Some(answered) = load.join_next().await {
        again += answered.unwrap();
    }
    assert!(again > 0, "an execution was lost, and submitted again");
}
