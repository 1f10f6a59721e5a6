//! What is wrong with a declared command, all of it at once, before any call.

use std::{path::Path, time::Duration};

use serde_json::Value;
use toolwave_tool::Declaration;

use super::{
    Command, Element, Input, OutputKind, argv,
    environment::{ALL, RESERVED},
    paths, program,
};
use crate::{
    fault::Fault,
    template::{Place, Template},
};

/// `max_output` may not be more.
const MAX_OUTPUT: u64 = 64 << 20;
/// `grace` may not be more.
const MAX_GRACE: Duration = Duration::from_secs(60);
/// Programs whose argument after one of the flags is a program's text.
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "busybox", "python", "perl", "ruby", "node", "php",
    "lua", "deno", "bun", "pwsh",
];
const SCRIPT_FLAGS: &[&str] = &[
    "-c", "-e", "-p", "-r", "-ec", "-lc", "-ic", "--eval", "--print", "-Command", "eval",
];

pub(super) fn check(command: &Command, declaration: &Declaration) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_argv(command, declaration, &mut faults);
    check_stdin(command, declaration, &mut faults);
    check_environment(command, &mut faults);
    check_directories(command, declaration, &mut faults);
    check_numbers(command, &mut faults);
    check_exit_codes(command, &mut faults);
    check_output(command, declaration, &mut faults);
    faults
}

fn check_argv(command: &Command, declaration: &Declaration, faults: &mut Vec<Fault>) {
    let Some(Element::One(first)) = command.argv.first() else {
        let what = "there is no program";
        return faults.push(Fault::error(
            "argv",
            what,
            "an absolute path such as /usr/bin/du, and its arguments",
        ));
    };
    let mut templates = Vec::new();
    for (key, element) in argv::keys(&command.argv) {
        for text in element.texts() {
            match Template::parse(text) {
                Ok(template) => templates.push((key.clone(), text.as_str(), template)),
                Err(error) => faults.push(Fault::error(&key, error.to_string(), "")),
            }
        }
    }
    match templates.first() {
        Some((key, _, template)) if key == "argv[0]" => {
            if template.places().next().is_some() {
                let what = "the program depends on a parameter";
                faults.push(Fault::error(key, what, "one fixed program: a tool for each"));
            } else {
                faults.extend(program::check(key, &first.replace("{{", "{").replace("}}", "}")));
            }
        }
        _ => {}
    }
    for (key, _, template) in templates.iter().skip(1) {
        for place in template.places() {
            check_place(key, place, declaration, Some(&command.as_json), faults);
        }
    }
    for (key, text, template) in templates.iter().skip(1) {
        if text.contains('\0') {
            faults.push(Fault::error(key, "it holds a NUL character", "none"));
        }
        if template.places().next().is_none() {
            faults.extend(program::check_argument(key, text));
        }
    }
    check_scripts(&templates, faults);
    for (list, names) in [("allow_dash", &command.allow_dash), ("as_json", &command.as_json)] {
        for (index, name) in names.iter().enumerate() {
            let is_used = templates
                .iter()
                .any(|(_, _, template)| template.places().any(|p| p.to_string() == *name));
            if !is_used {
                let what = format!("no placeholder in argv is {{{name}}}");
                faults.push(Fault::error(format!("{list}[{index}]"), what, "the name of one"));
            }
        }
    }
}

/// `sh -c "… {name} …"` would be a shell after all.
fn check_scripts(templates: &[(String, &str, Template)], faults: &mut Vec<Fault>) {
    let mut interprets = false;
    for pair in templates.windows(2) {
        let [(_, text, _), (key, _, next)] = pair else {
            continue;
        };
        let name = Path::new(text)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let name = name.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
        interprets |= INTERPRETERS.contains(&name);
        if interprets && SCRIPT_FLAGS.contains(text) && next.places().next().is_some() {
            let what = "a parameter is part of a script, so that its value is run";
            let expected =
                "the script without it, and the parameter as an argument of its own, which the script reads";
            faults.push(Fault::error(key, what, expected));
        }
    }
}

/// `as_json`: where lists and objects must be named.
fn check_place(
    key: &str,
    place: &Place,
    declaration: &Declaration,
    as_json: Option<&[String]>,
    faults: &mut Vec<Fault>,
) {
    let Some(schema) = place.schema(&declaration.input_schema) else {
        let what = format!("{{{place}}} is no property of input_schema");
        let known = declaration
            .input_schema
            .get("properties")
            .and_then(Value::as_object);
        let known: Vec<&str> = known
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let expected = match known.is_empty() {
            true => "a property, which input_schema describes".to_owned(),
            false => format!("one of {}", known.join(", ")),
        };
        return faults.push(Fault::error(key, what, expected));
    };
    let is_composite = |kind: &Value| kind == "object" || kind == "array";
    let may_be_composite = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_composite),
        Some(kind) => is_composite(kind),
        None => false,
    };
    if let Some(as_json) = as_json
        && may_be_composite
        && !argv::names(as_json, place)
    {
        let what = format!("{{{place}}} may be a list or an object, which is no argument");
        faults.push(Fault::error(
            key,
            what,
            format!("text, a number or a boolean; or as_json = [\"{place}\"]"),
        ));
    }
}

fn check_stdin(command: &Command, declaration: &Declaration, faults: &mut Vec<Fault>) {
    match command.input() {
        Err(error) => faults.push(Fault::error("stdin", error.to_string(), "")),
        Ok(Input::Nothing) => {}
        Ok(Input::Json) => {
            let closed = declaration.input_schema.get("additionalProperties");
            if closed.is_none_or(|more| more == &Value::Bool(true)) {
                let what = "parameters that input_schema does not describe reach the command";
                faults.push(Fault::warning(
                    "stdin",
                    what,
                    "additionalProperties = false in input_schema",
                ));
            }
        }
        Ok(Input::Text(template)) => {
            if template.places().next().is_none() {
                let what = "it has no placeholder, so that it is the same for every call";
                faults.push(Fault::warning(
                    "stdin",
                    what,
                    "json, none, or a text such as {text}",
                ));
            }
            for place in template.places() {
                check_place("stdin", place, declaration, None, faults);
            }
        }
    }
}

fn check_environment(command: &Command, faults: &mut Vec<Fault>) {
    for (name, source) in &command.environment {
        let key = format!("environment.{name}");
        if name.is_empty() || name.contains(['=', '\0']) {
            faults.push(Fault::error(
                &key,
                "it is no variable's name",
                "a name such as API_KEY",
            ));
        } else if name.starts_with(RESERVED) {
            let what = format!("names that begin with {RESERVED} are toolwave's own");
            faults.push(Fault::error(&key, what, "another name"));
        }
        match source.read() {
            Ok(value) if value.expose().contains('\0') => {
                faults.push(Fault::error(&key, "the value holds a NUL character", "none"));
            }
            Ok(value) if !source.is_text() && value.expose().len() >= 4 => {
                let shows = |(_, element): &(String, &Element)| {
                    element.texts().iter().any(|text| text.contains(value.expose()))
                };
                if let Some((place, _)) = argv::keys(&command.argv).find(shows) {
                    let what = format!(
                        "the value of {name} stands in it, where every user of the machine can read it"
                    );
                    faults.push(Fault::error(place, what, "the secret in the environment alone"));
                }
            }
            Ok(_) => {}
            Err(error) => {
                let text = error.to_string();
                let (what, expected) = text.split_once("; expected ").unwrap_or((&text, ""));
                faults.push(Fault::error(&key, what, expected));
            }
        }
    }
    for (index, name) in command.inherit.iter().enumerate() {
        let key = format!("inherit[{index}]");
        if name == ALL {
            let what = "the command finds the worker's whole environment, and every secret in it";
            faults.push(Fault::warning(
                key,
                what,
                "the names of the variables that it needs",
            ));
        } else if name.is_empty() || name.contains(['=', '\0']) {
            faults.push(Fault::error(
                key,
                format!("`{name}` is no variable's name"),
                "a name such as HOME",
            ));
        } else if name.starts_with(RESERVED) {
            let what = format!("names that begin with {RESERVED} are toolwave's own, and may be secrets");
            faults.push(Fault::error(key, what, "a variable of yours"));
        } else if std::env::var_os(name).is_none() {
            faults.push(Fault::warning(
                key,
                format!("{name} is not set here"),
                "a variable that is set",
            ));
        }
    }
}

fn check_directories(command: &Command, declaration: &Declaration, faults: &mut Vec<Fault>) {
    let schema = &declaration.input_schema;
    let mut is_directory = |key: &str, path: &Path| {
        if !path.is_absolute() {
            faults.push(Fault::error(
                key,
                format!("{} is no absolute path", path.display()),
                "one such as /srv/files",
            ));
        } else if !path.is_dir() {
            faults.push(Fault::error(
                key,
                format!("{} is no directory", path.display()),
                "one that exists",
            ));
        }
    };
    if let Some(directory) = &command.directory {
        is_directory("directory", directory);
    }
    if let Some(root) = &command.root {
        is_directory("root", root);
    }
    match (&command.root, &command.directory) {
        (Some(root), Some(directory)) => {
            if let (Ok(root), Ok(real)) = (root.canonicalize(), directory.canonicalize())
                && !real.starts_with(&root)
            {
                let what = format!("{} is not below the root", directory.display());
                faults.push(Fault::error(
                    "directory",
                    what,
                    "the root, or a directory below it",
                ));
            }
        }
        (None, _) if paths::mentions(schema) > 0 => {
            let what = "input_schema has paths, and they may lead anywhere";
            faults.push(Fault::warning(
                "root",
                what,
                "the directory below which they must lie",
            ));
        }
        _ => {}
    }
    if command.root.is_some() {
        match (paths::heeded(schema), paths::mentions(schema)) {
            (0, 0) => faults.push(Fault::warning(
                "root",
                "no parameter is a path, so that it confines nothing",
                "format = \"path\" in input_schema for each that is",
            )),
            (heeded, mentioned) if heeded < mentioned => faults.push(Fault::error(
                "root",
                "input_schema has format = \"path\" where it is not heeded: below anyOf, $ref and the like",
                "it in `properties` and `items` alone",
            )),
            _ => {}
        }
    }
}

fn check_numbers(command: &Command, faults: &mut Vec<Fault>) {
    if !(1..=MAX_OUTPUT).contains(&command.max_output) {
        let what = format!("it is {} bytes", command.max_output);
        faults.push(Fault::error("max_output", what, "1 byte to 64 MiB"));
    }
    if command.grace > MAX_GRACE {
        let what = format!("{:?} is too long: the slot is taken for as long", command.grace);
        faults.push(Fault::error("grace", what, "at most 1m"));
    }
    let limits = &command.limits;
    for (name, is_zero) in [
        ("cpu", limits.cpu.is_some_and(|cpu| cpu.is_zero())),
        ("memory", limits.memory == Some(0)),
        ("processes", limits.processes == Some(0)),
    ] {
        if is_zero {
            faults.push(Fault::error(
                format!("limits.{name}"),
                "it is 0",
                "more than 0, or none for no limit",
            ));
        }
    }
    if limits.open_files.is_some_and(|files| files < 3) {
        let what = "a command has three open files before it begins";
        faults.push(Fault::error("limits.open_files", what, "at least 3"));
    }
}

fn check_exit_codes(command: &Command, faults: &mut Vec<Fault>) {
    if command.success_codes.is_empty() {
        faults.push(Fault::error(
            "success_codes",
            "the command could never succeed",
            "at least one, such as [0]",
        ));
    }
    for (code, meaning) in &command.exit_codes {
        let key = format!("exit_codes.{code}");
        match code.parse::<u8>() {
            Ok(number) if command.success_codes.contains(&number) => {
                faults.push(Fault::error(
                    &key,
                    format!("{code} is success"),
                    "an exit code of a failure",
                ));
            }
            Ok(number) if number.to_string() == *code => {}
            _ => faults.push(Fault::error(
                &key,
                format!("`{code}` is no exit code"),
                "a number from 0 to 255",
            )),
        }
        let is_code = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
        if meaning.code.is_empty() || meaning.code.len() > 64 || !meaning.code.chars().all(is_code) {
            let what = format!("`{}` is no error code", meaning.code);
            faults.push(Fault::error(
                format!("{key}.code"),
                what,
                "up to 64 of [A-Z0-9_], such as NOT_FOUND",
            ));
        }
    }
}

fn check_output(command: &Command, declaration: &Declaration, faults: &mut Vec<Fault>) {
    if command.output == Some(OutputKind::Text)
        && let Some(schema) = &declaration.output_schema
        && let Some(kind) = schema.get("type").and_then(Value::as_str)
        && kind != "string"
    {
        let what = format!("output_schema has the type {kind}, and text is a string");
        faults.push(Fault::error(
            "output",
            what,
            "json, or an output_schema with the type string",
        ));
    }
}
