//! A child process: started with its output in a file, signalled, waited for, and killed when dropped.
//!
//! It knows nothing of what the program is.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::PATIENCE;

/// Between two looks at a process.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// A child process. Dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to `NAME.log` in `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[String], folder: &Path, name: &str) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let child = Command::new(program)
            .args(arguments)
            .env("NO_COLOR", "1")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// As it was named when it was started.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until `found` finds something in what it prints.
    ///
    /// # Errors
    /// When it ends first or stays silent, with what it printed.
    pub fn wait_for<T>(&mut self, found: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            let ended = self.child.try_wait()?;
            if let Some(found) = found(&self.output()) {
                return Ok(found);
            }
            if let Some(status) = ended {
                bail!(
                    "{} ended with {status}; it printed:\n{}",
                    self.name,
                    self.output()
                );
            }
            if start.elapsed() > PATIENCE {
                bail!(
                    "{} is not ready after {PATIENCE:?}; it printed:\n{}",
                    self.name,
                    self.output()
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends a signal, such as `TERM` or `KILL`.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.id().to_string()])
            .status()?;
        ensure!(status.success(), "no signal {signal} to {}", self.name);
        Ok(())
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// When the system does not do it.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Waits for its end and answers its exit code; `None`: a signal ended it.
    ///
    /// # Errors
    /// When it goes on.
    pub fn wait(&mut self) -> anyhow::Result<Option<i32>> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            std::thread::sleep(LOOK);
        }
        bail!("{} does not end; it printed:\n{}", self.name, self.output())
    }

    /// Resident memory in bytes, as Linux tells it.
    ///
    /// # Errors
    /// Where /proc is missing.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        resident_bytes(self.id())
    }
}

/// Resident memory of any process in bytes, as Linux tells it.
///
/// # Errors
/// Where /proc is missing, or the process.
pub fn resident_bytes(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = kibibytes.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/PID/status"))
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
