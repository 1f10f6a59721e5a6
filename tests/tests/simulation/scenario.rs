//! What a seed says: workers, executions, faults. Nothing else of a run is decided by chance here.

use std::time::Duration;

use serde_json::{Value, json};
use toolwave_client::{CallExt as _, call, v1};

use crate::tools::Kind;

/// Everything of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// Slots of each worker.
    pub(crate) workers: Vec<u32>,
    pub(crate) executions: Vec<Execution>,
    /// In the order of their beginnings.
    pub(crate) faults: Vec<Fault>,
}

/// A request, and what its client does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Execution {
    pub(crate) at: Duration,
    pub(crate) calls: Vec<Call>,
    pub(crate) timeout: Option<Duration>,
    /// When the client hangs up, after it has asked.
    pub(crate) leaves_after: Option<Duration>,
    pub(crate) fail_fast: bool,
    pub(crate) barrier: bool,
    pub(crate) max_concurrency: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) takes: Duration,
    /// Of its result, beside what it says.
    pub(crate) bytes: usize,
    /// Order only.
    pub(crate) after: Vec<usize>,
    /// Whose results it takes.
    pub(crate) from: Vec<usize>,
    pub(crate) timeout: Option<Duration>,
    /// Attempts that fail, and may be repeated.
    pub(crate) fails: u32,
}

/// Something that happens to one worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) worker: usize,
    pub(crate) kind: FaultKind,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// What is sent either way is lost.
    Partition,
    /// What the coordinator sends is lost.
    Deaf,
    /// What the worker sends is lost.
    Mute,
    /// What is sent either way waits until the end of it.
    Hold,
    /// The process dies, and starts anew.
    Crash,
}

/// Executions begin and faults happen within this.
const BUSY: Duration = Duration::from_secs(40);

impl Scenario {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let workers: Vec<u32> = (0..dice.usize(1..=4)).map(|_| dice.u32(1..=4)).collect();
        let executions = (0..dice.usize(1..=6)).map(|_| Execution::of(&mut dice)).collect();
        let mut faults = Vec::new();
        for worker in 0..workers.len() {
            let mut from = millis(&mut dice, 500, 15_000);
            // of one worker they follow one another
            while from < BUSY && dice.u32(0..10) < 8 {
                let kind = [
                    FaultKind::Partition,
                    FaultKind::Deaf,
                    FaultKind::Mute,
                    FaultKind::Hold,
                    FaultKind::Crash,
                ][dice.usize(0..5)];
                // below and above heartbeats, graces and leases
                let longest = [1_000, 4_000, 12_000, 25_000][dice.usize(0..4)];
                let until = from + millis(&mut dice, 50, longest);
                faults.push(Fault {
                    worker,
                    kind,
                    from,
                    until,
                });
                from = until + millis(&mut dice, 10, 10_000);
            }
        }
        faults.sort_by_key(|fault| fault.from);
        Self {
            seed,
            workers,
            executions,
            faults,
        }
    }
}

impl Execution {
    fn of(dice: &mut fastrand::Rng) -> Self {
        let calls = (0..dice.usize(1..=12))
            .map(|index| Call::of(dice, index))
            .collect();
        Self {
            at: millis(dice, 0, 25_000),
            calls,
            timeout: (dice.u32(0..5) == 0).then(|| millis(dice, 500, 20_000)),
            leaves_after: (dice.u32(0..8) == 0).then(|| millis(dice, 10, 10_000)),
            fail_fast: dice.u32(0..6) == 0,
            barrier: dice.u32(0..4) == 0,
            max_concurrency: dice.u32(1..=8),
        }
    }

    pub(crate) fn request(&self) -> v1::ExecuteParallelRequest {
        let on_failure = if self.fail_fast {
            v1::OnFailure::FailFast
        } else {
            v1::OnFailure::Continue
        };
        let schedule = if self.barrier {
            v1::Schedule::BarrierWaves
        } else {
            v1::Schedule::PipelinedWaves
        };
        v1::ExecuteParallelRequest {
            calls: self.calls.iter().map(Call::request).collect(),
            max_concurrency: Some(self.max_concurrency),
            schedule: schedule.into(),
            on_failure: on_failure.into(),
            timeout: self.timeout.and_then(|timeout| timeout.try_into().ok()),
            ..Default::default()
        }
    }
}

impl Call {
    fn of(dice: &mut fastrand::Rng, index: usize) -> Self {
        let before = |dice: &mut fastrand::Rng, most: usize| -> Vec<usize> {
            if index == 0 {
                return Vec::new();
            }
            let mut some: Vec<usize> = (0..dice.usize(0..=most)).map(|_| dice.usize(0..index)).collect();
            some.sort_unstable();
            some.dedup();
            some
        };
        let kind = [Kind::Safe, Kind::Once, Kind::Keyed][dice.usize(0..3)];
        Self {
            kind,
            takes: match dice.u32(0..4) {
                0 => Duration::ZERO,
                1 => millis(dice, 1, 100),
                2 => millis(dice, 100, 3_000),
                _ => millis(dice, 1_000, 12_000),
            },
            // above 64 KiB it travels in pieces
            bytes: if dice.u32(0..8) == 0 {
                dice.usize(1..300_000)
            } else {
                0
            },
            after: before(dice, 2),
            from: before(dice, 2),
            timeout: (dice.u32(0..6) == 0).then(|| millis(dice, 50, 5_000)),
            fails: if dice.u32(0..6) == 0 { dice.u32(1..=3) } else { 0 },
        }
    }

    fn request(&self) -> v1::Call {
        let mut from = serde_json::Map::new();
        for index in &self.from {
            from.insert(
                index.to_string(),
                Value::from(format!("${{{index}.result.call}}")),
            );
        }
        let takes = self.takes.as_millis() as u64;
        let parameters = json!({"takes": takes, "bytes": self.bytes, "fails": self.fails, "from": from});
        let mut request = call(self.kind.name(), parameters);
        for index in &self.after {
            request = request.depends_on(index.to_string());
        }
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        if self.kind == Kind::Keyed {
            request = request.idempotency_key("the-key");
        }
        request
    }
}

fn millis(dice: &mut fastrand::Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(dice.u64(least..=most))
}
