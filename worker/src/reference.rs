//! Keeps the worker's section of `docs/configuration.md` as the code says, with every key in it.
//! `UPDATE_GENERATED=1 cargo test -p toolwave-worker --bin toolwave-worker reference` renews it.

use std::path::Path;

use clap::CommandFactory as _;
use toolwave_reference::{
    Key, Program, Source, defaults, differences, is_documented, said, variables_are_named_after_keys,
};

use crate::config::{Arguments, Config, is_reloadable};

/// What reads a field in a way of its own.
const KINDS: &[(&str, &str)] = &[("one_or_more", "text, or list of text")];

/// Every table that is not there by default, with what it must hold.
const LEAST: &str = "
    [builtin.files]
    root = ''
    [builtin.sql]
    path = ''
    [builtin.http]
";

/// What `--allow` says, each for a tool of its own.
const ALLOWED: [&str; 5] = [
    "builtin.files.root",
    "builtin.files.write",
    "builtin.sql.path",
    "builtin.sql.write",
    "builtin.http.hosts",
];

fn keys() -> Vec<Key> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = Source::read(&folder, KINDS, &[]).expect("the source can be read");
    source
        .keys("Config", "src/config.rs")
        .expect("every key is understood")
}

fn id(key: &str) -> String {
    if ALLOWED.contains(&key) {
        return "allow".to_owned();
    }
    key.replace('.', "_")
}

#[test]
fn the_page_is_as_the_code_says() {
    let command = Arguments::command();
    let program = Program {
        title: "The worker",
        keys: &keys(),
        defaults: defaults::<Config>(LEAST),
        said: &|key| said(&command, &id(key)),
        is_reloadable: &is_reloadable,
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    is_documented(&page, "worker", &program);
}

#[test]
fn every_key_that_a_file_may_hold_is_on_the_page_and_no_other() {
    let keys = keys();
    assert_eq!(differences::<Config>(&keys), [""; 0]);
    for allowed in ALLOWED {
        assert!(keys.iter().any(|key| key.key == allowed), "{allowed}");
    }
}

#[test]
fn every_flag_of_a_key_can_be_said_by_the_variable_of_its_name() {
    let asides = ["check_config", "print_config"];
    let command = Arguments::command();
    variables_are_named_after_keys(
        &command,
        "TOOLWAVE_WORKER_",
        &keys(),
        &asides,
        &["config", "allow"],
    );
}
