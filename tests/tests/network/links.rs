//! Links that fall silent, break and come back under a session.

use std::time::Duration;

use toolwave_client::{CallExt as _, v1};
use toolwave_coordinator::config::Config;
use toolwave_tests::Flow;

use crate::support::{Gate, Net, answer, ask, impatient, plain, state, until, until_idle};

/// E2, F05: both ends find out, whichever direction fell silent, and though TCP tells neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_falls_silent_in_either_direction_is_found_out_by_both_ends() {
    type Cut = fn(&Net);
    let cut: [(&str, Cut); 4] = [
        ("both", |net| net.proxy.set(Flow::Blackholed)),
        ("held", |net| net.proxy.set(Flow::Stopped)),
        ("mute", |net| net.proxy.to_server().set(Flow::Blackholed)),
        ("deaf", |net| net.proxy.to_client().set(Flow::Blackholed)),
    ];
    let each = cut.map(|(name, cut)| async move {
        let (net, gate) = (Net::start(impatient()).await, Gate::new());
        let (hosted, client) = (net.host(gate.worker(name, 1)).await, net.client().await);
        cut(&net);
        until(name, async || (!hosted.handle.is_registered()).then_some(())).await;
        // whoever dials through a link that is dead must not be ready either
        until(name, async || {
            let state = state(&client, name).await;
            (state != Some(v1::WorkerState::Ready)).then_some(())
        })
        .await;
        net.proxy.reset();
        net.proxy.heal();
        until_idle(&client, 1).await;
        gate.open();
        let results = answer(ask(&client, vec![plain("once")])).await;
        assert_eq!(
            results[0].outcome(),
            v1::Outcome::Succeeded,
            "{name}: {results:#?}"
        );
    });
    futures_util::future::join_all(each).await;
}

/// F04: a link that is down for less than the fence costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_held_for_a_moment_costs_no_attempt_and_no_session() {
    let (net, gate) = (Net::start(impatient()).await, Gate::new());
    let (_hosted, client) = (net.host(gate.worker("held", 8)).await, net.client().await);
    let calls = [plain("safe").id("safe"), plain("once").id("once")];
    let asked = ask(&client, calls.to_vec());
    gate.until_executed("safe", 1).await;
    gate.until_executed("once", 1).await;
    net.proxy.set(Flow::Stopped);
    gate.open();
    // below the fence; long enough for the ends to be written into the dead link
    tokio::time::sleep(Duration::from_secs(1)).await;
    net.proxy.heal();
    for result in answer(asked).await {
        assert_eq!(result.outcome(), v1::Outcome::Succeeded, "{result:#?}");
        assert_eq!(result.attempts.len(), 1, "{result:#?}");
    }
    assert_eq!(
        (gate.ledger.executed("safe"), gate.ledger.executed("once")),
        (1, 1)
    );
    assert_eq!(net.proxy.accepted(), 1);
    until_idle(&client, 1).await;
}

/// F04, F06: a link that is down for longer than the lease loses each attempt once, and what is not safe to repeat
/// says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_down_for_longer_than_the_lease_loses_each_attempt_once() {
    let (net, gate) = (Net::start(impatient()).await, Gate::new());
    let (_first, client) = (net.host(gate.worker("first", 8)).await, net.client().await);
    let calls = [plain("safe").id("safe"), plain("once").id("once")];
    let asked = ask(&client, calls.to_vec());
    gate.until_executed("safe", 1).await;
    gate.until_executed("once", 1).await;
    net.proxy.set(Flow::Stopped);
    let _second = crate::support::host(&net.url(), gate.worker("second", 8)).await;
    gate.until_executed("safe", 2).await;
    gate.open();
    let results = answer(asked).await;
    assert_eq!(results[0].outcome(), v1::Outcome::Succeeded, "{results:#?}");
    assert_eq!(
        results[0].attempts.last().map(|attempt| attempt.worker.as_str()),
        Some("second")
    );
    assert_eq!(results[1].outcome(), v1::Outcome::Unknown, "{results:#?}");
    assert!(results[1].error.as_ref().is_some_and(|error| error.may_have_run));
    net.proxy.heal();
    until_idle(&client, 2).await;
    assert_eq!(
        (gate.ledger.executed("safe"), gate.ledger.executed("once")),
        (2, 1)
    );
}

/// However long a busy machine takes to dial again, calls wait for it.
fn waits_for_its_workers() -> Config {
    let config = Config::embedded();
    Config {
        reconnect_grace: config.lease,
        ..config
    }
}

/// E1: a stream that ends well, without goodbye, is a lost session: its worker is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_cleanly_is_no_goodbye_and_its_worker_comes_back_to_its_calls() {
    let (net, gate) = (Net::start(waits_for_its_workers()).await, Gate::new());
    let (_hosted, client) = (net.host(gate.worker("cut", 8)).await, net.client().await);
    let asked = ask(&client, vec![plain("safe").id("safe"), plain("once").id("once")]);
    gate.until_executed("safe", 1).await;
    gate.until_executed("once", 1).await;
    for round in 2..5 {
        net.proxy.close();
        net.proxy.until_accepted(round).await.unwrap();
        until("the worker is back", async || {
            (state(&client, "cut").await == Some(v1::WorkerState::Ready)).then_some(())
        })
        .await;
    }
    gate.open();
    for result in answer(asked).await {
        assert_eq!(result.outcome(), v1::Outcome::Succeeded, "{result:#?}");
        assert_eq!(result.attempts.len(), 1, "{result:#?}");
    }
    assert_eq!(
        (gate.ledger.executed("safe"), gate.ledger.executed("once")),
        (1, 1)
    );
}

/// F14: wherever in the bytes of a session a connection is cut, the session comes back and nothing runs again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_at_any_byte_costs_no_execution() {
    let cuts = (0..24_u64).map(|index| async move {
        let (net, gate) = (Net::start(waits_for_its_workers()).await, Gate::new());
        let (_hosted, client) = (net.host(gate.worker("cut", 4)).await, net.client().await);
        // ends, acknowledgements and heartbeats are some tens of bytes each
        let bytes = 1 + index / 2 * 37;
        let direction = if index % 2 == 0 {
            net.proxy.to_server()
        } else {
            net.proxy.to_client()
        };
        direction.set(Flow::CutAfter(bytes));
        let calls = (0..8).map(|call| plain(["open", "once"][call % 2]).id(call.to_string()));
        gate.open();
        let asked = ask(&client, calls.collect());
        net.proxy.until_accepted(2).await.unwrap();
        net.proxy.heal();
        for result in answer(asked).await {
            assert_eq!(
                result.outcome(),
                v1::Outcome::Succeeded,
                "after {bytes}: {result:#?}"
            );
            assert_eq!(gate.ledger.executed(&result.id), 1, "after {bytes}: {result:#?}");
        }
        until_idle(&client, 1).await;
    });
    futures_util::future::join_all(cuts).await;
}
