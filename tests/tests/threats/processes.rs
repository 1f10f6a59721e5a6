//! Finding processes: those below one, and those that bear a mark in their arguments or their environment.

use std::{collections::BTreeSet, fs, process::Command};

/// A process, told apart from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    id: u32,
    started: String,
    command: String,
}

impl Seen {
    /// `None` for one that is gone, or has ended and waits to be reaped.
    fn of(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // the name is in parentheses, and may hold some
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        (!matches!(fields.first(), Some(&("Z" | "X")))).then(|| Self {
            id,
            started: fields.get(19).copied().unwrap_or_default().to_owned(),
            command: String::from_utf8_lossy(&command).replace('\0', " "),
        })
    }

    /// Whether its last arguments are these.
    pub(crate) fn ends_with(&self, arguments: &str) -> bool {
        self.command.ends_with(arguments)
    }

    pub(crate) fn runs(&self) -> bool {
        Self::of(self.id).is_some_and(|now| now.started == self.started)
    }
}

/// A text that only the processes of one test bear. Dropped, it kills those that are left.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Self {
        Self(format!("mark-{}", uuid::Uuid::new_v4().simple()))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// All processes with this text, and `also`, in their arguments or environment.
    pub(crate) fn bearers(&self, also: &str) -> BTreeSet<Seen> {
        let bears = |id: &u32| {
            ["cmdline", "environ"].iter().any(|part| {
                let text = fs::read(format!("/proc/{id}/{part}")).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                text.contains(&self.0) && text.contains(also)
            })
        };
        all().filter(bears).filter_map(Seen::of).collect()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        for left in self.bearers("") {
            let _ = Command::new("kill")
                .args(["-KILL", &left.id.to_string()])
                .status();
        }
    }
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// All that descend from a process.
pub(crate) fn below(process: u32) -> BTreeSet<Seen> {
    let mut open = vec![process];
    let mut found = BTreeSet::new();
    while let Some(parent) = open.pop() {
        let threads = fs::read_dir(format!("/proc/{parent}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                open.push(child);
                found.extend(Seen::of(child));
            }
        }
    }
    found
}
