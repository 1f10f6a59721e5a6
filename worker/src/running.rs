//! What the executor keeps of an attempt that runs, and how its end follows from how its future ended.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, JoinError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use toolwave_proto::v1::{self, AttemptRef};
use toolwave_tool::Stopping;

use crate::{
    attempt::{self, Performed, StopReason},
    catalogue::Hosted,
    convert,
    numbers::ToolNumbers,
    slots::Taken,
    traced::Traced,
    unacknowledged::{End, Ended},
};

/// For a dispatch that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// For a timeout beyond what a clock can tell.
const ENDLESS: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) struct Running {
    pub(crate) attempt: AttemptRef,
    pub(crate) started: Instant,
    timeout: Duration,
    pub(crate) safe_to_repeat: bool,
    stopping: Stopping,
    max_result_bytes: u64,
    numbers: Arc<ToolNumbers>,
    stopped: Option<StopReason>,
    pub(crate) cancelled: CancellationToken,
    /// `None` while it is tried in the session's loop.
    pub(crate) task: Option<AbortHandle>,
    /// Its coordinator is gone: it keeps its slot until it has stopped, and nobody is told.
    pub(crate) orphaned: bool,
    /// Where it is part of a trace.
    pub(crate) traced: Option<Box<Traced>>,
    /// Given back when it has ended.
    _slot: Taken,
}

impl Running {
    /// It starts now.
    pub(crate) fn begin(attempt: AttemptRef, dispatch: &v1::Dispatch, hosted: &Hosted, slot: Taken) -> Self {
        Self {
            attempt,
            started: Instant::now(),
            timeout: convert::from_proto_duration(dispatch.timeout).unwrap_or(DEFAULT_TIMEOUT),
            safe_to_repeat: dispatch.safe_to_repeat,
            stopping: hosted.stopping,
            max_result_bytes: hosted.max_result_bytes,
            numbers: hosted.numbers.clone(),
            stopped: None,
            cancelled: CancellationToken::new(),
            task: None,
            orphaned: false,
            traced: None,
            _slot: slot,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.started
            .checked_add(self.timeout)
            .unwrap_or_else(|| self.started + ENDLESS)
    }

    /// How it ended whose future did.
    pub(crate) fn ended(self, joined: Result<Performed, JoinError>) -> Ended {
        match joined {
            Ok(Performed {
                conclusion,
                execution_time,
            }) => {
                let (timeout, limit) = (self.timeout, self.max_result_bytes);
                let end = attempt::end_of(conclusion, self.stopped, self.stopping, timeout, limit);
                self.ended_after(end, execution_time)
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => self.ended_with(attempt::panicked(panic.as_ref())),
                Err(_) => {
                    let reason = self.stopped.unwrap_or(StopReason::WorkerStopped);
                    self.ended_with(End::Failure(attempt::stop_failure(reason)))
                }
            },
        }
    }

    /// It ends now, so.
    pub(crate) fn ended_with(self, end: End) -> Ended {
        let execution_time = self.started.elapsed();
        self.ended_after(end, execution_time)
    }

    fn ended_after(self, end: End, execution_time: Duration) -> Ended {
        self.numbers.ended(&end, execution_time);
        Ended {
            attempt: self.attempt,
            end,
            execution_time: Some(execution_time),
        }
    }

    /// Asks it to stop; its end comes when it has.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(reason);
        if let (Stopping::Drop, Some(task)) = (self.stopping, &self.task) {
            task.abort();
        }
        self.cancelled.cancel();
    }
}
