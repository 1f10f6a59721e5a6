//! The file tools: what they do below their directory, and that nothing leads out of it.

#![allow(clippy::unwrap_used, reason = "the lint knows no fixtures")]

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use toolwave_worker::{
    Effect, Safety,
    tools::{Builtin, BuiltinError, FileAccess, builtin_tools},
};

mod tools_support;
use tools_support::{Tools, attempt};

/// `outer/root` is allowed; `outer/root_sibling/secret.txt` is not.
struct Place {
    outer: TempDir,
    tools: Tools,
}

impl Place {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir(outer.path().join("root_sibling")).unwrap();
        fs::write(outer.path().join("root_sibling/secret.txt"), "canary").unwrap();
        fs::write(root.join("src/a.rs"), "fn alpha() {}\nfn beta() {}\n").unwrap();
        let tools = Tools::allowed(&allowed(&root, true));
        Self { outer, tools }
    }

    fn root(&self) -> std::path::PathBuf {
        self.outer.path().join("root")
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }
}

fn allowed(root: &Path, write: bool) -> Builtin {
    Builtin {
        files: Some(FileAccess {
            root: root.to_owned(),
            write,
        }),
        ..Builtin::default()
    }
}

/// Every file tool, asked for `path`.
fn attacks(path: &str) -> [(&'static str, Value); 6] {
    [
        ("read_file", json!({"path": path})),
        ("hash", json!({"path": path})),
        (
            "text_search",
            json!({"path": path, "pattern": "canary", "include_ignored": true}),
        ),
        (
            "write_file",
            json!({"path": path, "content": "x", "mode": "overwrite", "create_directories": true}),
        ),
        (
            "write_file",
            json!({"path": path, "content": "x", "mode": "append"}),
        ),
        (
            "write_file",
            json!({"path": path, "content": "x", "mode": "create"}),
        ),
    ]
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_out_of_the_directory() {
    let place = Place::new();
    let sibling = place.outer.path().join("root_sibling/secret.txt");
    for path in [
        "../root_sibling/secret.txt",
        "src/../../root_sibling/secret.txt",
        "..",
        sibling.to_str().unwrap(),
        "/root_sibling",
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
        "//etc/passwd",
    ] {
        for (tool, parameters) in attacks(path) {
            assert_eq!(
                place.tools.code(tool, parameters).await,
                "OUTSIDE_ROOT",
                "{tool} {path:?}"
            );
        }
    }
    for path in ["", "a\0b", "./src/a.rs", "src//a.rs", "src/./a.rs", "src/"] {
        for (tool, parameters) in attacks(path) {
            if (tool, path) != ("text_search", "") {
                assert_eq!(
                    place.tools.code(tool, parameters).await,
                    "INVALID_PATH",
                    "{tool} {path:?}"
                );
            }
        }
    }
    assert_eq!(fs::read_to_string(sibling).unwrap(), "canary");
}

#[tokio::test]
async fn no_symbolic_link_leads_out_of_the_directory() {
    let place = Place::new();
    let secret = place.outer.path().join("root_sibling/secret.txt");
    symlink(&secret, place.root().join("absolute")).unwrap();
    symlink("../root_sibling/secret.txt", place.root().join("relative")).unwrap();
    symlink("../root_sibling", place.root().join("directory")).unwrap();
    symlink("/proc/self/root", place.root().join("magic")).unwrap();
    symlink(
        place.outer.path().join("root_sibling/new.txt"),
        place.root().join("dangling"),
    )
    .unwrap();
    let inside = format!("magic{}", secret.display());
    for path in [
        "absolute",
        "relative",
        "directory/secret.txt",
        "dangling",
        "directory/new.txt",
        &inside,
    ] {
        for (tool, parameters) in attacks(path) {
            let code = place.tools.code(tool, parameters).await;
            assert!(
                ["OUTSIDE_ROOT", "NOT_A_FILE"].contains(&code.as_str()),
                "{tool} {path:?}: {code}"
            );
        }
    }
    let all = json!({"pattern": "canary", "include_ignored": true});
    assert_eq!(
        place.tools.call("text_search", all).await.unwrap()["matches"],
        json!([])
    );
    assert_eq!(fs::read_to_string(&secret).unwrap(), "canary");
    assert!(!place.outer.path().join("root_sibling/new.txt").exists());
}

#[tokio::test]
async fn directories_and_special_files_are_refused_and_never_waited_for() {
    let place = Place::new();
    let pipe = place.root().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in ["src", "pipe"] {
        for (tool, parameters) in attacks(path) {
            if (tool, path) != ("text_search", "src") {
                assert_eq!(
                    place.tools.code(tool, parameters).await,
                    "NOT_A_FILE",
                    "{tool} {path:?}"
                );
            }
        }
    }
    let found = place
        .tools
        .call("text_search", json!({"pattern": "alpha"}))
        .await
        .unwrap();
    assert_eq!(found["files_searched"], 1, "the pipe is passed over");
}

#[tokio::test]
async fn a_link_that_stays_inside_is_read() {
    let place = Place::new();
    symlink("src/a.rs", place.root().join("link.rs")).unwrap();
    let read = place
        .tools
        .call("read_file", json!({"path": "link.rs"}))
        .await
        .unwrap();
    assert_eq!(read["content"], "fn alpha() {}\nfn beta() {}\n");
}

#[tokio::test]
async fn a_file_is_read_in_parts_by_bytes_and_by_lines() {
    let place = Place::new();
    fs::write(place.root().join("text"), "añb\nsecond\nthird").unwrap();
    let first = place
        .tools
        .call("read_file", json!({"path": "text", "limit": 2}))
        .await
        .unwrap();
    assert_eq!(
        first,
        json!({"path": "text", "content": "a", "encoding": "text", "size": 17, "bytes": 1, "truncated": true, "next_offset": 1}),
        "a character that does not fit is left for the next part"
    );
    let rest = place
        .tools
        .call("read_file", json!({"path": "text", "offset": 1}))
        .await
        .unwrap();
    assert_eq!(
        (&rest["content"], &rest["truncated"]),
        (&json!("ñb\nsecond\nthird"), &json!(false))
    );
    let line = place
        .tools
        .call(
            "read_file",
            json!({"path": "text", "start_line": 2, "max_lines": 1}),
        )
        .await
        .unwrap();
    assert_eq!(
        (&line["content"], &line["next_line"]),
        (&json!("second\n"), &json!(3))
    );
    let last = place
        .tools
        .call("read_file", json!({"path": "text", "start_line": 3}))
        .await
        .unwrap();
    assert_eq!(
        (&last["content"], &last["truncated"]),
        (&json!("third"), &json!(false))
    );
    let after = place
        .tools
        .call("read_file", json!({"path": "text", "start_line": 9}))
        .await
        .unwrap();
    assert_eq!((&after["content"], &after["bytes"]), (&json!(""), &json!(0)));
    let past = place
        .tools
        .call("read_file", json!({"path": "text", "offset": 99}))
        .await
        .unwrap();
    assert_eq!(
        (&past["content"], &past["truncated"]),
        (&json!(""), &json!(false))
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_are_read_as_base64() {
    let place = Place::new();
    fs::write(place.root().join("bytes"), [0xff, 0x00]).unwrap();
    assert_eq!(
        place.tools.code("read_file", json!({"path": "bytes"})).await,
        "NOT_TEXT"
    );
    let read = place
        .tools
        .call("read_file", json!({"path": "bytes", "encoding": "base64"}))
        .await
        .unwrap();
    assert_eq!(read["content"], "/wA=");
    let hash = place.tools.call("hash", json!({"path": "bytes"})).await.unwrap();
    assert_eq!(hash["bytes"], 2);
}

#[tokio::test]
async fn reading_and_writing_refuse_what_is_past_their_limits() {
    let place = Place::new();
    let too_large = "x".repeat((8 << 20) + 1);
    for (tool, parameters, code) in [
        (
            "read_file",
            json!({"path": "src/a.rs", "limit": 1_048_577}),
            "LIMIT_EXCEEDED",
        ),
        (
            "read_file",
            json!({"path": "src/a.rs", "start_line": 1, "limit": 3}),
            "LIMIT_EXCEEDED",
        ),
        (
            "read_file",
            json!({"path": "src/a.rs", "start_line": 1, "offset": 3}),
            "INVALID_PARAMETERS",
        ),
        ("read_file", json!({"path": "src/none"}), "NOT_FOUND"),
        ("read_file", json!({"path": "src/a.rs/b"}), "NOT_FOUND"),
        (
            "write_file",
            json!({"path": "large", "content": too_large}),
            "LIMIT_EXCEEDED",
        ),
        (
            "write_file",
            json!({"path": "new", "content": "%", "encoding": "base64"}),
            "INVALID_BASE64",
        ),
        (
            "write_file",
            json!({"path": "no/new", "content": ""}),
            "NOT_FOUND",
        ),
        (
            "write_file",
            json!({"path": "no/new", "content": "", "mode": "append"}),
            "NOT_FOUND",
        ),
        (
            "write_file",
            json!({"path": "src/a.rs", "content": ""}),
            "ALREADY_EXISTS",
        ),
    ] {
        assert_eq!(place.tools.code(tool, parameters).await, code);
    }
    assert_eq!(place.text("src/a.rs"), "fn alpha() {}\nfn beta() {}\n");
}

#[tokio::test]
async fn files_are_made_replaced_and_extended_and_nothing_is_left_behind() {
    let place = Place::new();
    let made = json!({"path": "notes/today.txt", "content": "one\n", "create_directories": true});
    assert_eq!(
        place.tools.call("write_file", made).await.unwrap(),
        json!({"path": "notes/today.txt", "bytes": 4, "size": 4})
    );
    let more = json!({"path": "notes/today.txt", "content": "dHdv", "encoding": "base64", "mode": "append"});
    assert_eq!(place.tools.call("write_file", more).await.unwrap()["size"], 7);
    assert_eq!(place.text("notes/today.txt"), "one\ntwo");
    let other = json!({"path": "notes/today.txt", "content": "three", "mode": "overwrite"});
    assert_eq!(place.tools.call("write_file", other).await.unwrap()["size"], 5);
    assert_eq!(place.text("notes/today.txt"), "three");
    let left: Vec<_> = fs::read_dir(place.root().join("notes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["today.txt"]);
}

#[tokio::test]
async fn a_cancelled_write_leaves_the_old_content() {
    let place = Place::new();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = place
        .tools
        .call_in(
            "write_file",
            json!({"path": "src/a.rs", "content": "x", "mode": "overwrite"}),
            attempt(1, cancelled),
        )
        .await
        .expect_err("it is stopped");
    assert_eq!(error.code, "CANCELLED");
    assert_eq!(place.text("src/a.rs"), "fn alpha() {}\nfn beta() {}\n");
}

#[test]
fn what_file_tools_touch_is_declared() {
    let place = Place::new();
    for (name, effect, safety) in [
        (
            "read_file",
            Effect::Reads("file:{path}".to_owned()),
            Safety::ReadOnly,
        ),
        ("hash", Effect::Reads("file:{path}".to_owned()), Safety::ReadOnly),
        (
            "text_search",
            Effect::Reads("file:{*}".to_owned()),
            Safety::ReadOnly,
        ),
        (
            "write_file",
            Effect::Writes("file:{path}".to_owned()),
            Safety::NotRepeatable,
        ),
    ] {
        let declaration = place.tools.declaration(name);
        assert_eq!(
            (declaration.effects, declaration.safety),
            (vec![effect], safety),
            "{name}"
        );
    }
}

#[test]
fn writing_is_off_unless_it_is_allowed_and_a_root_must_be_a_directory() {
    let root = tempfile::tempdir().unwrap();
    let reading = Tools::allowed(&allowed(root.path(), false));
    assert!(!reading.names().contains(&"write_file".to_owned()));
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = |path: &Path, write| {
        builtin_tools(&allowed(path, write))
            .map(|_| ())
            .expect_err("refused")
    };
    assert!(matches!(
        refused(&file, false),
        BuiltinError::NotADirectory { .. }
    ));
    assert!(matches!(
        refused(&root.path().join("none"), false),
        BuiltinError::Root { .. }
    ));
}
