//! The writer thread: takes what waits, makes lines of it, and tries again until they are written. Nothing that it
//! took is lost while the process lives.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    LAST_WORDS, Shared,
    file::Rotating,
    record::{Event, Record},
};

/// Between tries of a write that failed.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Writes until the coordinator ends and nothing waits.
pub(super) fn run(shared: &Shared, file: Rotating) {
    let _ended = Ended(shared);
    let mut this = Writing {
        shared,
        file,
        gives_up: None,
    };
    let mut batch = Vec::new();
    let mut line = Vec::new();
    while let Some(lost) = shared.next(&mut batch) {
        let mut left = batch.len();
        let lost = (lost > 0).then(|| Record::now(Event::RecordsLost { records: lost }));
        for (record, counts) in batch
            .drain(..)
            .map(|record| (record, true))
            .chain(lost.map(|lost| (lost, false)))
        {
            line.clear();
            record.write(&mut line);
            if !this.until_done(|file| file.add(&line, counts)) {
                return tracing::error!(records = left, "the audit cannot be written; records are lost");
            }
            left -= usize::from(counts);
        }
        if !this.until_done(Rotating::flush) {
            return tracing::error!("the audit cannot be written; records are lost");
        }
    }
    if let Err(error) = this.file.sync() {
        tracing::error!(%error, "the audit could not be brought to its disk");
    }
}

struct Writing<'s> {
    shared: &'s Shared,
    file: Rotating,
    /// Once the coordinator ends: when no further try is made.
    gives_up: Option<Instant>,
}

/// Says so when the thread ends, however that comes.
struct Ended<'s>(&'s Shared);

impl Writing<'_> {
    /// Does it, again and again. False: the coordinator ends and it could not be done.
    fn until_done(&mut self, mut what: impl FnMut(&mut Rotating) -> io::Result<()>) -> bool {
        loop {
            let result = what(&mut self.file);
            if let Some(written) = self.file.take_written() {
                self.shared.written(written);
            }
            let Err(error) = result else {
                return true;
            };
            if self.shared.failed() {
                tracing::error!(%error, file = %self.file.path().display(), "the audit cannot be written");
            }
            if self.gives_up.is_some_and(|at| Instant::now() >= at) {
                return false;
            }
            if self.shared.pause(TRY_AGAIN) {
                self.gives_up
                    .get_or_insert_with(|| Instant::now() + LAST_WORDS / 2);
                // `pause` does not wait any more.
                std::thread::sleep(TRY_AGAIN / 10);
            }
        }
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}
