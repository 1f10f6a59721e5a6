//! One call of a command: parameters in, a process, a result out. It ends only when nothing of the process is left.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};
use toolwave_keeper::{Exit, Keeper, Kept, Spec};
use toolwave_tool::{CallContext, Declaration, Output, Parameters, Stopping, Tool, ToolError};

use super::{
    Command, Input, StderrUse,
    argv::Argv,
    environment::{Environment, Variables},
    outcome::{self, Reading},
    paths,
    stderr::Tail,
};
use crate::{
    fault::Fault,
    template::{Piece, Template},
    value::Secret,
};

/// A declared command.
pub(super) struct CommandTool {
    declaration: Declaration,
    keeper: Keeper,
    making: Arc<Making>,
    reading: Reading,
    max_output: u64,
    grace: Duration,
    stderr: StderrUse,
}

/// What makes a process of parameters.
struct Making {
    argv: Argv,
    input: Input,
    environment: Environment,
    directory: PathBuf,
    /// Where paths lie, and the schema that says which parameters are some.
    root: Option<(PathBuf, Value)>,
    limits: toolwave_keeper::Limits,
}

/// A process that is to run.
struct Made {
    spec: Spec,
    stdin: Bytes,
    secrets: Vec<Secret>,
}

impl CommandTool {
    pub(super) fn new(command: Command, declaration: Declaration, keeper: Keeper) -> Result<Self, Fault> {
        let wrong =
            |(key, error): (String, crate::template::TemplateError)| Fault::error(key, error.to_string(), "");
        let argv = Argv::parse(&command.argv, &command.allow_dash, &command.as_json).map_err(wrong)?;
        let input = command
            .input()
            .map_err(|error| wrong(("stdin".to_owned(), error)))?;
        let kind = command.output_kind(&declaration);
        let root = match command
            .root
            .filter(|_| paths::has_paths(&declaration.input_schema))
        {
            Some(root) => {
                let real = root.canonicalize().map_err(|error| {
                    Fault::error(
                        "root",
                        format!("{} cannot be found: {error}", root.display()),
                        "a directory",
                    )
                })?;
                Some((real, declaration.input_schema.clone()))
            }
            None => None,
        };
        let directory = command
            .directory
            .or_else(|| root.as_ref().map(|(root, _)| root.clone()))
            .unwrap_or_else(|| PathBuf::from("/"));
        let meanings: BTreeMap<_, _> = command
            .exit_codes
            .into_iter()
            .filter_map(|(code, meaning)| Some((code.parse().ok()?, meaning)))
            .collect();
        let making = Making {
            argv,
            input,
            environment: Environment::new(command.environment, command.inherit),
            directory,
            root,
            limits: command.limits.for_keeper(),
        };
        Ok(Self {
            declaration,
            keeper,
            making: Arc::new(making),
            reading: Reading {
                kind,
                success_codes: command.success_codes,
                meanings,
            },
            max_output: command.max_output,
            grace: command.grace,
            stderr: command.stderr,
        })
    }

    async fn run(&self, parameters: Parameters, context: &CallContext) -> Result<Output, ToolError> {
        let making = Arc::clone(&self.making);
        let for_making = context.clone();
        // it asks the file system, which may be slow
        let made = tokio::task::spawn_blocking(move || making.make(&parameters, &for_making)).await;
        let made = match made {
            Ok(made) => made?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => {
                    return Err(ToolError::new(
                        "WORKER_STOPPED",
                        "the worker stopped before the call had begun",
                    ));
                }
            },
        };
        if context.is_cancelled() {
            return Err(outcome::cancelled(self.grace));
        }
        let kept = self
            .keeper
            .spawn(&made.spec)
            .map_err(|error| outcome::not_spawned(&error))?;
        let mut tail = Tail::new(&made.secrets);
        match self.exchange(kept, made.stdin, &mut tail, context).await {
            Exchanged::All(exit, output) => {
                let stderr = match self.stderr {
                    StderrUse::Errors => tail.into_text(&made.secrets),
                    StderrUse::None => String::new(),
                };
                self.reading.of(exit, output, &stderr)
            }
            Exchanged::TooMuch => Err(outcome::too_large(self.max_output)),
            Exchanged::Cancelled => Err(outcome::cancelled(self.grace)),
        }
    }

    /// Writes the input and reads what comes, until nothing of the process is left. All at once, and also while it is
    /// being ended: a process that is not read from stands still, or dies of that.
    async fn exchange(
        &self,
        mut kept: Kept,
        input: Bytes,
        tail: &mut Tail,
        context: &CallContext,
    ) -> Exchanged {
        let (stdin, stdout, stderr) = (kept.stdin.take(), kept.stdout.take(), kept.stderr.take());
        let too_much = Notify::new();
        let write = async {
            if let Some(mut stdin) = stdin {
                // a process that does not read its input is none the worse
                let _ = stdin.write_all(&input).await;
            }
        };
        let read = async {
            let mut output = Vec::new();
            // what cannot be read any more has ended
            if let Some(mut stdout) = stdout {
                let most = self.max_output.saturating_add(1);
                let _ = (&mut stdout).take(most).read_to_end(&mut output).await;
                if output.len() as u64 > self.max_output {
                    too_much.notify_one();
                    let _ = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await;
                }
            }
            output
        };
        let complain = async {
            let Some(mut stderr) = stderr else { return };
            let mut buffer = [0; 4096];
            while let Ok(bytes @ 1..) = stderr.read(&mut buffer).await {
                tail.push(&buffer[..bytes], context);
            }
        };
        let end = async {
            tokio::select! {
                biased;
                exit = kept.wait() => return Some(exit),
                () = context.cancelled() => {}
                () = too_much.notified() => {}
            }
            kept.stop(self.grace).await;
            None
        };
        let ((), output, (), exit) = tokio::join!(write, read, complain, end);
        match exit {
            _ if output.len() as u64 > self.max_output => Exchanged::TooMuch,
            Some(exit) => Exchanged::All(exit, output),
            None => Exchanged::Cancelled,
        }
    }
}

/// How the exchange with a process ended.
enum Exchanged {
    /// Its end, and its whole output.
    All(Exit, Vec<u8>),
    TooMuch,
    Cancelled,
}

impl Making {
    fn make(&self, parameters: &Parameters, context: &CallContext) -> Result<Made, ToolError> {
        let text = parameters.as_json();
        let mut values: Value = parameters.parse()?;
        if let Some((root, schema)) = &self.root {
            paths::confine(root, schema, &mut values, "").map_err(refused_path)?;
        }
        let invalid =
            |error: super::argv::ArgumentError| ToolError::new("INVALID_PARAMETERS", error.to_string());
        let arguments = self.argv.arguments(&values).map_err(invalid)?;
        let stdin = match &self.input {
            Input::Nothing => Bytes::new(),
            // as it came: numbers keep their digits
            Input::Json if self.root.is_none() => text.clone(),
            Input::Json => values.to_string().into(),
            Input::Text(template) => fill(template, &values).into(),
        };
        let Variables { all, secrets } = self.environment.variables(context).map_err(|error| {
            ToolError::new(
                "SECRET_UNAVAILABLE",
                format!("the command has no environment: {error}"),
            )
            .retryable()
        })?;
        let spec = Spec {
            program: self.argv.program.clone().into(),
            arguments,
            environment: all,
            directory: Some(self.directory.clone()),
            limits: self.limits,
        };
        Ok(Made { spec, stdin, secrets })
    }
}

fn refused_path(error: paths::PathError) -> ToolError {
    use paths::PathError::{Lookup, NotText, Outside};
    let code = match &error {
        Outside(_) => "PATH_OUTSIDE_ROOT",
        Lookup { source, .. } if source.kind() == io::ErrorKind::NotFound => "PATH_NOT_FOUND",
        Lookup { .. } | NotText(_) => "PATH_UNUSABLE",
    };
    ToolError::new(code, error.to_string())
}

/// Text as it is, other values as JSON, nothing for what is absent.
fn fill(template: &Template, values: &Value) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Place(place) => match place.of(values) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        },
    };
    template.pieces().iter().map(piece).collect()
}

impl super::Limits {
    fn for_keeper(self) -> toolwave_keeper::Limits {
        let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        toolwave_keeper::Limits {
            cpu_seconds: self.cpu.map(seconds),
            memory_bytes: self.memory,
            open_files: self.open_files,
            processes: self.processes,
            file_bytes: self.file_size,
        }
    }
}

impl Tool for CommandTool {
    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(async move { self.run(parameters, &context).await })
    }

    fn stopping(&self) -> Stopping {
        Stopping::Wait
    }
}
