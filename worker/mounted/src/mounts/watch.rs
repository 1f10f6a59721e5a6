//! Notices that files have changed, however they were: written, replaced by rename, or a link turned elsewhere.
//!
//! It asks the file system again and again: notices of the kernel end with the file that was there when they were
//! asked for, and do not come at all from the network file systems and mounted volumes that hold such files.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use tokio::time::{Instant, MissedTickBehavior};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// For so long a change must be at rest before it counts: whoever writes a file may be in the middle of it.
const REST: Duration = Duration::from_millis(200);

/// What is seen of a file without reading it; `None`: it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look(Option<[i128; 4]>);

/// Watches files.
#[derive(Debug)]
pub(super) struct Watch {
    seen: BTreeMap<PathBuf, Look>,
    ticks: tokio::time::Interval,
}

// === impl Watch ===

impl Watch {
    /// Looks at the files, which should be read after this.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut ticks = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            seen: look_at(paths),
            ticks,
        }
    }

    /// Watches these from now on. What was watched before is as it was seen then: a change that came while it was
    /// read is not lost.
    pub(super) fn follow(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let before = std::mem::take(&mut self.seen);
        self.seen = look_at(paths);
        for (path, look) in before {
            self.seen.entry(path).and_modify(|seen| *seen = look);
        }
    }

    /// Waits until some file is another, and at rest. Dropping it in between loses nothing.
    pub(super) async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let mut before = self.look();
            if before == self.seen {
                continue;
            }
            loop {
                tokio::time::sleep(REST).await;
                let now = self.look();
                if now == before {
                    break;
                }
                before = now;
            }
            self.seen = before;
            return;
        }
    }

    fn look(&self) -> BTreeMap<PathBuf, Look> {
        look_at(self.seen.keys().cloned())
    }
}

fn look_at(paths: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, Look> {
    paths
        .into_iter()
        .map(|path| {
            let look = Look::at(&path);
            (path, look)
        })
        .collect()
}

impl Look {
    #[cfg(unix)]
    fn at(path: &std::path::Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(path).ok();
        Self(metadata.map(|seen| {
            // The time of the change of status cannot be set back as that of the content can.
            let changed = i128::from(seen.ctime()) * 1_000_000_000 + i128::from(seen.ctime_nsec());
            let written = i128::from(seen.mtime()) * 1_000_000_000 + i128::from(seen.mtime_nsec());
            let place = (i128::from(seen.dev()) << 64) | i128::from(seen.ino());
            [changed, written, place, i128::from(seen.len())]
        }))
    }

    #[cfg(not(unix))]
    fn at(path: &std::path::Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self(metadata.map(|seen| {
            let since = |time: std::io::Result<std::time::SystemTime>| {
                let elapsed = time
                    .ok()
                    .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                elapsed.map_or(0, |elapsed| {
                    i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX)
                })
            };
            [
                since(seen.created()),
                since(seen.modified()),
                0,
                i128::from(seen.len()),
            ]
        }))
    }
}
