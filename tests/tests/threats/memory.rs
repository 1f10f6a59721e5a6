//! A worker's memory and environment hold secrets: no core dump has them, and no other process of its user.

use std::{
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::rig::{binaries, until};

/// Of nobody in particular, where the test itself may read everything.
const NOBODY: u32 = 65_534;

/// Killed when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of a user who is not the superuser.
fn of_a_user(program: &str) -> Command {
    let mut command = Command::new(program);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Whether another process of the same user reads the environment of this one.
fn is_read(process: u32) -> bool {
    let mut cat = of_a_user("/bin/cat");
    let output = cat
        .arg(format!("/proc/{process}/environ"))
        .stdout(Stdio::piped())
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout).contains("SECRET=canary")
}

#[tokio::test]
async fn a_worker_leaves_no_core_dump_and_hides_its_environment_from_processes_of_its_user() {
    let program = binaries().path("toolwave-worker");
    let check = |path: &Path| of_a_user("/usr/bin/test").arg("-x").arg(path).status();
    if !check(&program).is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: a worker's memory was NOT looked at: no other user may execute {}",
            program.display()
        );
        return;
    }
    let start = |program: &Path, arguments: &[&str]| {
        let mut shell = of_a_user("/bin/sh");
        let limits = "ulimit -c unlimited 2>/dev/null; exec \"$@\"";
        let shell = shell.args(["-c", limits, "sh"]).arg(program).args(arguments);
        Ended(shell.env("SECRET", "canary").spawn().unwrap())
    };
    let other = start(Path::new("/bin/sleep"), &["1000"]);
    until("it is looked at", || is_read(other.0.id())).await;

    let worker = start(&program, &["--coordinator", "http://127.0.0.1:1", "--name", "w"]);
    let id = worker.0.id();
    let limits = || fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let of_dumps = |limits: String| {
        let line = limits.lines().find(|line| line.starts_with("Max core file size"));
        line.unwrap_or_default()
            .split_whitespace()
            .skip(4)
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    until("no core dump", || of_dumps(limits()) == "0 0").await;
    assert!(!is_read(id));
    // files of a process that may not be dumped are the superuser's
    assert_eq!(fs::metadata(format!("/proc/{id}/environ")).unwrap().uid(), 0);
}
