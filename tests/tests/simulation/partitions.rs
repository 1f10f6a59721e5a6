//! Faults at chosen moments: who notices, how soon, and what becomes of the calls. Times are simulated, so they are
//! bounds and not hopes.

use std::{future::Future, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};
use toolwave_client::{CallExt as _, call, v1};
use toolwave_proto::v1::{
    admin_service_client::AdminServiceClient, execution_service_client::ExecutionServiceClient,
};
use toolwave_tests::{
    Ledger,
    ledger::{Entry, Moment},
};

use crate::{
    network::{COORDINATOR, connect, connect_behind, url},
    scenario::FaultKind,
    world::{self, Connect, host_coordinator, host_worker},
};

/// The longest that anything is waited for, in simulated time.
const PATIENCE: Duration = Duration::from_secs(120);
/// The lease of 10 s, what is on its way, and two looks.
const LEASE: Duration = Duration::from_secs(11);
const FENCE: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(20);

/// Plays a script against a coordinator and workers with so many slots each.
fn play<F, Fut>(slots: &[u32], script: F)
where
    F: FnOnce(Lab) -> Fut + 'static,
    Fut: Future<Output = turmoil::Result> + 'static,
{
    play_over(connect, slots, script);
}

/// Its workers connect in this way.
fn play_over<F, Fut>(connects: Connect, slots: &[u32], script: F)
where
    F: FnOnce(Lab) -> Fut + 'static,
    Fut: Future<Output = turmoil::Result> + 'static,
{
    fastrand::seed(7);
    let mut sim = world::builder(7).build();
    let ledger = Ledger::default();
    host_coordinator(&mut sim);
    for (index, slots) in slots.iter().enumerate() {
        host_worker(&mut sim, world::name(index), *slots, connects, &ledger);
    }
    let workers = slots.len();
    sim.client("clients", async move {
        let channel = connect(Endpoint::from_shared(url())?).await?;
        let lab = Lab { channel, ledger };
        lab.until_ready(workers).await;
        script(lab).await
    });
    if let Err(error) = sim.run() {
        panic!("{error}");
    }
}

struct Lab {
    channel: Channel,
    ledger: Ledger,
}

impl Lab {
    async fn workers(&self) -> Vec<v1::WorkerStatus> {
        let mut admin = AdminServiceClient::new(self.channel.clone());
        let listed = admin.list_workers(v1::ListWorkersRequest {}).await;
        listed.unwrap().into_inner().workers
    }

    async fn until_ready(&self, workers: usize) {
        let began = Instant::now();
        loop {
            let listed = self.workers().await;
            let ready = listed
                .iter()
                .filter(|worker| worker.state() == v1::WorkerState::Ready);
            if ready.count() == workers {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{workers} workers are not ready: {listed:#?}"
            );
            sleep(LOOK).await;
        }
    }

    async fn drain(&self, worker: usize, resume: bool) {
        let mut admin = AdminServiceClient::new(self.channel.clone());
        let worker = world::name(worker);
        admin
            .drain_worker(v1::DrainWorkerRequest { worker, resume })
            .await
            .unwrap();
    }

    /// Asks in a task of its own.
    fn ask(&self, calls: Vec<v1::Call>) -> tokio::task::JoinHandle<Vec<v1::CallResult>> {
        let mut client = ExecutionServiceClient::new(self.channel.clone());
        let request = v1::ExecuteParallelRequest {
            calls,
            max_concurrency_auto: true,
            ..Default::default()
        };
        tokio::task::spawn_local(async move {
            client
                .execute_parallel(request)
                .await
                .unwrap()
                .into_inner()
                .results
        })
    }

    async fn until_executed(&self, call: &str, times: usize) {
        let began = Instant::now();
        while self.ledger.executed(call) < times {
            assert!(
                began.elapsed() < PATIENCE,
                "{call} was not executed {times} times"
            );
            sleep(LOOK).await;
        }
    }

    fn line(&self, call: &str, attempt: u32, moment: Moment) -> Option<usize> {
        let is = |entry: &Entry| entry.call == call && entry.attempt == attempt && entry.moment == moment;
        self.ledger.entries().iter().position(is)
    }
}

/// A call that takes so long, and may.
fn takes(tool: &str, id: &str, time: Duration) -> v1::Call {
    let parameters = json!({"takes": time.as_millis() as u64, "bytes": 0, "fails": 0, "from": {}});
    call(tool, parameters).id(id).timeout(PATIENCE)
}

fn cut(worker: usize, kind: FaultKind) {
    let worker = world::name(worker);
    match kind {
        FaultKind::Partition => turmoil::partition(worker, COORDINATOR),
        FaultKind::Deaf => turmoil::partition_oneway(COORDINATOR, worker),
        FaultKind::Mute => turmoil::partition_oneway(worker, COORDINATOR),
        FaultKind::Hold => turmoil::hold(worker, COORDINATOR),
        FaultKind::Crash => unreachable!("a host ends only from outside"),
    }
}

fn silent_worker(kind: FaultKind, connects: Connect, within: Duration) {
    play_over(connects, &[4, 4], move |lab| async move {
        lab.drain(1, false).await;
        let answer = lab.ask(vec![
            takes("safe", "safe", Duration::from_secs(30)),
            takes("once", "once", Duration::from_secs(14)),
        ]);
        lab.until_executed("safe", 1).await;
        lab.until_executed("once", 1).await;
        lab.drain(1, true).await;
        cut(0, kind);
        let silent = Instant::now();
        lab.until_executed("safe", 2).await;
        let elsewhere = silent.elapsed();
        assert!(elsewhere <= within, "{kind:?}: {elsewhere:?}");
        let stopped = lab
            .line("safe", 1, Moment::Stopped)
            .expect("the worker has fenced itself");
        assert!(
            Some(stopped) < lab.line("safe", 2, Moment::Began),
            "{kind:?}: both ran at once"
        );
        let results = answer.await?;
        assert_eq!(results[0].outcome(), v1::Outcome::Succeeded, "{kind:?}");
        assert_eq!(results[1].outcome(), v1::Outcome::Unknown, "{kind:?}");
        assert_eq!((lab.ledger.executed("safe"), lab.ledger.executed("once")), (2, 1));
        // nobody else runs it, so it is left to finish
        assert!(lab.line("once", 1, Moment::Ended).is_some(), "{kind:?}");
        turmoil::repair(world::name(0), COORDINATOR);
        turmoil::release(world::name(0), COORDINATOR);
        lab.until_ready(2).await;
        Ok(())
    });
}

/// F04, E2: a peer behind a link that is down is found out by both ends, although TCP tells neither.
#[test]
fn the_calls_of_a_worker_behind_a_dead_link_run_elsewhere_within_11_s_and_never_twice_at_once() {
    silent_worker(FaultKind::Partition, connect, LEASE);
    silent_worker(FaultKind::Hold, connect, LEASE);
}

/// F05: answers to heartbeats make both directions count.
#[test]
fn the_calls_of_a_worker_that_is_not_heard_run_elsewhere_within_11_s() {
    silent_worker(FaultKind::Mute, connect, LEASE);
}

/// F05: a worker that hears nothing must not go on for ever, though its heartbeats arrive.
#[test]
fn the_calls_of_a_worker_that_hears_nothing_run_elsewhere_within_11_s() {
    silent_worker(FaultKind::Deaf, connect, LEASE);
}

/// F05: where something between them accepts connections for the coordinator, the worker dials again and again, is
/// heard each time, and hears no answer. Its heartbeats count until it fences itself, its dialling does not.
#[test]
fn a_worker_that_registers_again_and_again_and_hears_no_answer_keeps_its_calls_no_longer_than_its_lease() {
    silent_worker(FaultKind::Deaf, connect_behind, FENCE + LEASE);
}

/// F04: a link that is down for less than the fence costs nothing at all.
#[test]
fn a_link_that_is_down_for_5_s_costs_no_attempt() {
    play(&[4], |lab| async move {
        let answer = lab.ask(vec![
            takes("safe", "safe", Duration::from_secs(9)),
            takes("once", "once", Duration::from_secs(3)),
        ]);
        lab.until_executed("once", 1).await;
        cut(0, FaultKind::Hold);
        sleep(Duration::from_secs(5)).await;
        turmoil::release(world::name(0), COORDINATOR);
        for result in answer.await? {
            assert_eq!(result.outcome(), v1::Outcome::Succeeded, "{result:#?}");
            assert_eq!(result.attempts.len(), 1, "{result:#?}");
        }
        assert_eq!((lab.ledger.executed("safe"), lab.ledger.executed("once")), (1, 1));
        Ok(())
    });
}

/// F06: a minute without any worker: each attempt is lost once, and after it all workers are back within 35 s.
#[test]
fn after_a_minute_without_any_worker_all_are_back_within_35_s_and_no_call_is_lost() {
    const WORKERS: usize = 4;
    play(&[4; WORKERS], |lab| async move {
        let seconds = Duration::from_secs;
        let calls = (0..12).map(|index| {
            let tool = if index % 2 == 0 { "safe" } else { "once" };
            let id = format!("{tool}-{index}");
            takes(tool, &id, seconds(20))
        });
        let answer = lab.ask(calls.collect());
        lab.until_executed("once-11", 1).await;
        lab.until_executed("safe-10", 1).await;
        (0..WORKERS).for_each(|worker| cut(worker, FaultKind::Partition));
        sleep(seconds(60)).await;
        (0..WORKERS).for_each(|worker| turmoil::repair(world::name(worker), COORDINATOR));
        let healed = Instant::now();
        lab.until_ready(WORKERS).await;
        let back = healed.elapsed();
        assert!(back <= seconds(35), "{back:?}");
        for result in answer.await? {
            let safe = result.tool_name == "safe";
            let lost = result
                .attempts
                .iter()
                .filter(|attempt| attempt.failure.is_some())
                .count();
            assert!(lost <= 1, "{result:#?}");
            assert_eq!(
                lab.ledger.executed(&result.id),
                result.attempts.len(),
                "{result:#?}"
            );
            if safe {
                // it waits for a worker for 20 s, and says so when none comes
                let known = [v1::Outcome::Succeeded, v1::Outcome::Unavailable].contains(&result.outcome());
                assert!(known && result.attempts.len() <= 2, "{result:#?}");
            } else {
                assert_eq!(result.outcome(), v1::Outcome::Unknown, "{result:#?}");
                assert_eq!(result.attempts.len(), 1, "{result:#?}");
            }
        }
        assert!(lab.workers().await.iter().all(|worker| worker.in_flight == 0));
        Ok(())
    });
}

/// E2: a client that vanishes without a word is noticed by keepalive, and what runs for it is stopped.
#[test]
fn what_runs_for_a_client_that_vanished_is_stopped_within_16_s() {
    play(&[1], |lab| async move {
        let answer = lab.ask(vec![takes("safe", "call", Duration::from_secs(100))]);
        lab.until_executed("call", 1).await;
        turmoil::partition("clients", COORDINATOR);
        let gone = Instant::now();
        while lab.line("call", 1, Moment::Stopped).is_none() {
            // keepalive asks every 10 s and waits for 5 s, and the abort has a way to go
            assert!(gone.elapsed() <= Duration::from_secs(16), "it runs on");
            sleep(LOOK).await;
        }
        answer.abort();
        Ok(())
    });
}

/// E2: a worker that cannot write waits for the line or the clock, and does not spin. In simulated time a loop that
/// spins stops the clock, so this test is bounded by a real one.
#[test]
fn a_worker_that_cannot_write_waits_and_does_not_spin() {
    let (done, played) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        play(&[8], |lab| async move {
            let much = json!({"takes": 0, "bytes": 4_000_000, "fails": 0, "from": {}});
            cut(0, FaultKind::Mute);
            // what it sends fills its window; then an attempt begins, of which it cannot tell
            let filling = lab.ask(vec![call("safe", much).id("much")]);
            lab.until_executed("much", 1).await;
            let waiting = lab.ask(vec![takes("safe", "long", Duration::from_secs(3))]);
            lab.until_executed("long", 1).await;
            sleep(Duration::from_secs(2)).await;
            turmoil::repair(world::name(0), COORDINATOR);
            assert_eq!(waiting.await?[0].outcome(), v1::Outcome::Succeeded);
            assert_eq!(filling.await?[0].outcome(), v1::Outcome::Succeeded);
            Ok(())
        });
        let _ = done.send(());
    });
    played
        .recv_timeout(Duration::from_secs(60))
        .expect("the clock stands still");
}
