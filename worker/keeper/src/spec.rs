//! What is asked of a keeper, how a kept process ends, and why it may not start. The same on every platform.

use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
};

use crate::kept::Kept;

/// Spawns processes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keeper {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) program: PathBuf,
}

/// A process to start. `Debug` shows no values of its environment.
#[derive(Clone, Default)]
pub struct Spec {
    /// An absolute path.
    pub program: PathBuf,
    /// What follows the program's name.
    pub arguments: Vec<OsString>,
    /// All that the process finds in its environment, but for `TOOLWAVE_KEPT`, a mark by which it is found again.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts; `None`: where the caller is.
    pub directory: Option<PathBuf>,
    /// What it may take.
    pub limits: Limits,
}

/// What each process of a command may take; `None`: what the caller may. A limit above the caller's own is the
/// caller's own. There are never core dumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Seconds of CPU time: `SIGXCPU` then, and `SIGKILL` a second later.
    pub cpu_seconds: Option<u64>,
    /// Bytes of address space.
    pub memory_bytes: Option<u64>,
    /// Descriptors that are open at once.
    pub open_files: Option<u64>,
    /// Processes and threads of the user, not of the command alone. Does not bind the superuser.
    pub processes: Option<u64>,
    /// Bytes of each file that it writes: `SIGXFSZ` then.
    pub file_bytes: Option<u64>,
}

/// How a kept process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It never ran.
    NotStarted(NotStarted),
    /// The keeper process was killed from outside: what it kept has been killed, and how it ended is not known.
    Lost,
}

/// Why a process never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {}", io::Error::from_raw_os_error(*.errno))]
pub struct NotStarted {
    /// What did not work.
    pub step: Step,
    /// The system's number of the error.
    pub errno: i32,
}

/// What comes before a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Entering the directory.
    Directory,
    /// Having a new process.
    Process,
    /// Setting limits.
    Limits,
    /// Executing the program.
    Program,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "the directory cannot be entered",
            Self::Process => "no process can be started",
            Self::Limits => "the limits cannot be set",
            Self::Program => "the program cannot be executed",
        })
    }
}

/// Why nothing was spawned.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is no absolute path.
    #[error("the program {0:?} is no absolute path; expected one such as \"/usr/bin/env\"")]
    Relative(PathBuf),
    /// A NUL byte where none can be.
    #[error("the program, an argument, the directory or the environment holds a NUL byte; expected none")]
    Nul,
    /// An empty name, or one with `=`, in the environment.
    #[error("the environment variable {0:?} has no name or an `=` in it; expected a name such as \"PATH\"")]
    Variable(OsString),
    /// The keeper process cannot be started.
    #[error("the keeper process cannot be started: {0}")]
    Keeper(io::Error),
    /// The platform has no such thing.
    #[error("{0} not supported on this platform")]
    Unsupported(&'static str),
}

impl Keeper {
    /// Keeps with the program that is running, whose `main` begins with [`keep_if_asked`](crate::keep_if_asked).
    /// Replacing the program's file while it runs changes nothing.
    ///
    /// # Errors
    /// The running program cannot be named: `/proc` is not there.
    pub fn this_program() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            // the link itself, not what it names: it stays right when the file is replaced
            let program = PathBuf::from("/proc/self/exe");
            program.read_link()?;
            Ok(Self { program })
        }
        #[cfg(not(target_os = "linux"))]
        Ok(Self {
            program: std::env::current_exe()?,
        })
    }

    /// Keeps with another program, whose `main` begins with [`keep_if_asked`](crate::keep_if_asked).
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
        }
    }

    /// Starts a process with pipes for input, output and errors. Call it on a tokio runtime.
    ///
    /// It returns before the program runs: that it cannot be executed is told by [`Kept::wait`].
    ///
    /// # Errors
    /// The specification cannot be one of a process, or no keeper process starts.
    pub fn spawn(&self, spec: &Spec) -> Result<Kept, SpawnError> {
        spec.check()?;
        Kept::spawn(self, spec)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&OsString> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Spec")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("environment", &names)
            .field("directory", &self.directory)
            .field("limits", &self.limits)
            .finish()
    }
}

impl Spec {
    fn check(&self) -> Result<(), SpawnError> {
        if !self.program.is_absolute() {
            return Err(SpawnError::Relative(self.program.clone()));
        }
        let has_nul = |text: &OsStr| text.as_encoded_bytes().contains(&0);
        let texts = [self.program.as_os_str()]
            .into_iter()
            .chain(self.directory.as_deref().map(Path::as_os_str))
            .chain(self.arguments.iter().map(OsString::as_os_str))
            .chain(
                self.environment
                    .iter()
                    .flat_map(|(name, value)| [name.as_os_str(), value.as_os_str()]),
            );
        if texts.into_iter().any(has_nul) {
            return Err(SpawnError::Nul);
        }
        let nameless = |name: &OsString| name.is_empty() || name.as_encoded_bytes().contains(&b'=');
        match self.environment.iter().find(|(name, _)| nameless(name)) {
            Some((name, _)) => Err(SpawnError::Variable(name.clone())),
            None => Ok(()),
        }
    }
}
