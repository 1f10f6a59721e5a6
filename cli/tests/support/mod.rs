//! Runs the real `toolwave` in an own directory, and never waits for it without a bound.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Far more than any command here needs; a test that takes it has failed.
const LONGEST: Duration = Duration::from_secs(60);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The document on standard output, which must be nothing else.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(document) => document,
            Err(error) => panic!("standard output is no JSON document: {error}\n{self:#?}"),
        }
    }
}

/// `toolwave` with a clean environment, in `directory`.
pub(crate) fn toolwave(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolwave"));
    command.current_dir(directory).stdin(Stdio::null());
    for variable in [
        "TOOLWAVE_COORDINATOR",
        "TOOLWAVE_CA",
        "TOOLWAVE_CERTIFICATE",
        "TOOLWAVE_KEY",
        "TOOLWAVE_SERVER_NAME",
        "TOOLWAVE_TOKEN",
        "TOOLWAVE_TOKEN_FILE",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "NO_COLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(variable);
    }
    command
}

/// A command under way; killed when the test ends without it.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<Said>,
}

/// Standard error: read line by line as long as the test waits for something, then by a thread.
enum Said {
    Here(BufReader<ChildStderr>, String),
    There(JoinHandle<String>),
}

impl Running {
    /// Starts it, with `input` for its standard input.
    pub(crate) fn start(command: &mut Command, input: Option<&str>) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().expect("toolwave starts");
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // A command that refuses its arguments reads nothing.
            let _ = stdin.write_all(text.as_bytes());
        }
        let stdout = child.stdout.take().map(drain);
        let stderr = child.stderr.take().map(|stream| Said::There(drain(stream)));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until the command has said `what` on standard error; answers all that it has said by then.
    #[track_caller]
    pub(crate) fn until_said(&mut self, what: &str) -> String {
        let Some(Said::Here(stderr, said)) = &mut self.stderr else {
            panic!("nobody listens any more")
        };
        while !said.contains(what) {
            let read = stderr.read_line(said).expect("what it says is text");
            assert!(read > 0, "the command ended before it said `{what}`:\n{said}");
        }
        said.clone()
    }

    /// Sends what Ctrl-C sends.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is there").success());
    }

    pub(crate) fn finish(mut self) -> Finished {
        let rest = match self.stderr.take() {
            Some(Said::Here(stderr, said)) => (said, Some(drain(stderr))),
            Some(Said::There(reader)) => (String::new(), Some(reader)),
            None => (String::new(), None),
        };
        let status = wait(&mut self.child);
        let text = |reader: Option<JoinHandle<String>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let stderr = rest.0 + &text(rest.1);
        Finished {
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already in every test that passes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child, within a bound.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + LONGEST;
    loop {
        match child.try_wait().expect("the child can be waited for") {
            Some(status) => return status,
            None if Instant::now() > until => {
                let _ = child.kill();
                panic!("toolwave did not end within {LONGEST:?}");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn drain(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Starts a run and waits until it says `what` on standard error: answers all that it said by then, and the run.
#[track_caller]
pub(crate) fn until_said(command: &mut Command, what: &str) -> (String, Running) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("toolwave starts");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let stdout = child.stdout.take().map(drain);
    let mut running = Running {
        child,
        stdout,
        stderr: Some(Said::Here(stderr, String::new())),
    };
    let said = running.until_said(what);
    (said, running)
}

/// Runs to the end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    Running::start(command, None).finish()
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the package lies in the repository")
}

/// The result of a call in a run's document.
#[track_caller]
pub(crate) fn result<'a>(document: &'a Value, id: &str) -> &'a Value {
    let results = document["results"].as_array().expect("a list of results");
    results
        .iter()
        .find(|result| result["id"] == id)
        .unwrap_or_else(|| panic!("no result of {id}: {document:#}"))
}
