//! Real cables that are pulled: the real programs in network namespaces that anybody may make, where the machine lets
//! them. Where it does not, these tests say so on standard error, and test nothing.
#![cfg(target_os = "linux")]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use toolwave_client::{CallExt as _, Client, call, v1};
use toolwave_tests::{Binaries, Process, Profile};

use crate::support::{answer, ask, state, until};

/// Says to a test inside a namespace what to do.
const SCENE: &str = "TOOLWAVE_SCENE";
const ADDRESS: &str = "10.77.0.1:7420";
/// Makes it possible to name namespaces, then goes on as this program.
const ENTER: &str = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\"";

/// Plays a scene in namespaces of its own.
fn enter(scene: &str) {
    let possible = Command::new("unshare")
        .args([
            "-Urnm",
            "sh",
            "-c",
            "mount -t tmpfs tmpfs /run && ip netns add probe && ip -n probe link set lo up",
        ])
        .stderr(Stdio::piped())
        .output();
    let why = match &possible {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = why {
        // past the capture of the test's output: nobody should take it for tested
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {scene}: no network namespaces here: {}",
            why.trim()
        );
        return;
    }
    let binaries = Binaries::built(Profile::Dev).unwrap().path("toolwave-worker");
    let played = Command::new("unshare")
        .args(["-Urnm", "--kill-child", "sh", "-c", ENTER])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "namespaces::inside", "--ignored", "--nocapture"])
        .env(SCENE, scene)
        .env("TOOLWAVE_BINARIES", binaries.parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&played.stdout);
    assert!(
        played.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&played.stderr)
    );
}

/// F04: a cable that is pulled for 5 s costs no attempt.
#[test]
fn a_cable_that_is_pulled_for_5_s_costs_no_attempt() {
    enter("pulled for 5 s");
}

/// F04: a cable that is pulled for 30 s loses what ran behind it, once and within the lease; then its worker comes back.
#[test]
fn a_cable_that_is_pulled_for_30_s_loses_its_attempts_once_and_its_worker_comes_back() {
    enter("pulled for 30 s");
}

/// F05: packets of the worker are lost, those of the coordinator are not.
#[test]
fn a_worker_whose_packets_are_lost_loses_its_attempts_within_the_lease() {
    enter("mute");
}

/// F05: packets of the coordinator are lost, those of the worker are not.
#[test]
fn a_worker_that_gets_no_packets_loses_its_attempts_within_the_lease() {
    enter("deaf");
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

struct Scene {
    folder: tempfile::TempDir,
    binaries: Binaries,
    client: Client,
    _coordinator: Process,
    workers: Vec<Process>,
}

impl Scene {
    /// A coordinator here, and a cable to a namespace for workers.
    async fn set(settings: &str) -> Self {
        ip("netns add far");
        ip("link add v0 type veth peer name v1 netns far");
        ip("addr add 10.77.0.1/24 dev v0");
        ip("link set v0 up");
        ip("-n far addr add 10.77.0.2/24 dev v1");
        ip("-n far link set lo up");
        ip("-n far link set v1 up");
        let (folder, binaries) = (
            tempfile::tempdir().unwrap(),
            Binaries::built(Profile::Dev).unwrap(),
        );
        let config = folder.path().join("coordinator.toml");
        std::fs::write(&config, settings).unwrap();
        let config = config.to_str().unwrap();
        let arguments =
            ["--listen", ADDRESS, "--insecure-allow-remote", "--config", config].map(str::to_owned);
        let program = binaries.path("toolwave-coordinator");
        let mut coordinator = Process::start(&program, &arguments, folder.path(), "coordinator").unwrap();
        coordinator
            .wait_for(|log| log.contains("coordinator listens").then_some(()))
            .unwrap();
        let client = Client::connect(format!("http://{ADDRESS}")).await.unwrap();
        Self {
            folder,
            binaries,
            client,
            _coordinator: coordinator,
            workers: Vec::new(),
        }
    }

    async fn worker(&mut self, name: &str, far: bool) {
        let program = self
            .binaries
            .path("toolwave-worker")
            .to_string_lossy()
            .into_owned();
        let url = format!("http://{ADDRESS}");
        let mut arguments = if far {
            vec!["netns", "exec", "far", &program]
        } else {
            Vec::new()
        };
        arguments.extend(["--coordinator", &url, "--name", name]);
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let program = if far { "ip" } else { &program };
        let worker = Process::start(Path::new(program), &arguments, self.folder.path(), name).unwrap();
        self.workers.push(worker);
        self.until_ready(name).await;
    }

    async fn until_ready(&self, name: &str) {
        let ready = async || (state(&self.client, name).await == Some(v1::WorkerState::Ready)).then_some(());
        // a backoff of 30 s at most, and what it takes to connect
        let waited = tokio::time::timeout(Duration::from_secs(35), async {
            while ready().await.is_none() {
                tokio::time::sleep(crate::support::LOOK).await;
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("{name} is not ready after 35 s"));
    }

    /// What runs far away runs near within the lease, once something was done to the cable.
    async fn loses(&mut self, cut: &str, until_healed: Duration, heal: &str) {
        // the lease, counted from the last heartbeat that came through: one may, after the cut
        let asked = ask(&self.client, vec![sleeps(14_000)]);
        self.until_in_flight(1).await;
        self.worker("near", false).await;
        let began = Instant::now();
        ip(cut);
        until("the call runs elsewhere", async || {
            let workers = self.client.list_workers().await.unwrap();
            let near = workers.iter().find(|worker| worker.worker == "near");
            near.filter(|near| near.in_flight == 1).map(drop)
        })
        .await;
        let elsewhere = began.elapsed();
        assert!(elsewhere < Duration::from_secs(13), "{elsewhere:?}");
        tokio::time::sleep(until_healed.saturating_sub(began.elapsed())).await;
        ip(heal);
        let results = answer(asked).await;
        assert!(results[0].success, "{results:#?}");
        let workers: Vec<&str> = results[0]
            .attempts
            .iter()
            .map(|attempt| attempt.worker.as_str())
            .collect();
        assert_eq!(workers, ["far", "near"]);
        self.until_ready("far").await;
    }

    async fn until_in_flight(&self, calls: u32) {
        until("the calls run", async || {
            let workers = self.client.list_workers().await.unwrap();
            (workers[0].in_flight == calls).then_some(())
        })
        .await;
    }
}

fn sleeps(milliseconds: u64) -> v1::Call {
    call("sleep", json!({ "milliseconds": milliseconds })).timeout(Duration::from_secs(60))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs inside a namespace, started by the tests beside it"]
async fn inside() {
    let scene = std::env::var(SCENE).unwrap();
    // TCP tries again 6.2 s after the first packet that was lost, and 12.6 s: that is beyond the default fence
    let settings = match scene.as_str() {
        "pulled for 5 s" => "self_fence = \"18s\"\nlease = \"20s\"\nreconnect_grace = \"15s\"\n",
        _ => "",
    };
    let (name, mut scene) = (scene, Scene::set(settings).await);
    scene.worker("far", true).await;
    match name.as_str() {
        "pulled for 5 s" => {
            let asked = ask(&scene.client, vec![sleeps(3_000), sleeps(7_000)]);
            scene.until_in_flight(2).await;
            ip("-n far link set v1 down");
            tokio::time::sleep(Duration::from_secs(5)).await;
            ip("-n far link set v1 up");
            for result in answer(asked).await {
                assert!(result.success && result.attempts.len() == 1, "{result:#?}");
            }
        }
        "pulled for 30 s" => {
            let half_a_minute = Duration::from_secs(30);
            scene
                .loses("-n far link set v1 down", half_a_minute, "-n far link set v1 up")
                .await;
        }
        "mute" => {
            let (cut, heal) = (
                "-n far route add blackhole 10.77.0.1/32",
                "-n far route del blackhole 10.77.0.1/32",
            );
            scene.loses(cut, Duration::ZERO, heal).await;
        }
        "deaf" => {
            let (cut, heal) = (
                "route add blackhole 10.77.0.2/32",
                "route del blackhole 10.77.0.2/32",
            );
            scene.loses(cut, Duration::ZERO, heal).await;
        }
        other => panic!("no scene is called {other}"),
    }
}
