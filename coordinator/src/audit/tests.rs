//! Nothing is lost: whatever the sizes of records and files, however often it is opened, and however slow the disk.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;

fn record(number: usize, size: usize) -> Event {
    Event::WorkerLeft {
        worker: format!("{number}-{}", "x".repeat(size)).into(),
    }
}

fn section(file: &Path) -> AuditSection {
    AuditSection {
        file: Some(file.to_owned()),
        ..AuditSection::default()
    }
}

/// The files, the oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // The one without a number is the newest.
    files.sort_by_key(|file| (!file.to_string_lossy().contains(".jsonl."), file.clone()));
    files.reverse();
    let newest = files.iter().position(|file| file.ends_with("audit.jsonl"));
    let newest = newest.map(|at| files.remove(at));
    files.sort();
    files.extend(newest);
    files
}

/// The numbers of the records in a file.
fn numbers(file: &Path) -> Vec<usize> {
    let text = fs::read_to_string(file).expect("text");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(number).collect()
}

fn number(line: &str) -> usize {
    let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
    let worker = line["worker"].as_str().expect("a worker");
    worker
        .split('-')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_in_the_files_once_and_in_order(
        sizes in prop::collection::vec(0usize..300, 1..120),
        max_bytes in 100u64..2000,
        restarts in prop::collection::vec(any::<bool>(), 120),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let section = AuditSection { max_bytes, keep: 1000, ..section(&folder.path().join("audit.jsonl")) };
        let (mut audit, mut writer) = Audit::open(&section).expect("it opens");
        for (number, size) in sizes.iter().enumerate() {
            audit.record(|| record(number, *size));
            if restarts[number] && number % 10 == 0 {
                writer.close();
                (audit, writer) = Audit::open(&section).expect("it opens again");
            }
        }
        writer.close();
        let files = files(folder.path());
        for file in &files {
            let length = fs::metadata(file).expect("it is there").len();
            prop_assert!(length <= max_bytes || numbers(file).len() == 1, "{length} of {max_bytes}");
        }
        let all: Vec<usize> = files.iter().flat_map(|file| numbers(file)).collect();
        prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
    }
}

#[test]
fn the_oldest_files_go_when_there_are_more_than_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let section = AuditSection {
        max_bytes: 100,
        keep: 3,
        ..section(&folder.path().join("audit.jsonl"))
    };
    let (audit, mut writer) = Audit::open(&section).expect("it opens");
    (0..20).for_each(|number| audit.record(|| record(number, 60)));
    writer.close();
    let all: Vec<usize> = files(folder.path())
        .iter()
        .flat_map(|file| numbers(file))
        .collect();
    assert_eq!(all, [16, 17, 18, 19]);
}

#[test]
fn nobody_else_may_read_it_not_even_what_was_there_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    fs::write(&file, "{}\n").expect("it is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("they are set");
    let section = AuditSection {
        max_bytes: 50,
        ..section(&file)
    };
    let (audit, mut writer) = Audit::open(&section).expect("it opens");
    audit.record(|| record(0, 30));
    writer.close();
    for file in files(folder.path()) {
        let mode = fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_line_that_was_cut_off_is_ended_and_none_is_glued_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    fs::write(&file, "{\"time\":\"20").expect("it is written");
    let (audit, mut writer) = Audit::open(&section(&file)).expect("it opens");
    audit.record(|| record(7, 0));
    writer.close();
    let text = fs::read_to_string(&file).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], number(lines[1])), ("{\"time\":\"20", 7));
}

#[test]
fn one_file_has_one_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let section = section(&folder.path().join("audit.jsonl"));
    let (_audit, mut writer) = Audit::open(&section).expect("it opens");
    let error = Audit::open(&section).err().expect("it is in use").to_string();
    assert!(error.contains("another process writes it"), "{error}");
    writer.close();
    assert!(Audit::open(&section).is_ok());
}

/// A disk that takes nothing until it is read: a pipe, full.
struct Stuck {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Stuck {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        Self {
            _folder: folder,
            path,
        }
    }

    /// Reads lines until so many records are there, or are said to be lost: those that are there, and how many are not.
    fn read(&self, records: usize) -> (Vec<String>, usize) {
        let pipe = fs::File::open(&self.path).expect("it opens");
        let (mut there, mut lost) = (Vec::new(), 0);
        for line in BufReader::new(pipe).lines() {
            let line = line.expect("text");
            let read: serde_json::Value = serde_json::from_str(&line).expect("each line is JSON");
            if read["event"] == "records_lost" {
                lost += read["records"].as_u64().expect("a number") as usize;
            } else {
                there.push(line);
            }
            if there.len() + lost >= records {
                break;
            }
        }
        (there, lost)
    }
}

#[test]
fn what_finds_no_room_while_the_disk_is_slow_is_counted_and_the_rest_is_whole() {
    let stuck = Stuck::new();
    let section = AuditSection {
        max_waiting: 1000,
        ..section(&stuck.path)
    };
    let (audit, mut writer) = Audit::open(&section).expect("it opens");
    let total = 5000;
    // More than pipe and queue hold together.
    (0..total).for_each(|number| audit.record(|| record(number, 100)));
    let (there, lost) = stuck.read(total);
    assert!(lost > 0);
    assert_eq!(there.len() + lost, total, "each is there or counted");
    let kept: Vec<usize> = there.iter().map(|line| number(line)).collect();
    assert!(kept.is_sorted_by(|a, b| a < b), "once, and in order");
    writer.close();
}

#[test]
fn what_is_required_is_refused_while_there_is_no_room_and_never_lost() {
    let stuck = Stuck::new();
    let section = AuditSection {
        max_waiting: 100,
        required: true,
        ..section(&stuck.path)
    };
    let (audit, mut writer) = Audit::open(&section).expect("it opens");
    assert_eq!(audit.reserve(99), Ok(()));
    assert_eq!(audit.reserve(0), Err(RETRY_AFTER), "all room is promised");
    audit.unreserve(99);
    assert_eq!(audit.reserve(100), Err(RETRY_AFTER), "more than ever fits");
    assert_eq!(audit.reserve(49), Ok(()));
    // Others, without end: those that fill the spare room are kept, and none takes what is promised.
    (0..2 * SPARE).for_each(|number| audit.record(|| record(number, 100)));
    let accepted = || Event::ExecutionAccepted {
        caller: CallerFacts::nobody(),
        execution_id: "promised".into(),
        calls: 1,
        parameter_bytes: 0,
    };
    (0..50).for_each(|_| audit.record(accepted));
    let (there, lost) = stuck.read(2 * SPARE + 50);
    assert!(lost > 0);
    let promised = there.iter().filter(|line| line.contains("promised")).count();
    assert_eq!(promised, 50);
    writer.close();
}

#[test]
fn a_disk_that_is_full_refuses_what_is_required_until_it_is_not() {
    let full = Path::new("/dev/full");
    if fs::OpenOptions::new()
        .write(true)
        .open(full)
        .is_ok_and(|mut file| file.write(b"x").is_ok())
    {
        panic!("/dev/full takes something");
    }
    let section = AuditSection {
        required: true,
        ..section(full)
    };
    let (audit, mut writer) = Audit::open(&section).expect("it opens");
    assert_eq!(audit.reserve(1), Ok(()));
    audit.record(|| record(0, 0));
    let begun = Instant::now();
    while audit.reserve(1).is_ok() {
        audit.unreserve(1);
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not noticed");
        std::thread::yield_now();
    }
    let begun = Instant::now();
    writer.close();
    assert!(
        begun.elapsed() < 2 * LAST_WORDS,
        "and the end does not wait for it"
    );
}
