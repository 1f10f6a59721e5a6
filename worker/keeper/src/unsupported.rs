//! Where processes have no groups: nothing is spawned.

use std::{convert::Infallible, time::Duration};

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::spec::{Exit, Keeper, SpawnError, Spec};

/// There is none on this platform.
#[derive(Debug)]
pub struct Kept {
    /// What the process reads.
    pub stdin: Option<ChildStdin>,
    /// What it writes.
    pub stdout: Option<ChildStdout>,
    /// What it complains of.
    pub stderr: Option<ChildStderr>,
    never: Infallible,
}

impl Kept {
    pub(crate) fn spawn(_: &Keeper, _: &Spec) -> Result<Self, SpawnError> {
        Err(SpawnError::Unsupported("keeping processes is"))
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        match self.never {}
    }

    /// Waits until the process has ended.
    pub async fn wait(&mut self) -> Exit {
        match self.never {}
    }

    /// Ends the process.
    pub async fn stop(&mut self, _: Duration) -> Exit {
        match self.never {}
    }
}
