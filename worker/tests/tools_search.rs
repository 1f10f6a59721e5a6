//! `text_search`: what it finds, what it leaves out, and where it stops.

#![allow(clippy::unwrap_used, reason = "the lint knows no fixtures")]

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use toolwave_worker::tools::{Builtin, FileAccess};

mod tools_support;
use tools_support::{Tools, attempt};

struct Place {
    root: TempDir,
    tools: Tools,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("src")).unwrap();
        fs::write(root.path().join("src/a.rs"), "fn alpha() {}\nfn beta() {}\n").unwrap();
        let files = Some(FileAccess {
            root: root.path().to_owned(),
            write: false,
        });
        let tools = Tools::allowed(&Builtin {
            files,
            ..Builtin::default()
        });
        Self { root, tools }
    }

    fn root(&self) -> PathBuf {
        self.root.path().to_owned()
    }
}

#[tokio::test]
async fn a_search_finds_lines_in_a_stable_order_and_leaves_out_what_is_ignored() {
    let place = Place::new();
    fs::create_dir(place.root().join("target")).unwrap();
    for (path, text) in [
        (".gitignore", "target/\n"),
        ("target/a.rs", "fn alpha() {}\n"),
        (".hidden", "fn alpha() {}\n"),
        ("b.rs", "// Alpha\r\nfn alpha_two() {}\n"),
        ("binary", "fn alpha\n\0"),
    ] {
        fs::write(place.root().join(path), text).unwrap();
    }
    let found = place
        .tools
        .call("text_search", json!({"pattern": r"fn alpha\w*"}))
        .await
        .unwrap();
    assert_eq!(
        found["matches"],
        json!([
            {"path": "b.rs", "line": 2, "text": "fn alpha_two() {}", "text_truncated": false},
            {"path": "src/a.rs", "line": 1, "text": "fn alpha() {}", "text_truncated": false},
        ])
    );
    assert_eq!(found["truncated"], false);
    let paths = |found: &Value| {
        found["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (parameters, expected) in [
        (
            json!({"pattern": "alpha", "include_ignored": true}),
            vec![".hidden", "b.rs", "src/a.rs", "target/a.rs"],
        ),
        (
            json!({"pattern": "ALPHA", "case_insensitive": true, "exclude": ["src/"]}),
            vec!["b.rs", "b.rs"],
        ),
        (
            json!({"pattern": "alpha", "include": ["src/**"]}),
            vec!["src/a.rs"],
        ),
        (json!({"pattern": "alpha", "path": "src"}), vec!["src/a.rs"]),
        (json!({"pattern": "alpha", "path": "src/a.rs"}), vec!["src/a.rs"]),
        (json!({"pattern": "alpha()", "literal": true}), vec!["src/a.rs"]),
        (json!({"pattern": "omega"}), vec![]),
    ] {
        let found = place.tools.call("text_search", parameters.clone()).await.unwrap();
        assert_eq!(paths(&found), expected, "{parameters}");
    }
}

#[tokio::test]
async fn a_search_stops_at_its_limits_and_says_so() {
    let place = Place::new();
    fs::write(place.root().join("many"), "x\n".repeat(5)).unwrap();
    fs::write(place.root().join("long"), "y".repeat(600)).unwrap();
    let found = place
        .tools
        .call("text_search", json!({"pattern": "x", "max_matches": 3}))
        .await
        .unwrap();
    assert_eq!(
        (found["matches"].as_array().unwrap().len(), &found["truncated"]),
        (3, &json!(true))
    );
    let exactly = place
        .tools
        .call("text_search", json!({"pattern": "x", "max_matches": 5}))
        .await
        .unwrap();
    assert_eq!(
        (
            exactly["matches"].as_array().unwrap().len(),
            &exactly["truncated"]
        ),
        (5, &json!(false))
    );
    let long = place
        .tools
        .call("text_search", json!({"pattern": "y"}))
        .await
        .unwrap();
    assert_eq!(long["matches"][0]["text"].as_str().unwrap().len(), 500);
    assert_eq!(long["matches"][0]["text_truncated"], true);
    let around = place
        .tools
        .call("text_search", json!({"pattern": "beta", "context": 1}))
        .await
        .unwrap();
    assert_eq!(around["matches"][0]["before"], json!(["fn alpha() {}"]));
    for (parameters, code) in [
        (json!({"pattern": "("}), "INVALID_PATTERN"),
        (json!({"pattern": r"(\w{1000}){1000}"}), "INVALID_PATTERN"),
        (json!({"pattern": ""}), "LIMIT_EXCEEDED"),
        (json!({"pattern": "x", "max_matches": 1001}), "LIMIT_EXCEEDED"),
        (json!({"pattern": "x", "include": ["["]}), "INVALID_GLOB"),
        (json!({"pattern": "x", "include": ["!a"]}), "INVALID_GLOB"),
        (json!({"pattern": "x", "path": "none"}), "NOT_FOUND"),
    ] {
        assert_eq!(
            place.tools.code("text_search", parameters.clone()).await,
            code,
            "{parameters}"
        );
    }
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = place
        .tools
        .call_in("text_search", json!({"pattern": "x"}), attempt(1, cancelled))
        .await;
    assert_eq!(error.expect_err("it is stopped").code, "CANCELLED");
}
