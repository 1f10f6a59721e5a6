//! What the tests of the network share: a coordinator with short patience, workers that dial a proxy, and ways to
//! wait for what the coordinator says.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use toolwave_client::{Client, call, v1};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_tests::{Ledger, PATIENCE, Proxy};
use toolwave_worker::{CallContext, FunctionTool, Safety, SharedTool, Worker, WorkerBuilder, WorkerHandle};

/// Between two looks at what only a question can tell.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Everything is found out four times as soon as by default.
pub(crate) fn impatient() -> Config {
    Config {
        heartbeat_interval: Duration::from_millis(500),
        suspect_after: Duration::from_millis(1250),
        self_fence: Duration::from_millis(2000),
        lease: Duration::from_millis(2500),
        reconnect_grace: Duration::from_millis(500),
        abort_confirmation: Duration::from_millis(2000),
        ..Config::embedded()
    }
}

/// A coordinator behind a proxy.
pub(crate) struct Net {
    pub(crate) coordinator: Coordinator,
    pub(crate) proxy: Proxy,
}

impl Net {
    pub(crate) async fn start(config: Config) -> Self {
        let coordinator = Coordinator::start(config).await.unwrap();
        let proxy = Proxy::start(coordinator.address()).await.unwrap();
        Self { coordinator, proxy }
    }

    /// Past the proxy.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.coordinator.address())
    }

    /// A client that goes past the proxy.
    pub(crate) async fn client(&self) -> Client {
        client(self.coordinator.address()).await
    }

    /// A worker that goes through the proxy.
    pub(crate) async fn host(&self, builder: WorkerBuilder) -> Hosted {
        host(&self.proxy.url(), builder).await
    }
}

pub(crate) async fn client(address: SocketAddr) -> Client {
    timeout(PATIENCE, Client::connect(format!("http://{address}")))
        .await
        .unwrap()
        .unwrap()
}

/// A worker in a task. Dropped, it ends as a process that is killed.
pub(crate) struct Hosted {
    pub(crate) handle: WorkerHandle,
    _task: AbortOnDropHandle<()>,
}

/// Returns once it is registered.
pub(crate) async fn host(url: &str, builder: WorkerBuilder) -> Hosted {
    let worker = builder.coordinator(url).build().unwrap();
    let handle = worker.handle();
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        worker.run().await.unwrap();
    }));
    assert!(timeout(PATIENCE, handle.registered()).await.unwrap());
    Hosted { handle, _task: task }
}

/// Asks until the answer is good.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(good) = ask().await {
                return good;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Waits until so many workers are ready and nothing is in flight there.
pub(crate) async fn until_idle(client: &Client, workers: usize) {
    until("every worker is ready and idle", async || {
        let listed = client.list_workers().await.unwrap();
        let idle =
            |worker: &&v1::WorkerStatus| worker.state() == v1::WorkerState::Ready && worker.in_flight == 0;
        (listed.len() == workers && listed.iter().filter(idle).count() == workers).then_some(())
    })
    .await;
}

/// Of one worker.
pub(crate) async fn state(client: &Client, name: &str) -> Option<v1::WorkerState> {
    let listed = client.list_workers().await.unwrap();
    listed
        .iter()
        .find(|worker| worker.worker == name)
        .map(v1::WorkerStatus::state)
}

pub(crate) fn request(calls: Vec<v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency_auto: true,
        ..Default::default()
    }
}

/// Asks in a task of its own.
pub(crate) fn ask(client: &Client, calls: Vec<v1::Call>) -> AbortOnDropHandle<Vec<v1::CallResult>> {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        client.execute_parallel(request(calls)).await.unwrap().results
    }))
}

pub(crate) async fn answer(asked: AbortOnDropHandle<Vec<v1::CallResult>>) -> Vec<v1::CallResult> {
    timeout(PATIENCE, asked).await.unwrap().unwrap()
}

/// Tools whose executions are written down, and which wait until they may end.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) ledger: Ledger,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            open: Arc::new(Semaphore::new(0)),
        }
    }

    /// `safe` may be repeated, `once` may not, both answer their call's id; `open` passes without waiting.
    pub(crate) fn worker(&self, name: &str, slots: u32) -> WorkerBuilder {
        let tools = [
            self.tool(name, "safe", Safety::Idempotent, true),
            self.tool(name, "once", Safety::NotRepeatable, true),
            self.tool(name, "open", Safety::Idempotent, false),
        ];
        Worker::builder().name(name).slots(slots).tools(tools)
    }

    fn tool(&self, worker: &str, name: &'static str, safety: Safety, waits: bool) -> SharedTool {
        let (gate, worker) = (self.clone(), worker.to_owned());
        let tool = FunctionTool::new(
            name,
            "Waits until it may end",
            move |_: Value, context: CallContext| {
                let (gate, worker) = (gate.clone(), worker.clone());
                async move {
                    let running = gate.ledger.begin(&worker, name, context.call());
                    if waits {
                        let _permit = gate.open.acquire().await;
                    }
                    running.end();
                    Ok(context.call().call_id.clone())
                }
            },
        );
        Arc::new(tool.safety(safety))
    }

    /// From now on no tool waits.
    pub(crate) fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits until a call with this id is running for the so many-th time.
    pub(crate) async fn until_executed(&self, call: &str, times: usize) {
        until("a call is executed", async || {
            (self.ledger.executed(call) >= times).then_some(())
        })
        .await;
    }
}

/// A tool that answers with so many bytes of text as its parameter `bytes` says.
pub(crate) fn filler() -> SharedTool {
    let tool = FunctionTool::new(
        "fill",
        "Answers with much",
        |parameters: Value, _: CallContext| async move {
            let bytes = parameters["bytes"].as_u64().unwrap_or_default();
            Ok("x".repeat(bytes as usize))
        },
    );
    Arc::new(tool.safety(Safety::ReadOnly))
}

pub(crate) fn fill(bytes: usize) -> v1::Call {
    call("fill", json!({ "bytes": bytes }))
}

/// As `call`, without parameters.
pub(crate) fn plain(tool: &str) -> v1::Call {
    call(tool, json!({}))
}
