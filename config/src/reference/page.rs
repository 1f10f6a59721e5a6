//! Keys as Markdown: a table for the top level and one for each table of the file.

use std::fmt::Write as _;

use super::{Facts, Key, Kind};

/// The section of a program.
#[must_use]
pub fn section(keys: &[Key], facts: &Facts<'_>) -> String {
    let mut page = format!("\n## {}\n\n", facts.title);
    rows(&mut page, "", keys, facts);
    for table in keys.iter().filter(|key| key.is_table()) {
        heading(&mut page, table, facts);
        rows(&mut page, &table.prefix(), keys, facts);
    }
    page.push('\n');
    page
}

fn heading(page: &mut String, table: &Key, facts: &Facts<'_>) {
    let key = table.key.replace("[]", "");
    let heading = match table.kind {
        Kind::Tables => format!("[[{key}]]"),
        Kind::Named => format!("[{key}.NAME]"),
        Kind::Table | Kind::Value(_) => format!("[{key}]"),
    };
    let _ = write!(page, "\n### `{heading}`\n\n{}", table.meaning);
    let said = said(&table.key, facts);
    if !said.is_empty() {
        let _ = write!(page, " Said by {said} too.");
    }
    page.push_str("\n\n");
}

fn rows(page: &mut String, prefix: &str, keys: &[Key], facts: &Facts<'_>) {
    let of_this = |key: &&Key| key.key.strip_prefix(prefix).is_some_and(|rest| !rest.contains('.'));
    let mut rows = String::new();
    for key in keys.iter().filter(of_this) {
        let Kind::Value(kind) = &key.kind else { continue };
        let default = match facts.defaults.get(&key.key) {
            Some(default) => format!("`{}`", default_of(kind, default)),
            None if key.required => "required".to_owned(),
            None => "none".to_owned(),
        };
        let reload = if is_reloadable(&key.key, facts) { "yes" } else { "no" };
        let cells = [
            &format!("`{}`", key.key),
            kind,
            &default,
            &said(&key.key, facts),
            reload,
            &key.meaning,
        ];
        let cells = cells.map(|cell: &str| cell.replace('|', "\\|"));
        let _ = writeln!(rows, "| {} |", cells.join(" | "));
    }
    if !rows.is_empty() {
        page.push_str("| key | type | default | flag, variable | reloaded | meaning |\n");
        page.push_str("| --- | --- | --- | --- | --- | --- |\n");
        page.push_str(&rows);
    }
}

/// Behind a list's `[]` no key is told apart: the list is taken as a whole.
fn is_reloadable(key: &str, facts: &Facts<'_>) -> bool {
    (facts.is_reloadable)(&key.replace("[]", ""))
}

fn said(key: &str, facts: &Facts<'_>) -> String {
    let said = (facts.said)(key);
    let ways = [said.flag, said.variable].into_iter().flatten();
    ways.map(|way| format!("`{way}`")).collect::<Vec<_>>().join(" ")
}

/// Sizes as people write them.
fn default_of(kind: &str, default: &str) -> String {
    let size = kind.starts_with("size").then(|| default.parse::<u64>().ok()).flatten();
    let Some(bytes) = size else { return default.to_owned() };
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes != 0 && bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("\"{} {unit}\"", bytes >> shift),
        None => default.to_owned(),
    }
}

/// A page with one of its sections replaced, which stands between two comments; `None`: it has no such place.
#[must_use]
pub fn replace_section(page: &str, name: &str, section: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- end of {name} -->"));
    let from = page.find(&begin)? + begin.len();
    let to = page[from..].find(&end)? + from;
    Some(format!("{}{section}{}", &page[..from], &page[to..]))
}
