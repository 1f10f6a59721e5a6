//! What waits to be said in one session, made into frames of bounded size.
//!
//! Nothing is delayed but the news that an attempt began: it waits some milliseconds, since most attempts end
//! before that and then it need not be said. Large results follow in chunks with other entries between them.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use prost::Message;
use tokio::time::Instant;
use toolwave_proto::v1::{
    AttemptRef, AttemptReport, Draining, Goodbye, Heartbeat, OpenSessionRequest, PayloadChunk,
    ProgressReport, SlotsChanged, Tool, ToolsChanged, attempt_report,
};
use toolwave_tool::Progress;

use crate::{
    attempt, convert,
    unacknowledged::{End, Unacknowledged},
};

/// Entries in one frame.
const MAX_ENTRIES: usize = 256;
/// A frame takes no further entry once it holds so much.
const ENTRIES_BYTES: usize = 64 << 10;
/// The largest payload inside an entry, and the largest piece of one outside.
pub(crate) const CHUNK: usize = 64 << 10;
/// One full frame: entries, the last of which may be an inline result or a failure with details, and a chunk.
pub(crate) const MAX_FRAME: usize = 256 << 10;
/// Attempts that end within this time are never announced.
const STARTED_GRACE: Duration = Duration::from_millis(5);
/// Progress beyond this is dropped: watchers want the latest, not all.
const MAX_PROGRESS: usize = 64;
const MAX_PROGRESS_MESSAGE: usize = 1 << 10;
/// About what an entry takes beside its payload.
const ENTRY_OVERHEAD: usize = 48;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    started: VecDeque<(Instant, AttemptRef)>,
    progress: VecDeque<ProgressReport>,
    payloads: VecDeque<Payload>,
    heartbeat: Option<Heartbeat>,
    tools: Option<ToolsChanged>,
    draining: Option<Draining>,
    slots: Option<SlotsChanged>,
    goodbye: Option<Goodbye>,
}

/// A result that follows its entry.
#[derive(Debug)]
struct Payload {
    attempt: AttemptRef,
    rest: Bytes,
    offset: u64,
}

impl Outbox {
    pub(crate) fn started(&mut self, now: Instant, attempt: AttemptRef) {
        self.started.push_back((now + STARTED_GRACE, attempt));
    }

    pub(crate) fn progress(&mut self, attempt: AttemptRef, progress: Progress) {
        if self.progress.len() == MAX_PROGRESS {
            self.progress.pop_front();
        }
        let message = convert::shortened(progress.message, MAX_PROGRESS_MESSAGE);
        self.progress.push_back(ProgressReport {
            attempt: Some(attempt),
            fraction: progress.fraction,
            message,
        });
    }

    pub(crate) fn heartbeat(&mut self, heartbeat: Heartbeat) {
        self.heartbeat = Some(heartbeat);
    }

    /// All that the worker offers from now on; an older offer that has not left is forgotten.
    pub(crate) fn tools(&mut self, tools: &[Tool]) {
        self.tools = Some(ToolsChanged {
            tools: tools.to_vec(),
        });
    }

    pub(crate) fn draining(&mut self, reason: &str) {
        self.draining = Some(Draining {
            reason: reason.to_owned(),
        });
    }

    /// So many from now on; what has not left is forgotten.
    pub(crate) fn slots(&mut self, slots: u32) {
        self.slots = Some(SlotsChanged { slots });
    }

    pub(crate) fn goodbye(&mut self, reason: &str) {
        self.goodbye = Some(Goodbye {
            reason: reason.to_owned(),
        });
    }

    /// Attempts whose end was told and whose result has not left in whole.
    pub(crate) fn told_in_part(&self) -> impl Iterator<Item = AttemptRef> {
        self.payloads.iter().map(|payload| payload.attempt)
    }

    /// When something becomes ready that is not yet.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.started.front().map(|(due, _)| *due)
    }

    /// There is something for a frame.
    pub(crate) fn is_ready(&self, now: Instant, results: &Unacknowledged) -> bool {
        results.has_untold()
            || !self.payloads.is_empty()
            || !self.progress.is_empty()
            || self.heartbeat.is_some()
            || self.tools.is_some()
            || self.draining.is_some()
            || self.slots.is_some()
            || self.goodbye.is_some()
            || self.next_due().is_some_and(|due| due <= now)
    }

    /// The next frame, of what is ready. `runs` tells of an attempt whether it has not ended.
    pub(crate) fn next_frame(
        &mut self,
        now: Instant,
        results: &mut Unacknowledged,
        max_result_bytes: u64,
        runs: impl Fn(&AttemptRef) -> bool,
    ) -> Option<OpenSessionRequest> {
        if !self.is_ready(now, results) {
            return None;
        }
        let mut frame = OpenSessionRequest {
            heartbeat: self.heartbeat.take(),
            tools_changed: self.tools.take(),
            draining: self.draining.take(),
            slots_changed: self.slots.take(),
            ..OpenSessionRequest::default()
        };
        let mut room = Room {
            entries: MAX_ENTRIES,
            bytes: ENTRIES_BYTES,
        };
        self.add_started(&mut frame, &mut room, now, &runs);
        self.add_progress(&mut frame, &mut room, &runs);
        self.add_results(&mut frame, &mut room, results, max_result_bytes);
        self.add_chunk(&mut frame);
        if self.payloads.is_empty() && !results.has_untold() {
            frame.goodbye = self.goodbye.take();
        }
        let empty = frame == OpenSessionRequest::default();
        debug_assert!(
            frame.heartbeat.is_some() || frame.tools_changed.is_some() || frame.encoded_len() <= MAX_FRAME,
            "a frame has {} bytes",
            frame.encoded_len()
        );
        // what was ready may have been nothing but attempts that ended without having been announced
        (!empty).then_some(frame)
    }

    fn add_started(
        &mut self,
        frame: &mut OpenSessionRequest,
        room: &mut Room,
        now: Instant,
        runs: impl Fn(&AttemptRef) -> bool,
    ) {
        while let Some((due, attempt)) = self.started.front().copied() {
            let over = !runs(&attempt);
            if !over && (due > now || !room.take(0)) {
                break;
            }
            self.started.pop_front();
            if !over {
                frame.started.push(attempt);
            }
        }
    }

    fn add_progress(
        &mut self,
        frame: &mut OpenSessionRequest,
        room: &mut Room,
        runs: impl Fn(&AttemptRef) -> bool,
    ) {
        while let Some(report) = self.progress.pop_front() {
            if !report.attempt.as_ref().is_some_and(&runs) {
                continue;
            }
            if !room.take(report.message.len()) {
                self.progress.push_front(report);
                break;
            }
            frame.progress.push(report);
        }
    }

    fn add_results(
        &mut self,
        frame: &mut OpenSessionRequest,
        room: &mut Room,
        results: &mut Unacknowledged,
        max_result_bytes: u64,
    ) {
        while let Some((sequence, ended)) = results.next_untold() {
            let mut report = AttemptReport {
                attempt: Some(ended.attempt),
                sequence,
                result_size: 0,
                execution_time: ended.execution_time.map(convert::to_proto_duration),
                end: None,
            };
            let (end, inline) = match &ended.end {
                End::Result(json) if json.len() as u64 > max_result_bytes => (
                    attempt_report::End::Failure(attempt::too_large(json.len(), max_result_bytes)),
                    128,
                ),
                End::Result(json) if json.len() > CHUNK => {
                    report.result_size = json.len() as u64;
                    (attempt_report::End::ResultJson(Bytes::new()), 0)
                }
                End::Result(json) => (attempt_report::End::ResultJson(json.clone()), json.len()),
                End::Failure(failure) => (
                    attempt_report::End::Failure(failure.clone()),
                    failure.encoded_len(),
                ),
            };
            if !room.take(inline) {
                return;
            }
            if let (End::Result(json), true) = (&ended.end, report.result_size > 0) {
                self.payloads.push_back(Payload {
                    attempt: ended.attempt,
                    rest: json.clone(),
                    offset: 0,
                });
            }
            report.end = Some(end);
            frame.results.push(report);
            results.mark_told();
        }
    }

    /// One piece, in turns between the results that wait.
    fn add_chunk(&mut self, frame: &mut OpenSessionRequest) {
        let Some(mut payload) = self.payloads.pop_front() else {
            return;
        };
        let data = payload.rest.split_to(payload.rest.len().min(CHUNK));
        let offset = payload.offset;
        payload.offset += data.len() as u64;
        frame.chunks.push(PayloadChunk {
            attempt: Some(payload.attempt),
            offset,
            data,
        });
        if !payload.rest.is_empty() {
            self.payloads.push_back(payload);
        }
    }
}

/// What a frame still takes.
struct Room {
    entries: usize,
    bytes: usize,
}

impl Room {
    /// Takes room for an entry; the last one may be larger than what is left.
    fn take(&mut self, payload: usize) -> bool {
        if self.entries == 0 || self.bytes == 0 {
            return false;
        }
        self.entries -= 1;
        self.bytes = self.bytes.saturating_sub(payload + ENTRY_OVERHEAD);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unacknowledged::Ended;

    fn attempt(execution: u64) -> AttemptRef {
        AttemptRef {
            execution,
            call_index: 0,
            attempt: 1,
        }
    }

    fn result(execution: u64, bytes: usize) -> Ended {
        Ended {
            attempt: attempt(execution),
            end: End::Result(vec![b'1'; bytes].into()),
            execution_time: None,
        }
    }

    fn frames(outbox: &mut Outbox, results: &mut Unacknowledged) -> Vec<OpenSessionRequest> {
        let now = Instant::now();
        std::iter::from_fn(|| outbox.next_frame(now, results, u64::MAX, |_| true))
            .take(1000)
            .collect()
    }

    #[test]
    fn what_waits_together_travels_together_up_to_256_entries() {
        let mut results = Unacknowledged::default();
        (0..530).for_each(|execution| results.push(result(execution, 10)));
        let frames = frames(&mut Outbox::default(), &mut results);
        assert_eq!(
            frames.iter().map(|frame| frame.results.len()).collect::<Vec<_>>(),
            [256, 256, 18]
        );
    }

    #[test]
    fn a_frame_takes_no_entry_beyond_64_kib() {
        let mut results = Unacknowledged::default();
        (0..10).for_each(|execution| results.push(result(execution, 15 << 10)));
        let frames = frames(&mut Outbox::default(), &mut results);
        assert_eq!(
            frames.iter().map(|frame| frame.results.len()).collect::<Vec<_>>(),
            [5, 5]
        );
    }

    #[test]
    fn large_results_follow_their_entries_in_turns_and_small_ones_pass_them() {
        let mut results = Unacknowledged::default();
        results.push(result(1, 3 * CHUNK));
        results.push(result(2, CHUNK + 1));
        let mut outbox = Outbox::default();
        let first = outbox
            .next_frame(Instant::now(), &mut results, u64::MAX, |_| true)
            .unwrap();
        assert_eq!(
            first
                .results
                .iter()
                .map(|report| report.result_size)
                .collect::<Vec<_>>(),
            [196_608, 65_537]
        );
        results.push(result(3, 5));
        let rest = frames(&mut outbox, &mut results);
        assert_eq!(rest[0].results.len(), 1);
        let chunks: Vec<_> = std::iter::once(&first)
            .chain(&rest)
            .flat_map(|frame| &frame.chunks)
            .map(|chunk| (chunk.attempt.unwrap().execution, chunk.offset, chunk.data.len()))
            .collect();
        assert_eq!(
            chunks,
            [
                (1, 0, CHUNK),
                (2, 0, CHUNK),
                (1, 65_536, CHUNK),
                (2, 65_536, 1),
                (1, 131_072, CHUNK)
            ]
        );
    }

    #[test]
    fn a_result_over_the_coordinators_limit_is_told_as_too_large() {
        let mut results = Unacknowledged::default();
        results.push(result(1, 100));
        let frame = Outbox::default()
            .next_frame(Instant::now(), &mut results, 99, |_| true)
            .unwrap();
        let Some(attempt_report::End::Failure(failure)) = &frame.results[0].end else {
            panic!("expected a failure: {frame:?}");
        };
        assert_eq!(failure.code, "RESULT_TOO_LARGE");
    }

    #[test]
    fn an_attempt_that_ended_first_is_not_announced() {
        let (mut outbox, mut results) = (Outbox::default(), Unacknowledged::default());
        let now = Instant::now();
        outbox.started(now, attempt(1));
        outbox.started(now, attempt(2));
        assert!(outbox.next_frame(now, &mut results, u64::MAX, |_| true).is_none());
        let later = now + STARTED_GRACE;
        let frame = outbox
            .next_frame(later, &mut results, u64::MAX, |at| at.execution == 2)
            .unwrap();
        assert_eq!(frame.started, [attempt(2)]);
    }

    #[test]
    fn progress_of_a_busy_stream_is_dropped_oldest_first() {
        let (mut outbox, mut results) = (Outbox::default(), Unacknowledged::default());
        for number in 0..100 {
            let progress = Progress {
                fraction: None,
                message: number.to_string(),
            };
            outbox.progress(attempt(1), progress);
        }
        let frames = frames(&mut outbox, &mut results);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].progress.len(), MAX_PROGRESS);
        assert_eq!(frames[0].progress.last().unwrap().message, "99");
    }

    #[test]
    fn goodbye_comes_after_every_result_and_chunk() {
        let (mut outbox, mut results) = (Outbox::default(), Unacknowledged::default());
        results.push(result(1, 2 * CHUNK));
        outbox.goodbye("drained");
        let frames = frames(&mut outbox, &mut results);
        let goodbyes: Vec<_> = frames.iter().map(|frame| frame.goodbye.is_some()).collect();
        assert_eq!(goodbyes, [false, true]);
    }
}
