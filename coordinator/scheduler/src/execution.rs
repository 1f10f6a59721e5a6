//! An execution and its calls: what is known of them, and the small steps that touch nothing else.
//!
//! ```text
//!  Waiting ─┬─► Undeclared ─► Resolving ─┬─► Ready ──► InFlight ──► Ended
//!           ├──────────────────►─────────┤    ▲  ▲         │
//!           └──────────────────►─────────┘    │  └─Backoff◄┤ another attempt
//!                                             └────────────┘
//! ```
//! Every state may go to Ended; nothing leaves it.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    AttemptFailure, AttemptKey, AttemptRecord, CallKey, CallSpec, ExecutionKey, OnFailure, Preparation,
    Schedule, Submission, TenantKey, Time, ToolKey, WaitReason, Waits, WorkerKey,
    plan::Plan,
    queue::Lane,
    terms::{AllTerms, Terms, TermsKey},
    timers::Armed,
    track::Track,
};

/// Executions that have not ended.
pub(crate) type Executions = FxHashMap<ExecutionKey, Execution>;

/// One execution.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) key: ExecutionKey,
    pub(crate) tenant: TenantKey,
    pub(crate) plan: Plan,
    pub(crate) calls: Vec<Call>,
    pub(crate) terms: AllTerms,
    pub(crate) max_concurrency: u32,
    pub(crate) deadline: Time,
    pub(crate) fail_fast: bool,
    pub(crate) barrier: Option<Barrier>,
    /// Calls that have not ended.
    pub(crate) open: u32,
    /// Attempts that count against `max_concurrency`.
    pub(crate) in_flight: u32,
    /// Calls whose current attempt is on a worker; those under abort are not among them.
    pub(crate) running: u32,
    /// Ready calls.
    pub(crate) queued: u32,
    /// Turns taken, for fairness among the executions of a tenant.
    pub(crate) turn: u64,
    /// Lanes left out of their queues while it is at `max_concurrency`.
    pub(crate) parked: SmallVec<[Lane; 2]>,
    /// When it was at `max_concurrency`.
    pub(crate) limited: Track,
    pub(crate) timer: Option<Armed>,
}

/// Where barrier waves stand.
#[derive(Debug)]
pub(crate) struct Barrier {
    /// Calls of this wave and those before may start.
    pub(crate) wave: u32,
    /// Calls of each wave that have not ended.
    pub(crate) left: Vec<u32>,
    /// The calls of each wave.
    pub(crate) members: Vec<Vec<u32>>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) state: CallState,
    pub(crate) tool: ToolKey,
    pub(crate) priority: u8,
    pub(crate) terms: TermsKey,
    pub(crate) safe_to_repeat: bool,
    pub(crate) preparation: Preparation,
    /// Dependencies that have not ended.
    pub(crate) waits_for: u32,
    /// Attempts dispatched, refused ones left out.
    pub(crate) charged: u32,
    pub(crate) refusals: u32,
    /// Attempts that ended the sessions of their workers.
    pub(crate) losses: u32,
    /// Those that were dispatched; without room while there was none.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// When it was first ready.
    pub(crate) ready_at: Option<Time>,
    /// When it was last put into its queue.
    pub(crate) queued_at: Time,
    pub(crate) timer: Option<Armed>,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallState {
    /// For dependencies, or for its wave.
    Waiting,
    /// For its tool to be declared.
    Undeclared,
    /// For the resolver.
    Resolving,
    /// For a slot, in a lane of a queue.
    Ready { lane: Lane },
    /// Its current attempt is on a worker.
    InFlight { attempt: u32, worker: WorkerKey },
    /// For the next attempt.
    Backoff,
    /// For nothing: final.
    Ended,
}

impl Execution {
    /// As submitted, with every call waiting.
    pub(crate) fn new(submission: Submission) -> Self {
        let Submission {
            execution,
            tenant,
            limits: _,
            plan,
            calls,
            max_concurrency,
            schedule,
            on_failure,
            deadline,
        } = submission;
        let mut terms = AllTerms::default();
        let calls: Vec<Call> = calls
            .into_iter()
            .enumerate()
            .map(|(index, spec)| Call::new(spec, plan.dependency_count(index as u32), &mut terms))
            .collect();
        let barrier = (schedule == Schedule::Barrier).then(|| {
            let members = plan.waves();
            Barrier {
                wave: 0,
                left: members.iter().map(|wave| wave.len() as u32).collect(),
                members,
            }
        });
        Self {
            key: execution,
            tenant,
            open: calls.len() as u32,
            plan,
            calls,
            terms,
            max_concurrency: max_concurrency.unwrap_or(u32::MAX),
            deadline,
            fail_fast: on_failure == OnFailure::FailFast,
            barrier,
            in_flight: 0,
            running: 0,
            queued: 0,
            turn: 0,
            parked: SmallVec::new(),
            limited: Track::default(),
            timer: None,
        }
    }

    /// The key of a call.
    pub(crate) fn call_key(&self, index: u32) -> CallKey {
        CallKey {
            execution: self.key,
            index,
        }
    }

    /// A call.
    pub(crate) fn call(&mut self, index: u32) -> Option<&mut Call> {
        self.calls.get_mut(index as usize)
    }

    /// An attempt more counts against its limit.
    pub(crate) fn count(&mut self, now: Time) {
        self.in_flight += 1;
        if self.in_flight >= self.max_concurrency {
            self.limited.set(now, Some(WaitReason::ExecutionLimit));
        }
    }

    /// One less does.
    pub(crate) fn uncount(&mut self, now: Time) {
        self.in_flight -= 1;
        if self.in_flight < self.max_concurrency && self.limited.now().is_some() {
            self.limited.set(now, None);
        }
    }

    /// Nothing but a wave keeps it from starting, or not even that.
    pub(crate) fn wave_is_open(&self, index: u32) -> bool {
        self.barrier
            .as_ref()
            .is_none_or(|barrier| self.plan.wave(index) <= barrier.wave)
    }
}

impl Call {
    fn new(spec: CallSpec, waits_for: u32, terms: &mut AllTerms) -> Self {
        let CallSpec {
            tool,
            priority,
            timeout,
            queue_timeout,
            retry,
            safe_to_repeat,
            preparation,
        } = spec;
        Self {
            state: CallState::Waiting,
            tool,
            priority,
            terms: terms.find_or_add(Terms {
                timeout,
                queue_timeout,
                retry,
            }),
            safe_to_repeat,
            preparation,
            waits_for,
            charged: 0,
            refusals: 0,
            losses: 0,
            attempts: Vec::new(),
            ready_at: None,
            queued_at: Time::ZERO,
            timer: None,
        }
    }

    /// An attempt was dispatched at some time.
    pub(crate) fn was_dispatched(&self) -> bool {
        self.charged > 0
    }

    /// It is the current attempt, on that worker.
    pub(crate) fn is_current(&self, attempt: AttemptKey, worker: WorkerKey) -> bool {
        self.state
            == CallState::InFlight {
                attempt: attempt.number,
                worker,
            }
    }

    /// Workers that failed it, sorted: another attempt avoids them. All its attempts failed while none is current.
    pub(crate) fn failed_on(&self) -> SmallVec<[WorkerKey; 2]> {
        let mut workers: SmallVec<[WorkerKey; 2]> =
            self.attempts.iter().map(|record| record.worker).collect();
        workers.sort_unstable();
        workers.dedup();
        workers
    }

    /// Writes down an attempt that is dispatched now; its number.
    pub(crate) fn open_attempt(&mut self, now: Time, worker: WorkerKey, waits: Waits) -> u32 {
        let number = self.attempts.last().map_or(1, |last| last.number + 1);
        if self.attempts.is_empty() {
            // Most calls need no other.
            self.attempts = Vec::with_capacity(1);
        }
        self.attempts.push(AttemptRecord {
            number,
            worker,
            dispatched_at: now,
            started_at: None,
            ended_at: None,
            failure: None,
            waits,
        });
        self.charged += 1;
        self.state = CallState::InFlight {
            attempt: number,
            worker,
        };
        number
    }

    /// Writes the end of the current attempt into its record.
    pub(crate) fn close_attempt(&mut self, now: Time, failure: Option<AttemptFailure>) {
        if let Some(record) = self.attempts.last_mut()
            && record.ended_at.is_none()
        {
            record.ended_at = Some(now);
            record.failure = failure;
            if failure != Some(AttemptFailure::Refused) && record.started_at.is_none() {
                record.started_at = Some(record.dispatched_at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside what its driver keeps, this is what a call costs that waits. It may shrink.
    #[test]
    fn a_call_takes_no_more_room_than_it_must() {
        assert!(size_of::<Call>() <= 88, "{}", size_of::<Call>());
    }
}
