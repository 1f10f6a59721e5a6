//! What an operator has approved: the definitions of MCP tools by hash, and the tools file itself, in a file beside it.
//!
//! Each definition is kept too, so that a change can be shown, here and by whatever compares versions of the file.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toolwave_config::{File, Problem};

const PREFIX: &str = "sha256:";
const INTRODUCTION: &str = "\
# Written by `toolwave approve`: the definitions of MCP tools that were looked at and approved, and with `require_pins`
# the sum of the tools file. Keep it under version control. A definition that differs is not called until it is
# approved in its turn.
";

/// What was approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pins {
    /// The sum of the tools file and of what it includes.
    pub file: Option<String>,
    servers: BTreeMap<String, BTreeMap<String, Pin>>,
}

/// One approved definition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    hash: String,
    /// As it was when it was approved, for people.
    #[serde(default)]
    definition: String,
}

/// Why what was approved cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written: {source}; expected a folder in which this user may write", path = path.display())]
pub struct PinsError {
    path: PathBuf,
    source: io::Error,
}

/// The sum of some bytes as it stands in the file.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = PREFIX.to_owned();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

// === impl Pins ===

impl Pins {
    /// Reads the file; where there is none, nothing was approved.
    ///
    /// # Errors
    /// Every problem, in the order of the file.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            _ => {
                let file = File::read(path)?;
                let pins: Self = file.parse()?;
                let problems = pins.problems(&file);
                match problems.is_empty() {
                    true => Ok(pins),
                    false => Err(problems),
                }
            }
        }
    }

    fn problems(&self, file: &File) -> Vec<Problem> {
        let tools = self.servers.iter().flat_map(|(server, tools)| {
            tools
                .iter()
                .map(move |(tool, pin)| (format!("servers.{server}.{tool}.hash"), &pin.hash))
        });
        let all = self
            .file
            .iter()
            .map(|hash| ("file".to_owned(), hash))
            .chain(tools);
        all.filter(|(_, hash)| !is_digest(hash))
            .map(|(key, _)| {
                let expected = "`sha256:` and 64 hexadecimal digits, as `toolwave approve` writes them";
                file.problem_near(&key, "is no sum", expected)
            })
            .collect()
    }

    /// The approved hashes of a server's tools: 64 hexadecimal digits each.
    #[must_use]
    pub fn hashes(&self, server: &str) -> BTreeMap<String, String> {
        let tools = self.servers.get(server).into_iter().flatten();
        tools
            .map(|(tool, pin)| (tool.clone(), pin.hash.trim_start_matches(PREFIX).to_owned()))
            .collect()
    }

    /// The definition that was approved, as it was written down.
    #[must_use]
    pub fn definition(&self, server: &str, tool: &str) -> Option<&str> {
        let pin = self.servers.get(server)?.get(tool)?;
        Some(pin.definition.as_str()).filter(|text| !text.is_empty())
    }

    /// Approves a definition. `hash`: 64 hexadecimal digits.
    pub fn approve(&mut self, server: &str, tool: &str, hash: &str, definition: String) {
        let pin = Pin {
            hash: format!("{PREFIX}{hash}"),
            definition,
        };
        let tools = self.servers.entry(server.to_owned()).or_default();
        tools.insert(tool.to_owned(), pin);
    }

    /// Forgets a definition. False: there is none.
    pub fn forget(&mut self, server: &str, tool: &str) -> bool {
        let gone = self
            .servers
            .get_mut(server)
            .and_then(|tools| tools.remove(tool))
            .is_some();
        self.servers.retain(|_, tools| !tools.is_empty());
        gone
    }

    /// Every server and tool of which something was approved.
    pub fn approved(&self) -> impl Iterator<Item = (&str, &str)> {
        let servers = self.servers.iter();
        servers.flat_map(|(server, tools)| tools.keys().map(move |tool| (server.as_str(), tool.as_str())))
    }

    /// Writes the file anew, whole or not at all.
    ///
    /// # Errors
    /// The folder or the disk does not take it.
    pub fn write(&self, path: &Path) -> Result<(), PinsError> {
        let failed = |source| PinsError {
            path: path.to_owned(),
            source,
        };
        // Beside the file itself, where it is a link.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(".tools-lock-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(failed)?;
        file.write_all(self.text().as_bytes())
            .and_then(|()| file.as_file().sync_all())
            .map_err(failed)?;
        file.persist(&place)
            .map(drop)
            .map_err(|error| failed(error.error))
    }

    fn text(&self) -> String {
        let mut text = INTRODUCTION.to_owned();
        if let Some(hash) = &self.file {
            let _ = writeln!(text, "file = {}", quoted(hash));
        }
        for (server, tools) in &self.servers {
            for (tool, pin) in tools {
                let _ = writeln!(text, "\n[servers.{}.{}]", quoted(server), quoted(tool));
                let _ = writeln!(text, "hash = {}", quoted(&pin.hash));
                if !pin.definition.is_empty() {
                    let _ = writeln!(text, "definition = {}", multiline(&pin.definition));
                }
            }
        }
        text
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A basic string of TOML: what JSON writes, and DEL besides.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

/// Lines as they are, where TOML can show them so.
fn multiline(text: &str) -> String {
    let plain = !text.contains("'''") && text.chars().all(|char| char == '\n' || !char.is_control());
    match plain {
        true => format!("'''\n{text}\n'''"),
        false => quoted(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_approved_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tools.lock");
        assert_eq!(Pins::read(&path).expect("nothing"), Pins::default());
        let mut pins = Pins {
            file: Some(digest(b"x")),
            ..Pins::default()
        };
        let hash = "0123456789abcdef".repeat(4);
        for (tool, definition) in [
            ("plain", "{\n  \"a\": 1\n}"),
            ("quotes ''' and \u{7f}", "'''\u{7f}\\\""),
            ("dotted.name", ""),
        ] {
            pins.approve("files", tool, &hash, definition.to_owned());
        }
        pins.write(&path).expect("written");
        let again = Pins::read(&path).expect("good");
        assert_eq!(again.hashes("files").get("dotted.name"), Some(&hash));
        assert_eq!(
            again.definition("files", "plain").map(str::trim),
            Some("{\n  \"a\": 1\n}")
        );
        assert_eq!(again.approved().count(), 3);
        assert_eq!(again.file, pins.file);
        again.write(&path).expect("written again");
    }

    #[test]
    fn a_sum_that_is_none_is_told_where_it_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tools.lock");
        fs::write(&path, "[servers.files.read]\nhash = \"md5:1\"\n").expect("written");
        let problems = Pins::read(&path).expect_err("wrong");
        let told = problems[0].to_string();
        assert!(
            told.contains("tools.lock:2:8: servers.files.read.hash: is no sum"),
            "{told}"
        );
    }
}
