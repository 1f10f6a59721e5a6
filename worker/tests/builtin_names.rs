//! The names that no tool of a file may have are those of the built-in tools.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;

use toolwave_worker::tools::{BUILTIN_NAMES, Builtin, builtin_tools};

#[test]
fn every_built_in_tool_is_among_the_names_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut allow = Builtin::default();
    for what in [
        format!("files-write={}", folder.path().display()),
        format!("sql-write={}", folder.path().join("data.db").display()),
        "http=example.com".to_owned(),
    ] {
        allow.allow(what.parse().unwrap()).unwrap();
    }
    let tools = builtin_tools(&allow).unwrap();
    let hosted: BTreeSet<String> = tools.iter().map(|tool| tool.declaration().name).collect();
    assert_eq!(hosted, BUILTIN_NAMES.map(str::to_owned).into());
}
