//! Whether a program shows what nobody should see: each key of its page is given a secret, and nothing that the
//! program says may hold it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use crate::program::Program;

/// No program takes longer for the next line.
const PATIENCE: Duration = Duration::from_secs(30);
/// What nobody should see.
pub const CANARY: &str = "canary-3b9d71";
/// Values that hold it, as TOML: who a URL says that one is, and a key instead of the name of its file.
pub const HOSTILE: [&str; 2] = [
    "\"https://user:canary-3b9d71/x@host:1/?token=canary-3b9d71\"",
    "\"-----BEGIN PRIVATE KEY-----\\ncanary-3b9d71\\n-----END PRIVATE KEY-----\"",
];

/// A row of the page.
struct Documented {
    key: String,
    kind: String,
    is_required: bool,
}

/// A program that serves, with all that it has said.
pub struct Serving {
    pub child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    pub said: String,
}

/// The keys of a program's section of the page.
fn documented(mark: &str) -> Vec<Documented> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section = page
        .split_once(&format!("<!-- {mark}: generated -->"))
        .expect("its begin")
        .1;
    let section = section.split_once("<!-- end of").expect("its end").0;
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let mut cell = || cells.next().expect("a cell").to_owned();
        Documented {
            key: cell().trim_end_matches('`').to_owned(),
            kind: cell(),
            is_required: cell() == "required",
        }
    })
    .collect()
}

/// A file with this value, and all that its tables must hold beside it.
fn with_value(keys: &[Documented], of: &Documented, value: &str) -> String {
    let (mut text, mut path) = (String::new(), String::new());
    let (table, name) = of.key.rsplit_once('.').unwrap_or(("", &of.key));
    for part in table.split_terminator('.') {
        path += part;
        let heading = path.replace("[]", "");
        let list = part.ends_with("[]");
        text += &if list {
            format!("[[{heading}]]\n")
        } else {
            format!("[{heading}]\n")
        };
        path.push('.');
        for beside in keys.iter().filter(|key| key.is_required && key.key != of.key) {
            let last = beside.key.strip_prefix(&path).filter(|rest| !rest.contains('.'));
            let good = if beside.kind.contains("ES256") {
                "ES256"
            } else {
                "x"
            };
            text += &last.map_or_else(String::new, |last| format!("{last} = \"{good}\"\n"));
        }
    }
    let value = match of.kind.split(' ').next() {
        Some("list") => format!("[{value}]"),
        Some("table") => format!("{{ api_token = \"{CANARY}\", x = {value} }}"),
        _ => value.to_owned(),
    };
    format!("{text}{name} = {value}\n")
}

/// Gives each key of the page each value in the file, and where it is a text in its variable and its flag too. How
/// many answers showed a mask.
pub fn no_key_is_shown(program: &Program, mark: &str) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    let keys = documented(mark);
    assert!(keys.len() > 20, "the page has fewer keys than the program");
    let print = "--print-config".to_owned();
    let mut masked = 0;
    for (key, value) in keys.iter().flat_map(|key| HOSTILE.map(|value| (key, value))) {
        std::fs::write(&file, with_value(&keys, key, value)).expect("written");
        let mut outputs = vec![program.run(Some(&file), &[], std::slice::from_ref(&print))];
        // Of other types clap itself says what it was given, and nobody gives them a secret.
        let (is_text, is_table) = (key.kind.starts_with("text"), key.kind.starts_with("table"));
        if is_text || is_table || key.kind == "path" {
            let bare = value.trim_matches('"').replace("\\n", "\n");
            let bare = if is_table {
                format!("api_token={bare}")
            } else {
                bare
            };
            let variable = vec![(program.variable(&key.key), bare.clone())];
            let name = key.key.replace(['.', '_'], "-");
            let name = if is_table {
                name.trim_end_matches('s')
            } else {
                &name
            };
            let flag = format!("--{name}={bare}");
            outputs.push(program.run(None, &variable, std::slice::from_ref(&print)));
            outputs.push(program.run(None, &variable, &["--help".to_owned()]));
            if program.offers(&key.key) {
                outputs.push(program.run(None, &[], &[flag, print.clone()]));
            }
        }
        for output in outputs {
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
            let said = said.concat();
            assert!(!said.contains(CANARY), "{}: {said}", key.key);
            masked += usize::from(said.contains("***"));
        }
    }
    masked
}

// === impl Serving ===

impl Serving {
    pub fn start(program: &Program, file: &PathBuf) -> Self {
        let mut child = Command::new(program.binary)
            .env_clear()
            .args([
                "--admin-listen",
                "127.0.0.1:0",
                "--log-level",
                "trace",
                "--config",
            ])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        Self {
            child,
            lines,
            said: String::new(),
        }
    }

    /// The next line that holds this.
    pub async fn until(&mut self, what: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{what} in {}", self.said));
            let line = line
                .expect("UTF-8")
                .unwrap_or_else(|| panic!("{what} in {}", self.said));
            self.said += &line;
            self.said.push('\n');
            if line.contains(what) {
                return line;
            }
        }
    }

    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.expect("kill runs").success());
    }

    /// All that it said, once it has ended.
    pub async fn ended(mut self) -> String {
        self.signal("TERM").await;
        while let Some(line) = timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("it ends")
            .expect("UTF-8")
        {
            self.said += &line;
            self.said.push('\n');
        }
        self.said
    }
}
