//! `write_file`: makes, replaces or extends a file. A reader sees the old content or the new one, never a part.

use std::{
    io::{self, Write},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use cap_std::fs::{File, OpenOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Root, never_wait, read::Encoding, regular, temporary_name};
use toolwave_tool::{BlockingTool, CallContext, Effect, Tool, ToolError};

use crate::tools::{
    answers,
    stop::{self, Stop},
};

const MAX_CONTENT_BYTES: u64 = 8 << 20;
const MAX_FILE_BYTES: u64 = 256 << 20;

const DESCRIPTION: &str = "Writes a file below the allowed directory. `mode`: create (default; the file must not exist), \
overwrite (replaces the whole file or makes it), append (adds at the end or makes it). Content is text, or bytes in \
base64; at most 8 MiB a call. Missing directories are made when `create_directories` is true. Returns {path, bytes, size}.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteParameters {
    /// Relative to the allowed directory, such as `notes/today.txt`; without `.`, `..` or a leading `/`.
    path: String,
    /// What to write.
    content: String,
    /// How `content` is written: `text` (default) or `base64`.
    #[serde(default)]
    encoding: Encoding,
    /// What to do with a file that exists.
    #[serde(default)]
    mode: Mode,
    /// Make the directories of `path` that do not exist; default false.
    #[serde(default)]
    create_directories: bool,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Create,
    Overwrite,
    Append,
}

#[derive(Serialize, JsonSchema)]
struct Written {
    path: String,
    /// Bytes written by this call.
    bytes: u64,
    /// Bytes in the file now.
    size: u64,
}

/// The tool.
pub(in crate::tools) fn tool(root: Root) -> impl Tool {
    let mut tool = BlockingTool::new(
        "write_file",
        DESCRIPTION,
        move |parameters: WriteParameters, context: CallContext| {
            write(&root, parameters, &Stop::new(context))
        },
    )
    .effect(Effect::Writes("file:{path}".to_owned()));
    answers::<Written>(tool.declaration_mut());
    tool
}

fn write(root: &Root, parameters: WriteParameters, stop: &Stop) -> Result<Written, ToolError> {
    let path = root.file_path(&parameters.path)?;
    let content = match parameters.encoding {
        Encoding::Text => parameters.content.into_bytes(),
        Encoding::Base64 => BASE64_STANDARD.decode(&parameters.content).map_err(|error| {
            ToolError::new(
                "INVALID_BASE64",
                format!("content is not standard base64 with padding: {error}"),
            )
        })?,
    };
    let bytes = content.len() as u64;
    if bytes > MAX_CONTENT_BYTES {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!(
                "content has {bytes} bytes; the limit is {MAX_CONTENT_BYTES}: write in parts with mode append"
            ),
        ));
    }
    let refused = |error: io::Error| Root::refusal(&path, &error);
    let present = present(root, &path)?;
    let parent = Path::new(&path)
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent
        && parameters.create_directories
        && !present
    {
        root.directory().create_dir_all(parent).map_err(refused)?;
    }
    stop.check()?;
    let size = match parameters.mode {
        Mode::Append => append(root, &path, &content)?,
        Mode::Create if present => {
            return Err(ToolError::new(
                "ALREADY_EXISTS",
                format!("{path:?} exists already: choose another path, or mode overwrite or append"),
            ));
        }
        mode => {
            replace(root, &path, parent, &content, mode, stop).map_err(|error| match error {
                Unwritten::Stopped => stop::cancelled(),
                Unwritten::Refused(error) if error.kind() == io::ErrorKind::NotFound => ToolError::new(
                    "NOT_FOUND",
                    format!("the directory of {path:?} does not exist: set create_directories to true"),
                ),
                Unwritten::Refused(error) => refused(error),
            })?;
            bytes
        }
    };
    Ok(Written { path, bytes, size })
}

/// Whether there is a file to replace or extend. A link is refused: what it leads to is not what the path names.
fn present(root: &Root, path: &str) -> Result<bool, ToolError> {
    match root.directory().symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(ToolError::new(
            "NOT_A_FILE",
            format!("{path:?} is a symbolic link, and is not written through: name the file itself"),
        )),
        Ok(metadata) => regular(path, &metadata).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Root::refusal(path, &error)),
    }
}

fn append(root: &Root, path: &str, content: &[u8]) -> Result<u64, ToolError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ToolError::new(
            "NOT_FOUND",
            format!("the directory of {path:?} does not exist: set create_directories to true"),
        ),
        _ => Root::refusal(path, &error),
    };
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    never_wait(&mut options);
    let mut file = root.directory().open_with(path, &options).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    regular(path, &metadata)?;
    let size = metadata.len() + content.len() as u64;
    if size > MAX_FILE_BYTES {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!("{path:?} would have {size} bytes; the limit is {MAX_FILE_BYTES}: begin a new file"),
        ));
    }
    file.write_all(content).map_err(refused)?;
    file.sync_data().map_err(refused)?;
    Ok(size)
}

enum Unwritten {
    Stopped,
    Refused(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

/// Writes beside the file, then puts it in place in one step.
fn replace(
    root: &Root,
    path: &str,
    parent: Option<&Path>,
    content: &[u8],
    mode: Mode,
    stop: &Stop,
) -> Result<(), Unwritten> {
    let directory = root.directory();
    let temporary = parent.unwrap_or(Path::new("")).join(temporary_name());
    let file = directory.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?;
    let placed = fill(&file, content, stop).and_then(|()| match mode {
        // Fails where the name is taken, even by a file made a moment ago.
        Mode::Create => Ok(directory.hard_link(&temporary, directory, path)?),
        Mode::Overwrite | Mode::Append => {
            if let Ok(replaced) = directory.metadata(path) {
                file.set_permissions(replaced.permissions())?;
            }
            Ok(directory.rename(&temporary, directory, path)?)
        }
    });
    if placed.is_err() || matches!(mode, Mode::Create) {
        // The name is ours alone; one that stays behind is hidden and harmless.
        let _ = directory.remove_file(&temporary);
    }
    placed
}

fn fill(mut file: &File, content: &[u8], stop: &Stop) -> Result<(), Unwritten> {
    for step in content.chunks(1 << 20) {
        if stop.is_set() {
            return Err(Unwritten::Stopped);
        }
        file.write_all(step)?;
    }
    file.sync_data()?;
    if stop.is_set() {
        Err(Unwritten::Stopped)
    } else {
        Ok(())
    }
}
