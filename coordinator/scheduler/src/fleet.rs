//! Workers coming, being heard, going silent and leaving, and what that does to their attempts.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    Action, AttemptFailure, AttemptKey, EvictReason, SessionEnd, SessionKey, Time, ToolKey, WorkerKey,
    WorkerSpec,
    attempt::failed,
    cluster::Cluster,
    execution::Executions,
    worker::{Link, Occupancy, OccupancyState, Standing, Worker},
};

/// A worker opened a session: a new worker, or one that came back.
pub(crate) fn joined(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (session, spec, in_flight): (SessionKey, WorkerSpec, Vec<AttemptKey>),
    out: &mut Vec<Action>,
) {
    let key = spec.worker;
    let tools = sorted(spec.tools);
    match cluster.workers.get(&key).map(Worker::session) {
        Some(old) => {
            if let Some(old) = old {
                break_session(cluster, now, key);
                cluster.sessions.remove(&old);
                out.push(Action::EvictWorker {
                    session: old,
                    reason: EvictReason::Superseded,
                });
            }
            change_tools(cluster, now, key, tools);
        }
        None => add(cluster, now, key, tools),
    }
    cluster.sessions.insert(session, key);
    if let Some(worker) = cluster.workers.get_mut(&key) {
        // One that came back has not shown that it hears: its silence goes on until a heartbeat of this session, or
        // a worker that nobody reaches would keep its calls for as long as it dials.
        worker.link = Link::Attached {
            session,
            suspect: worker.seen_at + cluster.config.suspect_after <= now,
        };
        worker.slots = spec.slots;
        // Draining is a property of the worker: to come back does not end it.
        worker.draining |= spec.draining;
        worker.joined_at = now;
        worker.dispatches = 0;
        // What is still to be stopped is told again, and has its time again.
        worker.aborts.clear();
    }
    reconcile(
        cluster,
        executions,
        now,
        key,
        (&in_flight, u64::MAX, Unlisted::NeverRead),
        out,
    );
    settle_worker(cluster, now, key);
}

/// A worker that was not known.
fn add(cluster: &mut Cluster, now: Time, key: WorkerKey, tools: Vec<ToolKey>) {
    let pool = cluster.pools.join(key, tools, &mut cluster.tools);
    let worker = Worker {
        key,
        link: Link::Detached {
            since: now,
            graced: false,
        },
        slots: 0,
        draining: false,
        pool,
        listed_free: false,
        listed_host: false,
        occupied: FxHashMap::default(),
        aborts: VecDeque::new(),
        watched: None,
        by_tool: FxHashMap::default(),
        dispatches: 0,
        joined_at: now,
        seen_at: now,
        standing: Standing::Good { faults: 0 },
        timer: None,
    };
    cluster.workers.insert(key, worker);
}

/// What it means that a worker does not list an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unlisted {
    /// It came back and lists all it has: a dispatch of which it never showed a sign did not reach it.
    NeverRead,
    /// It had read the dispatch and has lost the attempt.
    Lost,
}

/// Brings what is thought to be at a worker in line with what it says is there. Only dispatches up to `read` count.
fn reconcile(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: WorkerKey,
    (in_flight, read, unlisted): (&[AttemptKey], u64, Unlisted),
    out: &mut Vec<Action>,
) {
    let listed: FxHashSet<AttemptKey> = in_flight.iter().copied().collect();
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    let session = worker.session();
    let mut missing: Vec<(AttemptKey, OccupancyState, AttemptFailure)> = Vec::new();
    for (attempt, occupancy) in &mut worker.occupied {
        if !listed.contains(attempt) && occupancy.sequence <= read {
            // What was known to be there was read, whatever the worker says by leaving it out.
            let never_read = unlisted == Unlisted::NeverRead && occupancy.sequence > 0;
            let failure = if never_read {
                AttemptFailure::Refused
            } else {
                AttemptFailure::WorkerLost
            };
            missing.push((*attempt, occupancy.state, failure));
        } else if unlisted == Unlisted::NeverRead || occupancy.sequence <= read {
            // It is known to be there: from now on the worker must list it, on this session and on later ones.
            occupancy.sequence = 0;
        }
    }
    missing.sort_unstable_by_key(|(attempt, ..)| *attempt);
    for attempt in in_flight {
        let known = worker.occupied.get(attempt).map(|occupancy| occupancy.state);
        let repeat = unlisted == Unlisted::NeverRead;
        match known {
            Some(OccupancyState::Live) => {}
            Some(OccupancyState::Aborting) if !repeat => {}
            // Nobody waits for it, but it takes a slot until it has stopped.
            None | Some(OccupancyState::Aborting) => {
                let zombie = Occupancy {
                    state: OccupancyState::Aborting,
                    sequence: 0,
                    counted: None,
                };
                worker.occupied.entry(*attempt).or_insert(zombie);
                worker
                    .aborts
                    .push_back((now + cluster.config.abort_confirmation, *attempt));
                out.extend(session.map(|session| Action::Abort {
                    session,
                    attempt: *attempt,
                }));
            }
        }
    }
    // All slots first: what the failure of one ends (fail-fast) must not be aborted where it never was.
    for (attempt, ..) in &missing {
        cluster.release(key, *attempt, executions);
    }
    for (attempt, state, failure) in missing {
        if state == OccupancyState::Live {
            if failure == AttemptFailure::WorkerLost
                && let Some(worker) = cluster.workers.get_mut(&key)
            {
                worker.count_fault(now, &cluster.config);
            }
            failed(cluster, executions, now, attempt, failure, out);
        }
    }
}

/// A heartbeat.
pub(crate) fn seen(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (session, in_flight, read): (SessionKey, Vec<AttemptKey>, u64),
    out: &mut Vec<Action>,
) {
    let Some(&key) = cluster.sessions.get(&session) else {
        return;
    };
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    worker.seen_at = now;
    worker.link = Link::Attached {
        session,
        suspect: false,
    };
    reconcile(
        cluster,
        executions,
        now,
        key,
        (&in_flight, read, Unlisted::Lost),
        out,
    );
    settle_worker(cluster, now, key);
}

/// The worker of a session hosts other tools than before.
pub(crate) fn tools_changed(cluster: &mut Cluster, now: Time, session: SessionKey, tools: Vec<ToolKey>) {
    let Some(&key) = cluster.sessions.get(&session) else {
        return;
    };
    change_tools(cluster, now, key, sorted(tools));
    settle_worker(cluster, now, key);
}

/// The worker of a session divides its slots otherwise. What runs there keeps what it has taken.
pub(crate) fn slots_changed(cluster: &mut Cluster, now: Time, session: SessionKey, slots: u32) {
    let Some(&key) = cluster.sessions.get(&session) else {
        return;
    };
    if let Some(worker) = cluster.workers.get_mut(&key) {
        worker.slots = slots;
        settle_worker(cluster, now, key);
    }
}

/// Moves a worker into the pool of its new tools.
fn change_tools(cluster: &mut Cluster, now: Time, key: WorkerKey, tools: Vec<ToolKey>) {
    let Some(worker) = cluster.workers.get(&key) else {
        return;
    };
    if cluster.pools.tools_of(worker.pool) == tools {
        return;
    }
    leave_pool(cluster, now, key);
    let pool = cluster.pools.join(key, tools, &mut cluster.tools);
    if let Some(worker) = cluster.workers.get_mut(&key) {
        worker.pool = pool;
    }
}

/// Takes a worker out of its pool, as a host of nothing.
fn leave_pool(cluster: &mut Cluster, now: Time, key: WorkerKey) {
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    let tools = cluster.pools.tools_of(worker.pool).to_vec();
    let link = std::mem::replace(
        &mut worker.link,
        Link::Detached {
            since: now,
            graced: false,
        },
    );
    cluster.refresh(key);
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    worker.link = link;
    cluster.pools.leave(worker, &mut cluster.tools);
    cluster.start_hostless_waits(now, &tools);
    for tool in tools {
        cluster.forget_vacant_tool(tool);
    }
}

/// A worker drains, or takes dispatches again.
pub(crate) fn draining(cluster: &mut Cluster, now: Time, key: WorkerKey, draining: bool) {
    if let Some(worker) = cluster.workers.get_mut(&key) {
        worker.draining = draining;
        settle_worker(cluster, now, key);
    }
}

/// A session ended.
pub(crate) fn lost(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (session, end): (SessionKey, SessionEnd),
    out: &mut Vec<Action>,
) {
    let Some(key) = cluster.sessions.remove(&session) else {
        return;
    };
    match end {
        SessionEnd::Broken => detach(cluster, now, key),
        SessionEnd::Goodbye => forget(cluster, executions, now, key, Left::Goodbye, out),
    }
}

/// The process of a worker is gone, whether a session of it was open or not.
pub(crate) fn gone(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: WorkerKey,
    out: &mut Vec<Action>,
) {
    if cluster.workers.contains_key(&key) {
        forget(cluster, executions, now, key, Left::Lost, out);
    }
}

/// The stream broke: the worker has its grace to come back, and what runs there goes on.
fn detach(cluster: &mut Cluster, now: Time, key: WorkerKey) {
    break_session(cluster, now, key);
    if let Some(worker) = cluster.workers.get_mut(&key) {
        worker.link = Link::Detached {
            since: now,
            graced: true,
        };
        settle_worker(cluster, now, key);
    }
}

fn break_session(cluster: &mut Cluster, now: Time, key: WorkerKey) {
    if let Some(worker) = cluster.workers.get_mut(&key) {
        worker.count_break(now, &cluster.config);
    }
}

/// How a worker left that will not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It had reported the end of every attempt that it had read of.
    Goodbye,
    Lost,
}

/// The worker will not come back: its attempts are given up, and nothing of it is kept.
fn forget(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: WorkerKey,
    left: Left,
    out: &mut Vec<Action>,
) {
    leave_pool(cluster, now, key);
    let live = cluster.live_attempts(key);
    let Some(mut worker) = cluster.workers.remove(&key) else {
        return;
    };
    if let Some(session) = worker.session() {
        cluster.sessions.remove(&session);
    }
    cluster.timers.cancel(&mut worker.timer);
    let mut counted: Vec<_> = worker
        .occupied
        .iter()
        .filter_map(|(attempt, o)| o.counted.map(|counted| (*attempt, counted)))
        .collect();
    counted.sort_unstable_by_key(|(attempt, _)| *attempt);
    for (attempt, counted) in counted {
        cluster.uncount(counted, executions.get_mut(&attempt.call.execution));
    }
    out.push(Action::ForgetWorker { worker: key });
    cluster.dirty = true;
    for attempt in live {
        // A dispatch that crossed the goodbye: it was never read, or its end would have been reported.
        let sent = worker
            .occupied
            .get(&attempt)
            .is_some_and(|occupancy| occupancy.sequence > 0);
        let failure = match left {
            Left::Goodbye if sent => AttemptFailure::Refused,
            Left::Goodbye | Left::Lost => AttemptFailure::WorkerLost,
        };
        failed(cluster, executions, now, attempt, failure, out);
    }
}

/// The timer of a worker fired: one of suspicion, lease, grace, unconfirmed aborts, ejection is due, or none yet.
pub(crate) fn worker_timer(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: WorkerKey,
    out: &mut Vec<Action>,
) {
    let config = cluster.config.clone();
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    worker.timer = None;
    if let Standing::Ejected { until, ejections } = worker.standing
        && until <= now
    {
        worker.standing = Standing::Probation { ejections };
    }
    if worker.watched.is_some_and(|(_, until)| until <= now) {
        worker.watched = None;
    }
    if worker.seen_at + config.lease <= now {
        if let Some(session) = worker.session() {
            out.push(Action::EvictWorker {
                session,
                reason: EvictReason::LeaseExpired,
            });
        }
        forget(cluster, executions, now, key, Left::Lost, out);
        return;
    }
    match worker.link {
        Link::Attached {
            session,
            suspect: false,
        } if worker.seen_at + config.suspect_after <= now => {
            worker.link = Link::Attached {
                session,
                suspect: true,
            };
            cluster.dirty = true;
        }
        Link::Detached { since, graced: true } if since + config.reconnect_grace <= now => {
            worker.link = Link::Detached { since, graced: false };
            give_up_safe(cluster, executions, now, key, out);
        }
        _ => {}
    }
    evict_unconfirmed(cluster, now, key, out);
    settle_worker(cluster, now, key);
}

/// The grace is over: calls that are safe to repeat go elsewhere; the slots stay with the worker, should it come back.
fn give_up_safe(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: WorkerKey,
    out: &mut Vec<Action>,
) {
    for attempt in cluster.live_attempts(key) {
        let call = executions
            .get_mut(&attempt.call.execution)
            .and_then(|e| e.call(attempt.call.index));
        if call.is_some_and(|call| call.safe_to_repeat) {
            cluster.orphan(key, attempt, executions);
            failed(cluster, executions, now, attempt, AttemptFailure::WorkerLost, out);
        }
    }
}

/// A worker that does not confirm an abort in time is cut off; it may come back with what it has.
fn evict_unconfirmed(cluster: &mut Cluster, now: Time, key: WorkerKey, out: &mut Vec<Action>) {
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    let Some(session) = worker.session() else { return };
    let mut overdue = false;
    while let Some(&(due, attempt)) = worker.aborts.front() {
        let unconfirmed = worker
            .occupied
            .get(&attempt)
            .is_some_and(|o| o.state == OccupancyState::Aborting);
        if due > now && unconfirmed {
            break;
        }
        worker.aborts.pop_front();
        overdue |= unconfirmed;
    }
    if overdue {
        cluster.sessions.remove(&session);
        out.push(Action::EvictWorker {
            session,
            reason: EvictReason::AbortUnconfirmed,
        });
        detach(cluster, now, key);
    }
}

/// Brings lists and timer of a worker in line with its state.
fn settle_worker(cluster: &mut Cluster, now: Time, key: WorkerKey) {
    cluster.look_again = true;
    cluster.refresh(key);
    cluster.arm_worker(key);
    // A worker that fell away may leave its calls to one that they avoided.
    cluster.dirty = true;
    if let Some(worker) = cluster.workers.get(&key)
        && !worker.listed_host
    {
        let tools = cluster.pools.tools_of(worker.pool).to_vec();
        cluster.start_hostless_waits(now, &tools);
    }
}

fn sorted(mut tools: Vec<ToolKey>) -> Vec<ToolKey> {
    tools.sort_unstable();
    tools.dedup();
    tools
}
