//! What every user of the machine sees of processes, and what they find in their environments.

use std::{fs, path::PathBuf};

/// Arguments and environment of a process and of all that descend from it, by what they are.
pub(crate) fn processes(root: u32) -> Vec<(String, String)> {
    let mut open = vec![root];
    let mut found = Vec::new();
    while let Some(process) = open.pop() {
        let place = PathBuf::from(format!("/proc/{process}"));
        for part in ["cmdline", "environ"] {
            if let Ok(bytes) = fs::read(place.join(part)) {
                found.push((
                    format!("{part} of {process}"),
                    String::from_utf8_lossy(&bytes).into_owned(),
                ));
            }
        }
        let threads = fs::read_dir(place.join("task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
    }
    found
}
