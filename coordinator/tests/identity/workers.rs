//! What a worker may call itself and offer, as its certificate says.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use toolwave_coordinator::{
    Config, Coordinator,
    audit::AuditSection,
    config::ClientCertificate as Wanted,
    identity::{NamePatterns, WorkerIdentityEntry},
};
use toolwave_proto::v1;

use crate::{
    ask::{certificate, dial},
    common::{
        FakeWorker, call, config, execute, json, register, results, start, tool, workers, workers_until,
    },
    pki::{Ca, Files},
};

pub(crate) fn patterns(names: &[&str]) -> NamePatterns {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    NamePatterns::try_from(names).expect("patterns")
}

pub(crate) fn identity(name: &str, tools: &[&str]) -> WorkerIdentityEntry {
    WorkerIdentityEntry {
        identity: format!("spiffe://t/worker/{name}"),
        names: None,
        tools: patterns(tools),
        strict: false,
    }
}

/// A coordinator whose workers prove who they are, and whose clients need not.
pub(crate) struct Cluster {
    pub(crate) coordinator: Coordinator,
    ca: Ca,
    _files: Files,
}

impl Cluster {
    async fn of(worker_identities: Vec<WorkerIdentityEntry>) -> Self {
        Self::audited(worker_identities, AuditSection::default()).await
    }

    pub(crate) async fn audited(worker_identities: Vec<WorkerIdentityEntry>, audit: AuditSection) -> Self {
        let ca = Ca::new("ca");
        let files = Files::new(&ca.server());
        let config = Config {
            worker_listen: Some(([127, 0, 0, 1], 0).into()),
            worker_tls: Some(files.mutual(&ca, Wanted::Required)),
            worker_identities,
            audit,
            ..config()
        };
        Self {
            coordinator: start(config).await,
            ca,
            _files: files,
        }
    }

    /// A stream of the identity of this name.
    async fn open(&self, name: &str) -> FakeWorker {
        let uri = format!("spiffe://t/worker/{name}");
        let identity = certificate(&self.ca, &[&uri]);
        let channel = dial(self.coordinator.worker_address(), &self.ca, Some(identity)).await;
        FakeWorker::open_on(channel).await.expect("a stream")
    }

    pub(crate) async fn join(&self, name: &str, register: v1::Register) -> FakeWorker {
        let opened = self.open(name).await;
        opened.registered(&self.coordinator, register).await
    }

    /// How the session ends that registers so.
    pub(crate) async fn refused(&self, name: &str, register: v1::Register) -> Status {
        let mut worker = self.open(name).await;
        worker.say(first(register)).await;
        let status = worker.end().await.expect("a fault");
        assert_eq!(worker.frames, [], "nothing is said to it but that");
        status
    }
}

fn first(register: v1::Register) -> v1::OpenSessionRequest {
    v1::OpenSessionRequest {
        register: Some(register),
        ..Default::default()
    }
}

fn reason(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().expect("a reason");
    (status.code(), info.reason)
}

#[tokio::test]
async fn a_worker_registers_under_the_names_of_its_identity() {
    let mut named = identity("cpu", &["*"]);
    named.names = Some(patterns(&["box-*"]));
    let cluster = Cluster::of(vec![identity("gpu", &["*"]), named]).await;
    for (who, name, permitted) in [
        ("gpu", "gpu", true),
        ("gpu", "gpu-7", true),
        ("gpu", "gpu7", false),
        ("gpu", "cpu", false),
        ("gpu", "GPU", false),
        ("cpu", "box-1", true),
        ("cpu", "cpu", false),
    ] {
        if permitted {
            cluster.join(who, register(name, vec![])).await;
            continue;
        }
        let status = cluster.refused(who, register(name, vec![])).await;
        assert_eq!(
            reason(&status),
            (Code::PermissionDenied, "IDENTITY_MISMATCH".to_owned()),
            "{who} {name}"
        );
        assert!(
            status.message().contains(&format!("spiffe://t/worker/{who}")),
            "{status}"
        );
    }
}

#[tokio::test]
async fn tools_that_an_identity_may_not_offer_are_left_out() {
    let cluster = Cluster::of(vec![identity("gpu", &["echo", "gpu.*"])]).await;
    let offered = vec![tool("echo"), tool("gpu.run"), tool("shell"), tool("gpu")];
    let worker = cluster.join("gpu", register("gpu", offered)).await;
    assert_eq!(workers(&cluster.coordinator).await[0].tools, ["echo", "gpu.run"]);
    // Nobody else knows of them either.
    let answered = results(execute(&cluster.coordinator, vec![call("shell", "{}")]).await).await;
    assert_eq!(answered[0].outcome(), v1::Outcome::Rejected);
    let error = answered[0].error.as_ref().expect("an error");
    assert_eq!(error.code, "UNKNOWN_TOOL");

    worker
        .say(v1::OpenSessionRequest {
            tools_changed: Some(v1::ToolsChanged {
                tools: vec![tool("gpu.stop"), tool("rm")],
            }),
            ..Default::default()
        })
        .await;
    workers_until(&cluster.coordinator, |workers| workers[0].tools == ["gpu.stop"]).await;
}

#[tokio::test]
async fn an_identity_without_tools_offers_none() {
    let cluster = Cluster::of(vec![identity("gpu", &[])]).await;
    cluster.join("gpu", register("gpu", vec![tool("echo")])).await;
    assert_eq!(workers(&cluster.coordinator).await[0].tools, [""; 0]);
}

#[tokio::test]
async fn a_strict_identity_that_offers_others_is_refused() {
    let mut strict = identity("gpu", &["echo"]);
    strict.strict = true;
    let cluster = Cluster::of(vec![strict]).await;
    let status = cluster
        .refused(
            "gpu",
            register("gpu", vec![tool("echo"), tool("shell"), tool("rm")]),
        )
        .await;
    let expected = (Code::PermissionDenied, "TOOLS_NOT_PERMITTED".to_owned());
    assert_eq!(reason(&status), expected);
    assert!(status.message().contains("`shell`, `rm`"), "{status}");
    assert!(workers(&cluster.coordinator).await.is_empty());

    let mut worker = cluster.join("gpu", register("gpu", vec![tool("echo")])).await;
    let tools_changed = Some(v1::ToolsChanged {
        tools: vec![tool("shell")],
    });
    worker
        .say(v1::OpenSessionRequest {
            tools_changed,
            ..Default::default()
        })
        .await;
    assert_eq!(reason(&worker.end().await.expect("a fault")), expected);
}

#[tokio::test]
async fn a_name_is_its_identitys_until_its_worker_is_forgotten() {
    let mut other = identity("other", &["*"]);
    other.names = Some(patterns(&["gpu"]));
    let cluster = Cluster::of(vec![identity("gpu", &["*"]), other]).await;
    let mut worker = cluster.join("gpu", register("gpu", vec![tool("echo")])).await;
    let taken = (Code::AlreadyExists, "WORKER_ID_TAKEN".to_owned());

    // While it is there: whatever process the other says it is.
    let running = execute(&cluster.coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    for instance in ["gpu-1", "another"] {
        let mut register = register("gpu", vec![tool("echo")]);
        register.instance_id = instance.into();
        register.in_flight = vec![dispatch.attempt.expect("an attempt")];
        register.coordinator_id = worker.registered.coordinator_id.clone();
        let status = cluster.refused("other", register).await;
        assert_eq!(reason(&status), taken, "{instance}");
    }
    worker.succeed(&dispatch, "1").await;
    assert_eq!(json(&results(running).await[0]), "1", "it lost nothing");

    // Its stream broke: it may come back, with a renewed certificate, and nobody else in its place.
    worker.hang_up();
    workers_until(&cluster.coordinator, |workers| {
        workers[0].state() == v1::WorkerState::Detached
    })
    .await;
    let status = cluster.refused("other", register("gpu", vec![])).await;
    assert_eq!(reason(&status), taken);
    let worker = cluster.join("gpu", register("gpu", vec![tool("echo")])).await;

    // It leaves: the name is free.
    worker.goodbye().await;
    workers_until(&cluster.coordinator, <[_]>::is_empty).await;
    cluster.join("other", register("gpu", vec![])).await;
}

#[tokio::test]
async fn a_result_counts_only_from_the_worker_that_the_attempt_was_sent_to() {
    let cluster = Cluster::of(vec![identity("gpu", &["*"]), identity("rogue", &["*"])]).await;
    let mut worker = cluster.join("gpu", register("gpu", vec![tool("echo")])).await;
    let mut rogue = cluster.join("rogue", register("rogue", vec![])).await;
    let running = execute(&cluster.coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    rogue.succeed(&dispatch, "\"forged\"").await;
    // Answered after the report was taken.
    rogue.beat(1, vec![]).await;
    rogue.until(|frame| frame.heartbeat_answer == 1).await;
    worker.succeed(&dispatch, "\"true\"").await;
    assert_eq!(json(&results(running).await[0]), "\"true\"");
}

#[tokio::test]
async fn a_worker_that_says_more_before_it_is_answered_is_answered_first() {
    let cluster = Cluster::of(vec![identity("gpu", &["*"])]).await;
    for _ in 0..20 {
        let mut worker = cluster.open("gpu").await;
        worker.say(first(register("gpu", vec![]))).await;
        worker.beat(1, vec![]).await;
        let frame = worker.frame().await;
        assert!(
            frame.registered.is_some() && frame.heartbeat_answer == 0,
            "{frame:?}"
        );
        worker.until(|frame| frame.heartbeat_answer == 1).await;
    }
}
