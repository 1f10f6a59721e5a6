//! Keeps processes of the example `kept`, and finds what is left of them.
#![allow(dead_code, reason = "each test takes some of it")]

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};
use toolwave_keeper::{Keeper, Kept, Spec};

/// The example, which is built with the tests.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let folder = test.ancestors().nth(2).expect("the folder of builds");
    let program = folder.join("examples/kept");
    assert!(
        program.exists(),
        "{} is not there; build it with: cargo build -p toolwave-keeper --examples",
        program.display()
    );
    program
}

pub(crate) fn keeper() -> Keeper {
    Keeper::at(program())
}

pub(crate) fn spec(arguments: &[&str]) -> Spec {
    Spec {
        program: program(),
        arguments: arguments.iter().map(Into::into).collect(),
        ..Spec::default()
    }
}

pub(crate) fn kept(arguments: &[&str]) -> Kept {
    keeper().spawn(&spec(arguments)).expect("a keeper process")
}

/// The next line of its output, which stays open.
pub(crate) async fn line(kept: &mut Kept) -> String {
    let mut output = BufReader::new(kept.stdout.take().expect("output"));
    let mut line = String::new();
    output.read_line(&mut line).await.expect("a line");
    kept.stdout = Some(output.into_inner());
    line
}

/// An argument that no other process has.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "mark-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The command lines that hold the mark; processes that have ended have none.
pub(crate) fn survivors(mark: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let is_holder = line.contains(" hold ");
            (line.contains(mark) && !is_holder).then(|| format!("{:?} {line}", entry.file_name()))
        })
        .collect()
}

/// Until no process has the mark: for ends of which nothing tells.
pub(crate) async fn until_gone(mark: &str) {
    until_there_are(0, mark).await;
}

/// Until so many have it: a process that has just begun a program shows no command line for a moment.
pub(crate) async fn until_there_are(count: usize, mark: &str) {
    for _ in 0..2000 {
        if survivors(mark).len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("there are {:#?}", survivors(mark));
}

pub(crate) fn exists(process: u32) -> bool {
    fs::metadata(format!("/proc/{process}")).is_ok()
}

/// Ended, or a zombie that waits for whoever adopted it.
pub(crate) async fn until_ended(process: u32) {
    for _ in 0..2000 {
        match fs::read_to_string(format!("/proc/{process}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => tokio::time::sleep(Duration::from_millis(5)).await,
            _ => return,
        }
    }
    panic!("process {process} is still there");
}

pub(crate) fn kill(process: u32) {
    let process = nix::unistd::Pid::from_raw(process.cast_signed());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).expect("killed");
}

/// Another process that keeps one.
pub(crate) struct Holder {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The id of its keeper process.
    pub(crate) keeper: u32,
    /// The first line of what it keeps.
    pub(crate) line: String,
}

impl Holder {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a holder");
        let mut output = BufReader::new(child.stdout.take().expect("output"));
        let mut line = String::new();
        output.read_line(&mut line).await.expect("a line");
        let (keeper, line) = line.trim_end().split_once(' ').expect("an id and a line");
        let (keeper, line) = (keeper.parse().expect("an id"), line.to_owned());
        Self {
            child,
            output,
            keeper,
            line,
        }
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }
}
