//! Finds processes in `/proc`: the descendants of this one, and those that bear a mark. Kills what it finds.

use std::{collections::HashMap, fs};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, getpid},
};

use crate::message::MARK;

/// Kills every descendant of this process, once. What they start meanwhile becomes a descendant too: ask again.
pub(crate) fn kill_all() {
    let mut found = Vec::new();
    if !children_listed(getpid(), &mut found) {
        found = children_searched(getpid());
    }
    for process in found {
        // one that is gone is what is wanted
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Adds the descendants below `process`; `false` where the kernel does not list children.
fn children_listed(process: Pid, found: &mut Vec<Pid>) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        // it has ended, and its children are listed where they went
        return true;
    };
    for thread in threads.flatten() {
        let children = match fs::read_to_string(thread.path().join("children")) {
            Ok(children) => children,
            Err(_) if !thread.path().exists() => continue,
            Err(_) => return false,
        };
        for child in children.split_ascii_whitespace().filter_map(|id| id.parse().ok()) {
            let child = Pid::from_raw(child);
            found.push(child);
            if !children_listed(child, found) {
                return false;
            }
        }
    }
    true
}

/// The same from all processes there are, for kernels that list no children.
fn children_searched(process: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (id, stat) in processes() {
        if let Some(parent) = field(&stat, PARENT) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![process.as_raw()];
    while let Some(parent) = open.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(below.iter().copied().map(Pid::from_raw));
        open.extend(below);
    }
    found
}

/// Kills what a keeper process left that was itself killed: the command's group and session, and all that bear its
/// mark. Returns how many were found.
pub(crate) fn kill_marked(mark: &str, command: Option<u32>) -> usize {
    let variable = format!("{MARK}={mark}");
    let command = command.and_then(|id| i32::try_from(id).ok());
    let mut found = 0;
    for (id, stat) in processes() {
        let is_of_command = command.is_some()
            && [GROUP, SESSION]
                .iter()
                .any(|which| field(&stat, *which) == command);
        let is_marked = || {
            fs::read(format!("/proc/{id}/environ")).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|text| text == variable.as_bytes())
            })
        };
        // one that has ended and waits to be reaped is not ours to reap
        if !stat.starts_with('Z') && (is_of_command || is_marked()) {
            found += usize::from(kill(Pid::from_raw(id), Signal::SIGKILL) != Err(Errno::ESRCH));
        }
    }
    found
}

const PARENT: usize = 1;
const GROUP: usize = 2;
const SESSION: usize = 3;

/// Each process's id, and what follows its name in `stat`: state, parent, group, session.
fn processes() -> impl Iterator<Item = (i32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // the name is in parentheses, and may hold some
        let (_, rest) = stat.rsplit_once(") ")?;
        Some((id, rest.to_owned()))
    })
}

fn field(stat: &str, which: usize) -> Option<i32> {
    stat.split(' ').nth(which)?.parse().ok()
}
