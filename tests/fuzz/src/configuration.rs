//! Configuration files of both programs: read, or refused with problems that name a place in the file, one line
//! each. A coordinator whose configuration is called good serves.

use std::io::Write as _;

use clap::Parser as _;
use toolwave_config::{File, Problem};
use toolwave_coordinator::Config;

use crate::{sessions, worker_config};

/// Reads a configuration. The first byte says whose.
///
/// # Panics
/// A problem is told badly, or a configuration is called good and does not work.
pub fn run(data: &[u8]) {
    let Some((&whose, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let file = match File::from_text("toolwave.toml", text.to_owned()) {
        Ok(file) => file,
        Err(problems) => return told(text, &problems),
    };
    if whose & 1 == 0 {
        coordinator(text, &file);
    } else {
        worker(text, &file);
    }
}

fn coordinator(text: &str, file: &File) {
    let config: Config = match file.parse() {
        Ok(config) => config,
        Err(problems) => return told(text, &problems),
    };
    let wrong: Vec<Problem> = config
        .check()
        .into_iter()
        .map(|wrong| file.problem(wrong.key, wrong.what, wrong.expected))
        .collect();
    if wrong.is_empty() {
        sessions::serves(&config, &[]);
    } else {
        told(text, &wrong);
    }
}

fn worker(text: &str, file: &File) {
    if let Err(problems) = file.parse::<worker_config::Config>() {
        return told(text, &problems);
    }
    // What follows the reading goes by the path of a file.
    let mut written = tempfile::NamedTempFile::new().expect("a place for files");
    written.write_all(text.as_bytes()).expect("room for a file");
    let path = written.path().to_str().expect("a path in UTF-8");
    let arguments = worker_config::Arguments::parse_from(["toolwave-worker", "--config", path]);
    match worker_config::Config::load(arguments) {
        Ok((_, origin, problems)) => {
            if !problems.is_empty() {
                told(text, &problems);
            }
            let problem = origin.problem("slots", "is wrong", "another");
            told(text, &[problem]);
        }
        Err(problems) => panic!("good before, and now {problems:?}"),
    }
}

pub(crate) fn told(text: &str, problems: &[Problem]) {
    assert!(!problems.is_empty(), "refused for nothing");
    // a lone carriage return ends a line of YAML
    let lines = 1 + text.matches(['\n', '\r']).count();
    for problem in problems {
        let line = problem.to_string();
        assert!(
            !line.is_empty() && !line.contains('\n'),
            "{line:?} is not one line"
        );
        if let Some((line, column)) = problem.position {
            assert!((1..=lines).contains(&line), "{problem}: line {line} of {lines}");
            assert!(
                column >= 1 && column <= text.chars().count() + 1,
                "{problem}: column {column}"
            );
        }
    }
}
