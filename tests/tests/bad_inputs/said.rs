//! What a program is expected to say of what it was given: its exit code, and each line.

use serde::Deserialize;

/// Ends a line of which only the beginning is given.
const AND_SO_ON: char = '…';

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) exit: i32,
    /// In order; FILE stands for the file's path, and FOLDER for that of its folder.
    #[serde(default)]
    pub(crate) lines: Vec<String>,
    /// Beyond those of `lines`, so many more.
    #[serde(default)]
    pub(crate) more: usize,
}

impl Expected {
    /// Compares it with what was said.
    pub(crate) fn check(&self, exit: Option<i32>, said: &str) -> Result<(), String> {
        if exit != Some(self.exit) {
            return Err(format!("exit code {exit:?}: {said}"));
        }
        let mut lines = said.lines();
        for line in &self.lines {
            let found = lines.next().unwrap_or_default();
            let right = match line.strip_suffix(AND_SO_ON) {
                Some(beginning) => found.starts_with(beginning),
                None => found == line,
            };
            if !right || found.chars().any(char::is_control) {
                return Err(format!("not {line:?}, but {found:?}"));
            }
        }
        let more = lines.filter(|line| self.exit != 0 || *line != "ok").count();
        // What the parser of flags adds is its own.
        if more == self.more || self.exit == 2 {
            Ok(())
        } else {
            Err(format!("{more} lines more: {said}"))
        }
    }

    /// For the page.
    pub(crate) fn answer(&self) -> String {
        let mut answer = format!("exit code {}", self.exit);
        if let Some(line) = self.lines.first() {
            answer.push_str(&format!(": `{line}`"));
        }
        let more = self.lines.len().saturating_sub(1) + self.more;
        if more > 0 {
            answer.push_str(&format!(" and {more} more"));
        }
        answer
    }
}
