//! Keeps the coordinator's section of `docs/configuration.md` as the code says, with every key in it.
//! `UPDATE_GENERATED=1 cargo test -p toolwave-coordinator --bin toolwave-coordinator reference` renews it.

use std::path::Path;

use clap::CommandFactory as _;
use toolwave_coordinator::{Config, config::is_reloadable};
use toolwave_reference::{
    Key, Program, Source, defaults, differences, is_documented, said, variables_are_named_after_keys,
};

use crate::flags::Flags;

/// Types that read themselves in a way of their own.
const KINDS: &[(&str, &str)] = &[
    ("Bytes", "size"),
    ("Rate", "calls per second, 0 to 1000000"),
    ("Weight", "whole number, 1 to 100"),
    ("Burst", "whole number from 1"),
    ("NamePatterns", "list of names, each of which may end with `*`"),
    ("Algorithm", "name of an algorithm, such as \"ES256\""),
];
const ALIASES: &[(&str, &str)] = &[("WorkerIdentityEntry", "WorkerIdentity")];

/// Every table that is not there by default, with what it must hold.
const LEAST: &str = "
    [tls]
    certificate = ''
    key = ''
    [worker_tls]
    certificate = ''
    key = ''
    [auth.jwt]
    audience = 'a'
    [[auth.jwt.keys]]
    algorithm = 'ES256'
    [[auth.client_certificates]]
    identity = ''
    [[worker_identities]]
    identity = ''
    [tenants.NAME]
";

fn keys() -> Vec<Key> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = Source::read(&folder, KINDS, ALIASES).expect("the source can be read");
    source
        .keys("Config", "config/mod.rs")
        .expect("every key is understood")
}

#[test]
fn the_page_is_as_the_code_says() {
    let command = Flags::command();
    let program = Program {
        title: "The coordinator",
        keys: &keys(),
        defaults: defaults::<Config>(LEAST),
        said: &|key| said(&command, &key.replace('.', "_")),
        is_reloadable: &is_reloadable,
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    is_documented(&page, "coordinator", &program);
}

#[test]
fn every_key_that_a_file_may_hold_is_on_the_page_and_no_other() {
    assert_eq!(differences::<Config>(&keys()), [""; 0]);
}

#[test]
fn every_flag_of_a_key_can_be_said_by_the_variable_of_its_name() {
    let asides = ["check_config", "print_config"];
    let command = Flags::command();
    variables_are_named_after_keys(&command, "TOOLWAVE_COORDINATOR_", &keys(), &asides, &["config"]);
}
