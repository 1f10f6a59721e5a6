//! What a plan needs against what its user allows. A plan never grants itself anything: it can only ask.

use crate::plan::{Diagnostics, Plan};

/// Adds a diagnostic for each need of the plan that no flag covers, with the flag that would.
pub(crate) fn check(plan: &Plan, flags: &[String], wrong: &mut Diagnostics) {
    for need in &plan.needs {
        match Grant::parse(&need.grant) {
            None => wrong.add(
                need.at,
                format!(
                    "`{}` is nothing to allow; expected files=DIR, files-write=DIR, sql=FILE, sql-write=FILE or \
                     http=HOST[:PORT]",
                    need.grant
                ),
            ),
            Some(asked) if flags.iter().filter_map(|flag| Grant::parse(flag)).any(|flag| flag.covers(&asked)) => {}
            Some(_) => wrong.add(
                need.at,
                format!("the plan needs a permission that only you can give; add: --allow {}", quoted(&need.grant)),
            ),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Grant<'a> {
    kind: &'a str,
    write: bool,
    which: &'a str,
}

impl<'a> Grant<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (kind, which) = text.split_once('=')?;
        let (kind, write) = match kind.strip_suffix("-write") {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        let known = matches!((kind, write), ("files" | "sql", _) | ("http", false));
        (known && !which.is_empty()).then_some(Self { kind, write, which })
    }

    /// A worker has one directory and one database, and tools name files relative to them: which one it is, is the
    /// user's choice. Hosts are names of their own.
    fn covers(&self, asked: &Self) -> bool {
        let which = self.kind != "http" || self.which == asked.which;
        self.kind == asked.kind && which && (self.write || !asked.write)
    }
}

/// For a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=._/:@%+,-".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(flag: &str, need: &str) -> bool {
        Grant::parse(flag).unwrap().covers(&Grant::parse(need).unwrap())
    }

    #[test]
    fn writing_includes_reading_and_not_the_other_way_round() {
        assert!(covers("files-write=a", "files=a"));
        assert!(!covers("files=a", "files-write=a"));
        assert!(covers("sql=x.db", "sql=x.db"));
        assert!(!covers("sql-write=x.db", "files=a"));
    }

    #[test]
    fn the_directory_is_the_users_choice_and_the_host_is_not() {
        assert!(covers("files=elsewhere", "files=here"));
        assert!(!covers("http=a.example", "http=b.example"));
    }

    #[test]
    fn what_is_no_permission_is_none() {
        for text in ["files", "files=", "http-write=a", "shell=rm", "=x"] {
            assert_eq!(Grant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_flag_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("files=examples/source-tree"), "files=examples/source-tree");
        assert_eq!(quoted("files=my dir"), "'files=my dir'");
        assert_eq!(quoted("files=it's"), r"'files=it'\''s'");
    }
}
