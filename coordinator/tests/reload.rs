//! A configuration that changes while the coordinator runs: what takes effect, what waits for a restart, and what a
//! wrong one does not do.

mod common;

use std::{path::Path, process::Stdio};

use common::{FakeWorker, call, config, execute, register, request, results, soon, start, tool};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};
use tonic::Code;
use toolwave_config::{Source, Sources};
use toolwave_coordinator::{Config, Coordinator};
use toolwave_proto::v1::{self, execution_service_client::ExecutionServiceClient};

async fn reload(coordinator: &Coordinator, config: Config) -> toolwave_coordinator::config::Reloaded {
    coordinator
        .reload(config, Sources::default())
        .await
        .expect("a good configuration")
}

#[tokio::test]
async fn a_lower_limit_of_attempts_in_flight_ends_none_and_a_higher_one_starts_what_waits() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("t")])).await;
    let first = execute(&coordinator, (0..4).map(|_| call("t", "{}")).collect()).await;
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(worker.dispatch().await);
    }
    let fewer = Config {
        max_in_flight: 2,
        ..config()
    };
    assert_eq!(
        reload(&coordinator, fewer.clone()).await.changed,
        ["max_in_flight"]
    );
    let second = execute(&coordinator, (0..3).map(|_| call("t", "{}")).collect()).await;
    // Three ends leave one, so that one more may start, and no second.
    for dispatch in &running[..3] {
        worker.succeed(dispatch, "1").await;
    }
    let started = worker.dispatch().await;
    reload(&coordinator, config()).await;
    let others = [worker.dispatch().await, worker.dispatch().await];
    for dispatch in running[3..].iter().chain([&started]).chain(&others) {
        worker.succeed(dispatch, "1").await;
    }
    for execution in [first, second] {
        let results = results(execution).await;
        assert!(results.iter().all(|result| result.success), "{results:?}");
    }
    assert!(
        worker.frames.iter().all(|frame| frame.aborts.is_empty()),
        "nothing was aborted"
    );
}

#[tokio::test]
async fn limits_of_requests_queues_payloads_and_tenants_hold_for_what_comes() {
    let coordinator = start(config()).await;
    let refused = async |calls: usize| {
        let calls = (0..calls).map(|_| call("t", "{\"x\":1}")).collect();
        let mut client = common::client(&coordinator).await;
        let answer = client.execute_parallel(request(calls)).await;
        answer.err().map(|status| status.code())
    };
    assert_eq!(
        refused(2).await,
        None,
        "an unknown tool is no fault of the request"
    );
    let mut limits = config();
    limits.requests.max_calls = 1;
    reload(&coordinator, limits).await;
    assert_eq!(refused(2).await, Some(Code::InvalidArgument));
    let limits = Config {
        max_queued_calls: 1,
        ..config()
    };
    reload(&coordinator, limits).await;
    assert_eq!(refused(2).await, Some(Code::ResourceExhausted));
    let limits = Config {
        max_payload_bytes: 7,
        ..config()
    };
    reload(&coordinator, limits).await;
    assert_eq!(
        (refused(1).await, refused(2).await),
        (None, Some(Code::ResourceExhausted))
    );
    let limits: Config =
        toml::from_str("startup_grace = '0s'\n[tenant_defaults]\nmax_in_flight = 0").expect("TOML");
    reload(&coordinator, limits).await;
    assert_eq!(refused(1).await, Some(Code::ResourceExhausted));
    reload(&coordinator, config()).await;
    assert_eq!(refused(2).await, None);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_stays_as_it_was() {
    let coordinator = start(config()).await;
    let mut other = config();
    other.lease = std::time::Duration::from_secs(30);
    other.requests.max_request_bytes /= 2;
    other.max_queued_calls = 5;
    let reloaded = reload(&coordinator, other).await;
    assert_eq!(reloaded.changed, ["max_queued_calls"]);
    assert_eq!(reloaded.restart, ["lease", "requests.max_request_bytes"]);
    let shown = coordinator.effective_configuration();
    assert!(
        shown.contains("lease = \"10s\"  #") && shown.contains("max_queued_calls = 5  #"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_the_status_says_so_until_a_good_one_comes() {
    let coordinator = start(config()).await;
    assert!(coordinator.reload_status().is_successful());
    let started = coordinator.reload_status().succeeded_at();
    assert!(started > 0);
    let wrong = Config {
        max_in_flight: 0,
        max_queued_calls: 3,
        ..config()
    };
    let told = coordinator
        .reload(wrong, Sources::default())
        .await
        .expect_err("it is wrong");
    assert_eq!(told[0].key, "max_in_flight");
    assert!(!coordinator.reload_status().is_successful());
    assert!(
        coordinator
            .effective_configuration()
            .contains("max_queued_calls = 1000000")
    );
    reload(&coordinator, config()).await;
    assert!(coordinator.reload_status().is_successful());
    assert!(coordinator.reload_status().succeeded_at() >= started);
}

#[tokio::test]
async fn the_configuration_in_force_says_where_its_values_came_from() {
    let coordinator = start(config()).await;
    let mut sources = Sources::default();
    sources.say("max_in_flight", Source::Environment);
    coordinator.say_sources(sources);
    let shown = coordinator.effective_configuration();
    assert!(shown.contains("max_in_flight = 100000  # environment"), "{shown}");
}

/// A program with a file, and its log.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    address: String,
}

impl Program {
    async fn start(file: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolwave-coordinator"))
            .env_clear()
            .envs(environment.iter().copied())
            .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--config"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut program = Self {
            child,
            lines,
            address: String::new(),
        };
        let line = program.line_with("address").await;
        program.address = line["fields"]["address"].as_str().expect("text").to_owned();
        program
    }

    /// The next line of the log whose fields hold this one.
    async fn line_with(&mut self, field: &str) -> serde_json::Value {
        soon("a line of the log", async {
            loop {
                let line = self.lines.next_line().await.expect("UTF-8").expect("a line");
                let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                if line["fields"].get(field).is_some() {
                    return line;
                }
            }
        })
        .await
    }

    async fn refuses(&self, calls: usize) -> Option<Code> {
        let client = ExecutionServiceClient::connect(format!("http://{}", self.address)).await;
        let calls = (0..calls).map(|_| call("t", "{}")).collect();
        let asked = v1::PlanExecutionRequest {
            execution: Some(request(calls)),
        };
        let answer = client.expect("it listens").plan_execution(asked).await;
        answer.err().map(|status| status.code())
    }

    async fn hang_up(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status().await;
        assert!(sent.expect("kill runs").success());
    }
}

#[tokio::test]
async fn the_program_reads_its_file_again_when_it_changes_and_on_sighup() {
    let folder = tempfile::tempdir().expect("a folder");
    // As a mounted ConfigMap: the file is a link into a folder that is a link.
    let version = |name: &str, text: &str| {
        let of = folder.path().join(name);
        std::fs::create_dir(&of).expect("a folder");
        std::fs::write(of.join("c.toml"), text).expect("written");
        std::os::unix::fs::symlink(name, folder.path().join("..new")).expect("a link");
        std::fs::rename(folder.path().join("..new"), folder.path().join("..data")).expect("turned");
    };
    version("..1", "lease = '10s'\n[requests]\nmax_calls = 1\n");
    let file = folder.path().join("c.toml");
    std::os::unix::fs::symlink("..data/c.toml", &file).expect("a link");
    let environment = [("TOOLWAVE_COORDINATOR_MAX_QUEUED_CALLS", "77")];
    let mut program = Program::start(&file, &environment).await;
    assert_eq!(program.refuses(2).await, Some(Code::InvalidArgument));
    // The environment lies over the file still, so that its word changes nothing.
    version(
        "..2",
        "lease = '12s'\nmax_queued_calls = 3\n[requests]\nmax_calls = 2\n",
    );
    let line = program.line_with("keys").await;
    assert_eq!(
        (&line["level"], &line["fields"]["keys"]),
        (&"WARN".into(), &"lease".into())
    );
    let line = program.line_with("changed").await;
    assert_eq!(line["fields"]["changed"], "requests.max_calls");
    assert_eq!(program.refuses(2).await, None);
    // A file that is wrong is told with its places, and keeps what was.
    version("..3", "max_in_fligth = 3\n[requests]\nmax_calls = 'x'\n");
    let mut told = String::new();
    for _ in 0..2 {
        let line = program.line_with("problem").await;
        assert_eq!(line["level"], "ERROR");
        told += line["fields"]["problem"].as_str().expect("text");
    }
    assert!(
        told.contains("c.toml:1:1: max_in_fligth") && told.contains("c.toml:3:13:"),
        "{told}"
    );
    assert_eq!(program.refuses(2).await, None);
    // Asked, it does not wait to see it.
    version(
        "..4",
        "lease = '12s'\n[requests]\nmax_calls = 1\n[log]\nlevel = 'debug'\n",
    );
    program.hang_up().await;
    let line = program.line_with("changed").await;
    assert_eq!(line["fields"]["changed"], "log.level, requests.max_calls");
    assert_eq!(program.refuses(2).await, Some(Code::InvalidArgument));
}

#[tokio::test]
async fn flags_lie_over_the_environment_over_the_file_over_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    let text = "max_in_flight = 1\nmax_queued_calls = 1\nmax_result_bytes = 1024\n[tenants.a]\nweight = 2\n";
    std::fs::write(&file, text).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_toolwave-coordinator"))
        .env_clear()
        .env("TOOLWAVE_COORDINATOR_MAX_IN_FLIGHT", "2")
        .env("TOOLWAVE_COORDINATOR_MAX_QUEUED_CALLS", "2")
        .args(["--print-config", "--max-in-flight", "3", "--config"])
        .arg(&file)
        .output()
        .await
        .expect("it runs");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    for line in [
        "max_in_flight = 3  # flag",
        "max_queued_calls = 2  # environment",
        "max_result_bytes = 1024  # file",
        "weight = 2  # file",
        "threads = 0  # default",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let again: Config = toml::from_str(&shown).expect("what is printed can be read");
    assert_eq!((again.max_in_flight, again.max_queued_calls), (3, 2));
}
