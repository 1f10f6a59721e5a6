//! The worker's side of a kept process on Linux: starts the keeper process, tells it to stop, and hears how it ended.

use std::{
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{net::UnixStream as StdUnixStream, process::CommandExt as _},
    },
    process::{
        ChildStderr as StdChildStderr, ChildStdin as StdChildStdin, ChildStdout as StdChildStdout, Stdio,
    },
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::net::{SendFlags, send};
use tokio::{
    net::UnixStream,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use crate::{
    descendants,
    message::{self, KEEP, MARK, REPORT, Report},
    spec::{Exit, Keeper, SpawnError, Spec},
};

/// How often what a killed keeper process left is looked for, at most: each time finds what the time before missed.
const SWEEPS: usize = 100;
/// Between two of them.
const SWEEP_PAUSE: Duration = Duration::from_millis(2);

/// A process that a keeper process keeps. Dropping it kills every descendant.
#[derive(Debug)]
pub struct Kept {
    /// What the process reads; dropping it ends its input.
    pub stdin: Option<ChildStdin>,
    /// What it writes. Its end comes when the process and all its descendants have ended or closed it.
    pub stdout: Option<ChildStdout>,
    /// What it complains of.
    pub stderr: Option<ChildStderr>,
    keeper: Child,
    keeper_id: u32,
    socket: UnixStream,
    mark: String,
    /// A report of which some bytes have come.
    report: ([u8; REPORT], usize),
    command: Option<u32>,
    exit: Option<Exit>,
}

impl Kept {
    pub(crate) fn spawn(keeper: &Keeper, spec: &Spec) -> Result<Self, SpawnError> {
        Self::try_spawn(keeper, spec).map_err(SpawnError::Keeper)
    }

    fn try_spawn(keeper: &Keeper, spec: &Spec) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        let (their_stdin, stdin) = io::pipe()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        ours.set_nonblocking(true)?;
        let mark = mark();
        let mut spec = spec.clone();
        spec.environment.push((MARK.into(), mark.clone().into()));
        // before there is a keeper process: it finds all it needs, and is never waited for
        let pipes = [their_stdin.as_fd(), their_stdout.as_fd(), their_stderr.as_fd()];
        message::send(ours.as_fd(), &spec, pipes)?;
        let mut command = std::process::Command::new(&keeper.program);
        command
            .arg0("toolwave-keeper")
            .arg(KEEP)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // what a terminal sends to the worker's group is for the worker
            .process_group(0);
        let keeper = Command::from(command).spawn()?;
        Ok(Self {
            stdin: Some(ChildStdin::from_std(StdChildStdin::from(OwnedFd::from(stdin)))?),
            stdout: Some(ChildStdout::from_std(StdChildStdout::from(OwnedFd::from(
                stdout,
            )))?),
            stderr: Some(ChildStderr::from_std(StdChildStderr::from(OwnedFd::from(
                stderr,
            )))?),
            keeper_id: keeper.id().unwrap_or(0),
            keeper,
            socket: UnixStream::from_std(ours)?,
            mark,
            report: ([0; REPORT], 0),
            command: None,
            exit: None,
        })
    }

    /// The keeper process's id: the parent of the command.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.keeper_id
    }

    /// Waits until the process has ended and nothing that came of it is left; then always the same. May be dropped
    /// and asked again.
    pub async fn wait(&mut self) -> Exit {
        loop {
            if let Some(exit) = self.exit {
                // gone or not, it is a zombie at most
                let _ = self.keeper.wait().await;
                return exit;
            }
            match self.next_report().await {
                Some(Report::Started(command)) => self.command = Some(command),
                Some(Report::Ended(exit)) => self.exit = Some(exit),
                None => {
                    let _ = self.keeper.wait().await;
                    self.sweep().await;
                    self.exit = Some(Exit::Lost);
                }
            }
        }
    }

    /// Asks the process's group to end (`SIGTERM`) and, once `grace` is over or the process has ended, kills every
    /// descendant. Returns when all are reaped. Asked a second time, the new grace counts.
    pub async fn stop(&mut self, grace: Duration) -> Exit {
        if self.exit.is_none() {
            // some bytes into an empty socket; a keeper process that is gone is seen by `wait`
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = send(self.socket.as_fd(), &message::stop(grace), flags);
        }
        self.wait().await
    }

    /// `None`: the keeper process is gone.
    async fn next_report(&mut self) -> Option<Report> {
        loop {
            let (bytes, filled) = &mut self.report;
            if *filled == REPORT {
                *filled = 0;
                return Some(Report::decode(*bytes));
            }
            self.socket.readable().await.ok()?;
            match self.socket.try_read(&mut bytes[*filled..]) {
                Ok(0) => return None,
                Ok(more) => *filled += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    /// Kills what a killed keeper process left; what is killed is reaped by whoever adopted it.
    async fn sweep(&self) {
        for _ in 0..SWEEPS {
            if descendants::kill_marked(&self.mark, self.command) == 0 {
                return;
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The socket closes, which ends all, unless the keeper process was killed before.
        if self.exit.is_none() && matches!(self.keeper.try_wait(), Ok(Some(_))) {
            for _ in 0..SWEEPS {
                if descendants::kill_marked(&self.mark, self.command) == 0 {
                    return;
                }
            }
        }
    }
}

/// Different for each process that any worker of this machine keeps.
fn mark() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{}-{:016x}",
        std::process::id(),
        RandomState::new().hash_one(next)
    )
}
