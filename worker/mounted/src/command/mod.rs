//! Tools that are commands: what may be declared of one, and the tool that comes of it.
//!
//! A call is one process. Its arguments, input and environment are made here from parameters and the declaration,
//! never by a shell; that nothing of it stays behind is the keeper's.

mod argv;
mod check;
mod environment;
mod outcome;
mod paths;
mod program;
mod running;
mod stderr;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, de};
use toolwave_keeper::Keeper;
use toolwave_tool::{Declaration, SharedTool};

pub use argv::Element;

use crate::{
    fault::{Fault, Severity},
    value::Source,
};

/// The table `[tools.NAME.command]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program, an absolute path, and its arguments. There is no shell.
    #[serde(deserialize_with = "argv::deserialize")]
    pub argv: Vec<Element>,
    /// `json`: the parameters; `none`; or a text with placeholders. Default: `json`, unless `argv` has placeholders.
    #[serde(default)]
    pub stdin: Option<String>,
    /// What the command finds in its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, Source>,
    /// Variables of the worker's environment that are handed on; `*`: all but toolwave's own.
    #[serde(default)]
    pub inherit: Vec<String>,
    /// Where it starts, an absolute path; default: `root`, else `/`.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// Parameters with `format: path` name what is below this, an absolute path.
    #[serde(default)]
    pub root: Option<PathBuf>,
    /// What its output is. Default: `json` with an output schema, else `text`.
    #[serde(default)]
    pub output: Option<OutputKind>,
    /// It is ended when it writes more, in bytes; default: 1 MiB.
    #[serde(
        default = "default_max_output",
        deserialize_with = "toolwave_config::size::deserialize"
    )]
    pub max_output: u64,
    /// What each of its processes may take.
    #[serde(default)]
    pub limits: Limits,
    /// Between asking it to end and killing it; default: 2 s.
    #[serde(
        default = "default_grace",
        deserialize_with = "toolwave_config::duration::deserialize"
    )]
    pub grace: Duration,
    /// Exit codes that are no failure; default: 0 alone.
    #[serde(default = "default_success_codes")]
    pub success_codes: Vec<u8>,
    /// What other exit codes mean.
    #[serde(default)]
    pub exit_codes: BTreeMap<String, Meaning>,
    /// Parameters whose values may begin with `-` where a program would take them for an option.
    #[serde(default)]
    pub allow_dash: Vec<String>,
    /// Parameters that are objects or lists, and stand in `argv` as JSON.
    #[serde(default)]
    pub as_json: Vec<String>,
    /// Where the end of what it wrote to its standard error goes when it fails.
    #[serde(default)]
    pub stderr: StderrUse,
}

/// What a command's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// JSON text, which is the result.
    Json,
    /// UTF-8 text: the result is a string, without the line break at its end.
    Text,
}

/// What becomes of the standard error of a command that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StderrUse {
    /// Its last KiB stands in the call's error, without the declared secrets.
    #[default]
    Errors,
    /// It is thrown away.
    None,
}

/// What an exit code means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// The error's code, `UPPER_SNAKE_CASE`.
    pub code: String,
    /// The call had no effect, and may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Not before this; makes it retryable.
    #[serde(default, deserialize_with = "crate::optional::duration")]
    pub retry_after: Option<Duration>,
    /// In place of "ended with exit code n".
    #[serde(default)]
    pub message: Option<String>,
}

/// What each process of a command may take; what is left out is as for the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU time, in whole seconds.
    #[serde(default, deserialize_with = "crate::optional::duration")]
    pub cpu: Option<Duration>,
    /// Address space, in bytes.
    #[serde(default, deserialize_with = "crate::optional::size")]
    pub memory: Option<u64>,
    /// Descriptors that are open at once.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// Processes and threads of the worker's user, other ones included.
    #[serde(default)]
    pub processes: Option<u64>,
    /// Each file that is written, in bytes.
    #[serde(default, deserialize_with = "crate::optional::size")]
    pub file_size: Option<u64>,
}

fn default_max_output() -> u64 {
    1 << 20
}

fn default_grace() -> Duration {
    Duration::from_secs(2)
}

fn default_success_codes() -> Vec<u8> {
    vec![0]
}

impl Command {
    /// Takes paths that are not absolute as below a folder; not the program's, which must be.
    pub fn relative_to(&mut self, folder: &Path) {
        let files = self.environment.values_mut().filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Text(_) | Source::Variable(_) => None,
        });
        for path in files.chain(&mut self.directory).chain(&mut self.root) {
            *path = folder.join(&*path);
        }
    }

    /// What is wrong with it, for a tool that is declared so: the keys are those of this table.
    #[must_use]
    pub fn check(&self, declaration: &Declaration) -> Vec<Fault> {
        check::check(self, declaration)
    }

    /// The tool.
    ///
    /// # Errors
    /// What [`check`](Self::check) finds, where some of it is no mere warning.
    pub fn tool(self, declaration: Declaration, keeper: &Keeper) -> Result<SharedTool, Vec<Fault>> {
        let faults = self.check(&declaration);
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return Err(faults);
        }
        match running::CommandTool::new(self, declaration, keeper.clone()) {
            Ok(tool) => Ok(Arc::new(tool)),
            Err(fault) => Err(vec![fault]),
        }
    }

    /// What it reads.
    fn input(&self) -> Result<Input, crate::template::TemplateError> {
        Ok(match self.stdin.as_deref() {
            Some("json") => Input::Json,
            Some("none") => Input::Nothing,
            Some(text) => Input::Text(crate::template::Template::parse(text)?),
            None if argv::has_places(&self.argv) => Input::Nothing,
            None => Input::Json,
        })
    }

    fn output_kind(&self, declaration: &Declaration) -> OutputKind {
        self.output.unwrap_or(match declaration.output_schema {
            Some(_) => OutputKind::Json,
            None => OutputKind::Text,
        })
    }
}

/// What a command reads.
#[derive(Clone, Debug, PartialEq)]
enum Input {
    Nothing,
    Json,
    Text(crate::template::Template),
}

/// A message of serde's that says what would be right.
fn expected<E: de::Error>(what: &str, expected: &str) -> E {
    E::custom(format_args!("{what}; expected {expected}"))
}
