//! The program's configuration: of flags, environment, file and defaults which one counts, and what nobody is shown.

#[path = "../../config/tests/support/canary.rs"]
mod canary;
#[path = "../../telemetry/tests/support/page.rs"]
mod page;
#[path = "../../config/tests/support/program.rs"]
mod program;

use canary::{CANARY, HOSTILE, Serving, no_key_is_shown};
use page::ask;
use program::{Program, Row};
use sha2::{Digest as _, Sha256};

const COORDINATOR: Program = Program {
    binary: env!("CARGO_BIN_EXE_toolwave-coordinator"),
    variables: "TOOLWAVE_COORDINATOR_",
};

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default() {
    let rows = [
        Row::new(
            "listen",
            "\"127.0.0.1:7420\"",
            ["\"127.0.0.1:1\"", "\"127.0.0.1:2\"", "\"127.0.0.1:3\""],
        ),
        Row::new(
            "worker_listen",
            "none",
            ["\"127.0.0.1:4\"", "\"127.0.0.1:5\"", "\"127.0.0.1:6\""],
        ),
        Row::new(
            "admin.listen",
            "none",
            ["\"127.0.0.1:7\"", "\"127.0.0.1:8\"", "\"127.0.0.1:9\""],
        ),
        Row::new("insecure_allow_remote", "false", ["true", "false", "true"]),
        Row::new("max_in_flight", "100000", ["1", "2", "3"]),
        Row::new("max_queued_calls", "1000000", ["1", "2", "3"]),
        Row::new("max_payload_bytes", "1073741824", ["1024", "2048", "3072"]),
        Row::new("max_result_bytes", "16777216", ["1024", "2048", "3072"]),
        Row::new("default_timeout", "\"30s\"", ["\"1s\"", "\"2s\"", "\"3s\""]),
        Row::new("drain_timeout", "\"30s\"", ["\"1s\"", "\"2s\"", "\"3s\""]),
        Row::new("startup_grace", "\"20s\"", ["\"1s\"", "\"2s\"", "\"0s\""]),
        Row::new("worker_wait", "\"20s\"", ["\"1s\"", "\"2s\"", "\"3s\""]),
        Row::new("lease", "\"10s\"", ["\"11s\"", "\"12s\"", "\"13s\""]),
        Row::new("threads", "0", ["1", "2", "3"]),
        Row::new(
            "traces.endpoint",
            "none",
            ["\"http://a:1\"", "\"http://b:1\"", "\"http://c:1\""],
        ),
        Row::new("traces.sample", "0.01", ["0.25", "0.5", "1.0"]),
        Row::new("log.level", "\"info\"", ["\"warn\"", "\"debug\"", "\"trace\""]),
        Row::new("log.format", "\"text\"", ["\"json\"", "\"text\"", "\"json\""]),
    ];
    COORDINATOR.keeps_the_order(&rows, &["config"]);
}

#[test]
fn no_secret_that_stands_in_any_key_is_printed_or_told() {
    let masked = no_key_is_shown(&COORDINATOR, "coordinator");
    assert!(masked > 100, "{masked} answers showed a mask");
}

#[tokio::test]
async fn no_secret_is_in_the_configuration_that_is_asked_for_or_in_what_is_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let hash: String = Sha256::digest(CANARY)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let token = format!("[[token]]\nname = \"o\"\nsha256 = \"{hash}\"\ntenant = \"a\"\noperator = true\n");
    std::fs::write(path("tokens.toml"), token).expect("written");
    let file = path("c.toml");
    let good = format!(
        "listen = \"127.0.0.1:0\"\n[auth]\ntokens_file = {:?}\n",
        path("tokens.toml")
    );
    std::fs::write(&file, &good).expect("written");
    let mut serving = Serving::start(&COORDINATOR, &file);
    let line = serving.until("admin port open").await;
    let address = line
        .split("address=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let address = address
        .and_then(|address| address.parse().ok())
        .expect("an address");
    serving.until("coordinator listens").await;
    let [url, key] = HOSTILE;
    let wrong = format!(
        "peers = [{url}]\n{good}\n[traces]\nendpoint = {url}\n[tls]\ncertificate = {key}\nkey = {key}\n"
    );
    std::fs::write(&file, wrong).expect("written");
    serving.signal("HUP").await;
    serving.until("traces.endpoint: ").await;
    for key in ["peers: ", "tls.certificate: ", "tls.key: "] {
        assert!(serving.said.contains(key), "{key} in {}", serving.said);
    }
    let bearer = format!("Bearer {CANARY}");
    let (status, shown) = ask(address, "GET /config", &[("authorization", &bearer)], "").await;
    assert!(
        status == 200 && shown.contains("tokens_file = "),
        "{status} {shown}"
    );
    let (_, metrics) = ask(address, "GET /metrics", &[], "").await;
    assert!(
        metrics.contains("\ntoolwave_config_last_reload_successful 0\n"),
        "{metrics}"
    );
    let said = serving.ended().await;
    for text in [shown, said] {
        assert!(!text.contains(CANARY) && !text.contains(&hash), "{text}");
    }
}
