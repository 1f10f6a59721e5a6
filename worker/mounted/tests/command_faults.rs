//! What is wrong with a declared command is told before any call, with its key and what would be right.
#![cfg(target_os = "linux")]

mod command_support;

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use command_support::{command, declaration};
use serde_json::{Value, json};
use toolwave_mounted::{
    command::Command,
    fault::{Fault, Severity},
};

fn faults(table: Value) -> Vec<Fault> {
    command(table).check(&declaration())
}

/// As one line each: severity, key, what.
fn lines(faults: &[Fault]) -> Vec<String> {
    let severity = |fault: &Fault| {
        if fault.severity == Severity::Error {
            "error"
        } else {
            "warning"
        }
    };
    faults
        .iter()
        .map(|fault| format!("{} {}: {}", severity(fault), fault.key, fault.what))
        .collect()
}

#[test]
fn what_is_right_has_no_faults() {
    let root = tempfile::tempdir().expect("a folder");
    for table in [
        json!({"argv": ["/bin/cat", "--", "{path}"], "root": root.path()}),
        json!({"argv": ["/bin/echo", ["-e", "{v}"], "x{w}", "{list}"], "as_json": ["list"], "root": root.path()}),
        json!({"argv": ["/bin/sh", "-c", "echo \"$1\"", "sh", "{v}"], "root": root.path()}),
        json!({"argv": ["/bin/cat"], "stdin": "{v}", "root": root.path(), "directory": root.path()}),
        json!({
            "argv": ["/bin/cat", "{v}"], "root": root.path(), "inherit": ["PATH"], "allow_dash": ["v"],
            "environment": {"A": "b", "C": {"env": "PATH"}}, "success_codes": [0, 1],
            "exit_codes": {"75": {"code": "BUSY", "retryable": true}}, "max_output": "64 MiB", "grace": "1m",
            "limits": {"cpu": "1s", "memory": "1GiB", "open_files": 3, "processes": 1, "file_size": 0},
        }),
    ] {
        assert_eq!(lines(&faults(table.clone())), Vec::<String>::new(), "{table}");
    }
}

#[test]
fn each_mistake_is_told_at_its_key() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().to_str().expect("UTF-8");
    let script = root.path().join("script.py");
    std::fs::write(&script, "").expect("a file");
    std::fs::set_permissions(&script, Permissions::from_mode(0o666)).expect("permissions");
    let env_path = std::env::var("PATH").expect("PATH");
    let good = json!({"argv": ["/bin/cat", "{v}"], "root": path});
    for (change, line) in [
        (json!({"argv": []}), "error argv: there is no program"),
        (json!({"argv": [["/bin/cat"]]}), "error argv: there is no program"),
        (
            json!({"argv": ["cat"]}),
            "error argv[0]: `cat` is no absolute path",
        ),
        (
            json!({"argv": ["/no/such"]}),
            "error argv[0]: /no/such cannot be found",
        ),
        (
            json!({"argv": ["/etc/passwd"]}),
            "error argv[0]: /etc/passwd is not executable",
        ),
        (
            json!({"argv": ["/bin/{v}"]}),
            "error argv[0]: the program depends on a parameter",
        ),
        (
            json!({"argv": ["/bin/cat", "{v"]}),
            "error argv[1]: `{` at character 1 has no other brace",
        ),
        (
            json!({"argv": ["/bin/cat", "{u}"]}),
            "error argv[1]: {u} is no property of input_schema",
        ),
        (
            json!({"argv": ["/bin/cat", "{list}"]}),
            "error argv[1]: {list} may be a list or an object",
        ),
        (
            json!({"argv": ["/bin/cat", "{maybe}"]}),
            "error argv[1]: {maybe} may be a list or an object",
        ),
        (
            json!({"argv": ["/bin/cat", "a\u{0}b"]}),
            "error argv[1]: it holds a NUL character",
        ),
        (
            json!({"argv": ["/bin/sh", "-c", "echo {v}"]}),
            "error argv[2]: a parameter is part of a script",
        ),
        (
            json!({"argv": ["/usr/bin/env", "bash", "-c", "{v}"]}),
            "error argv[3]: a parameter is part of a script",
        ),
        (
            json!({"argv": ["/usr/bin/env", "python3.12", "-c", "{v}"]}),
            "error argv[3]: a parameter is part of",
        ),
        (
            json!({"argv": ["/bin/cat", script]}),
            "can be changed by everyone",
        ),
        (
            json!({"argv": ["/bin/cat", env_path], "environment": {"A": {"env": "PATH"}}}),
            "error argv[1]: the value of A stands in it",
        ),
        (
            json!({"allow_dash": ["w"]}),
            "error allow_dash[0]: no placeholder in argv is {w}",
        ),
        (
            json!({"as_json": ["list"]}),
            "error as_json[0]: no placeholder in argv is {list}",
        ),
        (json!({"stdin": "{u}"}), "error stdin: {u} is no property"),
        (json!({"stdin": "jsn"}), "warning stdin: it has no placeholder"),
        (
            json!({"stdin": "json"}),
            "warning stdin: parameters that input_schema does not describe",
        ),
        (
            json!({"environment": {"A": {"env": "NO_SUCH_VARIABLE"}}}),
            "error environment.A: the environment variable NO_SUCH_VARIABLE is not set",
        ),
        (
            json!({"environment": {"A": {"file": "/no/such"}}}),
            "error environment.A: /no/such cannot be read",
        ),
        (
            json!({"environment": {"A=B": "c"}}),
            "error environment.A=B: it is no variable's name",
        ),
        (
            json!({"environment": {"TOOLWAVE_X": "c"}}),
            "error environment.TOOLWAVE_X: names that begin with",
        ),
        (
            json!({"inherit": ["*"]}),
            "warning inherit[0]: the command finds the worker's whole environment",
        ),
        (
            json!({"inherit": ["TOOLWAVE_TOKEN"]}),
            "error inherit[0]: names that begin with TOOLWAVE_",
        ),
        (
            json!({"inherit": ["NO_SUCH_VARIABLE"]}),
            "warning inherit[0]: NO_SUCH_VARIABLE is not set here",
        ),
        (
            json!({"directory": "relative"}),
            "error directory: relative is no absolute path",
        ),
        (
            json!({"directory": "/no/such"}),
            "error directory: /no/such is no directory",
        ),
        (
            json!({"directory": "/"}),
            "error directory: / is not below the root",
        ),
        (
            json!({"root": "/no/such"}),
            "error root: /no/such is no directory",
        ),
        (
            json!({"root": null}),
            "warning root: input_schema has paths, and they may lead anywhere",
        ),
        (json!({"max_output": 0}), "error max_output: it is 0 bytes"),
        (
            json!({"max_output": "65MiB"}),
            "error max_output: it is 68157440 bytes",
        ),
        (json!({"grace": "2m"}), "error grace: 120s is too long"),
        (json!({"limits": {"cpu": "0s"}}), "error limits.cpu: it is 0"),
        (json!({"limits": {"memory": 0}}), "error limits.memory: it is 0"),
        (
            json!({"limits": {"open_files": 2}}),
            "error limits.open_files: a command has three open files",
        ),
        (
            json!({"success_codes": []}),
            "error success_codes: the command could never succeed",
        ),
        (
            json!({"exit_codes": {"0": {"code": "X"}}}),
            "error exit_codes.0: 0 is success",
        ),
        (
            json!({"exit_codes": {"256": {"code": "X"}}}),
            "error exit_codes.256: `256` is no exit code",
        ),
        (
            json!({"exit_codes": {"07": {"code": "X"}}}),
            "error exit_codes.07: `07` is no exit code",
        ),
        (
            json!({"exit_codes": {"7": {"code": "not so"}}}),
            "error exit_codes.7.code: `not so` is no error code",
        ),
    ] {
        let mut table = good.clone();
        let table_members = table.as_object_mut().expect("a table");
        table_members.extend(change.as_object().expect("a table").clone());
        let found = lines(&faults(table));
        let errors = found.iter().filter(|found| found.starts_with("error ")).count();
        assert_eq!(
            errors,
            usize::from(line.starts_with("error ")),
            "{change}: {found:#?}"
        );
        assert!(
            found.iter().any(|found| found.contains(line)),
            "{change}: {found:#?}"
        );
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = lines(&faults(json!({
        "argv": ["cat", "{u}", "{list}"], "grace": "2m", "max_output": 0, "success_codes": [], "directory": "x",
    })));
    assert_eq!(
        found.iter().filter(|line| line.starts_with("error ")).count(),
        7,
        "{found:#?}"
    );
}

#[test]
fn a_path_where_it_would_not_be_heeded_is_refused() {
    let mut declaration = declaration();
    declaration.input_schema["anyOf"] = json!([{"properties": {"v": {"format": "path"}}}]);
    let faults = command(json!({"argv": ["/bin/cat", "{path}"], "root": "/tmp"})).check(&declaration);
    assert_eq!(lines(&faults).len(), 1);
    assert!(faults[0].what.contains("where it is not heeded"), "{faults:?}");
    declaration.input_schema = json!({"properties": {"v": {}}});
    let faults = command(json!({"argv": ["/bin/cat", "{v}"], "root": "/tmp"})).check(&declaration);
    assert!(
        lines(&faults)[0].starts_with("warning root: no parameter is a path"),
        "{faults:?}"
    );
}

#[test]
fn text_output_with_a_schema_of_objects_is_refused() {
    let mut declaration = declaration();
    declaration.output_schema = Some(json!({"type": "object"}));
    let table = json!({"argv": ["/bin/cat", "{v}"], "output": "text", "root": "/tmp"});
    let found = lines(&command(table).check(&declaration));
    assert_eq!(
        found,
        ["error output: output_schema has the type object, and text is a string"]
    );
}

#[test]
fn what_is_no_command_at_all_says_what_would_be() {
    for (text, message) in [
        (
            "argv = \"du -sb {path}\"",
            "a command is no line of a shell; expected a list such as",
        ),
        (
            "argv = [\"/bin/cat\", { env = \"KEY\" }]",
            "a secret among the arguments can be read by every user",
        ),
        (
            "argv = [\"/bin/cat\", 5]",
            "expected an argument, or a list of arguments",
        ),
        ("arg = [\"/bin/cat\"]", "unknown field `arg`"),
        ("", "missing field `argv`"),
        ("argv = [\"/bin/cat\"]\ngrace = 5", "a duration with a unit"),
        (
            "argv = [\"/bin/cat\"]\nlimits = { cpu = 5 }",
            "a duration with a unit",
        ),
        (
            "argv = [\"/bin/cat\"]\nlimits = { memory = \"5 bananas\" }",
            "is no size",
        ),
        (
            "argv = [\"/bin/cat\"]\noutput = \"xml\"",
            "unknown variant `xml`, expected `json` or `text`",
        ),
        ("argv = [\"/bin/cat\"]\nsuccess_codes = [256]", "256"),
        (
            "argv = [\"/bin/cat\"]\nexit_codes = { 7 = { code = \"X\", retryable = \"yes\" } }",
            "expected a boolean",
        ),
    ] {
        let error = toml::from_str::<Command>(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    let text = "argv = [\"/bin/cat\", [\"-n\", \"{v}\"]]\nexit_codes = { 7 = { code = \"X\", retry_after = \"1s\" } }";
    let command: Command = toml::from_str(text).expect("a command");
    assert_eq!(command.argv.len(), 2);
}
