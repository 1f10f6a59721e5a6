//! What executions share: workers, tools, queues, tenants, timers, counters; and the steps that keep them in
//! line with each other. Counters are taken and given back here only.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    AttemptKey, Config, Time, ToolKey, WorkerKey,
    execution::{CallState, Execution, Executions},
    limits::Stopwatch,
    pool::Pools,
    queue::{Entry, Lane, Queues, TOP},
    tenant::Tenants,
    timers::{Armed, Timer, Timers},
    tool::{ToolState, Tools},
    worker::{Counted, OccupancyState, Worker},
};

/// The shared state.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) config: Config,
    /// The time of the input that is handled.
    pub(crate) now: Time,
    pub(crate) rng: fastrand::Rng,
    pub(crate) workers: FxHashMap<WorkerKey, Worker>,
    pub(crate) sessions: FxHashMap<crate::SessionKey, WorkerKey>,
    pub(crate) pools: Pools,
    pub(crate) tools: Tools,
    pub(crate) queues: Queues,
    pub(crate) tenants: Tenants,
    pub(crate) timers: Timers,
    pub(crate) startup_timer: Option<Armed>,
    /// Calls that wait for their tool to be declared.
    pub(crate) undeclared: usize,
    /// Attempts that count against the coordinator's limit.
    pub(crate) in_flight: usize,
    /// Calls accepted, not ended and not in flight.
    pub(crate) queued_calls: usize,
    /// Ready calls wait for the coordinator's limit, as of the last dispatch.
    pub(crate) limited: Stopwatch,
    /// Tools for whose limits calls wait, as of the last dispatch.
    pub(crate) limited_tools: Vec<ToolKey>,
    /// Something happened that may let a ready call start.
    pub(crate) dirty: bool,
    /// The health of a worker may have changed: what waits for slots may wait for a worker instead.
    pub(crate) look_again: bool,
}

impl Cluster {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(config.seed),
            config,
            now: Time::ZERO,
            workers: FxHashMap::default(),
            sessions: FxHashMap::default(),
            pools: Pools::default(),
            tools: Tools::default(),
            queues: Queues::default(),
            tenants: Tenants::default(),
            timers: Timers::default(),
            startup_timer: None,
            undeclared: 0,
            in_flight: 0,
            queued_calls: 0,
            limited: Stopwatch::default(),
            limited_tools: Vec::new(),
            dirty: false,
            look_again: false,
        }
    }

    /// Goes by other limits; a higher one may let a ready call start.
    pub(crate) fn limit(&mut self, max_in_flight: usize, max_queued_calls: usize) {
        self.config.max_in_flight = max_in_flight;
        self.config.max_queued_calls = max_queued_calls;
        self.dirty = true;
    }

    /// Nothing is refused for want of a worker yet.
    pub(crate) fn is_starting(&self, now: Time) -> bool {
        now < Time::ZERO + self.config.startup_grace
    }

    /// Puts a call whose dependencies and parameters are done into its ready queue.
    pub(crate) fn enqueue(&mut self, now: Time, execution: &mut Execution, index: u32) {
        let key = execution.call_key(index);
        let (tenant, wave) = (execution.tenant, execution.plan.wave(index));
        self.tenants
            .queue(tenant, &mut execution.turn, execution.queued == 0);
        execution.queued += 1;
        let turn = execution.turn;
        let Some(call) = execution.calls.get_mut(index as usize) else {
            return;
        };
        let tool = self.tools.entry(call.tool).or_default();
        let queue =
            self.queues
                .find_or_make(call.tool, &mut tool.queues, (&call.failed_on(), call.losses > 0));
        let lane = Lane {
            queue,
            level: call.priority.min(TOP),
        };
        self.queues.push(
            now,
            lane,
            Entry {
                call: key,
                wave,
                tenant,
                turn,
            },
        );
        tool.queued += 1;
        call.state = CallState::Ready { lane };
        call.ready_at.get_or_insert(now);
        call.queued_at = now;
        if let Some(timeout) = execution.terms.of(call.terms).queue_timeout {
            self.timers.arm(&mut call.timer, now + timeout, Timer::Call(key));
        }
        if tool.hosts == 0 {
            let gives_up = (now + self.config.worker_wait).max(Time::ZERO + self.config.startup_grace);
            tool.hostless.push_back((gives_up, key));
            arm_hostless(&mut self.timers, tool, execution.calls[index as usize].tool);
        }
        self.dirty = true;
    }

    /// Takes a ready call out of its queue: it is dispatched (`served`), or it has ended.
    pub(crate) fn dequeue(&mut self, execution: &mut Execution, index: u32, lane: Lane, served: bool) {
        let key = execution.call_key(index);
        execution.queued -= 1;
        if served {
            self.tenants
                .take_turn(self.now, execution.tenant, &mut execution.turn);
        } else {
            self.tenants.unqueue(execution.tenant);
        }
        let gone = self.queues.remove(lane, execution.tenant, key, served);
        let Some(call) = execution.call(index) else { return };
        self.timers.cancel(&mut call.timer);
        let name = call.tool;
        let Some(tool) = self.tools.get_mut(&name) else {
            return;
        };
        tool.queued -= 1;
        if gone {
            tool.queues.retain(|queue| *queue != lane.queue);
        }
        if tool.queued == 0 {
            // nothing waits for its limit any more, which the next dispatch sees
            self.dirty |= tool.limited_is_listed;
            tool.hostless.clear();
            self.timers.cancel(&mut tool.timer);
        }
    }

    /// Forgets a tool of which nothing is known and for which nothing waits.
    pub(crate) fn forget_vacant_tool(&mut self, key: ToolKey) {
        if self.tools.get(&key).is_some_and(ToolState::is_vacant) {
            self.tools.remove(&key);
        }
    }

    /// Forgets tenants of which nothing is left.
    pub(crate) fn settle_tenants(&mut self, now: Time, out: &mut Vec<crate::Action>) {
        if !self.tenants.is_settled() {
            self.tenants.settle(now, &mut self.timers, out);
        }
    }

    /// Frees the slot of an attempt, and the limits that it counted against.
    pub(crate) fn release(&mut self, worker: WorkerKey, attempt: AttemptKey, executions: &mut Executions) {
        let Some(found) = self.workers.get_mut(&worker) else {
            return;
        };
        let Some(occupancy) = found.vacate(attempt) else {
            return;
        };
        if let Some(counted) = occupancy.counted {
            self.uncount(counted, executions.get_mut(&attempt.call.execution));
        }
        self.refresh(worker);
    }

    /// An attempt of an execution counts against no limit any more, though it may still take a slot.
    pub(crate) fn uncount(&mut self, counted: Counted, execution: Option<&mut Execution>) {
        self.in_flight -= 1;
        self.tenants.release(self.now, counted.tenant);
        if let Some(tool) = self.tools.get_mut(&counted.tool) {
            tool.in_flight -= 1;
            if tool.is_vacant() {
                self.tools.remove(&counted.tool);
            }
        }
        if let Some(execution) = execution {
            execution.uncount(self.now);
            while let Some(lane) = execution.parked.pop() {
                self.queues
                    .refile(lane, execution.tenant, execution.key, execution.turn);
            }
        }
        self.dirty = true;
    }

    /// Gives up a live attempt of a worker that is away: it takes its slot there, and counts against nothing else.
    pub(crate) fn orphan(&mut self, worker: WorkerKey, attempt: AttemptKey, executions: &mut Executions) {
        let Some(found) = self.workers.get_mut(&worker) else {
            return;
        };
        let Some(occupancy) = found.occupied.get_mut(&attempt) else {
            return;
        };
        occupancy.state = OccupancyState::Aborting;
        if let Some(counted) = occupancy.counted.take() {
            found.uncount(counted.tool);
            self.uncount(counted, executions.get_mut(&attempt.call.execution));
        }
    }

    /// Takes a slot, and a place under every limit.
    pub(crate) fn occupy(&mut self, now: Time, key: WorkerKey, attempt: AttemptKey, counted: Counted) {
        self.in_flight += 1;
        if let Some(tool) = self.tools.get_mut(&counted.tool) {
            tool.count_start(now);
        }
        if let Some(worker) = self.workers.get_mut(&key) {
            worker.occupy(attempt, counted);
            self.dirty |= self.pools.list(worker);
        }
    }

    /// Watches an attempt of a call that lost a worker before.
    pub(crate) fn watch(&mut self, now: Time, key: WorkerKey, attempt: AttemptKey) {
        if let Some(worker) = self.workers.get_mut(&key) {
            worker.watched = Some((attempt, now + self.config.suspicion));
        }
        self.arm_worker(key);
    }

    /// Brings the lists in which a worker stands in line with its state, and its timer.
    pub(crate) fn refresh(&mut self, key: WorkerKey) {
        let Some(worker) = self.workers.get_mut(&key) else {
            return;
        };
        self.dirty |= self.pools.list(worker);
        let host = worker.is_host();
        if host != worker.listed_host {
            worker.listed_host = host;
            self.count_host(key, host);
            // What waits for its slots may wait for a worker now.
            self.dirty = true;
        }
    }

    /// Sets a worker's timer so that it fires no later than needed.
    pub(crate) fn arm_worker(&mut self, key: WorkerKey) {
        let Some(worker) = self.workers.get_mut(&key) else {
            return;
        };
        let due = worker.next_deadline(&self.config);
        // One that fires too early looks again; most heartbeats so cost no timer.
        if worker.timer.is_none_or(|armed| due < self.timers.at(armed)) {
            self.timers.arm(&mut worker.timer, due, Timer::Worker(key));
        }
    }

    /// A worker became, or is no longer, a host of its tools.
    fn count_host(&mut self, key: WorkerKey, host: bool) {
        let Some(worker) = self.workers.get(&key) else {
            return;
        };
        for name in self.pools.tools_of(worker.pool) {
            let Some(tool) = self.tools.get_mut(name) else {
                continue;
            };
            if host {
                tool.hosts += 1;
                if tool.hosts == 1 {
                    tool.hostless.clear();
                    self.timers.cancel(&mut tool.timer);
                }
            } else {
                tool.hosts -= 1;
            }
        }
    }

    /// Tools of this worker that have ready calls and no host: from now on their calls wait for one.
    pub(crate) fn start_hostless_waits(&mut self, now: Time, names: &[ToolKey]) {
        let gives_up = (now + self.config.worker_wait).max(Time::ZERO + self.config.startup_grace);
        for name in names {
            let Some(tool) = self.tools.get_mut(name) else {
                continue;
            };
            if tool.hosts > 0 || !tool.hostless.is_empty() {
                continue;
            }
            for queue in &tool.queues {
                tool.hostless
                    .extend(self.queues.calls(*queue).into_iter().map(|call| (gives_up, call)));
            }
            arm_hostless(&mut self.timers, tool, *name);
        }
    }

    /// Sets the timer of a tool to when its rate or its pause lets the next call start.
    pub(crate) fn arm_opening(&mut self, name: ToolKey, opens: Time) {
        // It has a host, so that its timer is about nothing else.
        if let Some(tool) = self.tools.get_mut(&name) {
            self.timers.arm(&mut tool.timer, opens, Timer::Tool(name));
        }
    }

    /// The workers on which an attempt takes a slot.
    pub(crate) fn live_attempts(&self, worker: WorkerKey) -> SmallVec<[AttemptKey; 8]> {
        let Some(worker) = self.workers.get(&worker) else {
            return SmallVec::new();
        };
        let live = worker
            .occupied
            .iter()
            .filter(|(_, occupancy)| occupancy.state == OccupancyState::Live);
        let mut live: SmallVec<[AttemptKey; 8]> = live.map(|(attempt, _)| *attempt).collect();
        live.sort_unstable();
        live
    }
}

/// Sets the timer of a tool without hosts to when the first call gives up.
pub(crate) fn arm_hostless(timers: &mut Timers, tool: &mut ToolState, name: ToolKey) {
    if let Some(&(gives_up, _)) = tool.hostless.front()
        && tool.timer.is_none_or(|armed| gives_up < timers.at(armed))
    {
        timers.arm(&mut tool.timer, gives_up, Timer::Tool(name));
    }
}
