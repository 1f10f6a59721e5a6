//! Ready queues: which ready call is next, by priority, then fair turns, then wave and request order.
//!
//! A queue holds the ready calls of one tool that avoid the same workers. It has a level per priority; a level
//! holds lanes, one per execution, ordered by the turns that their tenants and executions have taken. What is
//! eligible is decided here; whether a worker is free, by the caller.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    CallKey, ExecutionKey, TenantKey, Time, ToolKey, WorkerKey,
    execution::{CallState, Executions},
    row::Row,
    tenant::Tenants,
    track::Track,
};

/// The highest priority; 0 is the lowest.
pub(crate) const TOP: u8 = 3;
const LEVELS: usize = TOP as usize + 1;

/// Names a queue while it is there: its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueKey(u32);

/// A place in a queue: one level of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) queue: QueueKey,
    pub(crate) level: u8,
}

/// Ready calls of one tool that avoid the same workers, and are all suspects or none.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) tool: ToolKey,
    pub(crate) avoids: SmallVec<[WorkerKey; 2]>,
    /// They lost a worker: none starts where another such call is watched.
    pub(crate) suspects: bool,
    /// Why none of its calls may start; nothing, while those of executions and tenants below their limits may.
    pub(crate) closed: Track,
    levels: [Level; LEVELS],
    ready: u32,
}

/// The ready calls of one priority.
#[derive(Debug, Default)]
struct Level {
    /// Lanes by the turns of their executions, which may have taken more since; lanes of executions at their
    /// limit stand aside.
    filed: BTreeMap<TenantKey, Filed>,
    lanes: FxHashMap<ExecutionKey, LaneCalls>,
}

/// The lanes of one tenant that do not stand aside.
#[derive(Debug, Default)]
struct Filed {
    by_turn: BTreeSet<(u64, ExecutionKey)>,
    /// The same, by how long they have held calls.
    waiting: BTreeSet<(Time, ExecutionKey)>,
}

/// The ready calls of one execution in a level.
#[derive(Debug)]
struct LaneCalls {
    /// When it began to hold calls.
    since: Time,
    /// May hold calls that ended while they were ready.
    calls: Row,
    ready: u32,
    /// The turn under which it is filed; `None`: it stands aside.
    filed: Option<u64>,
}

/// The best call of a queue. The greater goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) call: CallKey,
    pub(crate) lane: Lane,
    pub(crate) tenant: TenantKey,
    standing: u64,
    tenant_turn: u64,
    execution_turn: u64,
    wave: u32,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |head: &Self| {
            let turn = Reverse((head.tenant_turn, head.execution_turn, head.call.execution));
            (
                head.standing,
                turn,
                head.lane.level,
                Reverse((head.wave, head.call.index, head.lane.queue)),
            )
        };
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A call to be queued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) call: CallKey,
    pub(crate) wave: u32,
    pub(crate) tenant: TenantKey,
    /// The turn of its execution.
    pub(crate) turn: u64,
}

/// All ready queues.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: Vec<Option<Queue>>,
    /// Places that are free.
    free: Vec<QueueKey>,
}

impl Queues {
    /// The queue among `keys` (a tool's) whose calls avoid these workers, and are suspects or not, made when it is
    /// not there.
    pub(crate) fn find_or_make(
        &mut self,
        tool: ToolKey,
        keys: &mut SmallVec<[QueueKey; 1]>,
        (avoids, suspects): (&[WorkerKey], bool),
    ) -> QueueKey {
        let found = keys.iter().find(|key| {
            self.queue(**key)
                .is_some_and(|queue| queue.avoids.as_slice() == avoids && queue.suspects == suspects)
        });
        if let Some(&key) = found {
            return key;
        }
        let key = self.free.pop().unwrap_or_else(|| {
            self.queues.push(None);
            QueueKey(self.queues.len() as u32 - 1)
        });
        self.queues[key.0 as usize] = Some(Queue {
            tool,
            avoids: avoids.into(),
            suspects,
            closed: Track::default(),
            levels: Default::default(),
            ready: 0,
        });
        keys.push(key);
        key
    }

    /// Puts a call in.
    pub(crate) fn push(&mut self, now: Time, lane: Lane, entry: Entry) {
        let Some(queue) = self.queue_mut(lane.queue) else {
            return;
        };
        queue.ready += 1;
        let level = &mut queue.levels[lane.level as usize];
        let new = || LaneCalls {
            since: now,
            calls: Row::default(),
            ready: 0,
            filed: None,
        };
        let calls = level.lanes.entry(entry.call.execution).or_insert_with(new);
        let is_new = calls.ready == 0;
        calls.ready += 1;
        calls.calls.push((entry.wave, entry.call.index));
        if is_new {
            level.file(entry.tenant, entry.turn, entry.call.execution);
        }
    }

    /// Takes out a call that was ready: the head that is dispatched (`served`), or one that ended. True: the
    /// queue is empty and gone.
    pub(crate) fn remove(&mut self, lane: Lane, tenant: TenantKey, call: CallKey, served: bool) -> bool {
        let Some(queue) = self.queue_mut(lane.queue) else {
            return true;
        };
        let level = &mut queue.levels[lane.level as usize];
        if let Some(calls) = level.lanes.get_mut(&call.execution) {
            calls.ready -= 1;
            if served {
                calls.calls.pop();
            }
            if calls.ready == 0 {
                level.unfile(tenant, call.execution);
                level.lanes.remove(&call.execution);
            }
        }
        queue.ready -= 1;
        let empty = queue.ready == 0;
        if empty {
            self.queues[lane.queue.0 as usize] = None;
            self.free.push(lane.queue);
        }
        empty
    }

    /// An execution that stood aside is below its limit again.
    pub(crate) fn refile(&mut self, lane: Lane, tenant: TenantKey, execution: ExecutionKey, turn: u64) {
        let Some(queue) = self.queue_mut(lane.queue) else {
            return;
        };
        let level = &mut queue.levels[lane.level as usize];
        if level
            .lanes
            .get(&execution)
            .is_some_and(|calls| calls.filed.is_none())
        {
            level.file(tenant, turn, execution);
        }
    }

    /// The best call of a queue whose execution and tenant are below their limits. Executions found at their
    /// limit stand aside until [`Self::refile`].
    pub(crate) fn head(
        &mut self,
        key: QueueKey,
        now: Time,
        aging: Duration,
        executions: &mut Executions,
        tenants: &Tenants,
    ) -> Option<Head> {
        let queue = self.queue_mut(key)?;
        // Levels that waiting has made equals take turns.
        let mut best: Option<Head> = None;
        for (level, calls) in (0..).zip(&mut queue.levels) {
            // Most levels are empty, and heads are not small.
            if !calls.filed.is_empty() {
                let lane = Lane { queue: key, level };
                best = best.max(calls.head(lane, (now, aging), executions, tenants));
            }
        }
        best
    }

    /// A queue.
    pub(crate) fn queue(&self, key: QueueKey) -> Option<&Queue> {
        self.queues.get(key.0 as usize)?.as_ref()
    }

    pub(crate) fn queue_mut(&mut self, key: QueueKey) -> Option<&mut Queue> {
        self.queues.get_mut(key.0 as usize)?.as_mut()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.queues.len() - self.free.len()
    }

    /// All queues.
    pub(crate) fn keys(&self) -> impl Iterator<Item = QueueKey> + '_ {
        let queues = (0..).map(QueueKey).zip(&self.queues);
        queues.filter_map(|(key, queue)| queue.as_ref().map(|_| key))
    }

    /// The ready calls of a queue, by execution, in no order.
    pub(crate) fn lanes(&self, key: QueueKey) -> impl Iterator<Item = (ExecutionKey, u32)> + '_ {
        let levels = self.queue(key).into_iter().flat_map(|queue| &queue.levels);
        levels.flat_map(|level| {
            level
                .lanes
                .iter()
                .map(|(&execution, lane)| (execution, lane.ready))
        })
    }

    /// The calls of a queue, in no order; some may have ended.
    pub(crate) fn calls(&self, key: QueueKey) -> Vec<CallKey> {
        let Some(queue) = self.queue(key) else {
            return Vec::new();
        };
        let lanes = queue.levels.iter().flat_map(|level| level.lanes.iter());
        lanes
            .flat_map(|(&execution, lane)| {
                lane.calls
                    .indices()
                    .map(move |index| CallKey { execution, index })
            })
            .collect()
    }
}

impl Level {
    fn head(
        &mut self,
        lane: Lane,
        (now, aging): (Time, Duration),
        executions: &mut Executions,
        tenants: &Tenants,
    ) -> Option<Head> {
        loop {
            let (since, turn, tenant, filed) = first_tenant(&self.filed, tenants)?;
            let &(filed_turn, key) = filed.by_turn.first()?;
            let is_alone = filed.by_turn.len() == 1;
            let execution = executions.get_mut(&key)?;
            if execution.in_flight >= execution.max_concurrency {
                self.unfile(tenant, key);
                execution.parked.push(lane);
                continue;
            }
            // The turns of one that is alone make no difference.
            if execution.turn > filed_turn && !is_alone {
                self.move_back(tenant, key, execution.turn);
                continue;
            }
            let calls = self.lanes.get_mut(&key)?;
            let (wave, index) = calls.calls.first()?;
            if execution.calls[index as usize].state != (CallState::Ready { lane }) {
                calls.calls.pop();
                continue;
            }
            let call = CallKey {
                execution: key,
                index,
            };
            let standing = u64::from(lane.level) + lift(now.since(since), aging);
            return Some(Head {
                call,
                lane,
                tenant,
                standing: standing.min(u64::from(TOP)),
                tenant_turn: turn,
                execution_turn: execution.turn,
                wave,
            });
        }
    }

    fn file(&mut self, tenant: TenantKey, turn: u64, execution: ExecutionKey) {
        let Some(lane) = self.lanes.get_mut(&execution) else {
            return;
        };
        lane.filed = Some(turn);
        let filed = self.filed.entry(tenant).or_default();
        filed.by_turn.insert((turn, execution));
        filed.waiting.insert((lane.since, execution));
    }

    /// Files a lane that is filed under a later turn.
    fn move_back(&mut self, tenant: TenantKey, execution: ExecutionKey, turn: u64) {
        if let Some(lane) = self.lanes.get_mut(&execution)
            && let Some(before) = lane.filed.replace(turn)
            && let Some(filed) = self.filed.get_mut(&tenant)
        {
            filed.by_turn.remove(&(before, execution));
            filed.by_turn.insert((turn, execution));
        }
    }

    fn unfile(&mut self, tenant: TenantKey, execution: ExecutionKey) {
        let Some(lane) = self.lanes.get_mut(&execution) else {
            return;
        };
        if let (Some(turn), Some(filed)) = (lane.filed.take(), self.filed.get_mut(&tenant)) {
            filed.by_turn.remove(&(turn, execution));
            filed.waiting.remove(&(lane.since, execution));
            if filed.by_turn.is_empty() {
                self.filed.remove(&tenant);
            }
        }
    }
}

/// The tenant below its limit that has taken the fewest turns, with these; and since when the longest of those
/// below their limits waits. What a tenant at its limit waits for is its own affair.
fn first_tenant<'a>(
    filed: &'a BTreeMap<TenantKey, Filed>,
    tenants: &Tenants,
) -> Option<(Time, u64, TenantKey, &'a Filed)> {
    let open = |(&tenant, filed): (&TenantKey, &'a Filed)| {
        Some((
            filed.waiting.first()?.0,
            tenants.open_turn(tenant)?,
            tenant,
            filed,
        ))
    };
    // To walk a map costs more than all the rest, and most often there is one.
    if filed.len() == 1 {
        return filed.first_key_value().and_then(open);
    }
    filed.iter().filter_map(open).reduce(|best, other| {
        let first = if (other.1, other.2) < (best.1, best.2) {
            other
        } else {
            best
        };
        (best.0.min(other.0), first.1, first.2, first.3)
    })
}

/// Priorities gained by waiting.
fn lift(waited: Duration, aging: Duration) -> u64 {
    // What has not waited so long, as most, costs no division.
    if aging.is_zero() || waited < aging {
        0
    } else {
        (waited.as_nanos() / aging.as_nanos()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_full_wait_lifts_by_one() {
        let aging = Duration::from_secs(5);
        let lifts = [0, 4999, 5000, 9999, 10_000].map(|waited| lift(Duration::from_millis(waited), aging));
        assert_eq!(lifts, [0, 0, 1, 1, 2]);
        assert_eq!(lift(Duration::MAX, Duration::ZERO), 0);
    }
}
