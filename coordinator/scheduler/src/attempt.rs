//! Attempts: from a ready call and a free slot to the attempt's end, and whether another follows.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use smallvec::SmallVec;

use crate::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, AttemptRecord, CallKey, Cause, Outcome, SessionKey, Time,
    WorkerKey,
    cluster::Cluster,
    execution::{CallState, Executions},
    lifecycle::{Steps, abort, settle},
    pool::Pool,
    queue::{Head, QueueKey},
    retry,
    timers::Timer,
    worker::{Counted, OccupancyState},
};

/// Gives ready calls to free slots, best call first, until nothing fits.
pub(crate) fn dispatch(cluster: &mut Cluster, executions: &mut Executions, now: Time, out: &mut Vec<Action>) {
    if !std::mem::take(&mut cluster.dirty) {
        return;
    }
    let queues: SmallVec<[QueueKey; 16]> = cluster.queues.keys().collect();
    let mut heads: BinaryHeap<Head> = queues
        .into_iter()
        .filter_map(|queue| open_head(cluster, executions, now, queue))
        .collect();
    while let Some(head) = heads.pop() {
        // What was dispatched since may have closed this queue, or let another execution pass.
        let Some(current) = open_head(cluster, executions, now, head.lane.queue) else {
            continue;
        };
        if current < head {
            heads.push(current);
            continue;
        }
        let Some(worker) = choose_worker(cluster, current.lane.queue) else {
            continue;
        };
        start(cluster, executions, now, current, worker, out);
        heads.extend(open_head(cluster, executions, now, current.lane.queue));
    }
    // Nothing above opens what was closed; only events do.
    cluster.dirty = false;
}

/// The best call of a queue, if it may start now.
fn open_head(cluster: &mut Cluster, executions: &mut Executions, now: Time, key: QueueKey) -> Option<Head> {
    if cluster.in_flight >= cluster.config.max_in_flight {
        return None;
    }
    let queue = cluster.queues.queue(key)?;
    let name = queue.tool;
    let tool = cluster.tools.get(&name)?;
    if !tool.below_limit() {
        return None;
    }
    // Without a worker nothing waits for rate or pause: a worker that comes brings the queue back here.
    has_worker(cluster, key).then_some(())?;
    if let Some(opens) = cluster.tools.get(&name)?.opens_at(now) {
        cluster.arm_opening(name, opens);
        return None;
    }
    cluster
        .queues
        .head(key, now, cluster.config.aging, executions, &cluster.tenants)
}

/// Some worker could take a call of this queue.
fn has_worker(cluster: &Cluster, key: QueueKey) -> bool {
    let Some(queue) = cluster.queues.queue(key) else {
        return false;
    };
    let Some(tool) = cluster.tools.get(&queue.tool) else {
        return false;
    };
    if queue.avoids.is_empty() && tool.per_worker().is_none() {
        return pools_of(cluster, key).any(|pool| !pool.free.is_empty());
    }
    !candidates(cluster, key).is_empty()
}

/// The less loaded of two free workers picked at random.
fn choose_worker(cluster: &mut Cluster, key: QueueKey) -> Option<WorkerKey> {
    let queue = cluster.queues.queue(key)?;
    let tool = cluster.tools.get(&queue.tool)?;
    if !queue.avoids.is_empty() || tool.per_worker().is_some() {
        let candidates = candidates(cluster, key);
        let (a, b) = two_of(&mut cluster.rng, candidates.len())?;
        return Some(less_loaded(cluster, candidates[a], candidates[b]));
    }
    let free = pools_of(cluster, key).map(|pool| pool.free.len()).sum();
    let (a, b) = two_of(&mut cluster.rng, free)?;
    let at = |mut index: usize| {
        for pool in pools_of(cluster, key) {
            match pool.free.get(index) {
                Some(worker) => return Some(*worker),
                None => index -= pool.free.len(),
            }
        }
        None
    };
    Some(less_loaded(cluster, at(a)?, at(b)?))
}

/// Free workers for a queue whose calls avoid some, or whose tool is limited on each worker. Those that are
/// avoided count only where no other healthy worker hosts the tool.
fn candidates(cluster: &Cluster, key: QueueKey) -> SmallVec<[WorkerKey; 8]> {
    let Some(queue) = cluster.queues.queue(key) else {
        return SmallVec::new();
    };
    let limit = cluster.tools.get(&queue.tool).and_then(|tool| tool.per_worker());
    let below_limit = |worker: &WorkerKey| {
        let here = cluster
            .workers
            .get(worker)
            .and_then(|worker| worker.by_tool.get(&queue.tool));
        limit.is_none_or(|limit| here.copied().unwrap_or(0) < limit)
    };
    let avoided = |worker: &WorkerKey| queue.avoids.binary_search(worker).is_ok();
    let mut others = pools_of(cluster, key)
        .flat_map(|pool| &pool.members)
        .filter(|worker| !avoided(worker));
    let choice = others.any(|worker| {
        cluster
            .workers
            .get(worker)
            .is_some_and(|worker| worker.is_healthy())
    });
    let free = pools_of(cluster, key).flat_map(|pool| &pool.free);
    free.filter(|worker| below_limit(worker) && !(choice && avoided(worker)))
        .copied()
        .collect()
}

fn pools_of(cluster: &Cluster, key: QueueKey) -> impl Iterator<Item = &Pool> {
    let queue = cluster.queues.queue(key);
    let tool = queue.and_then(|queue| cluster.tools.get(&queue.tool));
    tool.into_iter()
        .flat_map(|tool| &tool.pools)
        .filter_map(|pool| cluster.pools.pool(*pool))
}

/// Two indices below `n`, different ones where there are two.
fn two_of(rng: &mut fastrand::Rng, n: usize) -> Option<(usize, usize)> {
    match n {
        0 => None,
        1 => Some((0, 0)),
        _ => {
            let a = rng.usize(..n);
            let b = rng.usize(..n - 1);
            Some((a, if b >= a { b + 1 } else { b }))
        }
    }
}

fn less_loaded(cluster: &Cluster, a: WorkerKey, b: WorkerKey) -> WorkerKey {
    // in flight ÷ slots, compared without dividing
    let load = |key: WorkerKey| {
        cluster
            .workers
            .get(&key)
            .map_or((1, 1), |worker| (worker.in_flight(), worker.slots))
    };
    let ((a_in_flight, a_slots), (b_in_flight, b_slots)) = (load(a), load(b));
    let b_is_less = u64::from(b_in_flight) * u64::from(a_slots) < u64::from(a_in_flight) * u64::from(b_slots);
    if b_is_less { b } else { a }
}

/// Dispatches a call.
fn start(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    head: Head,
    worker: WorkerKey,
    out: &mut Vec<Action>,
) {
    let Some(session) = cluster.workers.get(&worker).and_then(|worker| worker.session()) else {
        return;
    };
    let Some(execution) = executions.get_mut(&head.call.execution) else {
        return;
    };
    cluster.dequeue(execution, head.call.index, head.lane, true);
    cluster.queued_calls -= 1;
    cluster.tenants.take_turn(head.tenant, &mut execution.turn);
    execution.in_flight += 1;
    let Some(call) = execution.call(head.call.index) else {
        return;
    };
    let number = call.attempts.last().map_or(1, |last| last.number + 1);
    let attempt = AttemptKey {
        call: head.call,
        number,
    };
    call.charged += 1;
    call.attempts.push(AttemptRecord {
        number,
        worker,
        dispatched_at: now,
        started_at: None,
        ended_at: None,
        failure: None,
    });
    call.state = CallState::InFlight {
        attempt: number,
        worker,
    };
    let due = now + call.timeout + cluster.config.timeout_slack;
    cluster.timers.arm(&mut call.timer, due, Timer::Call(head.call));
    let (timeout, safe_to_repeat, tool) = (call.timeout, call.safe_to_repeat, call.tool);
    let counted = Counted {
        execution: head.call.execution,
        tenant: head.tenant,
        tool,
    };
    cluster.occupy(now, worker, attempt, counted);
    out.push(Action::Dispatch {
        session,
        attempt,
        timeout,
        safe_to_repeat,
    });
}

/// The worker says that an attempt began.
pub(crate) fn started(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    session: SessionKey,
    attempt: AttemptKey,
    out: &mut Vec<Action>,
) {
    let Some(&worker) = cluster.sessions.get(&session) else {
        return;
    };
    let Some(call) = executions
        .get_mut(&attempt.call.execution)
        .and_then(|e| e.call(attempt.call.index))
    else {
        return;
    };
    if !call.is_current(attempt, worker) {
        return;
    }
    let Some(record) = call
        .attempts
        .last_mut()
        .filter(|record| record.started_at.is_none())
    else {
        return;
    };
    record.started_at = Some(now);
    if let Some(worker) = cluster.workers.get_mut(&worker)
        && let Some(occupancy) = worker.occupied.get_mut(&attempt)
    {
        // Known to be there.
        occupancy.sequence = 0;
    }
    let due = now + call.timeout + cluster.config.timeout_slack;
    cluster
        .timers
        .arm(&mut call.timer, due, Timer::Call(attempt.call));
    out.push(Action::Started { attempt, worker });
}

/// The worker says that an attempt ended.
pub(crate) fn finished(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (session, attempt, end): (SessionKey, AttemptKey, AttemptEnd),
    out: &mut Vec<Action>,
) {
    let worker = cluster.sessions.get(&session).copied();
    let occupancy = worker
        .and_then(|worker| cluster.workers.get(&worker))
        .and_then(|worker| worker.occupied.get(&attempt))
        .map(|occupancy| occupancy.state);
    let (Some(worker), Some(state)) = (worker, occupancy) else {
        out.push(Action::Late { attempt, session });
        return;
    };
    count_health(cluster, now, worker, end);
    cluster.release(worker, attempt, executions);
    cluster.arm_worker(worker);
    if state == OccupancyState::Aborting {
        if end != AttemptEnd::Failed(AttemptFailure::Aborted) {
            out.push(Action::Late { attempt, session });
        }
        return;
    }
    match end {
        AttemptEnd::Succeeded => {
            let Some(call) = executions
                .get_mut(&attempt.call.execution)
                .and_then(|e| e.call(attempt.call.index))
            else {
                return;
            };
            call.close_attempt(now, None);
            let steps = Steps::end(attempt.call.index, Outcome::Succeeded, Cause::None);
            settle(cluster, executions, now, attempt.call.execution, steps, out);
        }
        AttemptEnd::Failed(failure) => failed(cluster, executions, now, attempt, failure, out),
    }
}

/// Counts what the end of an attempt says of its worker: never a tool's own error.
fn count_health(cluster: &mut Cluster, now: Time, key: WorkerKey, end: AttemptEnd) {
    let Some(worker) = cluster.workers.get_mut(&key) else {
        return;
    };
    match end {
        AttemptEnd::Failed(
            AttemptFailure::BrokenContract | AttemptFailure::Refused | AttemptFailure::WorkerLost,
        ) => {
            if worker.count_fault(now, &cluster.config) {
                cluster.refresh(key);
            }
        }
        AttemptEnd::Succeeded | AttemptEnd::Failed(AttemptFailure::ToolError { .. }) => worker.count_good(),
        AttemptEnd::Failed(
            AttemptFailure::Aborted | AttemptFailure::TimedOut | AttemptFailure::ResultTooLarge,
        ) => {}
    }
}

/// The current attempt of a call failed; its slot is free, or is being freed. Another follows, or the call ends.
pub(crate) fn failed(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    attempt: AttemptKey,
    failure: AttemptFailure,
    out: &mut Vec<Action>,
) {
    let Some(execution) = executions.get_mut(&attempt.call.execution) else {
        return;
    };
    let deadline = execution.deadline;
    let Some(call) = execution.call(attempt.call.index) else {
        return;
    };
    let CallState::InFlight {
        attempt: number,
        worker,
    } = call.state
    else {
        return;
    };
    debug_assert_eq!(number, attempt.number, "only the current attempt fails");
    call.close_attempt(now, Some(failure));
    call.avoid(worker);
    let attempts_left = call.charged < call.retry.max_attempts;
    let cause = Cause::Attempt { failure };
    let mut wait = Duration::ZERO;
    let end = match failure {
        AttemptFailure::Refused => {
            call.charged -= 1;
            call.refusals += 1;
            if call.refusals > 1 {
                wait = retry::backoff(&call.retry, call.refusals - 1, &mut cluster.rng);
            }
            (call.refusals > cluster.config.max_refusals).then_some((Outcome::Unavailable, cause))
        }
        AttemptFailure::ToolError {
            retryable,
            retry_after,
        } => {
            wait = retry::backoff(&call.retry, call.charged, &mut cluster.rng)
                .max(retry_after.unwrap_or_default());
            if let (true, Some(pause), Some(tool)) =
                (retryable, retry_after, cluster.tools.get_mut(&call.tool))
            {
                tool.paused_until = tool.paused_until.max(now + pause);
            }
            (!retryable || !attempts_left).then_some((Outcome::Failed, cause))
        }
        AttemptFailure::BrokenContract | AttemptFailure::ResultTooLarge => Some((Outcome::Failed, cause)),
        AttemptFailure::TimedOut => {
            (!call.safe_to_repeat || !attempts_left).then_some((Outcome::TimedOut, cause))
        }
        AttemptFailure::WorkerLost | AttemptFailure::Aborted => {
            call.losses += u32::from(failure == AttemptFailure::WorkerLost);
            if !call.safe_to_repeat {
                Some((Outcome::Unknown, cause))
            } else if call.losses >= cluster.config.max_losses {
                Some((Outcome::Failed, Cause::Poison { losses: call.losses }))
            } else {
                (!attempts_left).then_some((Outcome::Unavailable, cause))
            }
        }
    };
    // An attempt that cannot end before the deadline is not begun; the call says what it failed with.
    let late = (now + wait >= deadline).then_some((outcome_of(failure), cause));
    match end.or(late) {
        Some((outcome, cause)) => {
            let steps = Steps::end(attempt.call.index, outcome, cause);
            settle(cluster, executions, now, attempt.call.execution, steps, out);
        }
        None => try_again(cluster, executions, now, (attempt, failure, wait), out),
    }
}

/// How a call ends whose last attempt failed so.
fn outcome_of(failure: AttemptFailure) -> Outcome {
    match failure {
        AttemptFailure::ToolError { .. }
        | AttemptFailure::BrokenContract
        | AttemptFailure::ResultTooLarge => Outcome::Failed,
        AttemptFailure::TimedOut => Outcome::TimedOut,
        AttemptFailure::Refused | AttemptFailure::WorkerLost | AttemptFailure::Aborted => {
            Outcome::Unavailable
        }
    }
}

/// Another attempt follows, at once or after a wait.
fn try_again(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (attempt, failure, backoff): (AttemptKey, AttemptFailure, Duration),
    out: &mut Vec<Action>,
) {
    out.push(Action::Retry {
        attempt,
        failure,
        backoff,
    });
    let Some(execution) = executions.get_mut(&attempt.call.execution) else {
        return;
    };
    cluster.queued_calls += 1;
    let Some(call) = execution.call(attempt.call.index) else {
        return;
    };
    cluster.timers.cancel(&mut call.timer, Timer::Call(attempt.call));
    if backoff.is_zero() {
        cluster.enqueue(now, execution, attempt.call.index);
    } else {
        call.state = CallState::Backoff;
        cluster
            .timers
            .arm(&mut call.timer, now + backoff, Timer::Call(attempt.call));
    }
}

/// The timer of a call fired: its attempt timed out, its backoff is over, or it waited too long.
pub(crate) fn call_timer(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: CallKey,
    out: &mut Vec<Action>,
) {
    let Some(execution) = executions.get_mut(&key.execution) else {
        return;
    };
    let Some(call) = execution.call(key.index) else {
        return;
    };
    call.timer = None;
    match call.state {
        CallState::InFlight { attempt, worker } => {
            let attempt = AttemptKey {
                call: key,
                number: attempt,
            };
            abort(cluster, now, worker, attempt, out);
            failed(cluster, executions, now, attempt, AttemptFailure::TimedOut, out);
        }
        CallState::Backoff => cluster.enqueue(now, execution, key.index),
        CallState::Ready { .. } => {
            let timeout = call.queue_timeout.unwrap_or_default();
            let steps = Steps::end(key.index, Outcome::Unavailable, Cause::QueueTimeout { timeout });
            settle(cluster, executions, now, key.execution, steps, out);
        }
        CallState::Waiting | CallState::Undeclared | CallState::Resolving | CallState::Ended => {
            debug_assert!(false, "a call in this state has no timer");
        }
    }
}

/// The timer of a tool fired: calls that waited too long for a host end; what the rate or a pause held may start.
pub(crate) fn tool_timer(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    name: crate::ToolKey,
    out: &mut Vec<Action>,
) {
    cluster.dirty = true;
    let Some(tool) = cluster.tools.get_mut(&name) else {
        return;
    };
    tool.timer = None;
    let mut given_up = BinaryHeap::new();
    while let Some(&(gives_up, call)) = tool.hostless.front() {
        if gives_up > now {
            break;
        }
        tool.hostless.pop_front();
        given_up.push(Reverse(call));
    }
    crate::cluster::arm_hostless(&mut cluster.timers, tool, name);
    while let Some(Reverse(key)) = given_up.pop() {
        let Some(call) = executions.get_mut(&key.execution).and_then(|e| e.call(key.index)) else {
            continue;
        };
        if matches!(call.state, CallState::Ready { .. }) {
            let waited = cluster.config.worker_wait;
            let steps = Steps::end(key.index, Outcome::Unavailable, Cause::NoWorker { waited });
            settle(cluster, executions, now, key.execution, steps, out);
        }
    }
}
