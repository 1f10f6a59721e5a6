//! The wall clock sets no timer: it is read where dates are shown or compared, and nowhere else.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the date is read, and what for: it is shown, or compared with dates that others wrote.
const DATED: [(&str, &str); 11] = [
    ("cli/src/certs/authority.rs", "the validity of a certificate"),
    ("cli/src/token.rs", "the expiry of a token"),
    ("config/src/reload_status.rs", "the time of the last reload"),
    ("coordinator/src/audit/record.rs", "the time of what is recorded"),
    (
        "coordinator/src/driver/mod.rs",
        "the start and the end of attempts",
    ),
    (
        "coordinator/src/execution/answer.rs",
        "the time of an event of a stream",
    ),
    ("coordinator/src/identity/credentials.rs", "the expiry of a token"),
    ("coordinator/src/parts.rs", "the time of the start"),
    ("worker/egress/src/headers.rs", "a Retry-After that is a date"),
    (
        "worker/mounted/src/command/environment.rs",
        "the deadline that a command is told",
    ),
    ("worker/src/traced.rs", "the start of a span"),
];
/// Ways to read the wall clock.
const READS: [&str; 6] = [
    "SystemTime::now",
    "UNIX_EPOCH.elapsed",
    "Utc::now",
    "Local::now",
    "OffsetDateTime::now",
    "Zoned::now",
];
/// What is part of the product, below the root.
const PRODUCT: [&str; 13] = [
    "coordinator/src",
    "coordinator/scheduler/src",
    "worker/src",
    "worker/tool/src",
    "worker/mounted/src",
    "worker/keeper/src",
    "worker/egress/src",
    "client/src",
    "client/link/src",
    "cli/src",
    "cli/formats/src",
    "config/src",
    "proto/src",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the product").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// F21: a wall clock that jumps changes no timer, since no timer is made of it.
#[test]
fn the_wall_clock_is_read_only_where_dates_are_shown_or_compared() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in PRODUCT {
        sources(&root.join(folder), &mut files);
    }
    assert!(
        files.len() > 100,
        "the product has more files than {}",
        files.len()
    );
    let mut readers = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let name = path
            .strip_prefix(&root)
            .expect("is below")
            .to_string_lossy()
            .into_owned();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if READS.iter().any(|read| code.contains(read)) {
            readers.push(name);
        }
    }
    readers.sort();
    let dated: Vec<&str> = DATED.iter().map(|(file, _)| *file).collect();
    assert_eq!(
        readers, dated,
        "files that read the wall clock; time that decides something is monotonic"
    );
}
