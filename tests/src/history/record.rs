//! What tools write of what they do: one line for the start and one for the end of each execution of a tool,
//! appended in one write, so that lines of many processes stand in one file in the order they were written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened.
    pub kind: Kind,
    /// The execution's id.
    pub execution: String,
    /// The call's id in it.
    pub call: String,
    /// From 1.
    pub attempt: u32,
    /// The worker's name.
    pub worker: String,
    /// Its process.
    pub pid: u32,
    /// Whether the tool is declared so that its calls are safe to repeat.
    pub repeatable: bool,
}

/// What happened to an execution of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Before the effect.
    Start,
    /// After the effect: the tool returns a result.
    End,
    /// The tool returns an error that it says is safe to try again: it had no effect.
    Declined,
    /// The tool was stopped before its end.
    Dropped,
}

/// Where tools write; opened once in each process.
#[derive(Debug)]
pub struct Recorder {
    file: File,
}

impl Recorder {
    /// Appends to `path`, which it makes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file })
    }

    /// Writes a line with one write.
    ///
    /// # Errors
    /// When it cannot be written whole.
    pub fn write(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = (&self.file).write(&text)?;
        if written == text.len() {
            return Ok(());
        }
        Err(io::Error::other("a line was not written whole"))
    }
}

/// What was written to a file, in order.
#[derive(Clone, Debug)]
pub struct Recorded {
    path: PathBuf,
}

impl Recorded {
    /// The record in this file, which need not be there yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every line written so far. A last one that is not whole yet is left out.
    ///
    /// # Errors
    /// A line that is none of ours.
    pub fn lines(&self) -> anyhow::Result<Vec<Line>> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(serde_json::from_str);
        Ok(lines.collect::<Result<_, _>>()?)
    }

    /// How many executions have started.
    ///
    /// # Errors
    /// As [`Recorded::lines`].
    pub fn starts(&self) -> anyhow::Result<usize> {
        let lines = self.lines()?;
        Ok(lines.iter().filter(|line| line.kind == Kind::Start).count())
    }
}
