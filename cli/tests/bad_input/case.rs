//! One case: what is prepared, what is run, and what must come of it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    servers::Servers,
    support::{Finished, Running, toolwave, wait},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// In the catalogue of bad input; empty: not from there.
    pub(crate) id: String,
    pub(crate) name: String,
    args: Vec<String>,
    /// One more argument, in bytes.
    #[serde(default)]
    raw: Option<Vec<u8>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    bytes: BTreeMap<String, Vec<u8>>,
    /// Files of so many zero bytes.
    #[serde(default)]
    zeros: BTreeMap<String, usize>,
    /// Commands that succeed before this one.
    #[serde(default)]
    before: Vec<Vec<String>>,
    /// Who listens at `{server}`.
    #[serde(default)]
    server: Option<String>,
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default)]
    stdin_zeros: usize,
    #[serde(default)]
    closed_stdin: bool,
    #[serde(default)]
    stdout_to: Option<Output>,
    pub(crate) code: i32,
    /// All of them are there.
    pub(crate) stderr: Vec<String>,
    #[serde(default)]
    not_stderr: Vec<String>,
    /// More may be said: progress, logs.
    #[serde(default)]
    stderr_free: bool,
    /// All of them are there; none: nothing is.
    #[serde(default)]
    stdout: Vec<String>,
    #[serde(default)]
    not_stdout: Vec<String>,
    /// Standard output is one JSON document.
    #[serde(default)]
    json: bool,
}

/// Where standard output goes.
#[derive(Clone, Copy, Deserialize)]
enum Output {
    /// A pipe whose reader has gone.
    #[serde(rename = "nobody")]
    Nobody,
    #[serde(rename = "/dev/full")]
    Full,
}

/// What stands for addresses in a case.
struct Places {
    nobody: String,
    server: String,
}

impl Places {
    fn filled(&self, text: &str) -> String {
        text.replace("{nobody}", &self.nobody)
            .replace("{server}", &self.server)
    }
}

impl Case {
    /// What is wrong with how the command answered.
    pub(crate) fn run(&self, servers: &Servers) -> Option<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let server = self.server.as_ref().map(|kind| servers.address(kind).to_string());
        let places = Places {
            nobody: nobody(),
            server: server.unwrap_or_default(),
        };
        servers.write_certificates(directory.path());
        self.write_files(directory.path());
        for arguments in &self.before {
            let before = Running::start(toolwave(directory.path()).args(arguments), None).finish();
            assert_eq!(before.code, Some(0), "{}: {before:?}", self.name);
        }
        let finished = self.finish(directory.path(), &places);
        let wrong = self.judge(&finished, &places)?;
        Some(format!("{} {}: {wrong}\n{finished:#?}", self.id, self.name))
    }

    fn write_files(&self, directory: &Path) {
        let texts = self
            .files
            .iter()
            .map(|(name, text)| (name, text.clone().into_bytes()));
        let bytes = self.bytes.iter().map(|(name, bytes)| (name, bytes.clone()));
        let zeros = self.zeros.iter().map(|(name, length)| (name, vec![0; *length]));
        for (name, content) in texts.chain(bytes).chain(zeros) {
            fs::write(directory.join(name), content).expect("the file is written");
        }
    }

    fn finish(&self, directory: &Path, places: &Places) -> Finished {
        let mut command = toolwave(directory);
        command.args(self.args.iter().map(|argument| places.filled(argument)));
        command.args(self.raw.iter().map(|bytes| OsStr::from_bytes(bytes)));
        command.envs(self.env.iter().map(|(name, value)| (name, places.filled(value))));
        if self.closed_stdin {
            command = with_closed_stdin(&command);
        }
        let zeros = "\0".repeat(self.stdin_zeros);
        let input = match self.stdin_zeros {
            0 => self.stdin.as_deref(),
            _ => Some(zeros.as_str()),
        };
        match self.stdout_to {
            None => Running::start(&mut command, input).finish(),
            Some(output) => finish_into(&mut command, output),
        }
    }

    fn judge(&self, finished: &Finished, places: &Places) -> Option<String> {
        let Finished { code, stdout, stderr } = finished;
        let missing = |expected: &[String], said: &str| {
            let texts = expected.iter().map(|text| places.filled(text));
            texts.into_iter().find(|text| !said.contains(text))
        };
        let present =
            |unwanted: &[String], said: &str| unwanted.iter().find(|text| said.contains(*text)).cloned();
        if *code != Some(self.code) {
            return Some(format!("expected exit code {}", self.code));
        }
        if let Some(text) = missing(&self.stderr, stderr) {
            return Some(format!("expected on standard error: {text}"));
        }
        if let Some(text) = missing(&self.stdout, stdout) {
            return Some(format!("expected on standard output: {text}"));
        }
        if let Some(text) = present(&self.not_stderr, stderr).or_else(|| present(&self.not_stdout, stdout)) {
            return Some(format!("not expected: {text:?}"));
        }
        if self.stderr.is_empty() && !self.stderr_free && !stderr.is_empty() {
            return Some("expected nothing on standard error".to_owned());
        }
        if self.json && serde_json::from_str::<serde_json::Value>(stdout).is_err() {
            return Some("expected one JSON document on standard output".to_owned());
        }
        if !self.json && self.stdout.is_empty() && self.not_stdout.is_empty() && !stdout.is_empty() {
            return Some("expected nothing on standard output".to_owned());
        }
        let panicked = ["panicked", "RUST_BACKTRACE", "stack backtrace"];
        panicked
            .into_iter()
            .find(|text| stderr.contains(text))
            .map(|text| format!("a panic: {text}"))
    }
}

/// An address on which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// The same command, from a shell that has closed its standard input.
fn with_closed_stdin(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec \"$@\" <&-", "sh"])
        .arg(command.get_program());
    shell.args(command.get_args().map(OsString::from));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().expect("it has one"));
    shell
}

fn finish_into(command: &mut Command, output: Output) -> Finished {
    let stdout = match output {
        Output::Nobody => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            Stdio::from(writer)
        }
        Output::Full => Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap()),
    };
    let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let status = wait(&mut child);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Finished {
        code: status.code(),
        stdout: String::new(),
        stderr,
    }
}
