//! A file that lines are appended to, and that is renamed when it is full: `audit.jsonl` becomes
//! `audit.jsonl.00000001` and so on. A line is whole in one file. It knows nothing of what the lines say.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Lines that go to the disk together.
const TOGETHER: usize = 64 * 1024;
/// Nobody else reads who called what.
const MODE: u32 = 0o600;

/// The file, and what is on its way into it.
pub(super) struct Rotating {
    path: PathBuf,
    max_bytes: u64,
    keep: usize,
    file: File,
    /// Of the file, in bytes.
    length: u64,
    /// Whole lines, less what a write that failed half-way has written of the first.
    buffer: Vec<u8>,
    /// Counted lines in it.
    buffered: usize,
    /// Something was written since somebody asked: so many counted lines.
    written: Option<usize>,
    /// Of the next file that is renamed.
    next: u64,
    /// The last rotation failed, and that was told.
    stuck: bool,
}

impl Rotating {
    /// Opens or makes the file. A line that an earlier process did not end is ended, so that none is glued to it.
    pub(super) fn open(path: &Path, max_bytes: u64, keep: usize) -> io::Result<Self> {
        let (file, length) = open(path)?;
        let next = renamed(path)?.last().map_or(0, |(number, _)| *number) + 1;
        Ok(Self {
            path: path.to_owned(),
            max_bytes,
            keep,
            file,
            length,
            buffer: Vec::new(),
            buffered: 0,
            written: None,
            next,
            stuck: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a line with its end; where this fails, the line was not taken.
    pub(super) fn add(&mut self, line: &[u8], counts: bool) -> io::Result<()> {
        let so_far = self.length + self.buffer.len() as u64;
        if so_far > 0 && so_far + line.len() as u64 > self.max_bytes {
            self.flush()?;
            self.rotate();
        } else if self.buffer.len() >= TOGETHER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(line);
        self.buffered += usize::from(counts);
        Ok(())
    }

    /// Writes what was taken. Where this fails half-way, the next goes on from there.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut done = 0;
        let result = loop {
            if done == self.buffer.len() {
                break Ok(());
            }
            match self.file.write(&self.buffer[done..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.length += done as u64;
        self.buffer.drain(..done);
        if result.is_ok() && done > 0 {
            let lines = std::mem::take(&mut self.buffered);
            self.written = Some(self.written.unwrap_or_default() + lines);
        }
        result
    }

    /// Counted lines that were written since the last time; `None`: nothing was written at all.
    pub(super) fn take_written(&mut self) -> Option<usize> {
        self.written.take()
    }

    /// To the disk itself.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self.file.sync_data() {
            // A pipe or a device has nothing to bring anywhere.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    /// Begins another file. Where that cannot be done, this one grows on: better too large than lost.
    fn rotate(&mut self) {
        match self.begin_another() {
            Ok(()) => self.stuck = false,
            Err(error) if !self.stuck => {
                self.stuck = true;
                tracing::error!(%error, file = %self.path.display(), "the audit's file cannot be rotated");
            }
            Err(_) => {}
        }
    }

    fn begin_another(&mut self) -> io::Result<()> {
        self.sync()?;
        match fs::rename(&self.path, numbered(&self.path, self.next)) {
            Ok(()) => self.next += 1,
            // Moved away by somebody else, or by a rotation that came no further.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        (self.file, self.length) = open(&self.path)?;
        let renamed = renamed(&self.path)?;
        for (_, old) in &renamed[..renamed.len().saturating_sub(self.keep)] {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

impl Drop for Rotating {
    /// A child process that was forked and is not another program yet has the file too, and with it the lock.
    fn drop(&mut self) {
        // It is no file, or gone.
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        // Nothing there to lock, to make private or to end.
        return Ok((file, 0));
    }
    // Two writers would rename each other's files.
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process writes it; each coordinator needs a file of its own",
        ),
        fs::TryLockError::Error(error) => error,
    })?;
    if metadata.permissions().mode() & 0o777 != MODE {
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
    }
    let mut length = metadata.len();
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            length += 1;
        }
    }
    Ok((file, length))
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number:08}"));
    name.into()
}

/// The files that were renamed, the oldest first.
fn renamed(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it needs a file name in UTF-8",
        ));
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let digits = file_name
            .to_str()
            .and_then(|other| other.strip_prefix(name)?.strip_prefix('.'))
            .filter(|digits| digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_closed_opens_again_while_a_forked_child_still_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let rotating = Rotating::open(&path, 1000, 1).expect("it opens");
        let of_the_child = rotating.file.try_clone().expect("as a fork does");
        drop(rotating);
        assert!(Rotating::open(&path, 1000, 1).is_ok());
        drop(of_the_child);
    }
}
