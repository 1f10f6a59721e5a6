//! Keeps the coordinator's section of `docs/configuration.md` as new as the code, and every key in it.
//! `UPDATE_GENERATED=1 cargo test -p toolwave-coordinator --bin toolwave-coordinator reference` renews it.

use std::{collections::BTreeMap, fs, path::Path};

use clap::CommandFactory as _;
use toolwave_config::{
    File,
    reference::{Facts, Key, Said, Source, replace_section, section},
    values,
};
use toolwave_coordinator::{Config, config::is_reloadable, identity::Auth};

use crate::flags::Flags;

const PREFIX: &str = "TOOLWAVE_COORDINATOR_";
/// Types that write themselves in a way of their own, or go by another name.
const KINDS: &[(&str, &str)] = &[
    ("Bytes", "size"),
    ("Rate", "number"),
    ("Weight", "1 to 100"),
    ("Burst", "whole number from 1"),
    ("NamePatterns", "list of names, each of which may end with `*`"),
    ("Algorithm", "name of an algorithm, such as \"ES256\""),
    ("WorkerIdentityEntry", "struct WorkerIdentity"),
];

fn keys() -> Vec<Key> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = Source::read(&source, KINDS).expect("the source can be read");
    source.keys("Config", "config/mod.rs").expect("every key is understood")
}

/// Of tables that are not there by default too.
fn defaults() -> BTreeMap<String, String> {
    let of = |config: &Config| values(config).expect("it can be written");
    let tls = "certificate = ''\nkey = ''";
    let least = format!("[tls]\n{tls}\n[worker_tls]\n{tls}\n[auth]\n[auth.jwt]\n");
    let least: Config = toml::from_str(&least).expect("it can be read");
    assert_eq!(least.auth.as_ref().map(|auth| auth.reload_interval), Some(Auth::default().reload_interval));
    let mut all = of(&Config::default());
    all.extend(of(&least));
    for said in ["tls.certificate", "tls.key", "worker_tls.certificate", "worker_tls.key"] {
        all.remove(said);
    }
    all.into_iter().map(|(key, value)| (key, value.to_string())).collect()
}

fn said(key: &str) -> Said {
    let command = Flags::command();
    let id = key.replace('.', "_");
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
        title: "The coordinator",
        defaults: defaults(),
        said: &said,
        is_reloadable: &is_reloadable,
    };
    let section = section(&keys(), &facts);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let new = replace_section(&page, "coordinator", &section).expect("a place for the section");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &new).expect("the page is writable");
        return;
    }
    assert!(page == new, "docs/configuration.md is older than the code: run with UPDATE_GENERATED=1");
}

/// What serde itself says that a table may hold, when it is asked for what it may not.
fn held(table: &str) -> Vec<String> {
    let text = format!("{table}\nno_such_key = 1\n");
    let file = File::from_text("c.toml", text).expect("TOML");
    let problems = file.parse::<Config>().expect_err("there is no such key");
    let problem = problems.iter().find(|problem| problem.key.ends_with("no_such_key"));
    let expected = &problem.unwrap_or_else(|| panic!("{table}: {problems:?}")).expected;
    let words = expected.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    words.filter(|word| word.len() > 2 && *word != "one").map(str::to_owned).collect()
}

#[test]
fn every_key_that_a_file_may_hold_is_in_the_page() {
    let keys: Vec<String> = keys().into_iter().map(|key| key.key).collect();
    let mut tables = vec![(String::new(), String::new())];
    for key in &keys {
        let Some((table, _)) = key.rsplit_once('.') else { continue };
        if tables.iter().any(|(prefix, _)| prefix == table) {
            continue;
        }
        let heading = match table.strip_suffix("[]") {
            Some(list) => format!("[[{}]]", list.replace("[]", "")),
            None => format!("[{}]", table.replace("[]", "").replace("NAME", "a")),
        };
        tables.push((table.to_owned(), heading));
    }
    assert!(tables.len() > 12, "{tables:?}");
    for (prefix, heading) in tables {
        let held = held(&heading);
        assert!(!held.is_empty(), "{heading}");
        for name in held {
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            assert!(keys.contains(&key), "`{key}` is not in the page");
        }
    }
}

#[test]
fn every_flag_of_a_key_can_be_said_by_the_variable_of_its_name() {
    let keys: Vec<String> = keys().into_iter().map(|key| key.key.replace('.', "_")).collect();
    let command = Flags::command();
    let mut checked = 0;
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if ["check_config", "print_config"].contains(&id) {
            continue;
        }
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        assert_eq!(variable, Some(format!("{PREFIX}{}", id.to_uppercase())), "{id}");
        assert!(id == "config" || keys.iter().any(|key| key == id), "{id} is no key");
        checked += 1;
    }
    assert!(checked > 15);
}
