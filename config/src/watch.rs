//! Notices that a file says something else, however it came to: written, replaced by rename, or a link turned
//! elsewhere, as a mounted ConfigMap's is. It reads the file, which is small, and gives it no meaning.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::PathBuf,
};

use crate::File;

/// A file, as it was when it was last looked at.
#[derive(Clone, Debug)]
pub struct Watch {
    path: PathBuf,
    seen: Option<u64>,
    /// Seen once, and not yet again.
    settling: Option<Option<u64>>,
}

// === impl Watch ===

impl Watch {
    /// Looks at the file, which should be read after this.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let seen = look(&path);
        Self {
            path,
            seen,
            settling: None,
        }
    }

    /// The file is read now in any case: only what changes after this counts.
    pub fn is_read(&mut self) {
        self.seen = look(&self.path);
        self.settling = None;
    }

    /// Whether the file says something else than when this last said so: only once two looks in a row see the same,
    /// since whoever writes a file may be in the middle of it. Blocks for as long as reading takes.
    pub fn changed(&mut self) -> bool {
        let now = look(&self.path);
        if now == self.seen {
            self.settling = None;
            return false;
        }
        if self.settling != Some(now) {
            self.settling = Some(now);
            return false;
        }
        self.settling = None;
        self.seen = now;
        true
    }
}

/// `None`: it cannot be read, or not more than once, as a pipe.
fn look(path: &std::path::Path) -> Option<u64> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let text = File::read_text(path).ok()?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn settles(watch: &mut Watch) -> bool {
        !watch.changed() && watch.changed()
    }

    #[test]
    fn a_change_counts_once_when_it_is_at_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, "a = 1").unwrap();
        let mut watch = Watch::new(&path);
        assert!(!watch.changed() && !watch.changed());
        fs::write(&path, "a =").unwrap();
        assert!(!watch.changed(), "in the middle of it, perhaps");
        fs::write(&path, "a = 2").unwrap();
        assert!(settles(&mut watch));
        assert!(!watch.changed() && !watch.changed());
    }

    #[test]
    fn what_was_read_for_another_reason_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, "a = 1").unwrap();
        let mut watch = Watch::new(&path);
        fs::write(&path, "a = 2").unwrap();
        assert!(!watch.changed());
        watch.is_read();
        assert!(!watch.changed() && !watch.changed());
        fs::write(&path, "a = 3").unwrap();
        assert!(settles(&mut watch));
    }

    #[test]
    fn a_file_that_is_replaced_or_goes_away_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, "a = 1").unwrap();
        let mut watch = Watch::new(&path);
        fs::write(folder.path().join("new"), "a = 3").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(settles(&mut watch));
        fs::remove_file(&path).unwrap();
        assert!(settles(&mut watch));
    }

    #[test]
    fn the_link_of_a_config_map_that_turns_elsewhere_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("..1", "a = 1"), ("..2", "a = 2")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("c.toml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/c.toml", at("c.toml")).unwrap();
        let mut watch = Watch::new(at("c.toml"));
        assert!(!watch.changed());
        symlink("..2", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        assert!(settles(&mut watch));
    }
}
