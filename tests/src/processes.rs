//! The real binaries as child processes, found beside the test's own, on free ports, ended when dropped.
//!
//! Their output goes to files, so nothing blocks on a pipe and a failure can quote it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use toolwave_client::Client;

use crate::{
    PATIENCE,
    process::{LOOK, Process},
};

/// A folder of binaries that are built already; nothing is built then.
const FOLDER_VARIABLE: &str = "TOOLWAVE_BINARIES";
/// Those whose binaries are run.
const PACKAGES: [&str; 5] = [
    "toolwave",
    "toolwave-coordinator",
    "toolwave-worker",
    "toolwave-example-own-tools",
    "toolwave-tests",
];

/// How binaries are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

/// Where the binaries are.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// Those of the folder that `TOOLWAVE_BINARIES` names; without it, builds them into the target folder of
    /// this executable. Cargo builds a package's tests without the binaries of others.
    ///
    /// # Errors
    /// When the build fails.
    pub fn built(profile: Profile) -> anyhow::Result<Self> {
        if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
            return Ok(Self(folder.into()));
        }
        let executable = std::env::current_exe()?;
        let target = target_folder(&executable).context("the executable is not in a target folder")?;
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--bins"]);
        build.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
        build.arg("--target-dir").arg(target);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        // Those of the test's own package: build scripts that look at them (ring's) would run anew each time, and
        // all that depends on them be built again.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                build.env_remove(name);
            }
        }
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => {
                build.arg("--release");
                "release"
            }
        };
        ensure!(build.status()?.success(), "the binaries do not build");
        Ok(Self(target.join(folder)))
    }

    /// The path of one.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// A coordinator process and its workers. Fields are dropped in order: workers first.
#[derive(Debug)]
pub struct Processes {
    workers: Vec<Process>,
    coordinator: Process,
    address: SocketAddr,
    arguments: Vec<String>,
    binaries: Binaries,
    folder: TempDir,
}

impl Processes {
    /// Starts a coordinator on a free port and waits until it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(binaries: Binaries, arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut coordinator = start_coordinator(&binaries, "127.0.0.1:0", &arguments, folder.path())?;
        let address = coordinator.wait_for(listening_address)?;
        Ok(Self {
            workers: Vec::new(),
            coordinator,
            address,
            arguments,
            binaries,
            folder,
        })
    }

    /// Kills the coordinator and starts another with the same arguments, where the first listened. Workers go on.
    ///
    /// # Errors
    /// When it does not start.
    pub fn replace_coordinator(&mut self) -> anyhow::Result<()> {
        self.coordinator.kill()?;
        let address = self.address.to_string();
        self.coordinator = start_coordinator(&self.binaries, &address, &self.arguments, self.folder.path())?;
        self.coordinator.wait_for(listening_address)?;
        Ok(())
    }

    /// Where the programs are.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Where clients and workers connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The coordinator.
    #[must_use]
    pub fn coordinator(&mut self) -> &mut Process {
        &mut self.coordinator
    }

    /// The workers, in the order they were added.
    #[must_use]
    pub fn workers(&mut self) -> &mut [Process] {
        &mut self.workers
    }

    /// Takes a worker out; dropped, it is killed.
    #[must_use]
    pub fn take_worker(&mut self, name: &str) -> Option<Process> {
        let place = self.workers.iter().position(|worker| worker.name() == name)?;
        Some(self.workers.remove(place))
    }

    /// A connected client.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(tokio::time::timeout(PATIENCE, Client::connect(self.url()))
            .await
            .context("no connection")??)
    }

    /// Starts a worker with the built-in tools and waits until the coordinator lists it.
    ///
    /// # Errors
    /// When it does not start or register.
    pub async fn add_worker(&mut self, name: &str, slots: u32, arguments: &[&str]) -> anyhow::Result<()> {
        let mut all = vec![
            "--coordinator".to_owned(),
            self.url(),
            "--name".to_owned(),
            name.to_owned(),
        ];
        all.extend(["--slots".to_owned(), slots.to_string()]);
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self.add_program("toolwave-worker", name, &all).await
    }

    /// Starts a program that is a worker of this name and waits until the coordinator lists it.
    ///
    /// # Errors
    /// When it does not start or register.
    pub async fn add_program(
        &mut self,
        program: &str,
        name: &str,
        arguments: &[String],
    ) -> anyhow::Result<()> {
        let program = self.binaries.path(program);
        self.add_command(&program, name, arguments).await
    }

    /// The same, of a program anywhere.
    ///
    /// # Errors
    /// When it does not start or register.
    pub async fn add_command(
        &mut self,
        program: &Path,
        name: &str,
        arguments: &[String],
    ) -> anyhow::Result<()> {
        let client = self.client().await?;
        let listed = async || -> anyhow::Result<Option<String>> {
            let workers = client.list_workers().await?;
            Ok(workers
                .into_iter()
                .find(|listed| listed.worker == name)
                .map(|listed| listed.instance_id))
        };
        // an earlier process of the name may be waited for still
        let before = listed().await?;
        let mut worker = Process::start(program, arguments, self.folder.path(), name)?;
        let start = Instant::now();
        loop {
            let now = listed().await?;
            if now.is_some() && now != before {
                break;
            }
            let ended = worker.ended()?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                bail!(
                    "{name} does not register ({ended:?}); it printed:\n{}",
                    worker.output()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        self.workers.push(worker);
        Ok(())
    }
}

fn start_coordinator(
    binaries: &Binaries,
    listen: &str,
    arguments: &[String],
    folder: &Path,
) -> anyhow::Result<Process> {
    let mut all = vec!["--listen".to_owned(), listen.to_owned()];
    all.extend_from_slice(arguments);
    Process::start(
        &binaries.path("toolwave-coordinator"),
        &all,
        folder,
        "coordinator",
    )
}

/// Of an executable `target/PROFILE/NAME`, or of a test's `target/PROFILE/deps/NAME`.
fn target_folder(executable: &Path) -> Option<&Path> {
    let folder = executable.parent()?;
    if folder.ends_with("deps") {
        return folder.ancestors().nth(2);
    }
    folder.parent()
}

/// The first loopback address with a port that a log names.
fn listening_address(log: &str) -> Option<SocketAddr> {
    // a last line that is not whole yet may end within the port
    let whole = &log[..=log.rfind('\n')?];
    whole.match_indices("127.0.0.1:").find_map(|(at, prefix)| {
        let digits = whole[at + prefix.len()..]
            .split(|c: char| !c.is_ascii_digit())
            .next()?;
        let port = digits.parse::<u16>().ok().filter(|port| *port != 0)?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_whole_lines_and_port_zero_is_none() {
        let log = "INFO starting listen=127.0.0.1:0\nINFO listening address=127.0.0.1:41234 tls=false\n";
        assert_eq!(listening_address(log), Some("127.0.0.1:41234".parse().unwrap()));
        assert_eq!(
            listening_address("{\"address\":\"127.0.0.1:5000\"}\n").map(|a| a.port()),
            Some(5000)
        );
        assert_eq!(listening_address("INFO listening address=127.0.0.1:412"), None);
    }

    #[test]
    fn the_target_folder_is_found_from_tests_and_from_programs() {
        let target = Some(Path::new("/a/target"));
        assert_eq!(target_folder(Path::new("/a/target/debug/deps/faults-1f")), target);
        assert_eq!(
            target_folder(Path::new("/a/target/release/toolwave-bench")),
            target
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_ends_before_it_is_ready_says_what_it_printed() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-c".to_owned(), "echo no port left; exit 3".to_owned()];
        let mut process = Process::start(Path::new("/bin/sh"), &arguments, folder.path(), "shell").unwrap();
        let error = process.wait_for(listening_address).unwrap_err().to_string();
        assert!(
            error.contains("no port left") && error.contains("exit status: 3"),
            "{error}"
        );
    }
}
