//! Ranges of the protocol's versions that have nothing in common: both ranges are told, and which side is to be upgraded;
//! nobody is let in, and whoever was refused comes in once both fit.

use tempfile::tempdir;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use toolwave_tests::{Binaries, Cluster, Process, Profile};

use crate::{
    baseline::v1::attempt_report::End,
    old_coordinator::OldCoordinator,
    old_worker::{OldWorker, soon},
};

async fn refusal(cluster: &Cluster, range: (u32, u32)) -> Status {
    let mut register = OldWorker::register("other", 1);
    (register.min_protocol, register.max_protocol) = range;
    let refused = OldWorker::open(cluster.url(), register).await;
    let status = refused.err().expect("it was let in");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let reason = status.get_details_error_info().map(|told| told.reason);
    assert_eq!(reason.as_deref(), Some("UNSUPPORTED_PROTOCOL"));
    status
}

#[tokio::test]
async fn a_worker_without_a_version_in_common_is_told_both_ranges_and_who_is_to_be_upgraded() {
    let cluster = Cluster::start().await.unwrap();
    for (range, told) in [
        (
            (7, 9),
            "no protocol version in common: the worker speaks 7 to 9, this coordinator 1 to 1; upgrade this \
             coordinator, or give the worker back its former version",
        ),
        (
            (0, 0),
            "no protocol version in common: the worker speaks 0 to 0, this coordinator 1 to 1; upgrade the worker",
        ),
        (
            (9, 0),
            "no protocol version in common: the worker speaks 9 to 0, this coordinator 1 to 1; expected \
             register.min_protocol to be at most register.max_protocol",
        ),
    ] {
        assert_eq!(refusal(&cluster, range).await.message(), told);
    }
    let client = cluster.client().await.unwrap();
    assert_eq!(client.list_workers().await.unwrap(), [], "nobody was let in");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_also_speaks_versions_to_come_is_let_in_with_the_highest_in_common() {
    let cluster = Cluster::start().await.unwrap();
    let mut register = OldWorker::register("other", 1);
    (register.min_protocol, register.max_protocol) = (1, 9);
    let worker = OldWorker::open(cluster.url(), register).await.unwrap();
    assert_eq!(worker.registered.protocol, 1);
    worker.goodbye().await;
    cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_take_a_version_that_it_did_not_offer_and_comes_in_with_one_that_it_did() {
    let coordinator = OldCoordinator::start().await;
    coordinator.answers_with(7);
    let url = coordinator.url();
    let folder = tempdir().unwrap();
    let path = folder.path().to_owned();
    let refused = tokio::task::spawn_blocking(move || {
        let program = Binaries::built(Profile::Dev).unwrap().path("toolwave-worker");
        let arguments = ["--coordinator", &url, "--name", "new"].map(str::to_owned);
        let mut worker = Process::start(&program, &arguments, &path, "new").unwrap();
        worker
            .wait_for(|output| {
                let told = "the coordinator broke the protocol: it answers with protocol version 7, and this worker \
                            offered 1 to 1; expected one of those";
                output.contains(told).then_some(())
            })
            .unwrap();
        worker
    });
    let worker = refused.await.unwrap();
    coordinator.answers_with(0);
    let register = soon("its session", coordinator.registered()).await;
    assert_eq!((register.worker.as_str(), register.max_protocol), ("new", 1));
    let end = coordinator.calls("echo", r#"{"value": 1}"#, 1).pop().unwrap();
    let report = soon("an end", end).await.unwrap();
    assert_eq!(report.end, Some(End::ResultJson(r#"{"value": 1}"#.into())));
    drop(worker);
}
