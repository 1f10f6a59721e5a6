//! Files that a configuration names: read with a bound, and watched for change by what the file system says of
//! them.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A larger file is refused, in bytes.
pub(crate) const LARGEST: u64 = 1 << 20;

/// What a file looked like. Two files that look alike are taken for one that did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Files, as they looked when they were about to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Looks(Vec<Option<Look>>);

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: the open of a pipe may wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// Whether others may get at a secret than its owner, or than a group that the system's administrator gave it to: a
/// container is handed its secrets as root's, with its own group.
pub(crate) fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    let closed = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    metadata.mode() & closed != 0
}

// === impl Looks ===

impl Looks {
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let look = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some(Look {
                device: metadata.dev(),
                inode: metadata.ino(),
                bytes: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            })
        };
        Self(paths.iter().map(look).collect())
    }
}
