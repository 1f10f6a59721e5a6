//! No process of a command or of an MCP server outlives its worker, however that ends.
//!
//! Both kinds start children that heed no SIGTERM, and daemons that left the process group, the session and their
//! parents, one of them without the environment that it was given.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use serde_json::json;
use tokio::task::JoinHandle;
use toolwave_client::{Client, call, v1};
use toolwave_tests::Process;

use crate::{
    processes::{Mark, Seen, below},
    rig::{Cluster, binaries, folder, until},
};

/// Starts what wants to stay: `$1` is the mark, `$2` whose they are.
const BROOD: &str = r#"
trap '' TERM HUP INT
stay='trap "" TERM HUP INT; while :; do sleep 1; done'
/bin/sh -c "$stay" "$1" "$2" child </dev/null >/dev/null 2>&1 &
setsid /bin/sh -c "$stay" "$1" "$2" session </dev/null >/dev/null 2>&1 &
( setsid /bin/sh -c "( /bin/sh -c '$stay' $1 $2 daemon & ) ; exit 0" </dev/null >/dev/null 2>&1 & )
( setsid env -i PATH=/usr/bin:/bin /bin/sh -c "( /bin/sh -c '$stay' $1 $2 bare & ) ; exit 0" </dev/null >/dev/null 2>&1 & )
"#;
/// What is started, beside the process itself.
const STAYING: [&str; 4] = ["child", "session", "daemon", "bare"];
const OWNERS: [&str; 3] = ["of-once", "of-safe", "of-server"];
const COMMAND: &str = r#"
. ./brood.sh
while [ ! -e release ]; do sleep 0.05; done
echo '"done"'
"#;
const SERVER: &str = r#"
. ./brood.sh
while :; do
  while read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
    case "$line" in
      *'"initialize"'*)
        printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
      *'"tools/list"'*)
        printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"wait","description":"waits","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
      *'"tools/call"'*)
        while [ ! -e release ]; do sleep 0.05; done
        printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}\n' "$id" ;;
    esac
  done
  # The end of its input does not end it.
  sleep 0.1
done
"#;
/// Another file of tools, without any of these.
const NOTHING: &str = "[tools.other]\ndescription = \"nothing\"\ncommand = { argv = [\"/bin/true\"] }\n";

fn tools(mark: &str, grace_of_server: &str) -> String {
    let command = |name: &str, more: &str| {
        format!(
            "[tools.{name}]\ndescription = \"{name}\"\n{more}[tools.{name}.command]\n\
             argv = [\"/bin/sh\", \"command.sh\", \"{mark}\", \"of-{name}\"]\ndirectory = \".\"\noutput = \"json\"\n\
             grace = \"100ms\"\n"
        )
    };
    format!(
        "{}{}[servers.s]\ncommand = [\"/bin/sh\", \"server.sh\", \"{mark}\", \"of-server\"]\ndirectory = \".\"\n\
         protocol = \"2025-11-25\"\ngrace = \"{grace_of_server}\"\nenvironment = {{ PATH = \"/usr/bin:/bin\" }}\n",
        command("once", "timeout = \"1h\"\n"),
        command("safe", "timeout = \"1h\"\nread_only = true\n"),
    )
}

/// A cluster of which a command that is safe to repeat, one that is not, and a server run, each with its brood.
struct Broods {
    cluster: Cluster,
    mark: Mark,
    running: JoinHandle<Result<v1::ExecuteParallelResponse, toolwave_client::ClientError>>,
    /// All that the worker had started, keeper processes too.
    started: BTreeSet<Seen>,
}

impl Broods {
    /// `None`, and says so, where the machine lacks what starts daemons.
    async fn start(arguments: &[&str]) -> Option<Self> {
        Self::start_with(arguments, "100ms").await
    }

    async fn start_with(arguments: &[&str], grace_of_server: &str) -> Option<Self> {
        if !["/usr/bin/setsid", "/bin/setsid"]
            .iter()
            .any(|path| Path::new(path).exists())
        {
            eprintln!("SKIPPED: nothing was tried that leaves its session: there is no setsid (util-linux)");
            return None;
        }
        let mark = Mark::new();
        let files = [
            ("brood.sh", BROOD),
            ("command.sh", COMMAND),
            ("server.sh", SERVER),
            ("tools.toml", &tools(mark.text(), grace_of_server)),
        ];
        let mut cluster = Cluster::start(folder(&files), arguments).await;
        cluster.offers("s.wait", true).await;
        let running = begin(cluster.processes.client().await.unwrap());
        for owner in OWNERS {
            for which in STAYING {
                let what = format!("{which} {owner}");
                until(&what, || {
                    // its own arguments, and not the text of the script that starts it
                    let found = mark.bearers(owner);
                    found
                        .iter()
                        .any(|seen| seen.ends_with(&format!("{owner} {which} ")))
                })
                .await;
            }
        }
        let started = below(cluster.worker().id());
        assert!(started.len() >= 3 * (STAYING.len() + 2), "{started:#?}");
        Some(Self {
            cluster,
            mark,
            running,
            started,
        })
    }

    /// Whether the calls and their broods go on.
    fn all_stay(&self) {
        for owner in OWNERS {
            let found = self.mark.bearers(owner);
            for which in STAYING {
                let end = format!("{owner} {which} ");
                assert!(found.iter().any(|seen| seen.ends_with(&end)), "{end}: {found:#?}");
            }
        }
    }

    fn release(&self) {
        fs::write(self.cluster.path("release"), "").unwrap();
    }

    /// Waits until none is left, of whatever was started at any time.
    async fn nothing_is_left(&self) {
        let mut left = BTreeSet::new();
        until("nothing is left", || {
            left = self.started.iter().filter(|seen| seen.runs()).cloned().collect();
            left.extend(self.mark.bearers(""));
            left.is_empty()
        })
        .await;
    }

    async fn nothing_is_left_of(&self, owner: &str) {
        until(owner, || self.mark.bearers(owner).is_empty()).await;
    }

    /// The worker's end by this signal, and nothing after it.
    async fn ends_by(mut self, signal: &str, exit: Option<i32>) {
        self.cluster.worker().signal(signal).unwrap();
        assert_eq!(self.cluster.worker().wait().unwrap(), exit);
        self.nothing_is_left().await;
    }
}

fn begin(client: Client) -> JoinHandle<Result<v1::ExecuteParallelResponse, toolwave_client::ClientError>> {
    let calls = ["once", "safe", "s.wait"].map(|tool| call(tool, json!({})));
    tokio::spawn(async move {
        let request = v1::ExecuteParallelRequest {
            calls: calls.into(),
            max_concurrency_auto: true,
            timeout: Some(toolwave_client::proto_duration(Duration::from_secs(3_600))),
            ..Default::default()
        };
        client.execute_parallel(request).await
    })
}

#[tokio::test]
async fn a_drain_by_sigterm_or_sigint_finishes_what_runs_and_leaves_no_process() {
    for signal in ["TERM", "INT"] {
        let Some(mut broods) = Broods::start(&[]).await else {
            return;
        };
        broods.cluster.worker().signal(signal).unwrap();
        let worker = broods.cluster.worker();
        worker
            .wait_for(|log| log.contains("asked to end").then_some(()))
            .unwrap();
        broods.all_stay();
        broods.release();
        let answer = (&mut broods.running).await.unwrap().unwrap();
        assert!(answer.results.iter().all(|result| result.success), "{answer:#?}");
        assert_eq!(broods.cluster.worker().wait().unwrap(), Some(0));
        broods.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_drain_whose_time_is_over_leaves_no_process() {
    let Some(broods) = Broods::start(&["--drain-timeout", "300ms"]).await else {
        return;
    };
    broods.ends_by("TERM", Some(0)).await;
}

#[tokio::test]
async fn a_second_signal_leaves_no_process() {
    for (signal, exit) in [("TERM", 143), ("INT", 130)] {
        let Some(mut broods) = Broods::start(&[]).await else {
            return;
        };
        let worker = broods.cluster.worker();
        worker.signal(signal).unwrap();
        worker
            .wait_for(|log| log.contains("asked to end").then_some(()))
            .unwrap();
        broods.ends_by(signal, Some(exit)).await;
    }
}

/// A server may be given ten minutes to end, and takes it: a second signal ends it with all else, in a drain and after it.
#[tokio::test]
async fn a_second_signal_does_not_wait_for_servers_that_do_not_end() {
    for drained in [false, true] {
        let Some(mut broods) = Broods::start_with(&[], "10m").await else {
            return;
        };
        let worker = broods.cluster.worker();
        worker.signal("TERM").unwrap();
        worker
            .wait_for(|log| log.contains("asked to end").then_some(()))
            .unwrap();
        if drained {
            broods.release();
            let worker = broods.cluster.worker();
            worker
                .wait_for(|log| log.contains(" drained").then_some(()))
                .unwrap();
        }
        broods.ends_by("TERM", Some(143)).await;
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_quits_or_aborts_leaves_no_process() {
    // SIGABRT is what a panic that cannot be caught, or an allocation that fails, ends in
    for signal in ["KILL", "QUIT", "ABRT"] {
        let Some(broods) = Broods::start(&[]).await else {
            return;
        };
        broods.ends_by(signal, None).await;
    }
}

#[tokio::test]
async fn without_a_coordinator_what_is_safe_to_repeat_ends_whole_and_the_rest_with_the_worker() {
    let Some(mut broods) = Broods::start(&["--drain-timeout", "300ms"]).await else {
        return;
    };
    broods.cluster.processes.coordinator().kill().unwrap();
    broods.nothing_is_left_of("of-safe").await;
    assert!(
        !broods.mark.bearers("of-once").is_empty(),
        "it may not be repeated"
    );
    assert_eq!(broods.cluster.worker().ended().unwrap(), None);
    broods.ends_by("TERM", Some(0)).await;
}

#[tokio::test]
async fn tools_that_leave_the_file_leave_no_process_after_their_last_call() {
    let Some(mut broods) = Broods::start(&[]).await else {
        return;
    };
    fs::write(broods.cluster.path("tools.toml.new"), NOTHING).unwrap();
    fs::rename(
        broods.cluster.path("tools.toml.new"),
        broods.cluster.path("tools.toml"),
    )
    .unwrap();
    broods.cluster.offers("once", false).await;
    broods.all_stay();
    broods.release();
    let answer = (&mut broods.running).await.unwrap().unwrap();
    assert!(answer.results.iter().all(|result| result.success), "{answer:#?}");
    broods.nothing_is_left().await;
    assert_eq!(broods.cluster.worker().ended().unwrap(), None);
}

#[tokio::test]
async fn calls_that_nobody_wants_any_more_leave_no_process_of_theirs() {
    let Some(broods) = Broods::start(&[]).await else {
        return;
    };
    broods.running.abort();
    broods.nothing_is_left_of("of-once").await;
    broods.nothing_is_left_of("of-safe").await;
    broods.ends_by("KILL", None).await;
}

/// A server that never answers is waited for before the worker registers.
#[tokio::test]
async fn a_worker_that_ends_before_its_servers_have_started_leaves_no_process() {
    for (signal, exit) in [("TERM", Some(0)), ("INT", Some(0)), ("KILL", None)] {
        let mark = Mark::new();
        let mute = format!("{BROOD}while :; do sleep 1; done\n");
        let files = [
            ("brood.sh", BROOD),
            ("server.sh", &mute),
            ("tools.toml", &tools(mark.text(), "10m")),
        ];
        let folder = folder(&files);
        let path = folder.path().join("tools.toml").display().to_string();
        let arguments = ["--coordinator", "http://127.0.0.1:1", "--tools", &path].map(str::to_owned);
        let program = binaries().path("toolwave-worker");
        let mut worker = Process::start(&program, &arguments, folder.path(), "w").unwrap();
        until("a server", || mark.bearers("of-server").len() > STAYING.len()).await;
        worker.signal(signal).unwrap();
        // asked to end, it ends by itself: a process that is the first of a container ends in no other way
        assert_eq!(worker.wait().unwrap(), exit, "{signal}");
        until("nothing is left", || mark.bearers("").is_empty()).await;
    }
}

/// A worker that is killed at any moment of the start of a process.
#[tokio::test]
async fn a_worker_that_is_killed_while_processes_start_leaves_none() {
    for round in 0_u64..12 {
        let mark = Mark::new();
        let files = [
            ("brood.sh", BROOD),
            ("command.sh", COMMAND),
            ("server.sh", SERVER),
            ("tools.toml", &tools(mark.text(), "100ms")),
        ];
        let mut cluster = Cluster::start(folder(&files), &[]).await;
        let started = below(cluster.worker().id());
        let running: Vec<_> = (0..5).map(|_| cluster.client.clone()).map(begin).collect();
        if round > 0 {
            // from the first keeper process on, at moments that differ
            until("a start", || !below(cluster.worker().id()).is_subset(&started)).await;
            tokio::time::sleep(Duration::from_millis(round * 3)).await;
        }
        cluster.worker().kill().unwrap();
        for running in running {
            running.abort();
        }
        until("nothing is left", || mark.bearers("").is_empty()).await;
    }
}
