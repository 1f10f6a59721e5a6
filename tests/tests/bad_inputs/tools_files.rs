//! Files of tools that no worker should host, on the real program: the exit code, and each line that it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use serde::Deserialize;
use toolwave_tests::{Binaries, Process, Profile};

use crate::{page::Line, said::Expected};

/// So many kinds of mistakes the catalogue counts.
const NUMBERED: usize = 24;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    id: String,
    describes: String,
    /// Of the file, where it is not `t.toml`.
    name: Option<String>,
    /// The file's text.
    file: Option<String>,
    /// Others beside it, in the folder that texts call FOLDER.
    #[serde(default)]
    beside: BTreeMap<String, String>,
    /// Who may do what with them, in octal digits.
    #[serde(default)]
    modes: BTreeMap<String, String>,
    /// `missing`: there is no file.
    make: Option<String>,
    expect: Expected,
    /// Where the answer needs a reason.
    why: Option<String>,
}

pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../data/bad_tools_files.json")).expect("the catalogue is good JSON")
}

#[test]
fn every_bad_file_of_tools_is_told_as_documented() {
    let binaries = Binaries::built(Profile::Dev).expect("they build");
    let program = binaries.path("toolwave-worker");
    let wrong: Vec<String> = rows()
        .iter()
        .filter_map(|row| {
            let what = check(&program, row).err()?;
            Some(format!("{} ({}): {what}", row.id, row.describes))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(program: &Path, row: &Row) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text.replace("FOLDER", &place)).expect("written");
    };
    for (name, text) in &row.beside {
        write(name, text);
    }
    for (name, mode) in &row.modes {
        let mode = u32::from_str_radix(mode, 8).expect("octal digits");
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).expect("set");
    }
    let name = row.name.as_deref().unwrap_or("t.toml");
    match (&row.file, row.make.as_deref()) {
        (Some(text), None) => write(name, text),
        (None, Some("missing")) => {}
        (_, make) => panic!("{}: {make:?} is no way to make a file", row.id),
    }
    let path = folder.path().join(name).display().to_string();
    let arguments = ["--check-config".to_owned(), "--tools".to_owned(), path.clone()];
    // What it prints must not lie in the folder that a row may speak of.
    let logs = tempfile::tempdir().expect("a folder");
    let mut process =
        Process::start(program, &arguments, logs.path(), "program").map_err(|error| error.to_string())?;
    let exit = process.wait().map_err(|error| error.to_string())?;
    let said = process.output().replace(&path, "FILE").replace(&place, "FOLDER");
    row.expect.check(exit, &said)
}

impl Row {
    /// For the page.
    pub(crate) fn line(&self) -> Option<Line> {
        Some(Line::new(
            &self.id,
            &self.describes,
            self.expect.answer(),
            self.why.as_deref(),
        ))
    }
}

#[test]
fn every_kind_of_mistake_in_a_file_of_tools_has_a_row() {
    let rows = rows();
    let kinds: BTreeSet<&str> = rows.iter().filter_map(|row| row.id.get(..3)).collect();
    for number in 1..=NUMBERED {
        let kind = format!("T{number:02}");
        assert!(kinds.contains(kind.as_str()), "{kind}");
    }
}
