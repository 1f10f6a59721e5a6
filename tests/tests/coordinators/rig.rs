//! Coordinators inside this process, names that a test gives addresses to, and a tool that counts what runs at once.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use toolwave_client::{Client, Resolver, call, v1};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_tests::PATIENCE;
use toolwave_worker::{CallContext, FunctionTool, SharedTool, Worker, WorkerBuilder, WorkerHandle};

/// The name that all coordinators of a test have.
pub(crate) const NAME: &str = "coordinators.test";

/// What `NAME` and others lead to now.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Names {
    pub(crate) fn of(addresses: &[SocketAddr]) -> Self {
        let names = Self::default();
        names.set(addresses);
        names
    }

    pub(crate) fn set(&self, addresses: &[SocketAddr]) {
        self.0.lock().unwrap().insert(NAME.to_owned(), addresses.to_vec());
    }

    pub(crate) fn resolver(&self) -> Resolver {
        let names = self.clone();
        Resolver::by(move |host, _| {
            let known = names.0.lock().unwrap();
            known
                .get(host)
                .cloned()
                .ok_or_else(|| io::Error::other("no such name"))
        })
    }
}

/// The URL of all; the port means nothing, since [`Names`] knows those of each.
pub(crate) fn url() -> String {
    format!("http://{NAME}:1")
}

pub(crate) async fn coordinator() -> Coordinator {
    coordinator_with(Config::embedded()).await
}

/// On a free port unless `config` says which.
pub(crate) async fn coordinator_with(config: Config) -> Coordinator {
    let config = Config {
        startup_grace: Duration::from_secs(20),
        ..config
    };
    Coordinator::start(config).await.unwrap()
}

/// A client of this coordinator and no other.
pub(crate) async fn client(coordinator: &Coordinator) -> Client {
    Client::connect(format!("http://{}", coordinator.address()))
        .await
        .unwrap()
}

/// What a tool saw.
#[derive(Clone, Default)]
pub(crate) struct Counted {
    running: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
    runs: Arc<AtomicU32>,
}

impl Counted {
    pub(crate) fn most(&self) -> u32 {
        self.most.load(Ordering::SeqCst)
    }

    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    /// `work` takes `ms` milliseconds and is not safe to repeat.
    pub(crate) fn tool(&self) -> SharedTool {
        let counted = self.clone();
        Arc::new(FunctionTool::new(
            "work",
            "Takes a while",
            move |asked: Value, _: CallContext| {
                let counted = counted.clone();
                async move {
                    let now = counted.running.fetch_add(1, Ordering::SeqCst) + 1;
                    counted.most.fetch_max(now, Ordering::SeqCst);
                    counted.runs.fetch_add(1, Ordering::SeqCst);
                    let _ends = Ends(counted);
                    let ms = asked.get("ms").and_then(Value::as_u64).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    Ok("done")
                }
            },
        ))
    }
}

/// Also when the call is dropped.
struct Ends(Counted);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker in a task of its own. Dropped, it ends at once.
pub(crate) struct Hosted {
    pub(crate) handle: WorkerHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Hosted {
    pub(crate) fn start(name: &str, slots: u32, builder: WorkerBuilder) -> Self {
        let worker = builder.name(name).slots(slots).build().unwrap();
        let (handle, stop) = (worker.handle(), CancellationToken::new());
        let running = worker.run_until(stop.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        Self { handle, stop, task }
    }

    /// A worker of the coordinators that [`NAME`] leads to.
    pub(crate) fn named(names: &Names, slots: u32, counted: &Counted) -> Self {
        let builder = Worker::builder()
            .coordinator(url())
            .resolver(names.resolver())
            .tools([counted.tool()]);
        Self::start("w1", slots, builder)
    }

    pub(crate) async fn connected_to(&self, coordinators: u32) {
        let connected = timeout(PATIENCE, self.handle.connected_to(coordinators)).await;
        let has = self.handle.coordinators_connected();
        assert!(connected.is_ok(), "connected to {has}; expected {coordinators}");
    }

    /// Drains it.
    pub(crate) async fn leave(mut self) {
        self.stop.cancel();
        timeout(PATIENCE, &mut self.task)
            .await
            .expect("it drains")
            .unwrap();
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn works(ms: u64, calls: usize) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: (0..calls).map(|_| call("work", json!({"ms": ms}))).collect(),
        max_concurrency_auto: true,
        timeout: Some(toolwave_client::proto_duration(Duration::from_secs(60))),
        ..v1::ExecuteParallelRequest::default()
    }
}

/// Every call has succeeded, each at its first attempt.
#[track_caller]
pub(crate) fn all_at_once(response: &v1::ExecuteParallelResponse) {
    for result in &response.results {
        assert!(result.success, "{result:#?}");
        // one that was refused has not run, and counts as no attempt
        let ran = result.attempts.iter().filter(|attempt| {
            let failure = attempt.failure.as_ref();
            failure.is_none_or(|failure| failure.code != "WORKER_FULL")
        });
        assert_eq!(ran.count(), 1, "{result:#?}");
    }
}

/// The slots that this coordinator may use, once they are so many; what they are instead, if they never are.
pub(crate) async fn slots_become(client: &Client, slots: u32) {
    let mut last = Vec::new();
    for _ in 0..1_000 {
        let listed = client.list_workers().await.unwrap();
        last = listed.iter().map(|worker| worker.slots).collect();
        if last == [slots] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the workers have {last:?} slots; expected one with {slots}");
}
