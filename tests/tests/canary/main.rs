//! No secret, parameter or result gets into a log, an audit, a process's arguments or a tool's environment that is not
//! its own: unique texts are sent along every way there is, on the real programs at the most talkative level of logs,
//! and everything that is written is searched for them.

#![cfg(target_os = "linux")]

mod processes;
mod service;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tonic::{Request, metadata::MetadataValue, transport::Endpoint};
use toolwave_client::{call, v1};
use toolwave_proto::v1::execution_service_client::ExecutionServiceClient;
use toolwave_tests::{Binaries, PATIENCE, Process, Profile};

use crate::{processes::processes, service::serve};

/// Texts that stand nowhere else in the world, by what they are.
#[derive(Debug)]
struct Canaries {
    parameter: String,
    result: String,
    token: String,
    metadata: String,
    command_secret: String,
    http_secret: String,
    server_secret: String,
    /// Not hidden, to show that it would be found.
    control: String,
}

impl Canaries {
    fn new() -> Self {
        let text = |what: &str| format!("canary-{what}-{}", uuid::Uuid::new_v4().simple());
        Self {
            parameter: text("parameter"),
            result: text("result"),
            token: text("token"),
            metadata: text("metadata"),
            command_secret: text("command-secret"),
            http_secret: text("http-secret"),
            server_secret: text("server-secret"),
            control: text("control"),
        }
    }

    fn secrets(&self) -> [(&'static str, &str); 5] {
        [
            ("token", &self.token),
            ("metadata", &self.metadata),
            ("command secret", &self.command_secret),
            ("http secret", &self.http_secret),
            ("server secret", &self.server_secret),
        ]
    }

    /// What must not be seen, with its name.
    fn hidden(&self) -> Vec<(&'static str, &str)> {
        let payload = [("parameter", self.parameter.as_str()), ("result", &self.result)];
        self.secrets().into_iter().chain(payload).collect()
    }
}

/// Writes what it finds in its environment, and says in many ways what it was given.
const COMMAND: &str = r#"
env > command.env
input=$(cat)
echo "given $input" >&2
case "$1" in
  succeed) cat result.json ;;
  fail) echo "$input" >&2; exit 3 ;;
  broken) cat result.json; echo '}' ;;
  wait) touch waiting; while [ ! -e release ]; do sleep 0.05; done; cat result.json ;;
esac
"#;
const SERVER: &str = r#"
env > server.env
echo "a secret: $KEY" >&2
while read -r line; do
  echo "$line" >&2
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
    *'"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"say","description":"says","inputSchema":{"type":"object"}},{"name":"fail","description":"fails","inputSchema":{"type":"object"}},{"name":"babble","description":"breaks the protocol","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"tools/call"'*'"say"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":%s}}\n' "$(cat result.json)"
      printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":%s}}\n' "$id" "$(cat result.json)"
      printf '{"jsonrpc":"2.0","id":"%s","result":{"content":%s}}\n' unasked "$(cat result.json)"
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":%s}]}}\n' "$id" "$(cat result.json)" ;;
    *'"tools/call"'*'"babble"'*)
      cat result.json; echo
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":%s}}\n' "$id" "$(cat result.json)" ;;
    *'"tools/call"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"isError":true,"content":[{"type":"text","text":%s}]}}\n' "$id" "$(cat result.json)" ;;
  esac
done
"#;
/// Its standard error is logged, because the operator says so.
const LOUD: &str = "echo \"CONTROL\" >&2\nexec /bin/sh server.sh 2>&-\n";

/// The programs, and all that they write, in one folder.
struct Cluster {
    folder: TempDir,
    canaries: Canaries,
    coordinator: Process,
    worker: Process,
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    fn start() -> Self {
        let binaries = Binaries::built(Profile::Dev).expect("they build");
        let (folder, canaries) = (tempfile::tempdir().expect("a folder"), Canaries::new());
        let (http, requests) = serve(canaries.result.clone());
        write_files(folder.path(), &canaries, http);
        let logs = folder.path().join("logs");
        fs::create_dir(&logs).expect("made");
        let arguments =
            |list: &[&str]| -> Vec<String> { list.iter().map(|text| (*text).to_owned()).collect() };
        let config = folder.path().join("coordinator.toml").display().to_string();
        let flags = [
            "--config",
            &config,
            "--listen",
            "127.0.0.1:0",
            "--log-level",
            "trace",
            "--startup-grace",
            "0s",
        ];
        let program = binaries.path("toolwave-coordinator");
        let mut coordinator =
            Process::start(&program, &arguments(&flags), &logs, "coordinator").expect("it starts");
        let address = coordinator.wait_for(listening).expect("it listens");
        let tools = folder.path().join("tools.toml").display().to_string();
        let url = format!("http://{address}");
        let flags = [
            "--coordinator",
            &url,
            "--name",
            "w",
            "--tools",
            &tools,
            "--log-level",
            "trace",
        ];
        let program = binaries.path("toolwave-worker");
        let worker = Process::start(&program, &arguments(&flags), &logs, "worker").expect("it starts");
        Self {
            folder,
            canaries,
            coordinator,
            worker,
            address,
            requests,
        }
    }

    /// Runs calls as a client with a token, and with metadata of its own.
    async fn run(&self, calls: Vec<v1::Call>) -> Vec<v1::CallResult> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).expect("an address");
        let channel = endpoint.connect().await.expect("a connection");
        let mut client = ExecutionServiceClient::new(channel);
        let mut request = Request::new(v1::ExecuteParallelRequest {
            calls,
            max_concurrency: Some(20),
            ..Default::default()
        });
        let value = |text: String| MetadataValue::try_from(text).expect("one line of ASCII");
        let metadata = request.metadata_mut();
        metadata.insert("authorization", value(format!("Bearer {}", self.canaries.token)));
        metadata.insert("x-canary", value(self.canaries.metadata.clone()));
        metadata.insert(
            "traceparent",
            value("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        );
        let answer = tokio::time::timeout(PATIENCE, client.execute_parallel(request)).await;
        answer.expect("in time").expect("an answer").into_inner().results
    }

    /// What each file of the logs says.
    fn logs(&self) -> BTreeMap<PathBuf, String> {
        let files = fs::read_dir(self.folder.path().join("logs")).expect("a folder");
        files
            .map(|file| {
                let path = file.expect("a file").path();
                let text = String::from_utf8_lossy(&fs::read(&path).expect("readable")).into_owned();
                (path, text)
            })
            .collect()
    }
}

fn listening(log: &str) -> Option<SocketAddr> {
    let at = log.find("127.0.0.1:")?;
    let rest = &log[at..];
    let end = rest.find(|char: char| !(char.is_ascii_digit() || ".:".contains(char)))?;
    rest[..end]
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0)
}

fn write_files(folder: &Path, canaries: &Canaries, http: SocketAddr) {
    let write = |name: &str, text: &str| {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(name))
            .expect("made");
        file.write_all(text.as_bytes()).expect("written");
    };
    for (name, text) in [
        ("command.key", &canaries.command_secret),
        ("http.key", &canaries.http_secret),
        ("server.key", &canaries.server_secret),
    ] {
        write(name, text);
    }
    write("command.sh", COMMAND);
    write("server.sh", SERVER);
    write("loud.sh", &LOUD.replace("CONTROL", &canaries.control));
    write("result.json", &json!(canaries.result).to_string());
    let hash: String = Sha256::digest(&canaries.token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    write(
        "tokens.toml",
        &format!("[[token]]\nname = \"client\"\nsha256 = \"{hash}\"\ntenant = \"a\"\ntools = [\"*\"]\n"),
    );
    let here = folder.display();
    write(
        "coordinator.toml",
        &format!(
            "[auth]\ntokens_file = \"{here}/tokens.toml\"\n[audit]\nfile = \"{here}/logs/audit.jsonl\"\n"
        ),
    );
    write("tools.toml", &tools(&canaries.control, http));
}

fn tools(control: &str, http: SocketAddr) -> String {
    let mut text = String::new();
    let schema = "{ type = \"object\", properties = { text = { type = \"string\" } }, required = [\"text\"], additionalProperties = false }";
    for (name, argument) in [
        ("do", "succeed"),
        ("do_badly", "fail"),
        ("do_no_json", "broken"),
        ("wait", "wait"),
        // The program's arguments hold what the declaration says, and this shows that they are looked at.
        ("control", control),
    ] {
        let then = if name == "control" { "wait" } else { argument };
        text.push_str(&format!(
            "[tools.{name}]\ndescription = \"{name}\"\ninput_schema = {schema}\n[tools.{name}.command]\n\
             argv = [\"/bin/sh\", \"command.sh\", \"{then}\", \"{argument}\"]\ndirectory = \".\"\nstdin = \"json\"\n\
             output = \"json\"\nenvironment = {{ KEY = {{ file = \"command.key\" }} }}\n"
        ));
    }
    for (name, url) in [
        ("ask", format!("http://{http}/ask?text={{text}}")),
        ("ask_badly", format!("http://{http}/fail?text={{text}}")),
        ("ask_nobody", "http://127.0.0.1:1/ask?text={text}".to_owned()),
    ] {
        text.push_str(&format!(
            "[tools.{name}]\ndescription = \"{name}\"\ninput_schema = {schema}\n[tools.{name}.http]\nurl = \"{url}\"\n\
             allow_http = true\nallow_private = [\"127.0.0.1/32\"]\nheaders = {{ authorization = {{ file = \"http.key\" }} }}\n"
        ));
    }
    for (name, script, stderr) in [("s", "server.sh", "discard"), ("loud", "loud.sh", "log")] {
        text.push_str(&format!(
            "[servers.{name}]\ncommand = [\"/bin/sh\", \"{script}\"]\ndirectory = \".\"\nprotocol = \"2025-11-25\"\n\
             stderr = \"{stderr}\"\nenvironment = {{ KEY = {{ file = \"server.key\" }} }}\n"
        ));
    }
    text
}

fn code(result: &v1::CallResult) -> &str {
    result.error.as_ref().map_or("", |error| error.code.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_parameter_or_result_is_written_where_it_does_not_belong() {
    let mut cluster = Cluster::start();
    let parameters = json!({"text": cluster.canaries.parameter});
    wait_for_tools(&cluster).await;

    let mut calls: Vec<v1::Call> = ["do", "do_badly", "do_no_json", "ask", "ask_badly", "ask_nobody"]
        .iter()
        .chain(&["s.say", "s.fail", "s.babble", "echo", "fail"])
        .map(|tool| call(*tool, parameters.clone()))
        .collect();
    calls.push(call(
        "do",
        json!({"text": 1, (cluster.canaries.parameter.as_str()): cluster.canaries.result}),
    ));
    calls.push(call("no_such_tool", parameters.clone()));
    let mut late = call("wait", parameters.clone());
    late.timeout = Some(toolwave_client::proto_duration(Duration::from_millis(300)));
    calls.push(late);
    let results = cluster.run(calls).await;
    // The canaries went where they belong: else nothing would be shown by their absence elsewhere.
    for (index, tool) in [(0, "a command"), (3, "a service"), (6, "a server")] {
        let text = format!("{:?}", results[index].result_form);
        assert!(
            text.contains(&cluster.canaries.result),
            "{tool}: {:?}",
            results[index]
        );
    }
    assert_eq!(code(&results[1]), "EXIT_CODE_3", "{:?}", results[1]);
    assert!(
        results.iter().filter(|result| result.success).count() >= 4,
        "{results:#?}"
    );
    {
        let requests = cluster.requests.lock().expect("no panic");
        assert!(
            requests
                .iter()
                .any(|head| head.contains(&cluster.canaries.http_secret)),
            "{requests:?}"
        );
        assert!(
            requests
                .iter()
                .any(|head| head.contains(&cluster.canaries.parameter)),
            "{requests:?}"
        );
        for hidden in [
            &cluster.canaries.token,
            &cluster.canaries.metadata,
            &cluster.canaries.command_secret,
        ] {
            assert!(
                !requests.iter().any(|head| head.contains(hidden.as_str())),
                "{requests:?}"
            );
        }
    }

    look_at_processes(&cluster, &parameters).await;
    look_at_environments(&cluster);
    cluster.worker.signal("TERM").expect("a signal");
    assert_eq!(cluster.worker.wait().expect("it ends"), Some(0));
    cluster.coordinator.signal("TERM").expect("a signal");
    assert_eq!(cluster.coordinator.wait().expect("it ends"), Some(0));
    look_at_logs(&cluster);
}

async fn wait_for_tools(cluster: &Cluster) {
    let start = Instant::now();
    loop {
        let results = cluster
            .run(vec![call("echo", json!({})), call("s.say", json!({}))])
            .await;
        if results.iter().all(|result| result.success) {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{results:?}\n{}",
            cluster.worker.output()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// While calls run: what every user of the machine could see, and what is in environments.
async fn look_at_processes(cluster: &Cluster, parameters: &Value) {
    let waiting = cluster.folder.path().join("waiting");
    let _ = fs::remove_file(&waiting);
    let running = cluster.run(vec![
        call("control", parameters.clone()),
        call("s.say", parameters.clone()),
    ]);
    let looking = async {
        let start = Instant::now();
        while !waiting.exists() {
            assert!(start.elapsed() < PATIENCE, "the call does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut seen = processes(cluster.worker.id());
        seen.extend(processes(cluster.coordinator.id()));
        fs::write(cluster.folder.path().join("release"), "").expect("written");
        seen
    };
    let (results, seen) = tokio::join!(running, looking);
    assert!(results.iter().all(|result| result.success), "{results:?}");
    let control = seen
        .iter()
        .filter(|(part, text)| part.starts_with("cmdline") && text.contains(&cluster.canaries.control));
    assert!(control.count() > 0, "arguments are not looked at");
    for (part, text) in &seen {
        for (what, canary) in cluster.canaries.hidden() {
            // A tool's own secret is in its own environment, and nowhere else.
            let own = part.starts_with("environ") && matches!(what, "command secret" | "server secret");
            assert!(own || !text.contains(canary), "the {what} is in the {part}");
        }
        let both =
            text.contains(&cluster.canaries.command_secret) && text.contains(&cluster.canaries.server_secret);
        assert!(!both, "a tool has another's secret: {part}");
    }
}

fn look_at_environments(cluster: &Cluster) {
    for (file, own) in [("command.env", "command secret"), ("server.env", "server secret")] {
        let text = fs::read_to_string(cluster.folder.path().join(file)).expect("the tool has written it");
        for (what, canary) in cluster.canaries.hidden() {
            assert_eq!(text.contains(canary), what == own, "{what} in {file}:\n{text}");
        }
    }
}

fn look_at_logs(cluster: &Cluster) {
    let logs = cluster.logs();
    let worker = logs
        .iter()
        .find(|(path, _)| path.ends_with("worker.log"))
        .expect("a log");
    assert!(
        worker.1.contains(&cluster.canaries.control),
        "the worker's log is not looked at"
    );
    let audit = logs
        .iter()
        .find(|(path, _)| path.ends_with("audit.jsonl"))
        .expect("an audit");
    assert!(audit.1.contains("client"), "the audit is not looked at");
    let mut found = Vec::new();
    for (path, text) in &logs {
        assert!(!text.is_empty(), "{} is empty", path.display());
        for (what, canary) in cluster.canaries.hidden() {
            let lines = text.lines().filter(|line| line.contains(canary));
            found.extend(
                lines.map(|line| format!("the {what} is in {}: {}", path.display(), shortened(line))),
            );
        }
    }
    assert!(
        found.is_empty(),
        "{} lines:\n{}",
        found.len(),
        found[..found.len().min(40)].join("\n")
    );
}

fn shortened(line: &str) -> String {
    line.chars().take(600).collect()
}
