//! The program's configuration: of flags, environment, file and defaults which one counts, and what nobody is shown.

#[path = "../../config/tests/support/program.rs"]
mod program;

use program::{Program, Row};

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
