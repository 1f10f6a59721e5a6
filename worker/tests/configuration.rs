//! The program's settings: of flags, environment, file and defaults which one counts, and what nobody is shown.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "../../config/tests/support/canary.rs"]
mod canary;
#[path = "../../telemetry/tests/support/page.rs"]
mod page;
#[path = "../../config/tests/support/program.rs"]
mod program;
#[path = "../../client/link/tests/support/mod.rs"]
mod support;

use canary::{CANARY, HOSTILE, Serving, no_key_is_shown};
use page::{Scrape, get};
use program::{Program, Row};
use support::{Authority, When};

const WORKER: Program = Program {
    binary: env!("CARGO_BIN_EXE_toolwave-worker"),
    variables: "TOOLWAVE_WORKER_",
};

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let [certificates, keys, tools] = [".pem", ".key", ".toml"].map(|ending| {
        let paths = ["1", "2", "3"].map(|name| folder.path().join(format!("{name}{ending}")));
        paths.map(|path| format!("\"{}\"", path.display()))
    });
    for name in ["1", "2", "3"] {
        authority
            .client("spiffe://t/worker/w", When::Now)
            .write(folder.path(), name);
        std::fs::write(folder.path().join(format!("{name}.toml")), "").unwrap();
    }
    let paths = |key, paths: &[String; 3]| Row::new(key, "none", [&paths[0], &paths[1], &paths[2]]);
    let rows = [
        Row::new(
            "coordinator",
            "[\"http://127.0.0.1:7420\"]",
            ["[\"https://a:1\"]", "[\"https://b:1\"]", "[\"https://c:1\"]"],
        ),
        paths("tls.ca", &certificates),
        paths("tls.certificate", &certificates),
        paths("tls.key", &keys),
        Row::new("tls.server_name", "none", ["\"a\"", "\"b\"", "\"c\""]),
        Row::new("name", "none", ["\"a\"", "\"b\"", "\"c\""]),
        Row::new("slots", "16", ["1", "2", "3"]),
        Row::new(
            "health",
            "none",
            ["\"127.0.0.1:1\"", "\"127.0.0.1:2\"", "\"127.0.0.1:3\""],
        ),
        Row::new(
            "admin.listen",
            "none",
            ["\"127.0.0.1:4\"", "\"127.0.0.1:5\"", "\"127.0.0.1:6\""],
        ),
        Row::new("drain_timeout", "\"30s\"", ["\"1s\"", "\"2s\"", "\"3s\""]),
        Row::new("max_parameters", "8388608", ["1024", "2048", "3072"]),
        Row::new("max_result", "8388608", ["1024", "2048", "3072"]),
        Row::new("threads", "0", ["1", "2", "3"]),
        paths("tools", &tools),
        Row::new(
            "traces.endpoint",
            "none",
            ["\"http://a:1\"", "\"http://b:1\"", "\"http://c:1\""],
        ),
        Row::new("log.level", "\"info\"", ["\"warn\"", "\"debug\"", "\"trace\""]),
        Row::new("log.format", "\"text\"", ["\"json\"", "\"text\"", "\"json\""]),
    ];
    WORKER.keeps_the_order(&rows, &["config", "labels", "allow"]);
}

#[test]
fn labels_and_permissions_add_to_the_file_and_each_says_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.toml");
    let text = "[labels]\nzone = 'a'\npool = 'a'\n[builtin.http]\nhosts = ['a.example']\n[builtin.files]\nroot = '.'\n";
    std::fs::write(&file, text).unwrap();
    let said = |key: &str, value: &str| (format!("TOOLWAVE_WORKER_{key}"), value.to_owned());
    let environment = [
        said("LABELS", "pool=b,rack=b"),
        said(
            "ALLOW",
            &format!(
                "sql-write={},http=b.example",
                folder.path().join("x.db").display()
            ),
        ),
    ];
    let flags = ["--label=pool=c".to_owned()];
    for (flags, labels) in [
        (
            &flags[..0],
            [
                ("pool", "b", "environment"),
                ("rack", "b", "environment"),
                ("zone", "a", "file"),
            ]
            .as_slice(),
        ),
        (&flags, &[("pool", "c", "flag"), ("zone", "a", "file")]),
    ] {
        let printed = WORKER.printed(Some(&file), &environment, flags);
        let found: Vec<(&str, &str, &str)> = printed
            .iter()
            .filter_map(|(key, (value, source))| {
                Some((key.strip_prefix("labels.")?, value.trim_matches('"'), &**source))
            })
            .collect();
        assert_eq!(found, labels);
        let of = |key: &str| (printed[key].0.as_str(), printed[key].1.as_str());
        assert_eq!(
            of("builtin.http.hosts"),
            ("[\"a.example\", \"b.example\"]", "environment")
        );
        assert_eq!(of("builtin.http.private_addresses"), ("false", "default"));
        assert_eq!(of("builtin.files.root"), ("\".\"", "file"));
        assert_eq!(of("builtin.sql.write"), ("true", "environment"));
    }
}

#[test]
fn no_secret_that_stands_in_any_key_is_printed_or_told() {
    let masked = no_key_is_shown(&WORKER, "worker");
    assert!(masked > 50, "{masked} answers showed a mask");
}

#[tokio::test]
async fn no_secret_is_in_the_settings_that_are_asked_for_or_in_what_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.toml");
    let [url, key] = HOSTILE;
    // Nobody listens there, and the worker says so.
    let good = format!(
        "coordinator = \"http://127.0.0.1:1\"\n[labels]\napi_token = \"{CANARY}\"\nhome = {url}\npem = {key}\n"
    );
    std::fs::write(&file, &good).unwrap();
    let mut serving = Serving::start(&WORKER, &file);
    let line = serving.until("admin port open").await;
    let address = line
        .split("address=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let wrong = format!("{good}[traces]\nendpoint = {url}\n[tls]\ncertificate = {key}\nkey = {key}\n");
    std::fs::write(&file, wrong).unwrap();
    serving.signal("HUP").await;
    serving.until("traces.endpoint: ").await;
    let (status, shown) = get(address.parse().unwrap(), "/config").await;
    assert!(
        status == 200 && shown.contains("api_token = \"***\""),
        "{status} {shown}"
    );
    let said = serving.ended().await;
    for text in [shown, said] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[tokio::test]
async fn the_metrics_say_which_of_its_files_the_worker_could_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (file, tools) = (folder.path().join("w.toml"), folder.path().join("tools.toml"));
    let good = "coordinator = \"http://127.0.0.1:1\"\ntools = \"tools.toml\"\n";
    std::fs::write(&file, good).unwrap();
    std::fs::write(&tools, "").unwrap();
    let mut serving = Serving::start(&WORKER, &file);
    let line = serving.until("admin port open").await;
    let address = line
        .split("address=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let address = address.parse().unwrap();
    let of = async |file: &str| {
        let sample = format!("toolwave_config_last_reload_successful{{file=\"{file}\"}}");
        Scrape::of(address).await.value(&sample)
    };
    assert_eq!((of("config").await, of("tools").await), (1.0, 1.0));
    std::fs::write(&tools, "nonsense = 1").unwrap();
    serving.until("the tools file is not used").await;
    assert_eq!((of("config").await, of("tools").await), (1.0, 0.0));
    std::fs::write(&file, "slots = \"many\"").unwrap();
    serving.until("settings not read again").await;
    assert_eq!((of("config").await, of("tools").await), (0.0, 0.0));
    std::fs::write(&tools, "# nothing").unwrap();
    serving.until("the tools file was read again").await;
    assert_eq!((of("config").await, of("tools").await), (0.0, 1.0));
    std::fs::write(&file, good).unwrap();
    serving.until("settings read again").await;
    assert_eq!((of("config").await, of("tools").await), (1.0, 1.0));
}
