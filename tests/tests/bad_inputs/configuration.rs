//! Files and flags that no coordinator and no worker should be started with, on the real programs: the exit code,
//! and each line that they say.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, os::unix::fs::symlink, path::Path, time::Duration};

use serde::Deserialize;
use toolwave_config::File;
use toolwave_coordinator::Config;
use toolwave_tests::{Binaries, Process, Profile};

use crate::{folder::Folder, page::Line, said::Expected};

const MIB: usize = 1 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    id: String,
    describes: String,
    #[serde(default)]
    programs: Vec<String>,
    /// The file's text.
    file: Option<String>,
    /// Others beside it, in the folder that texts call FOLDER, for the owner alone.
    #[serde(default)]
    beside: BTreeMap<String, String>,
    /// How the file is made, where it is no text that anybody would want to read.
    make: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    expect: Option<Expected>,
    /// Where the answer needs a reason.
    why: Option<String>,
    not_applicable: Option<String>,
}

pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../data/bad_configuration.json"))
        .expect("the catalogue is good JSON")
}

/// A coordinator's configuration: this TOML over the defaults, on a free port, and nothing waits for workers.
pub(crate) fn coordinator(over: Option<&str>) -> Config {
    let file = File::from_text("row", over.unwrap_or_default().to_owned());
    Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        startup_grace: Duration::ZERO,
        ..file.and_then(|file| file.parse()).expect("a row's configuration")
    }
}

#[test]
fn every_bad_configuration_is_told_as_documented() {
    let binaries = Binaries::built(Profile::Dev).expect("they build");
    let mut wrong = Vec::new();
    for row in rows().iter().filter(|row| row.not_applicable.is_none()) {
        for program in &row.programs {
            let program = format!("toolwave-{program}");
            if let Err(what) = check(&binaries.path(&program), row) {
                wrong.push(format!("{} ({}), {program}: {what}", row.id, row.describes));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(program: &Path, row: &Row) -> Result<(), String> {
    let expected = row.expect.as_ref().ok_or("expects nothing")?;
    let folder = Folder::new();
    for (name, text) in &row.beside {
        folder.write(name, text, 0o600);
    }
    let path = folder.path().join("c.toml");
    let mut arguments = vec!["--check-config".to_owned()];
    if let Some(text) = &row.file {
        fs::write(&path, folder.fill(text)).expect("written");
    }
    if let Some(how) = &row.make {
        make(how, &path);
    }
    if row.file.is_some() || row.make.is_some() {
        arguments.extend(["--config".to_owned(), path.display().to_string()]);
    }
    arguments.extend(row.args.iter().cloned());
    let mut process =
        Process::start(program, &arguments, folder.path(), "program").map_err(|error| error.to_string())?;
    let exit = process.wait().map_err(|error| error.to_string())?;
    let said = folder.unfill(&process.output().replace(&path.display().to_string(), "FILE"));
    match expected.exit {
        0 if exit == Some(0) => Ok(()),
        _ => expected.check(exit, &said),
    }
}

fn make(how: &str, path: &Path) {
    let write = |bytes: &[u8]| fs::write(path, bytes).expect("written");
    match how {
        "missing" => {}
        "directory" => fs::create_dir(path).expect("made"),
        "not_utf8" => write(b"[log]\nlevel = \"\xff\"\n"),
        "utf16" => write(b"\xff\xfel\0e\0a\0s\0e\0"),
        // Takes no room on the disk.
        "100_mib" => fs::File::create(path)
            .and_then(|file| file.set_len(100 * MIB as u64))
            .expect("made"),
        "over_1_mib" => write("#".repeat(MIB + 1).as_bytes()),
        "comment" => write("#".repeat(MIB).as_bytes()),
        "deep_lists" => write(format!("a={}{}\n", "[".repeat(300_000), "]".repeat(300_000)).as_bytes()),
        "deep_tables" => write(format!("a={}1{}\n", "{a=".repeat(100_000), "}".repeat(100_000)).as_bytes()),
        "deep_key" => write(format!("{}a=1\n", "a.".repeat(199_999)).as_bytes()),
        "deep_header" => write(format!("[{}a]\nb=1\n", "a.".repeat(199_999)).as_bytes()),
        "long_key" => write(format!("{} = 1\n", "k".repeat(1_000_000)).as_bytes()),
        "zeros" => symlink("/dev/zero", path).expect("made"),
        unknown => panic!("{unknown} is no way to make a file"),
    }
}

impl Row {
    /// For the page; none where there is nothing to be seen.
    pub(crate) fn line(&self) -> Option<Line> {
        let expect = self.expect.as_ref()?;
        Some(Line::new(
            &self.id,
            &self.describes,
            expect.answer(),
            self.why.as_deref(),
        ))
    }
}

#[test]
fn a_row_expects_something_or_says_why_not() {
    for row in rows() {
        assert!(row.expect.is_some() != row.not_applicable.is_some(), "{}", row.id);
        assert_eq!(row.expect.is_some(), !row.programs.is_empty(), "{}", row.id);
    }
}
