//! Plays a scenario: one host for the coordinator, one for each worker, one for the clients.

use std::{cell::RefCell, rc::Rc, time::Duration};

use futures_util::future::BoxFuture;
use tonic::{
    Status,
    transport::{self, Channel, Endpoint},
};
use toolwave_client::{call, v1};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_proto::v1::{
    admin_service_client::AdminServiceClient, execution_service_client::ExecutionServiceClient,
};
use toolwave_tests::Ledger;
use toolwave_worker::Worker;
use turmoil::Sim;

use crate::{
    network::{COORDINATOR, connect, incoming, url},
    scenario::{Execution, Fault, FaultKind, Scenario},
    tools::{Kind, Recorder},
};

/// Simulated time in which all must be over: what is healed is as new within a backoff and a lease.
const LONGEST: Duration = Duration::from_secs(600);
/// After the last fault and the last answer, for the cluster to be as new.
const SETTLES_WITHIN: Duration = Duration::from_secs(90);
/// After the last fault, for sessions that lost bytes to be found out: above the fence and the lease.
const STALE: Duration = Duration::from_secs(12);
/// Between two looks at the cluster.
const LOOK: Duration = Duration::from_millis(500);

/// What came of it.
pub(crate) struct History {
    pub(crate) ledger: Ledger,
    /// Of each execution, unless its client hung up.
    pub(crate) answers: Vec<Option<Result<v1::ExecuteParallelResponse, Status>>>,
    /// Of the execution that takes every slot of the healed cluster, and how long it took.
    pub(crate) last: Option<(v1::ExecuteParallelResponse, Duration)>,
    /// The cluster did not come to rest: what it looked like.
    pub(crate) unrest: Option<String>,
}

pub(crate) fn play(scenario: &Scenario) -> Result<History, String> {
    // jitter and backoff of the workers, which run on this thread
    fastrand::seed(scenario.seed);
    let mut sim = builder(scenario.seed).build();
    let ledger = Ledger::default();
    host_coordinator(&mut sim);
    for (index, slots) in scenario.workers.iter().enumerate() {
        host_worker(&mut sim, name(index), *slots, connect, &ledger);
    }
    let history = Rc::new(RefCell::new(History {
        ledger,
        answers: Vec::new(),
        last: None,
        unrest: None,
    }));
    let healed_at = scenario
        .faults
        .iter()
        .map(|fault| fault.until)
        .max()
        .unwrap_or_default();
    sim.client(
        "clients",
        clients(scenario.clone(), healed_at, Rc::clone(&history)),
    );
    let mut faults = Faults::of(scenario);
    loop {
        faults.apply(&mut sim);
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => return Err(format!("the simulation ended: {error}")),
        }
    }
    drop(sim);
    Rc::into_inner(history)
        .map(RefCell::into_inner)
        .ok_or_else(|| "the clients did not end".to_owned())
}

/// Of a network in which latency varies.
pub(crate) fn builder(seed: u64) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .simulation_duration(LONGEST)
        .tick_duration(Duration::from_millis(10))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(30))
        .tcp_capacity(4096)
        .rng_seed(seed);
    builder
}

pub(crate) fn name(worker: usize) -> String {
    format!("worker-{worker}")
}

pub(crate) fn host_coordinator(sim: &mut Sim<'_>) {
    sim.host(COORDINATOR, || async {
        let coordinator = Coordinator::start_on(Config::default(), incoming().await?).await?;
        let mut coordinator = coordinator;
        Err(coordinator.failed().await.into())
    });
}

/// How a worker dials.
pub(crate) type Connect = fn(Endpoint) -> BoxFuture<'static, Result<Channel, transport::Error>>;

pub(crate) fn host_worker(sim: &mut Sim<'_>, worker: String, slots: u32, connect: Connect, ledger: &Ledger) {
    let ledger = ledger.clone();
    sim.host(worker.clone(), move || {
        let (worker, ledger) = (worker.clone(), ledger.clone());
        async move {
            let mut builder = Worker::builder()
                .coordinator(url())
                .connect_with(connect)
                .name(&worker)
                .slots(slots);
            for tool in Recorder::all(&worker, &ledger) {
                builder = builder.tool(tool);
            }
            builder.build()?.run().await?;
            Err("a worker that nobody drained has ended".into())
        }
    });
}

// === faults ===

/// What is still to come of a scenario's faults.
struct Faults {
    begin: Vec<Fault>,
    end: Vec<Fault>,
}

impl Faults {
    fn of(scenario: &Scenario) -> Self {
        let (mut begin, mut end) = (scenario.faults.clone(), scenario.faults.clone());
        begin.sort_by_key(|fault| std::cmp::Reverse(fault.from));
        end.sort_by_key(|fault| std::cmp::Reverse(fault.until));
        Self { begin, end }
    }

    fn apply(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        while let Some(fault) = self.end.pop_if(|fault| fault.until <= now) {
            let worker = name(fault.worker);
            match fault.kind {
                FaultKind::Partition | FaultKind::Deaf | FaultKind::Mute => sim.repair(worker, COORDINATOR),
                FaultKind::Hold => sim.release(worker, COORDINATOR),
                FaultKind::Crash => sim.bounce(worker),
            }
        }
        while let Some(fault) = self.begin.pop_if(|fault| fault.from <= now) {
            let worker = name(fault.worker);
            match fault.kind {
                FaultKind::Partition => sim.partition(worker, COORDINATOR),
                FaultKind::Deaf => sim.partition_oneway(COORDINATOR, worker),
                FaultKind::Mute => sim.partition_oneway(worker, COORDINATOR),
                FaultKind::Hold => sim.hold(worker, COORDINATOR),
                FaultKind::Crash => sim.crash(worker),
            }
        }
    }
}

// === clients ===

async fn clients(scenario: Scenario, healed_at: Duration, history: Rc<RefCell<History>>) -> turmoil::Result {
    let channel = connect(Endpoint::from_shared(url())?).await?;
    let mut asked = Vec::new();
    for execution in &scenario.executions {
        asked.push(tokio::task::spawn_local(ask(channel.clone(), execution.clone())));
    }
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await?);
    }
    history.borrow_mut().answers = answers;
    let stale_until = healed_at + STALE;
    tokio::time::sleep(stale_until.saturating_sub(turmoil::elapsed())).await;
    if let Err(unrest) = settle(channel.clone(), &scenario).await {
        history.borrow_mut().unrest = Some(unrest);
        return Ok(());
    }
    let began = tokio::time::Instant::now();
    let last = ExecutionServiceClient::new(channel)
        .execute_parallel(fill(&scenario))
        .await?;
    history.borrow_mut().last = Some((last.into_inner(), began.elapsed()));
    Ok(())
}

/// `None`: the client hung up.
async fn ask(channel: Channel, execution: Execution) -> Option<Result<v1::ExecuteParallelResponse, Status>> {
    tokio::time::sleep(execution.at).await;
    let mut client = ExecutionServiceClient::new(channel);
    let request = execution.request();
    let answer = async {
        client
            .execute_parallel(request)
            .await
            .map(tonic::Response::into_inner)
    };
    match execution.leaves_after {
        Some(patience) => tokio::time::timeout(patience, answer).await.ok(),
        None => Some(answer.await),
    }
}

/// Waits until every worker is back and nothing is in flight.
async fn settle(channel: Channel, scenario: &Scenario) -> Result<(), String> {
    let mut admin = AdminServiceClient::new(channel);
    let until = tokio::time::Instant::now() + SETTLES_WITHIN;
    loop {
        let listed = admin.list_workers(v1::ListWorkersRequest {}).await;
        let workers = listed.map_err(|status| status.to_string())?.into_inner().workers;
        let ready =
            |worker: &v1::WorkerStatus| worker.state() == v1::WorkerState::Ready && worker.in_flight == 0;
        if workers.len() == scenario.workers.len() && workers.iter().all(ready) {
            return Ok(());
        }
        if tokio::time::Instant::now() > until {
            let seen: Vec<String> = workers
                .iter()
                .map(|worker| {
                    format!(
                        "{} {:?} in flight {}",
                        worker.worker,
                        worker.state(),
                        worker.in_flight
                    )
                })
                .collect();
            let count = scenario.workers.len();
            return Err(format!("of {count} workers after {SETTLES_WITHIN:?}: {seen:?}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// As many calls as there are slots, which all run at once in a cluster that leaked none.
fn fill(scenario: &Scenario) -> v1::ExecuteParallelRequest {
    let slots: u32 = scenario.workers.iter().sum();
    let parameters = serde_json::json!({"takes": 1000, "bytes": 0, "fails": 0, "from": {}});
    v1::ExecuteParallelRequest {
        calls: (0..slots)
            .map(|_| call(Kind::Safe.name(), parameters.clone()))
            .collect(),
        max_concurrency_auto: true,
        ..Default::default()
    }
}
