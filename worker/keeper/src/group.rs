//! A kept process where there is no keeper process: its process group is ended, and what left the group is not found.
//! Limits are refused rather than left out.

use std::{os::unix::process::ExitStatusExt as _, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::spec::{Exit, Keeper, Limits, SpawnError, Spec};

/// A process in a group of its own. Dropping it kills the group.
#[derive(Debug)]
pub struct Kept {
    /// What the process reads; dropping it ends its input.
    pub stdin: Option<ChildStdin>,
    /// What it writes. Its end comes when the process and all its descendants have ended or closed it.
    pub stdout: Option<ChildStdout>,
    /// What it complains of.
    pub stderr: Option<ChildStderr>,
    child: Child,
    group: u32,
    exit: Option<Exit>,
}

impl Kept {
    pub(crate) fn spawn(_: &Keeper, spec: &Spec) -> Result<Self, SpawnError> {
        if spec.limits != Limits::default() {
            return Err(SpawnError::Unsupported("limits of a process are"));
        }
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.arguments)
            .env_clear()
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(directory) = &spec.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn().map_err(SpawnError::Keeper)?;
        Ok(Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            group: child.id().unwrap_or(0),
            child,
            exit: None,
        })
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.group
    }

    /// Waits until the process has ended, and kills what is left of its group; then always the same.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = match self.child.wait().await {
            Ok(status) => status
                .code()
                .map(Exit::Code)
                .or(status.signal().map(Exit::Signal))
                .unwrap_or(Exit::Lost),
            Err(_) => Exit::Lost,
        };
        self.signal(Signal::SIGKILL);
        self.exit = Some(exit);
        exit
    }

    /// Asks the process's group to end (`SIGTERM`) and, once `grace` is over or the process has ended, kills it.
    pub async fn stop(&mut self, grace: Duration) -> Exit {
        if self.exit.is_none() {
            self.signal(Signal::SIGTERM);
            self.signal(Signal::SIGCONT);
            if tokio::time::timeout(grace, self.wait()).await.is_err() {
                self.signal(Signal::SIGKILL);
            }
        }
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.group)
            && group > 1
        {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.signal(Signal::SIGKILL);
        }
    }
}
