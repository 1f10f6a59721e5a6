//! Programs of this release at a coordinator of the last one: where workers or clients were upgraded first, or a
//! coordinator was rolled back. Of workers this is more than the policy promises.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use toolwave_client::{CallResultExt as _, Client, ClientError, call, v1};
use toolwave_tests::Cluster;
use toolwave_worker::{CallContext, FunctionTool, Worker, WorkerHandle};

use crate::{
    baseline::v1::{AttemptFailureKind, AttemptReport, attempt_report::End},
    old_coordinator::OldCoordinator,
    old_worker::soon,
};

/// A tool whose calls end when the test lets them.
#[derive(Clone)]
pub(crate) struct Gate {
    passes: Arc<Semaphore>,
    running: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
    traced: Arc<AtomicU32>,
}

impl Gate {
    pub(crate) fn new(passes: usize) -> Self {
        Self {
            passes: Arc::new(Semaphore::new(passes)),
            running: Arc::default(),
            most: Arc::default(),
            traced: Arc::default(),
        }
    }

    fn opens(&self, calls: usize) {
        self.passes.add_permits(calls);
    }

    async fn pass(self, context: CallContext) {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let traced = u32::from(context.traceparent().is_some());
        self.traced.fetch_add(traced, Ordering::SeqCst);
        self.passes.acquire().await.unwrap().forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker of this release that hosts `work` behind a gate.
pub(crate) struct Hosted {
    handle: WorkerHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Hosted {
    pub(crate) async fn start(urls: &[String], slots: u32, gate: &Gate) -> Self {
        let gate = gate.clone();
        let tool = FunctionTool::new("work", "Works", move |asked: Value, context: CallContext| {
            let gate = gate.clone();
            async move {
                gate.pass(context).await;
                Ok(asked)
            }
        });
        let worker = Worker::builder()
            .coordinators(urls.iter().cloned())
            .name("new")
            .slots(slots)
            .tool(tool)
            .build()
            .unwrap();
        let (handle, stop) = (worker.handle(), CancellationToken::new());
        let running = worker.run_until(stop.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        let all = u32::try_from(urls.len()).unwrap();
        soon("its sessions", handle.connected_to(all)).await;
        Self { handle, stop, task }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.handle.is_draining()
    }

    pub(crate) async fn leaves(self) {
        self.stop.cancel();
        soon("its end", self.task).await.unwrap();
    }
}

fn refused(report: &AttemptReport) -> bool {
    let refused = AttemptFailureKind::Refused;
    matches!(&report.end, Some(End::Failure(failure)) if failure.kind() == refused && failure.code == "WORKER_FULL")
}

fn succeeded(report: &AttemptReport) -> bool {
    report.end == Some(End::ResultJson("{}".into()))
}

#[tokio::test]
async fn a_worker_runs_calls_of_a_coordinator_of_the_last_release_and_keeps_its_slots() {
    let coordinator = OldCoordinator::start().await;
    let gate = Gate::new(0);
    let worker = Hosted::start(&[coordinator.url()], 2, &gate).await;
    let register = soon("register", coordinator.registered()).await;
    assert_eq!((register.slots, register.min_protocol), (2, 1));

    let mut ends = coordinator.dispatch(3);
    let third = soon("the refusal", ends.pop().unwrap()).await.unwrap();
    assert!(refused(&third), "beyond its slots: {third:?}");
    gate.opens(2);
    for end in ends {
        let report = soon("an end", end).await.unwrap();
        assert!(succeeded(&report), "{report:?}");
    }
    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
    assert_eq!(gate.traced.load(Ordering::SeqCst), 0, "nobody sent a trace");
    worker.leaves().await;
}

/// A coordinator of the last release cannot be told of a smaller share, and goes on as if every slot were its own.
#[tokio::test]
async fn a_coordinator_of_the_last_release_gets_its_share_beside_one_of_this_release() {
    let old = OldCoordinator::start().await;
    let new = Cluster::start().await.unwrap();
    let gate = Gate::new(0);
    let worker = Hosted::start(&[old.url(), new.url()], 2, &gate).await;
    let client = new.client().await.unwrap();
    soon("its share", async {
        while client.list_workers().await.unwrap()[0].slots != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.execute_parallel(request(1)).await }
    });
    soon("a call of the other", async {
        while gate.running.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let mut ends = old.dispatch(2);
    let second = soon("the refusal", ends.pop().unwrap()).await.unwrap();
    assert!(refused(&second), "beyond its share: {second:?}");
    gate.opens(2);
    let first = soon("its end", ends.pop().unwrap()).await.unwrap();
    assert!(succeeded(&first), "{first:?}");
    let response = soon("the answer", running).await.unwrap().unwrap();
    assert!(response.results[0].success);
    assert_eq!(gate.most.load(Ordering::SeqCst), 2, "never more than its slots");

    // What the other leaves is the old one's again, though it cannot be told.
    new.stop().await.unwrap();
    soon("the loss", async {
        while worker.handle.coordinators_connected() != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.opens(2);
    for end in old.dispatch(2) {
        let report = soon("an end", end).await.unwrap();
        assert!(succeeded(&report), "{report:?}");
    }
    worker.leaves().await;
}

#[tokio::test]
async fn a_client_runs_calls_at_a_coordinator_of_the_last_release_and_is_told_what_it_lacks() {
    let coordinator = OldCoordinator::start().await;
    let gate = Gate::new(3);
    let worker = Hosted::start(&[coordinator.url()], 3, &gate).await;
    let client = Client::connect(coordinator.url()).await.unwrap();
    let client = client
        .in_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")
        .unwrap();
    let response = soon("the answer", client.execute_parallel(request(3)))
        .await
        .unwrap();
    assert_eq!(response.results.len(), 3);
    for result in &response.results {
        assert_eq!(result.json().unwrap(), Some(json!({})));
    }
    assert_eq!(response.summary.unwrap().analysis, None);
    let workers = client.list_workers().await.unwrap();
    assert_eq!(workers.len(), 1);
    client.drain_worker("new", false).await.unwrap();

    // These it has only since.
    let listed = client.list_executions(v1::ListExecutionsRequest::default()).await;
    for (error, method) in [
        (client.cluster().await.err(), "GetCluster"),
        (client.execution("4f01").await.err(), "GetExecution"),
        (listed.err(), "ListExecutions"),
        (
            client.cancel_any_execution("4f01").await.err(),
            "AdminService.CancelExecution",
        ),
    ] {
        let error = error.unwrap();
        assert!(matches!(error, ClientError::NotToolwave { .. }), "{error:?}");
        let told = format!(
            "the server does not know what it was asked: coordinators answer {method} since toolwave 0.1.0; this one \
             is older, or none"
        );
        assert_eq!(error.to_string(), told);
    }
    worker.leaves().await;
}

fn request(calls: usize) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: (0..calls).map(|_| call("work", json!({}))).collect(),
        max_concurrency_auto: true,
        ..v1::ExecuteParallelRequest::default()
    }
}
