//! A program's section of the page: a table of Markdown for the top level of its file, and one for each table in it.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use toml::Value;

use crate::{Key, Kind, Said};

/// All that a section says.
pub struct Program<'a> {
    /// What the section is called.
    pub title: &'a str,
    /// Every key.
    pub keys: &'a [Key],
    /// Defaults by key.
    pub defaults: BTreeMap<String, Value>,
    /// Flags and variables of a key.
    pub said: &'a dyn Fn(&str) -> Said,
    /// Whether it takes effect while the program runs.
    pub is_reloadable: &'a dyn Fn(&str) -> bool,
}

/// The section between the two marks of a page is this program's; with `UPDATE_GENERATED` set it is made so.
///
/// # Panics
/// It is not, or the page has no such marks.
pub fn is_documented(page: &Path, mark: &str, program: &Program<'_>) {
    let (begin, end) = (
        format!("<!-- {mark}: generated -->\n"),
        format!("<!-- end of {mark} -->"),
    );
    let text = fs::read_to_string(page).expect("the page can be read");
    let (before, rest) = text.split_once(&begin).expect("the mark before the section");
    let (section, after) = rest.split_once(&end).expect("the mark after the section");
    let new = program.section();
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(page, format!("{before}{begin}{new}{end}{after}")).expect("the page can be written");
        return;
    }
    assert!(
        section == new,
        "{}: `{mark}` is not as the code says: run with UPDATE_GENERATED=1",
        page.display()
    );
}

// === impl Program ===

impl Program<'_> {
    fn section(&self) -> String {
        let mut section = format!("\n## {}\n", self.title);
        self.rows(&mut section, "");
        for table in self.keys.iter().filter(|key| key.is_table()) {
            self.heading(&mut section, table);
            self.rows(&mut section, &table.prefix());
        }
        section.push('\n');
        section
    }

    fn heading(&self, section: &mut String, table: &Key) {
        let key = table.key.replace("[]", "");
        let heading = match table.kind {
            Kind::Tables => format!("[[{key}]]"),
            Kind::Named => format!("[{key}.NAME]"),
            Kind::Table | Kind::Value(_) => format!("[{key}]"),
        };
        let _ = write!(section, "\n### `{heading}`\n\n{}", table.meaning);
        let said = self.said_cell(&table.key);
        if !said.is_empty() {
            let _ = write!(section, " Said by {said} too.");
        }
        section.push('\n');
    }

    fn rows(&self, section: &mut String, prefix: &str) {
        let of_this = |key: &&Key| {
            key.key
                .strip_prefix(prefix)
                .is_some_and(|rest| !rest.contains('.'))
        };
        let mut rows = String::new();
        for key in self.keys.iter().filter(of_this) {
            let Kind::Value(kind) = &key.kind else { continue };
            let default = match self.defaults.get(&key.key) {
                Some(default) => format!("`{}`", default_cell(kind, default)),
                None if key.is_optional => "none".to_owned(),
                None => "required".to_owned(),
            };
            // Behind a list's `[]` no key is told apart: the list is taken as a whole.
            let reloads = (self.is_reloadable)(&key.key.replace("[]", ""));
            let cells = [
                format!("`{}`", key.key),
                kind.clone(),
                default,
                self.said_cell(&key.key),
                if reloads { "yes" } else { "no" }.to_owned(),
                key.meaning.clone(),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(rows, "| {} |", cells.join(" | "));
        }
        if !rows.is_empty() {
            section.push_str("\n| key | type, unit | default | flag, variable | reloaded | meaning |\n");
            section.push_str("| --- | --- | --- | --- | --- | --- |\n");
            section.push_str(&rows);
        }
    }

    fn said_cell(&self, key: &str) -> String {
        let said = (self.said)(key);
        let ways = [said.flag, said.variable].into_iter().flatten();
        ways.map(|way| format!("`{way}`")).collect::<Vec<_>>().join(" ")
    }
}

/// Sizes as people write them.
fn default_cell(kind: &str, default: &Value) -> String {
    let size = default
        .as_integer()
        .filter(|bytes| kind.starts_with("size") && *bytes != 0);
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |bytes: i64| units.iter().find(|(shift, _)| bytes % (1 << shift) == 0);
    match size.and_then(|bytes| Some((bytes, fits(bytes)?))) {
        Some((bytes, (shift, unit))) => format!("\"{} {unit}\"", bytes >> shift),
        None => default.to_string(),
    }
}
