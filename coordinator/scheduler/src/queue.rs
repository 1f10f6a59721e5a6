//! Ready queues: which ready call is next, by priority, then fair turns, then wave and request order.
//!
//! A queue holds the ready calls of one tool that avoid the same workers. It has a level per priority; a level
//! holds lanes, one per execution, ordered by the turns that their tenants and executions have taken. What is
//! eligible is decided here; whether a worker is free, by the caller.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    CallKey, ExecutionKey, TenantKey, Time, ToolKey, WorkerKey,
    execution::{CallState, Executions},
    tenant::Tenants,
};

/// The highest priority; 0 is the lowest.
pub(crate) const TOP: u8 = 3;
const LEVELS: usize = TOP as usize + 1;

/// Names a queue; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueKey(u64);

/// A place in a queue: one level of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) queue: QueueKey,
    pub(crate) level: u8,
}

/// Ready calls of one tool that avoid the same workers.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) tool: ToolKey,
    pub(crate) avoids: SmallVec<[WorkerKey; 2]>,
    levels: [Level; LEVELS],
    ready: u32,
}

/// The ready calls of one priority.
#[derive(Debug, Default)]
struct Level {
    /// Lanes by the turns of their executions; lanes of executions at their limit stand aside.
    filed: BTreeMap<TenantKey, BTreeSet<(u64, ExecutionKey)>>,
    /// The lanes that are filed, by how long they have held calls.
    waiting: BTreeSet<(Time, ExecutionKey)>,
    lanes: FxHashMap<ExecutionKey, LaneCalls>,
}

/// The ready calls of one execution in a level.
#[derive(Debug)]
struct LaneCalls {
    /// When it began to hold calls.
    since: Time,
    /// By wave and index. May hold calls that ended while they were ready.
    calls: BinaryHeap<Reverse<(u32, u32)>>,
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
    queues: BTreeMap<QueueKey, Queue>,
    next: u64,
}

impl Queues {
    /// The queue among `keys` (a tool's) whose calls avoid these workers, made when it is not there.
    pub(crate) fn find_or_make(
        &mut self,
        tool: ToolKey,
        keys: &mut SmallVec<[QueueKey; 1]>,
        avoids: &[WorkerKey],
    ) -> QueueKey {
        let found = keys.iter().find(|key| {
            self.queues
                .get(key)
                .is_some_and(|queue| queue.avoids.as_slice() == avoids)
        });
        if let Some(&key) = found {
            return key;
        }
        let key = QueueKey(self.next);
        self.next += 1;
        let queue = Queue {
            tool,
            avoids: avoids.into(),
            levels: Default::default(),
            ready: 0,
        };
        self.queues.insert(key, queue);
        keys.push(key);
        key
    }

    /// Puts a call in.
    pub(crate) fn push(&mut self, now: Time, lane: Lane, entry: Entry) {
        let Some(queue) = self.queues.get_mut(&lane.queue) else {
            return;
        };
        queue.ready += 1;
        let level = &mut queue.levels[lane.level as usize];
        let new = || LaneCalls {
            since: now,
            calls: BinaryHeap::new(),
            ready: 0,
            filed: None,
        };
        let calls = level.lanes.entry(entry.call.execution).or_insert_with(new);
        let is_new = calls.ready == 0;
        calls.ready += 1;
        calls.calls.push(Reverse((entry.wave, entry.call.index)));
        if is_new {
            level.file(entry.tenant, entry.turn, entry.call.execution);
        }
    }

    /// Takes out a call that was ready: the head that is dispatched (`served`), or one that ended. True: the
    /// queue is empty and gone.
    pub(crate) fn remove(&mut self, lane: Lane, tenant: TenantKey, call: CallKey, served: bool) -> bool {
        let Some(queue) = self.queues.get_mut(&lane.queue) else {
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
            self.queues.remove(&lane.queue);
        }
        empty
    }

    /// An execution that stood aside is below its limit again.
    pub(crate) fn refile(&mut self, lane: Lane, tenant: TenantKey, execution: ExecutionKey, turn: u64) {
        let Some(queue) = self.queues.get_mut(&lane.queue) else {
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
        let queue = self.queues.get_mut(&key)?;
        let mut order: SmallVec<[(u64, u8); LEVELS]> = SmallVec::new();
        for (index, level) in queue.levels.iter().enumerate() {
            if let Some(&(since, _)) = level.waiting.first() {
                order.push((
                    (index as u64 + lift(now.since(since), aging)).min(u64::from(TOP)),
                    index as u8,
                ));
            }
        }
        // Levels that waiting has made equals take turns.
        let head = |(standing, level)| {
            let lane = Lane { queue: key, level };
            queue.levels[level as usize].head(lane, standing, executions, tenants)
        };
        order.into_iter().filter_map(head).max()
    }

    /// A queue.
    pub(crate) fn queue(&self, key: QueueKey) -> Option<&Queue> {
        self.queues.get(&key)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.queues.len()
    }

    /// All queues, oldest first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = QueueKey> + '_ {
        self.queues.keys().copied()
    }

    /// The calls of a queue, in no order; some may have ended.
    pub(crate) fn calls(&self, key: QueueKey) -> Vec<CallKey> {
        let Some(queue) = self.queues.get(&key) else {
            return Vec::new();
        };
        let lanes = queue.levels.iter().flat_map(|level| level.lanes.iter());
        lanes
            .flat_map(|(&execution, lane)| {
                lane.calls.iter().map(move |Reverse((_, index))| CallKey {
                    execution,
                    index: *index,
                })
            })
            .collect()
    }
}

impl Level {
    fn head(
        &mut self,
        lane: Lane,
        standing: u64,
        executions: &mut Executions,
        tenants: &Tenants,
    ) -> Option<Head> {
        loop {
            let open = self
                .filed
                .iter()
                .filter(|(tenant, _)| tenants.below_limit(**tenant));
            let (turn, tenant) = open.map(|(tenant, _)| (tenants.turn(*tenant), *tenant)).min()?;
            let &(filed_turn, key) = self.filed.get(&tenant)?.first()?;
            let execution = executions.get_mut(&key)?;
            if execution.in_flight >= execution.max_concurrency {
                self.unfile(tenant, key);
                execution.parked.push(lane);
                continue;
            }
            let calls = self.lanes.get_mut(&key)?;
            if execution.turn > filed_turn {
                self.unfile(tenant, key);
                self.file(tenant, execution.turn, key);
                continue;
            }
            let &Reverse((wave, index)) = calls.calls.peek()?;
            if execution.calls[index as usize].state != (CallState::Ready { lane }) {
                calls.calls.pop();
                continue;
            }
            let call = CallKey {
                execution: key,
                index,
            };
            return Some(Head {
                call,
                lane,
                tenant,
                standing,
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
        self.filed.entry(tenant).or_default().insert((turn, execution));
        self.waiting.insert((lane.since, execution));
    }

    fn unfile(&mut self, tenant: TenantKey, execution: ExecutionKey) {
        let Some(lane) = self.lanes.get_mut(&execution) else {
            return;
        };
        self.waiting.remove(&(lane.since, execution));
        if let (Some(turn), Some(set)) = (lane.filed.take(), self.filed.get_mut(&tenant)) {
            set.remove(&(turn, execution));
            if set.is_empty() {
                self.filed.remove(&tenant);
            }
        }
    }
}

/// Priorities gained by waiting.
fn lift(waited: Duration, aging: Duration) -> u64 {
    if aging.is_zero() {
        0
    } else {
        (waited.as_nanos() / aging.as_nanos()) as u64
    }
}
