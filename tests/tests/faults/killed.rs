//! Workers that die: killed from outside, out of memory, or by the call that they run.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::json;
use toolwave_client::v1::Outcome;
use toolwave_tests::{
    history::Kind,
    recording::{BRISK, PROGRAM},
};

use crate::rig::{cluster, cluster_with, failures, mixed, named, request, rounds, since, takes};

/// After the grace of one second in [`BRISK`]: for the coordinator to act, on a machine that is busy.
const SLACK: Duration = Duration::from_millis(1500);

/// F01: a worker is killed again and again under load. Every call has one outcome; what is safe to repeat runs
/// elsewhere, what is not runs at most once; slots come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_killed_workers_run_elsewhere_or_end_unknown_and_none_runs_twice() {
    let names = ["w1", "w2", "w3"];
    let mut cluster = cluster_with(BRISK, &names, 4).await;
    let mut lost_in_all = 0;
    for round in 0..rounds() {
        let request = request(mixed(200, 100));
        let before = cluster.recorded().starts().unwrap();
        let execution = cluster.begin(&request).await.unwrap();
        // points that no schedule favours, other ones in each round
        for kill in 0..5 {
            cluster
                .wait_for_starts(before + 15 + kill * 33 + (round * 7 + kill * 5) % 13)
                .await
                .unwrap();
            cluster
                .replace(names[(round + kill) % names.len()])
                .await
                .unwrap();
        }
        let response = execution.await.unwrap().unwrap();
        for result in &response.results {
            let lost = failures(result)
                .iter()
                .filter(|code| **code == "WORKER_LOST")
                .count();
            let fits = match result.outcome() {
                Outcome::Succeeded => lost < 2,
                Outcome::Unknown => result.tool_name == "record_once" && lost == 1,
                Outcome::Failed => result.tool_name == "record_safe" && lost == 2,
                _ => false,
            };
            assert!(fits, "{result:#?}");
            lost_in_all += lost;
        }
        cluster.keep(&request, response);
        cluster.settle(&names).await.unwrap();
    }
    // how many attempts a kill meets is chance; that it meets none is rare
    assert!(
        lost_in_all >= rounds(),
        "workers were killed while they ran nothing"
    );
    cluster.check().unwrap();
}

/// F01: what a killed worker ran and is safe to repeat starts elsewhere after the reconnect grace, not after the lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_safe_call_of_a_killed_worker_starts_elsewhere_after_the_reconnect_grace() {
    let mut cluster = cluster_with(BRISK, &["w1"], 4).await;
    let request = request(vec![takes("record_safe", 2000), takes("record_once", 2000)]);
    let execution = cluster.begin(&request).await.unwrap();
    cluster.wait_for_starts(2).await.unwrap();
    cluster.add("w2", 4).await.unwrap();
    let killed_at = SystemTime::now();
    cluster.worker("w1").signal("KILL").unwrap();
    let response = execution.await.unwrap().unwrap();
    let (safe, once) = (&response.results[0], &response.results[1]);
    assert_eq!(
        (safe.outcome(), failures(safe)),
        (Outcome::Succeeded, vec!["WORKER_LOST", ""])
    );
    let found_after = since(killed_at, safe.attempts[1].started_at);
    assert!(found_after < Duration::from_secs(1) + SLACK, "{found_after:?}");
    // the other is waited for as long as its worker might come back
    assert_eq!(
        (once.outcome(), failures(once)),
        (Outcome::Unknown, vec!["WORKER_LOST"])
    );
    let given_up_after = since(killed_at, once.attempts[0].ended_at);
    assert!(given_up_after > Duration::from_secs(2), "{given_up_after:?}");
    cluster.keep(&request, response);
    cluster.settle(&["w2"]).await.unwrap();
    cluster.check().unwrap();
}

/// F18: a call that kills every worker it comes to takes two and no third. Calls that were beside it succeed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_kills_its_workers_takes_two_and_those_beside_it_succeed() {
    let names = ["w1", "w2", "w3", "w4"];
    let mut cluster = cluster_with(BRISK, &names, 3).await;
    let mut calls = vec![named("poison", "die", json!({}))];
    calls.extend((0..24).map(|index| named(&format!("innocent-{index}"), "record_safe", json!({"ms": 150}))));
    let response = cluster.run(request(calls)).await.unwrap();
    let (poison, innocents) = response.results.split_first().unwrap();
    assert_eq!(poison.outcome(), Outcome::Failed, "{poison:#?}");
    assert_eq!(poison.error.as_ref().unwrap().code, "POISON");
    assert_eq!(failures(poison), ["WORKER_LOST", "WORKER_LOST"]);
    for innocent in innocents {
        assert_eq!(innocent.outcome(), Outcome::Succeeded, "{innocent:#?}");
    }
    let dead = cluster
        .processes()
        .workers()
        .iter_mut()
        .filter_map(|worker| worker.ended().unwrap())
        .count();
    assert_eq!(dead, 2);
    cluster.check().unwrap();
}

/// F30: a worker that runs out of memory takes its calls with it and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_out_of_memory_is_lost_like_one_that_was_killed() {
    if !Path::new("/usr/bin/prlimit").exists() {
        eprintln!("SKIPPED: this machine has no /usr/bin/prlimit to bound a process's memory with");
        return;
    }
    let mut cluster = cluster(BRISK);
    // the first worker is bounded: threads and heap of an idle one fit well
    let mut arguments = vec!["--as=640000000".to_owned()];
    arguments.push(
        cluster
            .processes()
            .binaries()
            .path(PROGRAM)
            .to_string_lossy()
            .into_owned(),
    );
    arguments.extend(cluster.arguments("bounded", 4, Duration::ZERO));
    cluster
        .processes()
        .add_command(Path::new("/usr/bin/prlimit"), "bounded", &arguments)
        .await
        .unwrap();
    let calls = vec![
        named("hungry", "eat_memory", json!({"harmless_from": 2})),
        named("hungry-once", "eat_memory_once", json!({})),
        named("beside", "record_safe", json!({"ms": 4000})),
    ];
    let request = request(calls);
    let execution = cluster.begin(&request).await.unwrap();
    cluster
        .wait_until("a start", |lines| {
            lines.iter().any(|line| line.kind == Kind::Start)
        })
        .await
        .unwrap();
    cluster.add("roomy", 4).await.unwrap();
    let response = execution.await.unwrap().unwrap();
    let outcomes: Vec<_> = response
        .results
        .iter()
        .map(|result| (result.outcome(), failures(result)))
        .collect();
    assert_eq!(
        outcomes,
        [
            (Outcome::Succeeded, vec!["WORKER_LOST", ""]),
            (Outcome::Unknown, vec!["WORKER_LOST"]),
            (Outcome::Succeeded, vec!["WORKER_LOST", ""]),
        ]
    );
    cluster.keep(&request, response);
    assert!(
        cluster.worker("bounded").ended().unwrap().is_some(),
        "it lives on"
    );
    cluster.settle(&["roomy"]).await.unwrap();
    cluster.check().unwrap();
}
