//! Keeps the worker's section of `docs/configuration.md` as new as the code, and every key in it.
//! `UPDATE_GENERATED=1 cargo test -p toolwave-worker --bin toolwave-worker reference` renews it.

use std::{collections::BTreeMap, fs, path::Path};

use clap::CommandFactory as _;
use toolwave_config::{
    File,
    reference::{Facts, Key, Said, Source, replace_section, section},
    values,
};

use crate::config::{Arguments, Config, is_reloadable};

const PREFIX: &str = "TOOLWAVE_WORKER_";

fn keys() -> Vec<Key> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = Source::read(&source, &[]).expect("the source can be read");
    source.keys("Config", "src/config.rs").expect("every key is understood")
}

/// Of tables that are not there by default too.
fn defaults() -> BTreeMap<String, String> {
    let of = |config: &Config| values(config).expect("it can be written");
    let least: Config = toml::from_str("[builtin.http]\n[builtin.files]\nroot = ''\n[builtin.sql]\npath = ''\n")
        .expect("it can be read");
    let mut all = of(&Config::default());
    all.extend(of(&least));
    for said in ["builtin.files.root", "builtin.sql.path"] {
        all.remove(said);
    }
    all.into_iter().map(|(key, value)| (key, value.to_string())).collect()
}

fn id(key: &str) -> String {
    match key {
        "builtin.files.root" | "builtin.files.write" | "builtin.sql.path" | "builtin.sql.write" | "builtin.http.hosts" => {
            "allow".to_owned()
        }
        key => key.replace('.', "_"),
    }
}

fn said(key: &str) -> Said {
    let command = Arguments::command();
    let id = id(key);
    let found = command.get_arguments().find(|argument| argument.get_id() == id.as_str());
    Said {
        flag: found.and_then(|flag| flag.get_long()).map(|long| format!("--{long}")),
        variable: found
            .and_then(|flag| flag.get_env())
            .map(|name| name.to_string_lossy().into_owned()),
    }
}

#[test]
fn the_page_is_as_new_as_the_code() {
    let facts = Facts {
        title: "The worker",
        defaults: defaults(),
        said: &said,
        is_reloadable: &is_reloadable,
    };
    let section = section(&keys(), &facts);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let new = replace_section(&page, "worker", &section).expect("a place for the section");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &new).expect("the page is writable");
        return;
    }
    assert!(page == new, "docs/configuration.md is older than the code: run with UPDATE_GENERATED=1");
}

/// What serde itself says that a table may hold, when it is asked for what it may not.
fn held(table: &str) -> Vec<String> {
    let text = format!("{table}\nno_such_key = 1\n");
    let file = File::from_text("w.toml", text).expect("TOML");
    let problems = file.parse::<Config>().expect_err("there is no such key");
    let problem = problems.iter().find(|problem| problem.key.ends_with("no_such_key"));
    let expected = &problem.unwrap_or_else(|| panic!("{table}: {problems:?}")).expected;
    let words = expected.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    words.filter(|word| word.len() > 1 && !["one", "of", "or"].contains(word)).map(str::to_owned).collect()
}

#[test]
fn every_key_that_a_file_may_hold_is_in_the_page() {
    let keys: Vec<String> = keys().into_iter().map(|key| key.key).collect();
    let tables = ["", "tls", "log", "builtin", "builtin.files", "builtin.sql", "builtin.http"];
    let known: Vec<&str> = keys.iter().filter_map(|key| Some(key.rsplit_once('.')?.0)).collect();
    assert!(known.iter().all(|table| tables.contains(table)), "{known:?}");
    for table in tables {
        let heading = if table.is_empty() { String::new() } else { format!("[{table}]") };
        let held = held(&heading);
        assert!(!held.is_empty(), "{heading}");
        for name in held {
            let key = if table.is_empty() { name } else { format!("{table}.{name}") };
            assert!(keys.contains(&key), "`{key}` is not in the page");
        }
    }
}

#[test]
fn every_flag_of_a_key_can_be_said_by_the_variable_of_its_name() {
    let keys: Vec<String> = keys().into_iter().map(|key| key.key.replace('.', "_")).collect();
    let command = Arguments::command();
    let mut checked = 0;
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if ["check_config", "print_config"].contains(&id) {
            continue;
        }
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        assert_eq!(variable, Some(format!("{PREFIX}{}", id.to_uppercase())), "{id}");
        assert!(["config", "allow"].contains(&id) || keys.iter().any(|key| key == id), "{id} is no key");
        checked += 1;
    }
    assert!(checked > 15);
}
