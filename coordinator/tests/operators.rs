//! The program's admin port, as operators use it: the log level at run time, and who may change it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "../../telemetry/tests/support/page.rs"]
mod page;

use std::{io::Write as _, net::SocketAddr, process::Stdio, time::Duration};

use page::{ask, get};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};
use toolwave_proto::v1::{self, execution_service_client::ExecutionServiceClient};

/// A coordinator that writes JSON lines.
struct Program {
    _child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    admin: SocketAddr,
    clients: SocketAddr,
}

impl Program {
    async fn start(config: &str) -> Self {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolwave-coordinator"))
            .env_clear()
            .args([
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .arg("--config")
            .arg(file.path())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut program = Self {
            _child: child,
            lines,
            admin: nowhere,
            clients: nowhere,
        };
        let address = |line: &Value| line["fields"]["address"].as_str().unwrap().parse().unwrap();
        program.admin = address(&program.line("admin port open").await);
        program.clients = address(&program.line("coordinator listens").await);
        program
    }

    /// The next line that says so.
    async fn line(&mut self, message: &str) -> Value {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("a line");
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["fields"]["message"] == message {
                    return line;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found)
            .await
            .expect(message)
    }

    /// Runs a call of a tool that nobody has.
    async fn execute(&self) {
        let mut client = ExecutionServiceClient::connect(format!("http://{}", self.clients))
            .await
            .unwrap();
        let call = v1::Call {
            id: Some("the-call".into()),
            tool_name: "nobody-has-it".into(),
            ..v1::Call::default()
        };
        let request = v1::ExecuteParallelRequest {
            calls: vec![call],
            ..v1::ExecuteParallelRequest::default()
        };
        client.execute_parallel(request).await.unwrap();
    }
}

#[tokio::test]
async fn the_way_of_a_call_is_logged_with_its_ids_from_when_an_operator_asks_for_it() {
    let mut program = Program::start("startup_grace = \"0s\"\n[log]\nlevel = \"info\"\n").await;
    let admin = program.admin;
    program.execute().await;
    let level = "info,toolwave_coordinator=debug";
    assert_eq!(
        ask(admin, "PUT /log-level", &[], level).await,
        (200, format!("{level}\n"))
    );
    let changed = program.lines.next_line().await.unwrap().unwrap();
    assert!(
        changed.contains("log level changed"),
        "nothing was logged of the first execution: {changed}"
    );
    program.execute().await;
    let accepted = program.line("execution accepted").await;
    let ended = program.line("call ended").await;
    assert_eq!(
        ended["fields"]["execution_id"],
        accepted["fields"]["execution_id"]
    );
    assert_eq!(ended["fields"]["call_id"], "the-call");
    assert_eq!(ended["fields"]["tool"], "nobody-has-it");
    program.line("execution ended").await;
    assert_eq!(
        ask(admin, "DELETE /log-level", &[], "").await,
        (200, "info\n".to_owned())
    );
    program.line("log level changed").await;
    program.execute().await;
    assert_eq!(ask(admin, "PUT /log-level", &[], "error").await.0, 200);
    ask(admin, "DELETE /log-level", &[], "").await;
    let next = program.lines.next_line().await.unwrap().unwrap();
    assert!(
        next.contains("log level changed"),
        "debug lines have ended: {next}"
    );
}

#[tokio::test]
async fn where_clients_say_who_they_are_the_log_level_is_for_operators_and_probes_are_for_all() {
    let hash = |token: &str| {
        Sha256::digest(token)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    let entry = |token: &str, operator: bool| {
        let hash = hash(token);
        format!(
            "[[token]]\nname = \"{token}\"\nsha256 = \"{hash}\"\ntenant = \"a\"\noperator = {operator}\ntools = [\"*\"]\n"
        )
    };
    std::fs::write(&tokens, entry("boss", true) + &entry("guest", false)).unwrap();
    let config = format!("[auth]\ntokens_file = \"{}\"\n", tokens.display());
    let program = Program::start(&config).await;
    let put = |token: Option<&'static str>| async move {
        let headers: Vec<(&str, &str)> = token.map(|token| ("Authorization", token)).into_iter().collect();
        ask(program.admin, "PUT /log-level", &headers, "warn").await
    };
    assert_eq!(put(None).await.0, 401);
    assert_eq!(put(Some("Bearer nobody")).await.0, 401);
    assert_eq!(put(Some("Bearer guest")).await.0, 403);
    assert_eq!(put(Some("Bearer boss")).await, (200, "warn\n".to_owned()));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(program.admin, path).await.0, 200, "{path}");
    }
}
