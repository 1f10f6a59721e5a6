//! Why an execution took as long as it did: what was measured of its calls, taken in as they end, and what can be
//! said of it once all have. Made where answers are, of what an answer has at hand; the driver knows nothing of it.

mod replay;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use smallvec::SmallVec;
use toolwave_proto::v1;
use toolwave_scheduler::{Outcome, Schedule, Wait, WaitReason, Waits};

use super::{answer::Shape, convert::to_duration, prepared::EndedCall};

/// Kinds of waits that are told, the longest first.
const WAITS_TOLD: usize = 32;
/// Larger executions are not played again.
const REPLAYED: usize = 20_000;
/// Stands for no call.
const NONE: u32 = u32::MAX;

/// What was measured so far. Times are nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// By call; those that have not ended hold the default.
    calls: Vec<CallCourse>,
    /// Calls in the order in which they ended.
    order: Vec<u32>,
    /// From dispatch to end, of every attempt, since 1970.
    flights: Vec<(u64, u64)>,
    waits: Vec<Waited>,
    /// Of these, some might be shorter with one more call in flight.
    held_by_limits: bool,
    retries: u32,
    retry_time: u64,
}

/// What was measured of one call.
#[derive(Clone, Copy, Debug, Default)]
struct CallCourse {
    /// Its place among the ends, from 1; 0: it has not ended.
    ended: u32,
    is_skipped: bool,
    /// When it was first sent; the largest number: never.
    sent_at: u64,
    /// From dispatch to end of all its attempts, with the backoffs between.
    took: u64,
    /// Of its last attempt.
    execution: u64,
}

/// Time that calls spent waiting for one thing.
#[derive(Debug)]
struct Waited {
    reason: WaitReason,
    tool: Option<Arc<str>>,
    time: u64,
    calls: u32,
}

// === impl Course ===

impl Course {
    /// Of an execution of so many calls.
    pub(super) fn of(calls: usize) -> Self {
        Self {
            calls: vec![CallCourse::default(); calls],
            order: Vec::with_capacity(calls),
            flights: Vec::with_capacity(calls),
            ..Self::default()
        }
    }

    /// A call of this tool ended.
    pub(super) fn end(&mut self, ended: &EndedCall, tool: &Arc<str>) {
        self.order.push(ended.call);
        let mut course = CallCourse {
            ended: self.order.len() as u32,
            is_skipped: ended.outcome == Outcome::Skipped,
            sent_at: u64::MAX,
            ..CallCourse::default()
        };
        let last = ended.attempts.len();
        for (number, attempt) in (1..).zip(&ended.attempts) {
            let (sent, end) = (since_1970(attempt.dispatched_at), since_1970(attempt.ended_at));
            let flight = end.saturating_sub(sent);
            course.sent_at = course.sent_at.min(sent);
            course.took = course.took.saturating_add(flight);
            if number < last {
                self.retry_time = self.retry_time.saturating_add(flight);
            }
            let backoff = nanos(backoff(&attempt.waits));
            course.took = course.took.saturating_add(backoff);
            self.flights.push((sent, end));
        }
        if last > 0 {
            course.execution = nanos(ended.execution_time);
            self.retries += last as u32 - 1;
        }
        if let Some(known) = self.calls.get_mut(ended.call as usize) {
            *known = course;
        }
        match &ended.attempts[..] {
            [only] if ended.waits.is_empty() => self.waited(only.waits.iter(), tool),
            attempts => {
                let mut all: SmallVec<[Wait; 4]> = ended.waits.iter().collect();
                for wait in attempts.iter().flat_map(|attempt| attempt.waits.iter()) {
                    match all.iter_mut().find(|known| known.reason == wait.reason) {
                        Some(known) => known.time += wait.time,
                        None => all.push(wait),
                    }
                }
                self.waited(all.into_iter(), tool);
            }
        }
    }

    /// All that one call waited for, each thing once.
    fn waited(&mut self, waits: impl Iterator<Item = Wait>, tool: &Arc<str>) {
        for wait in waits {
            let (reason, time) = (wait.reason, nanos(wait.time));
            if reason == WaitReason::Backoff {
                self.retry_time = self.retry_time.saturating_add(time);
            }
            self.held_by_limits |= is_limit(reason);
            let of_tool = reason.is_of_tool();
            let known = self.waits.iter_mut().find(|known| {
                known.reason == reason
                    && (!of_tool || known.tool.as_ref().is_some_and(|known| **known == **tool))
            });
            match known {
                Some(known) => {
                    known.time = known.time.saturating_add(time);
                    known.calls += 1;
                }
                None => self.waits.push(Waited {
                    reason,
                    tool: of_tool.then(|| tool.clone()),
                    time,
                    calls: 1,
                }),
            }
        }
    }

    /// What can be said now that all calls have ended.
    pub(super) fn analysis(&self, shape: &Shape, tenant: &str) -> v1::ExecutionAnalysis {
        let critical_path = self.critical_path(shape);
        let execution = critical_path
            .iter()
            .map(|&call| self.calls[call as usize].execution)
            .fold(0, u64::saturating_add);
        let peak = self.peak();
        let saved = if !self.held_by_limits || peak == 0 {
            Some(0)
        } else if self.calls.len() <= REPLAYED {
            let replay = replay::Replay::new(shape, &self.calls);
            Some(replay.takes(peak).saturating_sub(replay.takes(peak + 1)))
        } else {
            None
        };
        v1::ExecutionAnalysis {
            critical_path,
            critical_path_execution: Some(wire(execution)),
            waits: self.waits(tenant),
            retries: self.retries,
            retry_time: Some(wire(self.retry_time)),
            lower_bound: Some(wire(self.lower_bound(shape))),
            peak_in_flight: peak,
            saved_by_one_more_slot: saved.map(wire),
        }
    }

    /// From the call that ended last back to the dependency of each that ended last.
    fn critical_path(&self, shape: &Shape) -> Vec<u32> {
        // What is skipped ends with what it depended on, and waits for nothing.
        let runs = |call: &&u32| !self.calls[**call as usize].is_skipped;
        let Some(&last) = self.order.iter().rev().find(runs) else {
            return Vec::new();
        };
        let mut path = vec![last];
        if shape.plan.wave_count() <= 1 {
            return path;
        }
        let later = |one: u32, other: u32| {
            other == NONE || self.calls[one as usize].ended > self.calls[other as usize].ended
        };
        if shape.schedule == Schedule::Barrier {
            let mut latest = vec![NONE; shape.plan.wave_count() as usize];
            for &call in &self.order {
                let wave = shape.plan.wave(call) as usize;
                if later(call, latest[wave]) && !self.calls[call as usize].is_skipped {
                    latest[wave] = call;
                }
            }
            let waves = &latest[..shape.plan.wave(last) as usize];
            path.extend(waves.iter().rev().filter(|call| **call != NONE));
        } else {
            let mut before = vec![NONE; self.calls.len()];
            for &call in &self.order {
                for dependent in shape.plan.dependents(call) {
                    let known = &mut before[dependent.call as usize];
                    if later(call, *known) {
                        *known = call;
                    }
                }
            }
            let mut call = before[last as usize];
            while call != NONE {
                path.push(call);
                call = before[call as usize];
            }
        }
        path.reverse();
        path
    }

    /// With any number in flight it takes this long.
    fn lower_bound(&self, shape: &Shape) -> u64 {
        if shape.plan.wave_count() <= 1 {
            return self.calls.iter().map(|call| call.took).max().unwrap_or(0);
        }
        if shape.schedule == Schedule::Barrier {
            let mut longest = vec![0; shape.plan.wave_count() as usize];
            for (call, course) in (0..).zip(&self.calls) {
                let wave = &mut longest[shape.plan.wave(call) as usize];
                *wave = course.took.max(*wave);
            }
            return longest.into_iter().fold(0, u64::saturating_add);
        }
        // Dependencies end before what depends on them.
        let mut begins = vec![0_u64; self.calls.len()];
        let mut bound = 0;
        for &call in &self.order {
            let end = begins[call as usize].saturating_add(self.calls[call as usize].took);
            bound = bound.max(end);
            for dependent in shape.plan.dependents(call) {
                let begin = &mut begins[dependent.call as usize];
                *begin = end.max(*begin);
            }
        }
        bound
    }

    /// Attempts in flight at once, at most.
    fn peak(&self) -> u32 {
        if self.flights.len() <= 1 {
            return self.flights.len() as u32;
        }
        let (mut sent, mut ended): (Vec<u64>, Vec<u64>) = self.flights.iter().copied().unzip();
        sent.sort_unstable();
        ended.sort_unstable();
        let (mut landed, mut peak) = (0, 1);
        for (count, &at) in (1..).zip(&sent) {
            while ended.get(landed).is_some_and(|&end| end <= at) {
                landed += 1;
            }
            peak = peak.max(count - landed.min(count));
        }
        peak as u32
    }

    fn waits(&self, tenant: &str) -> Vec<v1::Wait> {
        let mut waits: Vec<&Waited> = self.waits.iter().collect();
        waits.sort_by_key(|wait| (std::cmp::Reverse(wait.time), wait.reason));
        waits.truncate(WAITS_TOLD);
        let told = waits.into_iter().map(|wait| v1::Wait {
            reason: to_reason(wait.reason).into(),
            subject: match (&wait.tool, wait.reason) {
                (Some(tool), _) => tool.to_string(),
                (None, WaitReason::TenantLimit) => tenant.to_owned(),
                (None, _) => String::new(),
            },
            time: Some(wire(wait.time)),
            calls: wait.calls,
        });
        told.collect()
    }
}

/// To the wire.
pub(crate) fn to_reason(reason: WaitReason) -> v1::WaitReason {
    match reason {
        WaitReason::NoWorker => v1::WaitReason::NoWorker,
        WaitReason::Slots => v1::WaitReason::Slots,
        WaitReason::CoordinatorLimit => v1::WaitReason::CoordinatorLimit,
        WaitReason::ExecutionLimit => v1::WaitReason::ExecutionLimit,
        WaitReason::TenantLimit => v1::WaitReason::TenantLimit,
        WaitReason::ToolLimit => v1::WaitReason::ToolLimit,
        WaitReason::ToolRate => v1::WaitReason::ToolRate,
        WaitReason::ToolWorkerLimit => v1::WaitReason::ToolWorkerLimit,
        WaitReason::Backoff => v1::WaitReason::Backoff,
        WaitReason::Turn => v1::WaitReason::Turn,
    }
}

/// With one more in flight at once it might have been shorter.
fn is_limit(reason: WaitReason) -> bool {
    match reason {
        WaitReason::Slots
        | WaitReason::CoordinatorLimit
        | WaitReason::ExecutionLimit
        | WaitReason::TenantLimit
        | WaitReason::ToolLimit
        | WaitReason::ToolWorkerLimit => true,
        WaitReason::NoWorker | WaitReason::ToolRate | WaitReason::Backoff | WaitReason::Turn => false,
    }
}

fn backoff(waits: &Waits) -> Duration {
    let found = waits.iter().find(|wait| wait.reason == WaitReason::Backoff);
    found.map_or(Duration::ZERO, |wait| wait.time)
}

fn nanos(duration: Duration) -> u64 {
    // Numbers of 128 bits cost more than all else here.
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

fn since_1970(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos)
}

fn wire(nanos: u64) -> prost_types::Duration {
    to_duration(Duration::from_nanos(nanos))
}
