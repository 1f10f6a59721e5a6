//! The directory that file tools may use: which paths are let in, and how files in it are opened.
//!
//! The directory is held open and every path is resolved beneath it by the system (cap-std), so a symbolic link or a
//! renamed directory cannot lead out. A path has one spelling, since effects are compared as text.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata, OpenOptions},
};
use uuid::Uuid;

use super::{BuiltinError, FileAccess};
use toolwave_tool::ToolError;

pub(super) mod read;
pub(super) mod write;

const MAX_PATH_BYTES: usize = 4_096;

/// An open directory. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Root {
    directory: Arc<Dir>,
    path: Arc<Path>,
}

impl Root {
    /// Opens the allowed directory, and tries to write in it where that is allowed.
    pub(super) fn open(access: &FileAccess) -> Result<Self, BuiltinError> {
        let unusable = |source| BuiltinError::Root {
            path: access.root.clone(),
            source,
        };
        let path: PathBuf = access.root.canonicalize().map_err(unusable)?;
        if !path.is_dir() {
            return Err(BuiltinError::NotADirectory {
                path: access.root.clone(),
            });
        }
        let directory = Dir::open_ambient_dir(&path, ambient_authority()).map_err(unusable)?;
        directory.entries().map_err(unusable)?;
        let root = Self {
            directory: Arc::new(directory),
            path: path.into(),
        };
        if access.write {
            root.try_writing().map_err(|source| BuiltinError::NotWritable {
                path: access.root.clone(),
                source,
            })?;
        }
        Ok(root)
    }

    fn try_writing(&self) -> io::Result<()> {
        let name = temporary_name();
        drop(self.directory.create(&name)?);
        self.directory.remove_file(&name)
    }

    /// The directory itself.
    pub(super) fn directory(&self) -> &Dir {
        &self.directory
    }

    /// Where the directory is, for what walks it. What is found there is opened through [`Self::open_file`].
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path of something in the directory, in its one spelling.
    pub(super) fn file_path(&self, path: &str) -> Result<String, ToolError> {
        if path.is_empty() || path == "." {
            return Err(invalid(
                path,
                "it names no file; write one such as `notes/today.txt`",
            ));
        }
        self.tree_path(path)
    }

    /// As [`Self::file_path`], or `.` for the directory itself.
    pub(super) fn tree_path(&self, path: &str) -> Result<String, ToolError> {
        if path.len() > MAX_PATH_BYTES {
            return Err(invalid("", "it is longer than 4096 bytes"));
        }
        if path.contains('\0') {
            return Err(invalid(path, "it holds a NUL character"));
        }
        if path.starts_with('/') || Path::new(path).is_absolute() {
            return Err(outside(
                path,
                "it is absolute; write it relative to the allowed directory",
            ));
        }
        if path.split('/').any(|part| part == "..") {
            return Err(outside(
                path,
                "`..` is refused; write it relative to the allowed directory",
            ));
        }
        if path == "." {
            return Ok(path.to_owned());
        }
        let plain = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect::<Vec<_>>()
            .join("/");
        if plain != path {
            let right = if plain.is_empty() { ".".to_owned() } else { plain };
            return Err(invalid(path, &format!("write it as `{right}`")));
        }
        Ok(plain)
    }

    /// Opens a regular file to read it, and tells its size.
    pub(super) fn open_file(&self, path: &str) -> Result<(File, u64), ToolError> {
        let refused = |error: io::Error| Self::refusal(path, &error);
        // Looked at first, because opening a device can have effects of its own; and again, because names move.
        regular(path, &self.directory.metadata(path).map_err(refused)?)?;
        let mut options = OpenOptions::new();
        options.read(true);
        never_wait(&mut options);
        let file = self.directory.open_with(path, &options).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        regular(path, &metadata)?;
        Ok((file.into_std(), metadata.len()))
    }

    /// What the system's refusal means for the caller.
    pub(super) fn refusal(path: &str, error: &io::Error) -> ToolError {
        match error.kind() {
            io::ErrorKind::NotFound => ToolError::new("NOT_FOUND", format!("{path:?} does not exist")),
            io::ErrorKind::NotADirectory => ToolError::new(
                "NOT_FOUND",
                format!("{path:?} does not exist: a part before its end is a file"),
            ),
            io::ErrorKind::AlreadyExists => {
                ToolError::new("ALREADY_EXISTS", format!("{path:?} exists already"))
            }
            // What cap-std refuses itself comes without a number of the system.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
                outside(path, "a symbolic link in it leads out of the allowed directory")
            }
            io::ErrorKind::PermissionDenied => ToolError::new(
                "PERMISSION_DENIED",
                format!("the worker's user may not use {path:?}"),
            ),
            io::ErrorKind::InvalidFilename => invalid(path, "the file system does not take such a name"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ToolError::new("STORAGE_FULL", format!("no room to write {path:?}"))
            }
            _ => ToolError::new("FILE_ERROR", format!("{path:?}: {error}")),
        }
    }
}

/// Refuses what is no regular file: a directory, a device, a pipe, a socket.
fn regular(path: &str, metadata: &Metadata) -> Result<(), ToolError> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = if metadata.is_dir() {
        "a directory"
    } else {
        "a special file"
    };
    Err(ToolError::new(
        "NOT_A_FILE",
        format!("{path:?} is {kind}; name a regular file"),
    ))
}

/// Opening a pipe must not wait for its other end.
fn never_wait(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// Hidden, and of no name that anybody asks for.
fn temporary_name() -> String {
    format!(".{}.toolwave-part", Uuid::new_v4().simple())
}

fn invalid(path: &str, reason: &str) -> ToolError {
    ToolError::new("INVALID_PATH", format!("path {path:?} is refused: {reason}"))
}

fn outside(path: &str, reason: &str) -> ToolError {
    ToolError::new("OUTSIDE_ROOT", format!("path {path:?} is refused: {reason}"))
}
