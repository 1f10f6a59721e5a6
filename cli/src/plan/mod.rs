//! A plan file: the request that it stands for, what it needs, and where in the file each part of it is.
//!
//! Reading a plan never runs or grants anything.

mod diagnostics;
mod fields;
mod locate;
mod source;

use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use toolwave_client::v1;

pub(crate) use diagnostics::{Diagnostics, Position};
use fields::Need;
pub(crate) use fields::parse_duration;
use source::Node;

use crate::output;

/// A file that was read, right or wrong.
#[derive(Debug)]
pub(crate) struct Plan {
    /// As messages name it.
    pub(crate) file: String,
    /// What could be read of it.
    pub(crate) request: v1::ExecuteParallelRequest,
    /// What it says it needs.
    pub(crate) needs: Vec<Need>,
    root: Node,
}

/// Why there is no plan at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("cannot read {file}: {error}")]
    Io { file: String, error: std::io::Error },
    #[error("{file} is larger than {} MiB, the most that is read", source::MAX_BYTES / 1024 / 1024)]
    TooLarge { file: String },
    #[error("{file}:1:1: not UTF-8: the first wrong byte is at offset {offset}")]
    NotUtf8 { file: String, offset: usize },
    #[error("{file}:{}: {}", diagnostic.at, diagnostic.message)]
    Syntax {
        file: String,
        diagnostic: diagnostics::Diagnostic,
    },
    #[error("{file}:1:1: the plan is empty; the least is `calls: [{{tool: NAME}}]`")]
    Empty { file: String },
}

impl Plan {
    /// Reads a file, or standard input for `-`. What is wrong with its keys and values goes to `wrong`.
    pub(crate) fn read(path: &Path, wrong: &mut Diagnostics) -> Result<Self, ReadError> {
        let (file, text) = text_of(path, "plan")?;
        Self::parse(file, &text, wrong)
    }

    pub(crate) fn parse(file: String, text: &str, wrong: &mut Diagnostics) -> Result<Self, ReadError> {
        let root = match source::parse(text) {
            Ok(Node {
                kind: source::Kind::Null,
                ..
            }) => return Err(ReadError::Empty { file }),
            Ok(root) => root,
            Err(diagnostic) => return Err(ReadError::Syntax { file, diagnostic }),
        };
        let (request, needs) = fields::read(&root, wrong);
        Ok(Self {
            file,
            request,
            needs,
            root,
        })
    }

    /// Where a field path of the coordinator, such as `calls[3].depends_on[0]`, is in the file: there, or at the
    /// nearest part above it.
    pub(crate) fn locate(&self, field: &str) -> Position {
        locate::field(&self.root, field)
    }

    /// Where a JSON Pointer into a call's parameters is in the file.
    pub(crate) fn locate_parameter(&self, call: usize, pointer: &str) -> Position {
        locate::parameter(&self.root, call, pointer)
    }
}

/// The text of a file, or of standard input for `-`, behind the name that messages give it. `what` it should be is
/// said to who types it.
pub(crate) fn text_of(path: &Path, what: &str) -> Result<(String, String), ReadError> {
    let stdin = path == Path::new("-");
    let file = if stdin {
        "<stdin>".to_owned()
    } else {
        path.display().to_string()
    };
    let read = |input: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        input
            .take(source::MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    };
    let bytes = if stdin {
        if std::io::stdin().is_terminal() {
            output::note(&format!(
                "reading the {what} from the terminal; end it with Ctrl-D"
            ));
        }
        read(&mut std::io::stdin().lock())
    } else {
        std::fs::File::open(path).and_then(|mut opened| read(&mut opened))
    };
    let bytes = bytes.map_err(|error| ReadError::Io {
        file: file.clone(),
        error,
    })?;
    if bytes.len() > source::MAX_BYTES {
        return Err(ReadError::TooLarge { file });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((file, text)),
        Err(error) => Err(ReadError::NotUtf8 {
            file,
            offset: error.utf8_error().valid_up_to(),
        }),
    }
}

#[cfg(test)]
mod tests;
