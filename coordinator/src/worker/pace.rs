//! How fast a worker speaks: what comes too often is left out, and what comes far too often ends its session.
//! It counts and decides; it reads no frame.

use std::time::Duration;

use tokio::time::Instant;

use super::fault::SessionFault;

/// Heartbeats within a second beyond which a worker has lost its mind.
const HEARTBEATS_A_SECOND: u32 = 1000;
/// Heartbeats within a second that reach the driver.
const HEARTBEATS_HEARD: u32 = 10;
/// Progress reports of one frame that reach the driver: a well-behaved worker keeps 64 at most.
const PROGRESS_A_FRAME: usize = 256;

/// What one session has said lately.
pub(super) struct Pace {
    beats: u32,
    since: Instant,
    /// Progress reports left out.
    pub(super) progress_dropped: u64,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            beats: 0,
            since: Instant::now(),
            progress_dropped: 0,
        }
    }

    /// Counts a heartbeat; says whether it is heard.
    pub(super) fn beat(&mut self) -> Result<bool, SessionFault> {
        let now = Instant::now();
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.beats = 0;
        }
        self.beats += 1;
        if self.beats > HEARTBEATS_A_SECOND {
            return Err(SessionFault::HeartbeatFlood(HEARTBEATS_A_SECOND));
        }
        Ok(self.beats <= HEARTBEATS_HEARD)
    }

    /// Leaves the latest of a frame's progress reports: watchers want those, not all.
    pub(super) fn thin<T>(&mut self, progress: &mut Vec<T>) {
        if let Some(excess) = progress.len().checked_sub(PROGRESS_A_FRAME) {
            progress.drain(..excess);
            self.progress_dropped += excess as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_heartbeats_a_second_are_heard_and_a_thousand_are_borne() {
        let mut pace = Pace::new();
        let heard = (0..1000).map(|_| pace.beat()).filter(|beat| *beat == Ok(true));
        assert_eq!(heard.count(), 10);
        assert_eq!(pace.beat(), Err(SessionFault::HeartbeatFlood(1000)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pace.beat(), Ok(true), "another second, another count");
    }

    #[tokio::test]
    async fn of_too_many_progress_reports_in_a_frame_the_last_are_heard() {
        let mut pace = Pace::new();
        let mut progress: Vec<u32> = (0..1000).collect();
        pace.thin(&mut progress);
        assert_eq!((progress.len(), progress.last()), (256, Some(&999)));
        assert_eq!(pace.progress_dropped, 744);
    }
}
